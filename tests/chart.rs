//! The Helm chart, as helm renders it: what it takes and refuses, which rights it asks for, and that
//! what is written from elsewhere is up to date.
//!
//! Needs helm, whose path is in `HELM` (`make chart-test`); without it the tests say that they were
//! skipped, and in CI they fail. `UPDATE_CHART=1` (`make chart-files`) writes what is generated anew.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs, io};

use serde_json::Value;

const CHART: &str = "charts/pilothouse";
/// Between these stands the table of values in the chart's README.
const BEGIN: &str = "<!-- values: begin; written by `make chart-files` -->\n";
const END: &str = "<!-- values: end -->\n";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Compares a generated file, or writes it.
fn check_file(path: &str, text: &str) {
    if env::var_os("UPDATE_CHART").is_some() {
        fs::write(root().join(path), text).expect("a file that may be written");
    }
    let file = fs::read_to_string(root().join(path)).unwrap_or_default();
    // Not assert_eq: two files side by side would fill a thousand lines.
    assert!(file == text, "{path} is out of date: `make chart-files`");
}

/// Where helm is. `None`: nowhere, and a person has been told so.
fn helm() -> Option<OsString> {
    let helm = env::var_os("HELM").filter(|path| !path.is_empty());
    if helm.is_none() {
        let message = "HELM is not set; run `make chart-test`, which builds it";
        assert!(env::var_os("CI").is_none_or(|ci| ci.is_empty()), "{message}");
        // Not `eprintln!`, whose text the test runner keeps for tests that fail.
        let _ = writeln!(io::stderr(), "SKIPPED, needs helm: {message}");
    }
    helm
}

fn run(helm: &OsString, arguments: &[&str]) -> Output {
    let mut command = Command::new(helm);
    // Nothing of the user's own: neither plugins nor repositories, and no cluster.
    for variable in ["HELM_CONFIG_HOME", "HELM_CACHE_HOME", "HELM_DATA_HOME"] {
        command.env(variable, env!("CARGO_TARGET_TMPDIR"));
    }
    command.env("KUBECONFIG", "/dev/null").current_dir(root()).args(arguments);
    command.output().expect("helm can be executed")
}

#[track_caller]
fn rendered(helm: &OsString, arguments: &[&str]) -> String {
    let all = [&["template", "pilothouse", CHART, "--namespace", "pilothouse"], arguments].concat();
    let output = run(helm, &all);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("helm prints UTF-8")
}

#[track_caller]
fn objects(text: &str) -> Vec<Value> {
    let documents = text.split("\n---\n").map(|document| document.trim_start_matches("---\n"));
    let parse = |document: &str| {
        serde_saphyr::from_str::<Value>(document)
            .unwrap_or_else(|error| panic!("{error}\n{document}"))
    };
    documents.map(parse).filter(Value::is_object).collect()
}

/// Files of values that helm is given, and none.
fn value_files() -> Vec<Option<PathBuf>> {
    let folder = fs::read_dir(root().join(CHART).join("ci")).expect("files of values");
    let files = folder.map(|entry| Some(entry.expect("a readable entry").path()));
    std::iter::once(None).chain(files).collect()
}

fn given(file: Option<&PathBuf>) -> Vec<&str> {
    file.map_or_else(Vec::new, |file| vec!["--values", file.to_str().expect("UTF-8")])
}

fn of_kind<'o>(objects: &'o [Value], kind: &str) -> Vec<&'o Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

#[track_caller]
fn workload(objects: &[Value]) -> &Value {
    let workload = objects.iter().find(|object| object["spec"]["template"].is_object());
    workload.expect("a Deployment or DaemonSet")
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[test]
fn its_definitions_are_those_of_the_binary() {
    let folder = |path: &str| -> BTreeMap<String, String> {
        let entries = fs::read_dir(root().join(path)).expect("a folder of definitions");
        let paths = entries.map(|entry| entry.expect("a readable entry").path());
        let name = |path: &Path| path.file_name().expect("a file").to_string_lossy().into_owned();
        paths.map(|path| (name(&path), read(&path))).collect()
    };
    let definitions = folder("crds");
    for (name, text) in &definitions {
        check_file(&format!("{CHART}/files/crds/{name}"), text);
    }
    let copied: BTreeSet<String> = folder(&format!("{CHART}/files/crds")).into_keys().collect();
    assert_eq!(copied, definitions.keys().cloned().collect(), "files that are no longer there");
}

#[test]
fn its_version_is_that_of_the_binary() {
    let chart: Value = serde_saphyr::from_str(&read(format!("{CHART}/Chart.yaml"))).expect("YAML");
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

/// The values with their defaults and comments, in the order of the file.
fn table() -> String {
    let mut table = "| value | default | |\n|---|---|---|\n".to_owned();
    let (mut section, mut comment) = (String::new(), Vec::new());
    for line in read(format!("{CHART}/values.yaml")).lines() {
        let text = line.trim_start();
        if let Some(words) = text.strip_prefix("# ") {
            comment.push(words);
        } else if text.is_empty() {
            comment.clear();
        } else {
            let (key, default) = text.split_once(':').expect("a value");
            let nested = text.len() < line.len();
            if default.is_empty() {
                assert!(!nested, "{key}: values lie one level deep at most");
                key.clone_into(&mut section);
            } else {
                assert!(!comment.is_empty(), "{key} has no comment");
                let name = if nested { format!("{section}.{key}") } else { key.to_owned() };
                let words = comment.join(" ").replace('|', "\\|");
                writeln!(table, "| `{name}` | `{}` | {words} |", default.trim())
                    .expect("a string takes all");
            }
            comment.clear();
        }
    }
    table
}

#[test]
fn its_readme_has_every_value() {
    let path = format!("{CHART}/README.md");
    let readme = read(&path);
    let (before, rest) = readme.split_once(BEGIN).expect("the table begins");
    let (_, after) = rest.split_once(END).expect("the table ends");
    check_file(&path, &format!("{before}{BEGIN}{}{END}{after}", table()));
}

#[test]
fn it_passes_helms_own_checks() {
    let Some(helm) = helm() else { return };
    for file in value_files() {
        let arguments = [vec!["lint", "--strict", "--quiet", CHART], given(file.as_ref())].concat();
        let output = run(&helm, &arguments);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{file:?}: {said}");
    }
}

#[test]
fn it_refuses_what_it_does_not_know_and_what_contradicts_itself() {
    let Some(helm) = helm() else { return };
    let refused = [
        ("replica=3", "replica"),
        ("gateway.watchNamespace={a}", "watchNamespace"),
        ("image.tags=1", "tags"),
        ("kind=StatefulSet", "/kind"),
        ("replicas=two", "/replicas"),
        ("drain.delay=5", "/drain/delay"),
        ("drain.timeout=5min", "/drain/timeout"),
        ("gateway.fetchMedia=Public", "/gateway/fetchMedia"),
        ("gateway.maxBodySize=a lot", "/gateway/maxBodySize"),
        ("gateway.allowUpstreamCIDRs={10.0.0.1}", "/gateway/allowUpstreamCIDRs"),
        ("rbac.secrets=None", "/rbac/secrets"),
        ("secrets.labelSelector=use>1", "/secrets/labelSelector"),
        ("secrets.watch=All", "/secrets/watch"),
        (
            "secrets.watch=Labelled,rbac.secrets=Listed,rbac.secretsListed[0].namespace=a,rbac.secretsListed[0].names={b}",
            "secrets.watch",
        ),
        ("readinessProbe.path=/", "path"),
        ("admin.port=8080", "/admin/port"),
        ("rbac.secretsListed[0].namespace=a", "rbac.secretsListed"),
        (
            "rbac.secrets=Listed,rbac.secretsListed[0].namespace=a,gateway.watchNamespaces={b}",
            "namespace a",
        ),
        ("kind=DaemonSet,autoscaling.enabled=true", "exclude each other"),
        ("podMonitor.enabled=true,serviceMonitor.enabled=true", "twice"),
        ("ingress.enabled=true", "ingress.hosts"),
        ("httpRoute.enabled=true", "httpRoute.parentRefs"),
        ("ambientCredentials.env={KEY}", "ambientCredentials.namespace"),
        ("serviceAccount.create=false", "serviceAccount.name"),
    ];
    for (values, named) in refused {
        let output = run(&helm, &["template", "pilothouse", CHART, "--set", values]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{values} is taken");
        assert!(said.contains(named), "{values}: {said}");
    }
}

/// The verbs that the controller uses on a resource of a group.
fn used(group: &str, resource: &str) -> &'static [&'static str] {
    match (group, resource) {
        ("coordination.k8s.io", "leases") => {
            &["create", "delete", "get", "list", "patch", "update", "watch"]
        }
        ("events.k8s.io", "events") => &["create", "patch"],
        (
            "pilothouse.dev",
            "modelroutes/status" | "credentialstores/status" | "consumers/status",
        ) => &["patch"],
        ("pilothouse.dev", "modelroutes" | "credentialstores" | "consumers") | ("", "secrets") => {
            &["list", "watch"]
        }
        ("", "namespaces") => &["get", "list", "watch"],
        // Not `get`, and no Service may be changed.
        ("", "services" | "pods") | ("discovery.k8s.io", "endpointslices") => &["list", "watch"],
        _ => &[],
    }
}

#[test]
fn it_asks_for_no_right_beyond_what_the_controller_uses() {
    let Some(helm) = helm() else { return };
    for file in value_files() {
        let objects = objects(&rendered(&helm, &given(file.as_ref())));
        let roles = ["Role", "ClusterRole"].map(|kind| of_kind(&objects, kind)).concat();
        let bare = file.as_ref().is_some_and(|file| file.ends_with("bare-values.yaml"));
        assert_eq!(roles.is_empty(), bare, "{file:?}");
        for rule in roles.iter().flat_map(|role| role["rules"].as_array().expect("rules")) {
            for group in texts(&rule["apiGroups"]) {
                for resource in texts(&rule["resources"]) {
                    let allowed = used(group, resource);
                    let beyond = texts(&rule["verbs"]).into_iter().find(|v| !allowed.contains(v));
                    assert_eq!(beyond, None, "{file:?}: {rule}");
                }
            }
        }
    }
}

#[test]
fn with_named_namespaces_it_asks_for_nothing_in_the_whole_cluster() {
    let Some(helm) = helm() else { return };
    let values = format!("{CHART}/ci/namespaces-values.yaml");
    let objects = objects(&rendered(&helm, &["--values", &values]));
    assert!(of_kind(&objects, "ClusterRole").is_empty());
    assert!(of_kind(&objects, "ClusterRoleBinding").is_empty());
    for role in of_kind(&objects, "Role") {
        for rule in role["rules"].as_array().expect("rules") {
            if texts(&rule["resources"]) == ["secrets"] {
                assert_eq!(role["metadata"]["namespace"], "team-a");
                assert_eq!(texts(&rule["resourceNames"]), ["openai", "caller"]);
            }
        }
    }
}

#[test]
fn pods_are_read_unless_the_operator_says_otherwise() {
    let Some(helm) = helm() else { return };
    let readable = |discovery: &str| {
        let objects = objects(&rendered(&helm, &["--set", &format!("rbac.discovery={discovery}")]));
        let roles = of_kind(&objects, "ClusterRole");
        let rules = roles.iter().flat_map(|role| role["rules"].as_array().expect("rules"));
        let resources: Vec<String> = rules
            .flat_map(|rule| texts(&rule["resources"]))
            .filter(|one| ["services", "endpointslices", "pods"].contains(one))
            .map(str::to_owned)
            .collect();
        resources
    };
    assert_eq!(readable("All"), ["services", "endpointslices", "pods"]);
    assert_eq!(readable("WithoutPods"), ["services", "endpointslices"]);
    assert!(readable("None").is_empty());
}

#[test]
fn its_definitions_are_kept_and_otherwise_those_of_crds() {
    let Some(helm) = helm() else { return };
    let objects = objects(&rendered(&helm, &[]));
    let mut found = 0;
    for definition in of_kind(&objects, "CustomResourceDefinition") {
        let name = definition["metadata"]["name"].as_str().expect("a name");
        let file = name.strip_suffix(".pilothouse.dev").expect("one of ours");
        let mut source: Value =
            serde_saphyr::from_str(&read(format!("crds/{file}.yaml"))).expect("YAML");
        source["metadata"]["annotations"] = serde_json::json!({"helm.sh/resource-policy": "keep"});
        assert!(*definition == source, "{name} is not crds/{file}.yaml");
        found += 1;
    }
    assert_eq!(found, 3);
}

#[test]
fn a_pod_has_time_to_drain() {
    let Some(helm) = helm() else { return };
    let grace = |delay: &str, timeout: &str| {
        let values = format!("drain.delay={delay},drain.timeout={timeout}");
        let objects = objects(&rendered(&helm, &["--set", &values]));
        workload(&objects)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].clone()
    };
    assert_eq!(grace("5s", "5m"), 315);
    assert_eq!(grace("0s", "30s"), 40);
    assert_eq!(grace("1500ms", "1h2m3s"), 2 + 3723 + 10);
}

#[test]
fn its_flags_exist() {
    let Some(helm) = helm() else { return };
    let help = Command::new(env!("CARGO_BIN_EXE_pilothouse")).args(["serve", "--help"]).output();
    let help = String::from_utf8(help.expect("the binary starts").stdout).expect("UTF-8");
    let known: BTreeSet<&str> =
        help.split([' ', ',', '\n']).filter(|word| word.starts_with("--")).collect();
    for file in value_files() {
        let objects = objects(&rendered(&helm, &given(file.as_ref())));
        let container = &workload(&objects)["spec"]["template"]["spec"]["containers"][0];
        let arguments = texts(&container["args"]);
        assert_eq!(arguments[0], "serve");
        for argument in &arguments[1..] {
            let flag = argument.split('=').next().expect("a part");
            assert!(known.contains(flag), "{file:?}: `pilothouse serve` has no {flag}");
        }
    }
}

#[test]
fn its_pods_keep_to_the_restricted_standard() {
    let Some(helm) = helm() else { return };
    let objects = objects(&rendered(&helm, &[]));
    let test = of_kind(&objects, "Pod");
    let gateway = &workload(&objects)["spec"]["template"];
    for pod in std::iter::once(gateway).chain(test) {
        let spec = &pod["spec"];
        assert_eq!(spec["securityContext"]["runAsNonRoot"], true);
        assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        let container = &spec["containers"][0]["securityContext"];
        assert_eq!(container["allowPrivilegeEscalation"], false);
        assert_eq!(container["readOnlyRootFilesystem"], true);
        assert_eq!(texts(&container["capabilities"]["drop"]), ["ALL"]);
    }
}

#[test]
fn the_plain_manifests_are_what_the_chart_renders() {
    let Some(helm) = helm() else { return };
    let text = rendered(&helm, &["--set", "crds.install=false", "--no-hooks"]);
    let of_helm = ["# Source: ", "app.kubernetes.io/managed-by: ", "helm.sh/chart: "];
    let mut plain = "# Written from charts/pilothouse by `make chart-files`.\n".to_owned();
    for line in text.lines() {
        if !of_helm.iter().any(|start| line.trim_start().starts_with(start)) {
            writeln!(plain, "{line}").expect("a string takes all");
        }
    }
    check_file("deploy/kustomize/base/pilothouse.yaml", &plain);
}

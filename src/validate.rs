//! `pilothouse validate`: manifests checked the way an API server and the controller would.
//!
//! ```text
//!  paths ─ manifest::load ─ Admission (schema, CEL) ─ compile ─► Report ─► text | JSON
//! ```
//!
//! Every step is the one that serves: nothing is checked by rules of its own. Two things cannot be
//! known from files, and are assumed instead: what an object that is not among them holds (its
//! absence is a warning), and what the gateway's environment holds (taken to be as referred to).

mod outside;
mod report;
mod services;

use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde_json::Value;

use crate::api;
use crate::balance;
use crate::compile::{self, LastGood, Snapshot, Tenancy};
use crate::manifest::schema::{Checker, SchemaError};
use crate::manifest::{Admission, Admitted, Finding, Loaded, Loader, Manifest, Place, Severity};
use crate::state::StateStore;

pub use report::{Output, Report};

use outside::Known;

/// How standard input is named in findings.
const STDIN: &str = "<stdin>";

/// The arguments of `pilothouse validate`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct ValidateArgs {
    /// Files or folders (*.yaml, *.yml and *.json, subfolders too); `-` reads standard input
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// How to print what was found
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    pub output: Output,

    /// Fail on warnings too
    #[arg(long)]
    pub deny_warnings: bool,

    /// Whose rules hold
    #[arg(long, value_enum, default_value_t = Rules::Cluster)]
    pub rules: Rules,

    /// The installation to check for; objects whose `spec.gateway` names another are not compiled
    #[arg(long, value_name = "NAME", default_value = api::DEFAULT_GATEWAY)]
    pub gateway_name: String,

    /// A namespace whose names everybody may use, as given to `serve` (repeatable)
    #[arg(long, value_name = "NS")]
    pub shared_namespace: Vec<String>,

    /// The namespace whose CredentialStores may use `env`, `file` and what the gateway runs as, as
    /// given to `serve`
    #[arg(long, value_name = "NS")]
    pub ambient_credentials_namespace: Option<String>,

    /// Permit private addresses and plain http in `baseURL`, as `serve --allow-upstream-cidr` does
    #[arg(long)]
    pub allow_private_upstreams: bool,
}

const EXAMPLES: &str = "\
Reads ModelRoutes, CredentialStores, Consumers, Secrets and Namespaces; other kinds are left out.
Checks them against the schema and the CEL rules that are installed in a cluster, then compiles
them. No cluster is asked, and no value of a Secret is printed.

Exit status: 0 if nothing is wrong, 1 if there is an error, 2 if the command line is wrong.

Examples:
  pilothouse validate routes/
  pilothouse validate --rules files --deny-warnings gateway.yaml
  kustomize build overlays/prod | pilothouse validate --output json -

JSON output:
  {\"valid\": false,
   \"summary\": {\"files\": 1, \"objects\": 3, \"errors\": 1, \"warnings\": 0},
   \"findings\": [{\"severity\": \"error\", \"file\": \"gateway.yaml\", \"line\": 12, \"kind\": \"ModelRoute\",
                 \"namespace\": \"ai\", \"name\": \"gpt\", \"field\": \"spec.targets[0].provider\",
                 \"message\": \"...\"}]}
  severity is error, warning or note; line, kind, namespace, name and field are null where there is none.";

/// Whose rules manifests are checked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Rules {
    /// A cluster's: tenants are kept apart, https only, and what is not among the files may exist
    Cluster,
    /// Those of `serve --manifests`: whoever writes the files owns everything, and they are complete
    Files,
}

/// Checks what the arguments name. `stdin` is read if they name `-`.
pub fn run(args: &ValidateArgs, stdin: impl Read) -> Result<Report, SchemaError> {
    let strategies: Vec<_> = balance::registry::names().collect();
    let checker = Checker::new(&api::crds(&strategies))?;
    let loaded = load(&args.paths, stdin);
    let (files, objects) = (loaded.files, loaded.manifests.len());
    let written = loaded.manifests.iter().map(Manifest::identity).collect();
    let Admitted { snapshot, manifests, mut findings } = Admission::new(checker).admit(loaded);
    if objects == 0 && !findings.iter().any(|found| found.severity == Severity::Error) {
        findings.push(nothing_found(&args.paths));
    }
    let known = Known { written, admitted: manifests };
    findings.extend(of_other_gateways(&known, &args.gateway_name));
    findings.extend(compiled(args, snapshot, &known));
    Ok(Report::new(files, objects, findings))
}

fn load(paths: &[PathBuf], mut stdin: impl Read) -> Loaded {
    let mut loader = Loader::default();
    for path in paths {
        if path == Path::new("-") {
            loader.read_stream(STDIN, &mut stdin);
        } else {
            loader.read(path);
        }
    }
    loader.finish()
}

/// A check of nothing passes for ever: more likely the path is wrong.
fn nothing_found(paths: &[PathBuf]) -> Finding {
    let names: Vec<_> = paths.iter().map(|path| path.to_string_lossy()).collect();
    let place = Place { file: names.join(" ").into(), line: 0 };
    let message = "holds no ModelRoute, CredentialStore, Consumer, Secret or Namespace to check";
    Finding::of_file(Severity::Error, place, message)
}

/// What compile finds in the objects that passed the API server's checks.
fn compiled(args: &ValidateArgs, mut snapshot: Snapshot, known: &Known) -> Vec<Finding> {
    let strict = args.rules == Rules::Files;
    let mut findings = outside::assume(&mut snapshot, known, strict);
    services::assume(&mut snapshot);
    let state = StateStore::new();
    let compiled = compile::compile(&snapshot, &tenancy(args), &LastGood::default(), &state);
    let found = compiled.findings.into_iter();
    findings.extend(found.filter_map(|found| outside::locate(found, known, strict)));
    findings
}

fn tenancy(args: &ValidateArgs) -> Tenancy {
    Tenancy {
        operator_owned: args.rules == Rules::Files,
        shared_namespaces: args.shared_namespace.iter().map(|name| name.as_str().into()).collect(),
        ambient_namespace: args.ambient_credentials_namespace.as_deref().map(Into::into),
        private_upstreams: if args.allow_private_upstreams { everywhere() } else { Vec::new() },
        ..Tenancy::new(args.gateway_name.as_str())
    }
}

/// Every address: which ranges the installation allows is not known here.
fn everywhere() -> Vec<IpNet> {
    let all = [IpAddr::from([0; 4]), IpAddr::from([0; 16])];
    all.into_iter().filter_map(|address| IpNet::new(address, 0).ok()).collect()
}

fn of_other_gateways(known: &Known, gateway: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for manifest in known.admitted.values() {
        if let Some(other) = manifest.field("spec.gateway").and_then(Value::as_str)
            && other != gateway
        {
            let message = format!(
                "is for gateway `{other}`, so what it refers to was not checked; use `--gateway-name {other}`"
            );
            findings.push(manifest.note("spec.gateway", message));
        }
    }
    findings
}

#[cfg(test)]
mod tests;

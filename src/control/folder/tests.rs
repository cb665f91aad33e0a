use std::os::unix::fs::symlink;
use std::path::Path;

use tokio_util::sync::{CancellationToken, DropGuard};

use super::*;
use crate::api;
use crate::compile::Tenancy;
use crate::control::{AmbientConfig, ControlConfig, ControlHandle, Report, Source, start};
use crate::manifest::schema::Checker;
use crate::state::StateStore;
use crate::table::TableCell;

fn serve(path: &Path) -> (ControlHandle, DropGuard) {
    let checker = Checker::new(&api::crds(&["Weighted"])).unwrap();
    let config = ControlConfig {
        source: Source::Folder { paths: vec![path.to_owned()], admission: Admission::new(checker) },
        tenancy: Tenancy { operator_owned: true, anonymous: true, ..Tenancy::new("default") },
        ambient: AmbientConfig::default(),
    };
    let stop = CancellationToken::new();
    let cell = Arc::new(TableCell::new());
    let handle = start(config, cell, Arc::new(StateStore::new()), stop.clone());
    (handle, stop.drop_guard())
}

async fn until(handle: &ControlHandle, what: impl FnMut(&Arc<Report>) -> bool) -> Arc<Report> {
    handle.report().wait_for(what).await.expect("the controller runs").clone()
}

fn route(name: &str) -> String {
    format!(
        "apiVersion: pilothouse.dev/v1alpha1
kind: ModelRoute
metadata: {{name: {name}}}
spec: {{targets: [{{name: t, provider: openai}}]}}
---
"
    )
}

#[tokio::test]
async fn files_are_served_and_read_again_when_they_change() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yaml"), route("a")).unwrap();
    let (handle, _stop) = serve(folder.path());
    assert!(handle.published().await);
    until(&handle, |report| report.counts.routes == 1).await;

    std::fs::write(folder.path().join("b.yaml"), route("b") + &route("c")).unwrap();
    until(&handle, |report| report.counts.routes == 3).await;
    std::fs::remove_file(folder.path().join("a.yaml")).unwrap();
    until(&handle, |report| report.counts.routes == 2).await;
    std::fs::create_dir(folder.path().join("more")).unwrap();
    std::fs::write(folder.path().join("more/d.yaml"), route("d")).unwrap();
    until(&handle, |report| report.counts.routes == 3).await;
}

#[tokio::test]
async fn a_mounted_config_map_is_followed_through_its_link() {
    let mount = tempfile::tempdir().unwrap();
    let at = |name: &str| mount.path().join(name);
    let version = |name: &str, text: &str| {
        std::fs::create_dir(at(name)).unwrap();
        std::fs::write(at(name).join("routes.yaml"), text).unwrap();
        symlink(name, at("..data_tmp")).unwrap();
        std::fs::rename(at("..data_tmp"), at("..data")).unwrap();
    };
    version("..1", &route("a"));
    symlink("..data/routes.yaml", at("routes.yaml")).unwrap();
    // Both ways in which people name it: the folder, and the file in it.
    let (by_folder, _stop) = serve(mount.path());
    let (by_file, _stop_too) = serve(&at("routes.yaml"));
    for handle in [&by_folder, &by_file] {
        until(handle, |report| report.counts.routes == 1).await;
    }
    version("..2", &(route("a") + &route("b")));
    for handle in [&by_folder, &by_file] {
        until(handle, |report| report.counts.routes == 2).await;
    }
}

#[tokio::test]
async fn a_broken_file_keeps_its_last_good_objects_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    std::fs::write(&path, route("a")).unwrap();
    let (handle, _stop) = serve(folder.path());
    until(&handle, |report| report.counts.routes == 1).await;

    std::fs::write(&path, "spec: [").unwrap();
    std::fs::write(folder.path().join("b.yaml"), route("b")).unwrap();
    let report =
        until(&handle, |report| report.counts.routes == 2 && !report.skipped.is_empty()).await;
    assert!(report.skipped.iter().any(|one| one.object.contains("a.yaml")), "{report:?}");

    std::fs::write(&path, route("a")).unwrap();
    let report = until(&handle, |report| report.skipped.is_empty()).await;
    assert_eq!(report.counts.routes, 2);
}

use std::os::unix::fs::symlink;

use super::*;

fn config(directory: &Path) -> AmbientConfig {
    AmbientConfig { directory: Some(directory.to_owned()), env: AllowedEnv::default() }
}

fn refusal(config: &AmbientConfig, path: &str) -> String {
    config.read_file(path).expect_err("refused")
}

#[test]
fn a_file_is_read_without_its_newline() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("anthropic")).unwrap();
    std::fs::write(directory.path().join("anthropic/key"), "sk-1\n").unwrap();
    assert_eq!(config(directory.path()).read_file("anthropic/key").unwrap().expose(), "sk-1");
}

#[test]
fn a_mounted_secret_is_read_through_its_links() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::create_dir(at("..2026_1")).unwrap();
    std::fs::write(at("..2026_1/key"), "sk-1").unwrap();
    symlink("..2026_1", at("..data")).unwrap();
    symlink("..data/key", at("key")).unwrap();
    assert_eq!(config(directory.path()).read_file("key").unwrap().expose(), "sk-1");
}

#[test]
fn nothing_outside_the_directory_is_read() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("credentials");
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(root.path().join("private"), "sk-1").unwrap();
    symlink("../private", directory.join("link")).unwrap();
    symlink("..", directory.join("up")).unwrap();
    let config = config(&directory);
    for path in ["../private", "a/../../private", "/etc/hostname", "./key", ""] {
        assert!(config.read_file(path).is_err(), "{path}");
    }
    assert!(refusal(&config, "link").contains("leads out"));
    assert!(refusal(&config, "up/private").contains("leads out"));
}

#[test]
fn what_is_no_credential_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::create_dir(at("folder")).unwrap();
    std::fs::write(at("binary"), [0xff, 0xfe]).unwrap();
    std::fs::write(at("huge"), "x".repeat(70 << 10)).unwrap();
    let config = config(directory.path());
    assert!(refusal(&config, "folder").contains("is not a file"));
    assert!(refusal(&config, "binary").contains("not UTF-8"));
    assert!(refusal(&config, "huge").contains("larger than 64 KiB"));
    assert!(refusal(&config, "missing").contains("cannot be read"));
    assert!(refusal(&AmbientConfig::default(), "missing").contains("--credential-dir"));
}

#[test]
fn only_listed_variables_are_read() {
    let listed = |name: &str| AmbientConfig {
        directory: None,
        env: AllowedEnv::Listed(BTreeSet::from([name.to_owned()])),
    };
    assert!(listed("OTHER").read_env("PATH").unwrap_err().contains("--credential-env"));
    assert_eq!(listed("PATH").read_env("PATH").unwrap().expose(), std::env::var("PATH").unwrap());
    let any = AmbientConfig { directory: None, env: AllowedEnv::Any };
    assert!(any.read_env("PATH").is_ok());
    assert!(any.read_env("NO_SUCH_VARIABLE").unwrap_err().contains("has no environment variable"));
}

#[tokio::test]
async fn a_rotated_file_is_live() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    std::fs::write(&path, "sk-1").unwrap();
    let source = AmbientSource::File("key".into());
    let references =
        References { ambient: BTreeSet::from([source.clone()]), ..References::default() };
    let (_sender, wanted) = watch::channel(Arc::new(references));
    let inventory = Arc::new(Inventory::default());
    let reader = tokio::spawn(run(config(directory.path()), inventory.clone(), wanted));

    for value in ["sk-1", "sk-2"] {
        std::fs::write(&path, value).unwrap();
        let is_live = || {
            let reading = inventory.snapshot().1.ambient.get(&source).cloned();
            reading.and_then(Result::ok).is_some_and(|text| text.expose() == value)
        };
        while !is_live() {
            inventory.changed().await;
        }
    }
    reader.abort();
}

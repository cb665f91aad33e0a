use std::os::unix::fs::symlink;

use proptest::prelude::*;

use super::*;

fn consumer(name: &str) -> String {
    format!("apiVersion: pilothouse.dev/v1alpha1\nkind: Consumer\nmetadata: {{name: {name}}}\n")
}

fn names(loaded: &Loaded) -> Vec<&str> {
    loaded.manifests.iter().map(|manifest| &*manifest.name.name).collect()
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    folder
}

#[test]
fn a_folder_is_read_in_name_order_without_hidden_or_other_files() {
    let folder = folder(&[
        ("b.yml", &consumer("b")),
        ("a.yaml", &consumer("a")),
        (
            "c/d.json",
            r#"{"apiVersion":"pilothouse.dev/v1alpha1","kind":"Consumer","metadata":{"name":"d"}}"#,
        ),
        (".hidden.yaml", &consumer("hidden")),
        (".git/x.yaml", &consumer("git")),
        ("README.md", "a: ["),
    ]);
    let loaded = load([folder.path()]);
    assert_eq!(names(&loaded), ["a", "b", "d"]);
    assert_eq!(loaded.findings, []);
    assert_eq!(&*loaded.manifests[0].name.namespace, "default");
}

#[test]
fn a_mounted_config_map_is_read_once() {
    let folder = folder(&[("..2026_1/a.yaml", &consumer("a"))]);
    symlink("..2026_1", folder.path().join("..data")).expect("a link");
    symlink("..data/a.yaml", folder.path().join("a.yaml")).expect("a link");
    let file = folder.path().join("a.yaml");
    let loaded = load([folder.path(), folder.path(), &file]);
    assert_eq!(names(&loaded), ["a"]);
    assert_eq!(loaded.findings, []);
}

#[test]
fn folders_that_link_to_each_other_end() {
    let folder = folder(&[("in/a.yaml", &consumer("a"))]);
    symlink("..", folder.path().join("in/up")).expect("a link");
    assert_eq!(names(&load([folder.path()])), ["a"]);
}

#[test]
fn one_bad_file_does_not_hide_the_others() {
    let folder = folder(&[("a.yaml", "a: [\n"), ("c.yaml", &consumer("c"))]);
    fs::write(folder.path().join("b.yaml"), [0xff, 0xfe, b'a']).expect("a file");
    symlink("nowhere", folder.path().join("d.yaml")).expect("a link");
    let missing = folder.path().join("missing");
    let loaded = load([folder.path(), &missing]);
    assert_eq!(names(&loaded), ["c"]);
    let found: Vec<_> = loaded.findings.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found[0].contains("a.yaml:"), "{found:?}");
    assert!(found[1].ends_with("b.yaml: error: is not UTF-8 text"), "{found:?}");
    assert!(found[2].contains("d.yaml: error: cannot be read: "), "{found:?}");
    assert!(found[3].contains("missing: error: cannot be read: "), "{found:?}");
    assert_eq!(loaded.incomplete.len(), 4);
}

#[test]
fn an_object_written_twice_is_an_error_that_names_both_places() {
    let mut files = Loader::default();
    files.add("one.yaml", &consumer("a"));
    files.add("two.yaml", &format!("---\n---\n{}", consumer("a")));
    let loaded = files.finish();
    assert_eq!(names(&loaded), ["a"]);
    assert_eq!(
        loaded.findings[0].to_string(),
        "two.yaml:3: error Consumer default/a: is written twice: it is already at one.yaml:1; \
         remove one of them"
    );
}

#[test]
fn a_file_that_is_too_large_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("a.yaml");
    let file = fs::File::create(&path).expect("a file");
    file.set_len(MAX_FILE_SIZE + 1).expect("a sparse file");
    let loaded = load([&path]);
    assert!(loaded.findings[0].message.contains("is larger than 16 MiB"));
}

proptest! {
    #[test]
    fn reading_arbitrary_bytes_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut loader = Loader::default();
        loader.read_stream("bytes", &*bytes);
        loader.finish();
    }
}

//! `crds/` holds what `pilothouse crds` prints, one file a definition.
//!
//! `UPDATE_CRDS=1` (`make crds`) writes the files anew instead of comparing them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// What `pilothouse crds` prints, by the names of the files that hold it.
fn printed() -> BTreeMap<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_pilothouse"))
        .arg("crds")
        .output()
        .expect("the binary starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let documents = text.strip_prefix("---\n").expect("a marker before each document");
    documents
        .split_inclusive("\n---\n")
        .map(|document| document.trim_end_matches("---\n"))
        .map(|document| {
            let name = document
                .lines()
                .find_map(|line| line.strip_prefix("  name: "))
                .and_then(|name| name.strip_suffix(".pilothouse.dev"))
                .expect("`metadata.name` of a definition is PLURAL.pilothouse.dev");
            (format!("{name}.yaml"), document.to_owned())
        })
        .collect()
}

#[test]
fn the_files_are_what_the_binary_prints() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let printed = printed();
    assert_eq!(printed.len(), 3, "a definition for each kind");

    if std::env::var_os("UPDATE_CRDS").is_some() {
        if folder.exists() {
            fs::remove_dir_all(&folder).expect("a folder that may be replaced");
        }
        fs::create_dir(&folder).expect("a folder that may be written");
        for (name, text) in &printed {
            fs::write(folder.join(name), text).expect("a file that may be written");
        }
    }

    let files: BTreeMap<String, String> = fs::read_dir(&folder)
        .expect("crds/ is there: `make crds` writes it")
        .map(|entry| {
            let path = entry.expect("a readable entry").path();
            let name = path.file_name().expect("a file's path").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("UTF-8"))
        })
        .collect();
    for name in printed.keys().chain(files.keys()) {
        // Not assert_eq: two definitions side by side would fill a thousand lines.
        assert!(printed.get(name) == files.get(name), "crds/{name} is out of date: `make crds`");
    }
}

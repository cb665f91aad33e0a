//! Which files there are to read, and reading them.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Finding, Identity, Manifest, Place, Severity, object, yaml};

/// Bytes of one file. A mounted ConfigMap or Secret holds at most 1 MiB and an object in a cluster
/// 1.5 MiB; thousands of routes in one generated file are still below this.
pub const MAX_FILE_SIZE: u64 = 16 << 20;

/// Bytes of all files together: a parsed manifest takes several times its text in memory.
const MAX_TOTAL_SIZE: u64 = 64 << 20;

/// Files and folders together: more means that the folder is not one of manifests.
const MAX_FILES: usize = 10_000;

/// Folders inside folders: symbolic links may form a loop that resolves to ever new paths.
const MAX_FOLDER_DEPTH: usize = 16;

/// Everything that was found below some paths.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The objects, in the order of their files and documents.
    pub manifests: Vec<Manifest>,
    /// How many texts were read.
    pub files: usize,
    /// What could not be read, in the same order.
    pub findings: Vec<Finding>,
    /// Files and folders that could not be read whole: that an object is missing here does not
    /// mean that somebody removed it.
    pub incomplete: BTreeSet<Arc<str>>,
}

/// Reads every manifest in files and folders.
///
/// Of a folder, `*.yaml`, `*.yml` and `*.json` are read in name order, its folders too. Names that
/// begin with a dot are left out: a mounted ConfigMap keeps its files twice, once below `..data`.
pub fn load<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Loaded {
    let mut loader = Loader::default();
    for path in paths {
        loader.read(path.as_ref());
    }
    loader.finish()
}

/// Collects manifests from several places. An object that is written twice is an error that names
/// both; the first one counts.
#[derive(Debug, Default)]
pub struct Loader {
    loaded: Loaded,
    /// Where each object was first seen.
    seen: HashMap<Identity, Place>,
    /// Real paths of what was read, for a file may be reachable by several names.
    visited: BTreeSet<PathBuf>,
    bytes: u64,
}

impl Loader {
    /// Reads a file or a folder.
    pub fn read(&mut self, path: &Path) {
        match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => self.read_folder(path, 0),
            Ok(_) => self.read_file(path),
            Err(error) => self.unreadable(path, &error),
        }
    }

    /// Reads a text that did not come from a file; `name` stands for the file in findings.
    pub fn add(&mut self, name: &str, text: &str) {
        let file: Arc<str> = name.into();
        self.loaded.files += 1;
        for document in yaml::documents(text) {
            match document {
                Ok(document) => object::extract(&file, document, &mut self.loaded),
                Err(error) => {
                    self.loaded.incomplete.insert(file.clone());
                    self.report(Place { file: file.clone(), line: error.line }, error.message);
                }
            }
        }
    }

    /// Reads a text from a stream, within the same limits as a file.
    pub fn read_stream(&mut self, name: &str, stream: impl Read) {
        self.take(Path::new(name), stream);
    }

    /// Everything that was read.
    pub fn finish(mut self) -> Loaded {
        let manifests = std::mem::take(&mut self.loaded.manifests);
        self.loaded.manifests = manifests.into_iter().filter(|found| self.is_new(found)).collect();
        self.loaded
    }

    fn is_new(&mut self, found: &Manifest) -> bool {
        let identity = found.identity();
        if let Some(first) = self.seen.get(&identity) {
            let message = format!("is written twice: it is already at {first}; remove one of them");
            self.loaded.findings.push(found.error("", message));
            return false;
        }
        self.seen.insert(identity, found.place(""));
        true
    }

    fn read_folder(&mut self, folder: &Path, depth: usize) {
        if depth > MAX_FOLDER_DEPTH {
            return self
                .refuse(folder, format!("folders are nested more than {MAX_FOLDER_DEPTH} deep"));
        }
        match fs::canonicalize(folder) {
            Ok(real) => {
                if !self.visited.insert(real) {
                    return;
                }
            }
            Err(error) => return self.unreadable(folder, &error),
        }
        let names = match visible_entries(folder) {
            Ok(names) => names,
            Err(error) => return self.unreadable(folder, &error),
        };
        for path in names {
            match fs::metadata(&path) {
                Ok(meta) if meta.is_dir() => self.read_folder(&path, depth + 1),
                // A pipe or a device in a folder would block the reader.
                Ok(meta) if meta.is_file() && is_manifest(&path) => self.read_file(&path),
                Err(error) if is_manifest(&path) => self.unreadable(&path, &error),
                Ok(_) | Err(_) => {}
            }
        }
    }

    fn read_file(&mut self, path: &Path) {
        // What cannot be resolved, such as a pipe of the shell, is read once all the same.
        if fs::canonicalize(path).is_ok_and(|real| !self.visited.insert(real)) {
            return;
        }
        match self.visited.len() {
            ..=MAX_FILES => {}
            // Said once, not for each of what may be a whole disk.
            count if count == MAX_FILES + 1 => {
                let message = format!("more than {MAX_FILES} files; name fewer folders");
                return self.refuse(path, message);
            }
            _ => return,
        }
        match fs::File::open(path) {
            Ok(file) => self.take(path, file),
            Err(error) => self.unreadable(path, &error),
        }
    }

    fn take(&mut self, path: &Path, source: impl Read) {
        let bytes = match read_limited(source) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                let limit = MAX_FILE_SIZE >> 20;
                return self.refuse(path, format!("is larger than {limit} MiB; split it"));
            }
            Err(error) => return self.unreadable(path, &error),
        };
        self.bytes += bytes.len() as u64;
        if self.bytes > MAX_TOTAL_SIZE {
            let limit = MAX_TOTAL_SIZE >> 20;
            return self.refuse(path, format!("more than {limit} MiB in all; name fewer files"));
        }
        match String::from_utf8(bytes) {
            Ok(text) => self.add(&path.to_string_lossy(), &text),
            Err(_) => self.refuse(path, "is not UTF-8 text".to_owned()),
        }
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        self.refuse(path, format!("cannot be read: {error}"));
    }

    fn refuse(&mut self, path: &Path, message: String) {
        let file: Arc<str> = path.to_string_lossy().into();
        self.loaded.incomplete.insert(file.clone());
        self.report(Place { file, line: 0 }, message);
    }

    fn report(&mut self, place: Place, message: String) {
        self.loaded.findings.push(Finding::of_file(Severity::Error, place, message));
    }
}

/// The bytes of a file, or `None` if there are too many.
fn read_limited(source: impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    source.take(MAX_FILE_SIZE + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= MAX_FILE_SIZE).then_some(bytes))
}

fn visible_entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "yaml" || end == "yml" || end == "json")
}

#[cfg(test)]
mod tests;

//! Tells when files may have changed: by the kernel's notifications where they work, and by the
//! clock where they do not.
//!
//! Only folders are watched, never files: editors and mounted ConfigMaps replace a file (or the
//! `..data` link above it) instead of writing into it, and a watch on the old file would go on
//! looking at what nobody sees any more.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Network file systems and some container runtimes send no notification; looking at every file's
/// times so often costs little and bounds how long a change can stay unseen.
const POLL: Duration = Duration::from_secs(10);
/// A writer is taken to have finished once nothing has changed for so long: a file is truncated
/// and then filled, and folders are copied file by file.
const QUIET: Duration = Duration::from_millis(25);
/// A writer that never pauses is read in between all the same.
const LONGEST_WAIT: Duration = Duration::from_millis(500);
/// Deeper folders are left to polling: symbolic links may form a loop.
const MAX_DEPTH: usize = 16;
/// More folders are left to polling: each costs one of the kernel's few thousand watches.
const MAX_FOLDERS: usize = 1000;

/// Watches the folders around some paths.
pub(super) struct FileChanges {
    changed: Arc<Notify>,
    places: Arc<Mutex<Places>>,
    watcher: Option<RecommendedWatcher>,
    paths: Vec<PathBuf>,
    /// What polling compares with.
    print: Fingerprint,
    /// A notification came and has not been told yet.
    pending: bool,
}

impl FileChanges {
    /// Nothing is watched yet; see [`watch`](Self::watch).
    pub(super) fn new() -> Self {
        let changed = Arc::new(Notify::new());
        let places = Arc::new(Mutex::new(Places::default()));
        let (note, known) = (changed.clone(), places.clone());
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // An error means that notifications were lost.
            if event.map_or(true, |event| known.lock().concerns(&event)) {
                note.notify_one();
            }
        });
        let watcher = watcher
            .inspect_err(|error| tracing::warn!(%error, "no file notifications; polling instead"))
            .ok();
        let (paths, print) = (Vec::new(), Fingerprint::default());
        Self { changed, places, watcher, paths, print, pending: false }
    }

    /// Watches what is around these paths and nothing else. To be called before each reading, so
    /// that no change falls between the two and folders that were made meanwhile are found.
    pub(super) fn watch(&mut self, paths: &[PathBuf]) {
        paths.clone_into(&mut self.paths);
        self.print = Fingerprint::of(paths);
        let Some(watcher) = &mut self.watcher else { return };
        let places = Places::around(paths);
        let before = std::mem::replace(&mut *self.places.lock(), places.clone());
        for gone in before.watched().difference(&places.watched()) {
            // It fails if the folder itself is gone, which ends the watch as well.
            let _ = watcher.unwatch(gone);
        }
        for folder in places.watched() {
            // Again for those that are watched already: a folder that was removed and made anew
            // has the old name and no watch.
            if let Err(error) = watcher.watch(&folder, RecursiveMode::NonRecursive) {
                let folder = folder.display();
                tracing::debug!(%folder, %error, "no notifications for this folder; polling it");
            }
        }
    }

    /// Returns when something may have changed and the writer seems to have finished. What was
    /// noticed before the future was dropped is not lost.
    pub(super) async fn changed(&mut self) {
        while !self.pending {
            let notified = tokio::time::timeout(POLL, self.changed.notified()).await;
            self.pending = notified.is_ok() || self.looks_different().await;
        }
        let bound = Instant::now() + LONGEST_WAIT;
        loop {
            let quiet = (Instant::now() + QUIET).min(bound);
            if tokio::time::timeout_at(quiet, self.changed.notified()).await.is_err() {
                self.pending = false;
                return;
            }
        }
    }

    async fn looks_different(&self) -> bool {
        let paths = self.paths.clone();
        // A mount that is slow to answer must not hold up the thread.
        let now = tokio::task::spawn_blocking(move || Fingerprint::of(&paths)).await;
        now.is_ok_and(|now| now != self.print)
    }
}

/// What tells a changed tree from an unchanged one without reading its files.
#[derive(Debug, Default, PartialEq, Eq)]
struct Fingerprint(BTreeMap<PathBuf, FileStamp>);

/// Links are followed, so one that leads elsewhere shows in device and inode.
#[derive(Debug, PartialEq, Eq)]
struct FileStamp {
    file: (u64, u64),
    length: u64,
    /// Seconds and nanoseconds of the last change of content or of the inode itself.
    changed: (i64, i64),
}

impl Fingerprint {
    fn of(paths: &[PathBuf]) -> Self {
        let mut print = Self::default();
        for path in paths {
            print.add(path, 0);
        }
        print
    }

    fn add(&mut self, path: &Path, depth: usize) {
        let Ok(meta) = path.metadata() else { return };
        let stamp = FileStamp {
            file: (meta.dev(), meta.ino()),
            length: meta.len(),
            changed: (meta.ctime(), meta.ctime_nsec()),
        };
        if self.0.insert(path.to_owned(), stamp).is_none() && meta.is_dir() && depth < MAX_DEPTH {
            for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
                self.add(&entry.path(), depth + 1);
            }
        }
    }
}

/// Where a change means something.
#[derive(Debug, Clone, Default)]
struct Places {
    /// Folders in which every change does.
    folders: BTreeSet<PathBuf>,
    /// Single names in folders that may be busy with other things, such as `/tmp`.
    names: BTreeSet<PathBuf>,
}

impl Places {
    fn around(paths: &[PathBuf]) -> Self {
        let mut places = Self::default();
        for path in paths {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            // Real paths, for a link that is swapped must not go on meaning the old folder.
            let parent = parent.unwrap_or(Path::new(".")).canonicalize();
            match (parent, path.file_name()) {
                // The file may be a link through `..data` beside it.
                (Ok(parent), _) if !path.is_dir() => {
                    places.folders.insert(parent);
                }
                (Ok(parent), Some(name)) => {
                    places.names.insert(parent.join(name));
                }
                _ => {}
            }
            places.collect(path, 0);
        }
        places
    }

    fn collect(&mut self, path: &Path, depth: usize) {
        if depth > MAX_DEPTH || self.folders.len() >= MAX_FOLDERS || !path.is_dir() {
            return;
        }
        let Ok(folder) = path.canonicalize() else { return };
        if self.folders.insert(folder.clone()) {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                self.collect(&entry.path(), depth + 1);
            }
        }
    }

    fn watched(&self) -> BTreeSet<PathBuf> {
        let around = self.names.iter().filter_map(|name| name.parent()).map(Path::to_owned);
        self.folders.iter().cloned().chain(around).collect()
    }

    fn concerns(&self, event: &Event) -> bool {
        // Reading a file is an event too; to read because of it would never end.
        if matches!(event.kind, EventKind::Access(_)) {
            return false;
        }
        let concerns = |path: &PathBuf| {
            self.names.contains(path)
                || self.folders.contains(path)
                || path.parent().is_some_and(|folder| self.folders.contains(folder))
        };
        // Without a path, notifications were lost.
        event.paths.is_empty() || event.paths.iter().any(concerns)
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, CreateKind, ModifyKind};

    use super::*;

    fn event(kind: EventKind, path: &Path) -> Event {
        Event::new(kind).add_path(path.to_owned())
    }

    #[test]
    fn only_what_can_change_the_result_wakes_the_reader() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let (folder, inner) = (root.join("manifests"), root.join("manifests/inner"));
        std::fs::create_dir_all(&inner).unwrap();
        let places = Places::around(std::slice::from_ref(&folder));

        let created = EventKind::Create(CreateKind::Any);
        assert!(places.concerns(&event(created, &inner.join("a.yaml"))));
        assert!(places.concerns(&event(created, &folder)));
        assert!(places.concerns(&Event::new(EventKind::Modify(ModifyKind::Any))));
        assert!(!places.concerns(&event(created, &root.join("unrelated"))));
        let read = EventKind::Access(AccessKind::Any);
        assert!(!places.concerns(&event(read, &inner.join("a.yaml"))));
    }

    #[test]
    fn polling_sees_edits_new_files_and_swapped_links() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let look = || Fingerprint::of(&[at("link"), at("missing")]);
        for version in ["1", "2"] {
            std::fs::create_dir(at(version)).unwrap();
            std::fs::write(at(version).join("a.yaml"), "same length").unwrap();
        }
        std::os::unix::fs::symlink("1", at("link")).unwrap();
        let first = look();
        assert_eq!(first, look());
        std::fs::write(at("1/b.yaml"), "new").unwrap();
        let second = look();
        assert_ne!(first, second);
        std::fs::write(at("1/b.yaml"), "longer").unwrap();
        assert_ne!(second, look());
        std::fs::remove_file(at("1/b.yaml")).unwrap();
        let third = look();
        std::os::unix::fs::symlink("2", at("new")).unwrap();
        std::fs::rename(at("new"), at("link")).unwrap();
        assert_ne!(third, look());
    }

    #[tokio::test]
    async fn a_change_that_was_noticed_is_not_lost_with_the_future() {
        let root = tempfile::tempdir().unwrap();
        let mut changes = FileChanges::new();
        changes.watch(&[root.path().to_owned()]);
        changes.changed.notify_one();
        assert!(futures::poll!(std::pin::pin!(changes.changed())).is_pending());
        assert!(changes.pending);
        changes.changed().await;
        assert!(!changes.pending);
    }

    #[test]
    fn beside_a_single_file_everything_counts() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let places = Places::around(&[root.join("a.yaml")]);
        let created = EventKind::Create(CreateKind::Any);
        assert!(places.concerns(&event(created, &root.join("..data"))));
    }
}

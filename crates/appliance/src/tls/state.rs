//! The state directory: small secret files that outlive a restart, of mode 0600, written whole or not at
//! all.
//!
//! What a full or broken disk does not take is held in memory until it does: nothing that was obtained is
//! lost by it. It knows nothing of what is in the files.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions, metadata, remove_file, rename};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::geteuid;

use crate::limits::{STATE_FILE_BYTES_MAX, STATE_PROBE_BYTES};
use crate::settings::{Refusal, Secret, read_private};

/// A folder of ours alone; clones are the same.
///
/// [`State::write`], then [`State::flush`], again and again until it has worked.
#[derive(Clone, Debug)]
pub(crate) struct State {
    folder: PathBuf,
    /// By name, what the folder has not taken yet.
    unwritten: Arc<Mutex<BTreeMap<&'static str, Secret>>>,
}

impl State {
    /// The folder, made if it is missing (its parent must exist).
    ///
    /// # Errors
    ///
    /// It is no folder, or somebody else's, or others may write to it.
    pub(crate) fn open(folder: &Path) -> Result<Self, Refusal> {
        let refuse = |refusal: Refusal| refusal.of(folder);
        let made = DirBuilder::new().mode(0o700).create(folder);
        if let Err(error) = made.or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Ok(()),
            _ => Err(error),
        }) {
            let right = "create it, owned by the user that runs ginnel, with mode 0700";
            return Err(refuse(Refusal::new(format!("cannot be created: {error}"), right)));
        }
        let found = metadata(folder).map_err(|error| {
            refuse(Refusal::new(format!("cannot be looked at: {error}"), "let the user that runs ginnel in"))
        })?;
        if !found.is_dir() {
            return Err(refuse(Refusal::new("is not a folder", "name a folder")));
        }
        if found.uid() != geteuid().as_raw() {
            let right = format!("run: chown {} {}", geteuid().as_raw(), folder.display());
            return Err(refuse(Refusal::new("belongs to another user than the one that runs ginnel", right)));
        }
        if found.mode() & 0o022 != 0 {
            let right = format!("run: chmod go-w {}", folder.display());
            return Err(refuse(Refusal::new("can be written to by other users", right)));
        }
        Ok(Self { folder: folder.to_owned(), unwritten: Arc::default() })
    }

    /// Where a file of that name is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What was written last under a name, or nothing.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is somebody else's, or can be read by others.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Secret>, Refusal> {
        if let Some(content) = self.unwritten().get(name) {
            return Ok(Some(Secret::new(content.expose().to_vec())));
        }
        let path = self.path(name);
        if !path.exists() {
            return Ok(None);
        }
        read_private(&path, STATE_FILE_BYTES_MAX).map(Some).map_err(|refusal| refusal.of(&path))
    }

    /// Replaces a file, now or at the next [`State::flush`] that works; [`State::read`] sees it from here on.
    pub(crate) fn write(&self, name: &'static str, content: &[u8]) {
        self.unwritten().insert(name, Secret::new(content.to_vec()));
        // The next one tells why not.
        let _ = self.flush();
    }

    /// Writes what has not been written yet: a crash leaves the old content of a file or the new.
    ///
    /// # Errors
    ///
    /// The file system's; the old content is still there, and the new one is tried again next time.
    pub(crate) fn flush(&self) -> Result<(), Refusal> {
        let mut unwritten = self.unwritten();
        while let Some(first) = unwritten.first_entry() {
            let name = *first.key();
            self.replace(name, first.get().expose()).map_err(|error| self.refuse(name, &error))?;
            first.remove();
        }
        Ok(())
    }

    /// Whether everything is written.
    pub(crate) fn is_flushed(&self) -> bool {
        self.unwritten().is_empty()
    }

    /// Finds out whether a file could be written now, before something is obtained that has to be kept.
    ///
    /// # Errors
    ///
    /// As [`State::flush`].
    pub(crate) fn probe(&self) -> Result<(), Refusal> {
        let probed = self.replace(PROBE_FILE, &[0; STATE_PROBE_BYTES]);
        self.remove(PROBE_FILE);
        probed.map_err(|error| self.refuse(PROBE_FILE, &error))
    }

    /// How many files of ours there are, those included that wait to be written, and the age of the oldest.
    pub(crate) fn files(&self) -> (usize, Option<Duration>) {
        let unwritten = self.unwritten();
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().filter_map(Result::ok);
        let is_written = |name: &std::ffi::OsStr| !unwritten.keys().any(|waits| name == *waits);
        let written: Vec<_> = entries.filter(|entry| is_written(&entry.file_name())).collect();
        let ages = written.iter().filter_map(|entry| entry.metadata().ok()?.modified().ok()?.elapsed().ok());
        (written.len() + unwritten.len(), ages.max())
    }

    /// Forgets a file; one that cannot be removed is found again at the next reading.
    pub(crate) fn remove(&self, name: &str) {
        self.unwritten().remove(name);
        let _ = remove_file(self.path(name));
    }

    fn refuse(&self, name: &str, error: &io::Error) -> Refusal {
        let right = "make room, and let the user that runs ginnel write there";
        Refusal::new(format!("cannot be written: {error}"), right).of(&self.path(name))
    }

    fn unwritten(&self) -> MutexGuard<'_, BTreeMap<&'static str, Secret>> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let new = self.path(&format!("{name}.new"));
        // What a crash left half-written.
        match remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(content)?;
        file.sync_all()?;
        rename(&new, self.path(name))?;
        File::open(&self.folder)?.sync_all()
    }
}

const PROBE_FILE: &str = "probe";

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, create_dir, read_dir, remove_dir_all, set_permissions, write};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_is_ours_alone() {
        let parent = tempfile::tempdir().unwrap();
        let state = State::open(&parent.path().join("state")).unwrap();
        assert!(state.read("key").unwrap().is_none());
        write(state.path("key.new"), "half").unwrap();
        for content in ["one", "two"] {
            state.write("key", content.as_bytes());
            state.flush().unwrap();
            assert_eq!(state.read("key").unwrap().unwrap().expose(), content.as_bytes());
        }
        assert_eq!(metadata(state.path("key")).unwrap().mode() & 0o777, 0o600);
        assert_eq!(metadata(parent.path().join("state")).unwrap().mode() & 0o777, 0o700);
        assert_eq!(read_dir(parent.path().join("state")).unwrap().count(), 1);
    }

    #[test]
    fn what_the_disk_does_not_take_is_known_and_written_when_it_does() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("state");
        let state = State::open(&folder).unwrap();
        state.probe().unwrap();
        assert_eq!(read_dir(&folder).unwrap().count(), 0);
        remove_dir_all(&folder).unwrap();
        assert!(state.probe().unwrap_err().wrong.contains("cannot be written: "));
        state.write("key", b"secret");
        for _ in 0..2 {
            assert!(state.flush().unwrap_err().right.starts_with("make room"));
            assert!(!state.clone().is_flushed());
            assert_eq!(state.read("key").unwrap().unwrap().expose(), b"secret");
        }
        create_dir(&folder).unwrap();
        state.flush().unwrap();
        assert!(state.is_flushed());
        assert_eq!(std::fs::read(state.path("key")).unwrap(), b"secret");
    }

    #[test]
    fn what_others_could_have_touched_is_refused_with_a_remedy() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("state");
        create_dir(&folder).unwrap();
        set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
        assert!(State::open(&folder).unwrap_err().right.starts_with("run: chmod go-w "));
        set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
        let state = State::open(&folder).unwrap();
        write(state.path("key"), "secret").unwrap();
        set_permissions(state.path("key"), Permissions::from_mode(0o640)).unwrap();
        assert!(state.read("key").unwrap_err().right.starts_with("run: chmod 600 "));
        let file = parent.path().join("file");
        write(&file, "").unwrap();
        assert!(State::open(&file).unwrap_err().wrong.ends_with("is not a folder"));
        let nowhere = parent.path().join("no/where");
        assert!(State::open(&nowhere).unwrap_err().right.starts_with("create it"));
    }
}

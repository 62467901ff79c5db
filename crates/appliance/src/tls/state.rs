//! The state directory: small secret files that outlive a restart, of mode 0600, written whole or not at
//! all.
//!
//! It knows nothing of what is in them.

use std::fs::{DirBuilder, File, OpenOptions, metadata, remove_file, rename};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use crate::limits::STATE_FILE_BYTES_MAX;
use crate::settings::{Refusal, Secret, read_private};

/// A folder of ours alone.
#[derive(Clone, Debug)]
pub(crate) struct State {
    folder: PathBuf,
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
        Ok(Self { folder: folder.to_owned() })
    }

    /// Where a file of that name is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The content of a file, or nothing if there is none.
    ///
    /// # Errors
    ///
    /// It cannot be read, is somebody else's, or can be read by others.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Secret>, Refusal> {
        let path = self.path(name);
        if !path.exists() {
            return Ok(None);
        }
        read_private(&path, STATE_FILE_BYTES_MAX).map(Some).map_err(|refusal| refusal.of(&path))
    }

    /// Replaces a file: a crash leaves the old content or the new.
    ///
    /// # Errors
    ///
    /// The file system's; the old content is still there.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<(), Refusal> {
        let path = self.path(name);
        self.replace(name, content).map_err(|error| {
            let right = "make room, and let the user that runs ginnel write there";
            Refusal::new(format!("cannot be written: {error}"), right).of(&path)
        })
    }

    /// Forgets a file; one that cannot be removed is found again at the next reading.
    pub(crate) fn remove(&self, name: &str) {
        let _ = remove_file(self.path(name));
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

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, create_dir, read_dir, set_permissions, write};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_is_ours_alone() {
        let parent = tempfile::tempdir().unwrap();
        let state = State::open(&parent.path().join("state")).unwrap();
        assert!(state.read("key").unwrap().is_none());
        write(state.path("key.new"), "half").unwrap();
        for content in ["one", "two"] {
            state.write("key", content.as_bytes()).unwrap();
            assert_eq!(state.read("key").unwrap().unwrap().expose(), content.as_bytes());
        }
        assert_eq!(metadata(state.path("key")).unwrap().mode() & 0o777, 0o600);
        assert_eq!(metadata(parent.path().join("state")).unwrap().mode() & 0o777, 0o700);
        assert_eq!(read_dir(parent.path().join("state")).unwrap().count(), 1);
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

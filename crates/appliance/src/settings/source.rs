//! Files that the configuration consists of or names: found, bounded, and refused where they are not what
//! they should be.
//!
//! It knows nothing of what is in them.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, Metadata, OpenOptions, metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Where relative paths of the configuration lead.
pub(crate) struct Folders {
    /// What the service manager handed over (`$CREDENTIALS_DIRECTORY`).
    credentials: Option<PathBuf>,
    /// Where the service manager lets us keep state (the first of `$STATE_DIRECTORY`).
    state: Option<PathBuf>,
    /// Where the configuration file is, or nothing for the current folder.
    beside: PathBuf,
}

/// A secret that wipes itself and prints nothing of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

/// Why a file was refused: what is wrong, as a predicate to the file's name, and what would be right.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) wrong: String,
    pub(crate) right: String,
}

impl Folders {
    pub(crate) fn new(file: Option<&Path>, variables: &BTreeMap<String, String>) -> Self {
        Self {
            credentials: variables.get("CREDENTIALS_DIRECTORY").map(PathBuf::from),
            state: variables
                .get("STATE_DIRECTORY")
                .and_then(|folders| folders.split(':').find(|folder| !folder.is_empty()))
                .map(PathBuf::from),
            beside: file.and_then(Path::parent).map(Path::to_owned).unwrap_or_default(),
        }
    }

    /// A relative path leads to the credential of that name if there is one, else beside the configuration.
    pub(crate) fn resolve(&self, path: &str) -> PathBuf {
        let credential = self.credentials.as_ref().map(|folder| folder.join(path));
        credential.filter(|credential| credential.exists()).unwrap_or_else(|| self.beside.join(path))
    }

    /// The folder that a key names for state, else the one that the service manager gives.
    pub(crate) fn state(&self, path: &str) -> Option<PathBuf> {
        if path.is_empty() { self.state.clone() } else { Some(self.beside.join(path)) }
    }
}

impl Secret {
    /// The secret itself, for keys and comparisons.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl Refusal {
    pub(crate) fn new(wrong: impl Into<String>, right: impl Into<String>) -> Self {
        Self { wrong: wrong.into(), right: right.into() }
    }

    /// The same as a sentence about that file.
    pub(crate) fn of(self, path: &Path) -> Self {
        Self { wrong: format!("{} {}", path.display(), self.wrong), ..self }
    }
}

/// What tells one content of a name from another without reading it; nothing if there is none.
pub(crate) type Identity = Option<(u64, u64, i64, i64, u64)>;

/// The identity of what stands behind a name now.
pub(crate) fn identity(path: &Path) -> Identity {
    let found = metadata(path).ok()?;
    Some((found.dev(), found.ino(), found.mtime(), found.mtime_nsec(), found.size()))
}

/// The whole of a regular file.
pub(crate) fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Refusal> {
    let (file, metadata) = open(path)?;
    read_bounded(file, &metadata, bytes_max)
}

/// The same for a file that not everyone on the machine may read.
pub(crate) fn read_secret(path: &Path, bytes_max: u64) -> Result<Secret, Refusal> {
    let (file, metadata) = open(path)?;
    if metadata.mode() & 0o007 != 0 {
        return Err(Refusal::new(
            "can be read or written by every user of this machine",
            format!("run: chmod o= {}", path.display()),
        ));
    }
    read_bounded(file, &metadata, bytes_max).map(Secret::new)
}

/// The same for a file that we wrote for ourselves alone.
pub(crate) fn read_private(path: &Path, bytes_max: u64) -> Result<Secret, Refusal> {
    let (file, metadata) = open(path)?;
    let own = rustix::process::geteuid().as_raw();
    if metadata.uid() != own {
        let right = format!("run: chown {own} {}", path.display());
        return Err(Refusal::new("belongs to another user than the one that runs ginnel", right));
    }
    if metadata.mode() & 0o077 != 0 {
        let right = format!("run: chmod 600 {}", path.display());
        return Err(Refusal::new("can be read or written by other users", right));
    }
    read_bounded(file, &metadata, bytes_max).map(Secret::new)
}

fn open(path: &Path) -> Result<(File, Metadata), Refusal> {
    // Opening a FIFO for reading waits for a writer; O_NONBLOCK does not.
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = opened.map_err(|error| unreadable(&error))?;
    let metadata = file.metadata().map_err(|error| unreadable(&error))?;
    if !metadata.is_file() {
        return Err(Refusal::new("is not a regular file", "name a regular file or a link to one"));
    }
    Ok((file, metadata))
}

fn read_bounded(file: File, metadata: &Metadata, bytes_max: u64) -> Result<Vec<u8>, Refusal> {
    // A buffer that has to grow would leave copies of a secret behind.
    let size = usize::try_from(metadata.len().min(bytes_max) + 1).expect("the bounds are small");
    let mut bytes = Vec::with_capacity(size);
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > bytes_max {
        let wrong = format!("is larger than {bytes_max} bytes");
        return Err(Refusal::new(wrong, "check that this is the file you mean"));
    }
    Ok(bytes)
}

fn unreadable(error: &io::Error) -> Refusal {
    let right = match error.kind() {
        io::ErrorKind::NotFound => "create it or correct the path",
        io::ErrorKind::PermissionDenied => "let the user that runs ginnel read it",
        _ => "check the file and its file system",
    };
    Refusal::new(format!("cannot be read: {error}"), right)
}

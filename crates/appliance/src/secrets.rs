//! The file of shared secrets, looked at while the system runs: what is written there is taken over without a
//! restart, so that a secret can be rolled over with the old and the new one side by side.
//!
//! It does not judge credentials; `turn-core` does.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use relay_plane::Handle;
use tokio::task::JoinHandle;

use crate::limits::{FILES_LOOK_S, FILES_SETTLE_LOOKS};
use crate::relay::shared_secrets;
use crate::settings::{Identity, Relay, Secret, identity, load_shared_secrets};

/// Looks at the file again and again until it is dropped.
pub(crate) struct SharedSecrets {
    file: Arc<Mutex<File>>,
    relay: Handle,
    keeper: JoinHandle<()>,
}

impl SharedSecrets {
    /// For the file that the settings name, if they name one; call it inside a tokio runtime.
    pub(crate) fn start(settings: &Relay, relay: Handle) -> Option<Self> {
        let path = settings.secret_file.clone()?;
        let seen = identity(&path);
        let in_use = settings.shared_secrets.clone();
        let file = Arc::new(Mutex::new(File { path, in_use, since: Instant::now(), seen, wrong_looks: 0 }));
        let (looked_at, of_keeper) = (Arc::clone(&file), relay.clone());
        let keeper = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(FILES_LOOK_S)).await;
                look(&looked_at, &of_keeper, false);
            }
        });
        Some(Self { file, relay, keeper })
    }

    /// How many secrets are in use, and for how long the file's content has been; in a form that can be
    /// taken along.
    pub(crate) fn kept(&self) -> impl Fn() -> (usize, Duration) + Send + Sync + 'static {
        let file = Arc::clone(&self.file);
        move || {
            let file = file.lock().expect("nobody panics while holding it");
            (file.in_use.len(), file.since.elapsed())
        }
    }

    /// Looks now; what is wrong is in the log.
    pub(crate) fn reload(&self) {
        look(&self.file, &self.relay, true);
    }
}

impl Drop for SharedSecrets {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

fn look(file: &Mutex<File>, relay: &Handle, asked: bool) {
    match file.lock().expect("nobody panics while holding it").look(asked) {
        Found::Nothing if asked => tracing::info!("the shared secrets have not changed"),
        Found::Nothing => {}
        Found::New(secrets) => {
            relay.replace_secrets(&shared_secrets(&secrets));
            tracing::info!(secrets = secrets.len(), "new shared secrets are in use");
        }
        Found::Wrong(error) => tracing::warn!(%error, "the shared secrets in use stay"),
    }
}

/// The file and what was last seen of it.
struct File {
    path: PathBuf,
    in_use: Vec<Secret>,
    /// Since when those are in use.
    since: Instant,
    seen: Identity,
    /// Looks in a row at which it could not be used.
    wrong_looks: u32,
}

impl File {
    /// What is wrong is told only when it stays, and once, because files are written in more than one step;
    /// or at once when somebody `asked`.
    fn look(&mut self, asked: bool) -> Found {
        let seen = identity(&self.path);
        if seen == self.seen && self.wrong_looks == 0 && !asked {
            return Found::Nothing;
        }
        if seen != self.seen {
            (self.seen, self.wrong_looks) = (seen, 0);
        }
        match load_shared_secrets(&self.path) {
            Ok(secrets) => {
                self.wrong_looks = 0;
                if secrets == self.in_use {
                    return Found::Nothing;
                }
                (self.in_use, self.since) = (secrets.clone(), Instant::now());
                Found::New(secrets)
            }
            Err(refusal) => {
                self.wrong_looks = self.wrong_looks.saturating_add(1);
                let is_told = asked || self.wrong_looks == FILES_SETTLE_LOOKS;
                let wrong = || format!("relay.secret_file: {}; {}", refusal.wrong, refusal.right);
                if is_told { Found::Wrong(wrong()) } else { Found::Nothing }
            }
        }
    }
}

/// What a look found.
enum Found {
    /// What is in use already, or nothing that could be told yet.
    Nothing,
    /// Secrets to use from now on.
    New(Vec<Secret>),
    /// A file that cannot be used: what is wrong with it and the remedy.
    Wrong(String),
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, remove_file, set_permissions, write};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn row_42_a_file_that_changes_is_taken_and_one_that_is_wrong_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets");
        let put = |text: &str, mode: u32| {
            write(&path, text).unwrap();
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        };
        put("2f1c9be07a6d4e58\n", 0o600);
        let in_use = load_shared_secrets(&path).unwrap();
        let mut file =
            File { path: path.clone(), in_use, since: Instant::now(), seen: identity(&path), wrong_looks: 0 };
        assert!(matches!(file.look(false), Found::Nothing) && matches!(file.look(true), Found::Nothing));
        put("9be07a6d4e582f1c\n2f1c9be07a6d4e58\n", 0o600);
        let Found::New(secrets) = file.look(false) else { panic!("there are two now") };
        assert_eq!(secrets.len(), 2);
        assert!(matches!(file.look(false), Found::Nothing));
        for (text, mode) in [("short\n", 0o600), ("9be07a6d4e582f1c\n", 0o644), ("", 0o600)] {
            put(text, mode);
            let looks = (0..FILES_SETTLE_LOOKS + 3).map(|_| file.look(false));
            let told: Vec<_> = looks.filter(|found| !matches!(found, Found::Nothing)).collect();
            assert!(matches!(&told[..], [Found::Wrong(_)]), "{text}");
            let Found::Wrong(told) = file.look(true) else { panic!("who asks is told") };
            assert!(told.starts_with("relay.secret_file: ") && told.contains("; "), "{told}");
        }
        remove_file(&path).unwrap();
        assert!(matches!(file.look(true), Found::Wrong(_)));
        put("9be07a6d4e582f1c\n2f1c9be07a6d4e58\n", 0o600);
        assert!(matches!(file.look(false), Found::Nothing), "what is in use is there again");
    }
}

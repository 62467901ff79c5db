//! Keeps the keys current by which tokens are judged: from a file that is looked at again and again, or from
//! a URL that is asked again and again.
//!
//! What cannot be had or used changes nothing: the keys in use stay.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::jwt::Judge;
use super::keys::KeySet;
use super::url::Url;
use crate::limits::{FILES_LOOK_S, FILES_SETTLE_LOOKS, JWKS_BACK_OFF_S, JWKS_EARLY_S};
use crate::settings::{Identity, JwtKeys, Refusal, identity, load_keys};

/// A task that ends with it.
pub(crate) struct Keeper {
    task: JoinHandle<()>,
    reloads: mpsc::Sender<oneshot::Sender<()>>,
}

impl Keeper {
    /// Call it inside a tokio runtime. Keys of a file are there when it returns.
    pub(super) fn start(keys: &JwtKeys, judge: Arc<Judge>) -> Self {
        let (reloads, asked) = mpsc::channel(1);
        let task = match keys {
            JwtKeys::File(path) => {
                let mut file = File::new(path);
                file.look(&judge, false);
                tokio::spawn(keep_file(file, judge, asked))
            }
            JwtKeys::Url { url, root, refresh_s } => {
                let url = Url::new(url.clone(), root.clone());
                let refresh = Duration::from_secs(*refresh_s);
                tokio::spawn(keep_url(Asked { url, refresh, failures: 0 }, judge, asked))
            }
        };
        Self { task, reloads }
    }

    /// Looks now, and returns when what was found is in use; what is wrong is in the log.
    pub(super) async fn reload(&self) {
        let (done, is_done) = oneshot::channel();
        if self.reloads.send(done).await.is_ok() {
            // An error is the end of the task, which is the end of the system.
            let _ = is_done.await;
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Reloads = mpsc::Receiver<oneshot::Sender<()>>;

async fn keep_file(mut file: File, judge: Arc<Judge>, mut reloads: Reloads) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(FILES_LOOK_S)) => file.look(&judge, false),
            Some(done) = reloads.recv() => {
                file.look(&judge, true);
                // Who asked may not have waited.
                let _ = done.send(());
            }
        }
    }
}

async fn keep_url(mut asked: Asked, judge: Arc<Judge>, mut reloads: Reloads) {
    let mut done: Option<oneshot::Sender<()>> = None;
    loop {
        let (mut next, early) = asked.look(&judge, done.is_some()).await;
        if let Some(done) = done.take() {
            // As above.
            let _ = done.send(());
        }
        loop {
            tokio::select! {
                () = sleep_until(next) => break,
                // A token may name a new key. Anybody can make one that does, so this is not asked for often.
                () = judge.missed() => next = next.min(early),
                Some(asked) = reloads.recv() => {
                    done = Some(asked);
                    break;
                }
            }
        }
    }
}

/// A file and what was last seen of it.
pub(super) struct File {
    path: PathBuf,
    seen: Identity,
    /// Looks in a row at which it could not be used.
    wrong_looks: u32,
}

impl File {
    /// Nothing seen yet.
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), seen: None, wrong_looks: 0 }
    }

    /// What is wrong is told only when it stays, and once, because files are written in more than one step;
    /// or at once when somebody `asked`.
    pub(super) fn look(&mut self, judge: &Judge, asked: bool) {
        let seen = identity(&self.path);
        if seen == self.seen && self.wrong_looks == 0 && !asked && judge.has_keys() {
            return;
        }
        if seen != self.seen {
            (self.seen, self.wrong_looks) = (seen, 0);
        }
        match load_keys(&self.path) {
            Ok(keys) => {
                self.wrong_looks = 0;
                take(judge, keys, asked);
            }
            Err(refusal) => {
                self.wrong_looks = self.wrong_looks.saturating_add(1);
                if asked || self.wrong_looks == FILES_SETTLE_LOOKS {
                    refuse(judge, "match.jwt.keys_file", &refusal);
                }
            }
        }
    }
}

/// A URL and how often it was asked in vain.
struct Asked {
    url: Url,
    refresh: Duration,
    failures: u32,
}

impl Asked {
    /// Asks, and tells when to ask again, and when at the earliest.
    async fn look(&mut self, judge: &Judge, asked: bool) -> (Instant, Instant) {
        let fetched = self.url.fetch().await;
        let keys = fetched.and_then(|text| {
            KeySet::parse(&text).map_err(|it| Refusal::new(format!("what is there {}", it.wrong), it.right))
        });
        let now = Instant::now();
        match keys {
            Ok(keys) => {
                self.failures = 0;
                take(judge, keys, asked);
                (now + self.refresh, now + self.refresh.min(Duration::from_secs(JWKS_EARLY_S)))
            }
            Err(refusal) => {
                refuse(judge, "match.jwt.keys_url", &refusal);
                let next = now + self.back_off();
                self.failures = self.failures.saturating_add(1);
                (next, next)
            }
        }
    }

    /// The wait after a failure, longer with each in a row.
    fn back_off(&self) -> Duration {
        Duration::from_secs(JWKS_BACK_OFF_S << self.failures.min(16)).min(self.refresh)
    }
}

fn take(judge: &Judge, keys: KeySet, asked: bool) {
    let count = keys.count();
    if judge.replace(keys) {
        tracing::info!(keys = count, "new keys of admission are in use");
    } else if asked {
        tracing::info!("the keys of admission have not changed");
    }
}

fn refuse(judge: &Judge, key: &str, Refusal { wrong, right }: &Refusal) {
    judge.fail();
    let error = format!("{key}: {wrong}; {right}");
    if judge.has_keys() {
        tracing::warn!(%error, "the keys of admission in use stay");
    } else {
        tracing::warn!(%error, "there are no keys of admission, and nobody is let in");
    }
}

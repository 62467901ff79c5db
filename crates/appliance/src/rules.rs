//! The rules about addresses while the system runs: taken over from the configuration when it is read anew,
//! and from whoever knows where the services are that this system asks.
//!
//! It reads no file and applies no rule; `settings` and `turn-core` do.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use relay_plane::Handle;
use tokio::task::JoinHandle;

use crate::back_ends::{self, BackEnd};
use crate::limits::BACK_ENDS_LOOK_S;
use crate::relay;
use crate::settings::{Problems, Settings};

/// What a reload takes of the configuration itself, and what is looked for again and again.
pub(crate) struct Rules {
    in_use: Arc<InUse>,
    watch: Option<JoinHandle<()>>,
}

impl Rules {
    /// Of a relay that was started with these settings; call it inside a tokio runtime. Where nobody may
    /// reach the Internet nothing is looked for.
    pub(crate) fn start(settings: &Settings, relay: Handle) -> Self {
        let now = Now { values: settings.values(), rules: relay::rules(settings) };
        let in_use = Arc::new(InUse { relay, now: Mutex::new(now) });
        let back_ends = BackEnd::all(settings);
        let is_needed = settings.relay.reaches_outside() && back_ends.iter().any(BackEnd::has_name);
        let watch = is_needed.then(|| tokio::spawn(watch(back_ends, Arc::clone(&in_use))));
        Self { in_use, watch }
    }

    /// Takes over what may change; what is wrong, and what would take a restart, is in the log.
    pub(crate) fn reload(&self, settings: Result<&Settings, &Problems>) {
        match settings {
            Ok(settings) => self.in_use.take(settings),
            Err(Problems(problems)) => {
                for problem in problems {
                    tracing::error!(%problem, "the rules in use stay");
                }
            }
        }
    }
}

impl Drop for Rules {
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            watch.abort();
        }
    }
}

struct InUse {
    relay: Handle,
    now: Mutex<Now>,
}

struct Now {
    values: Values,
    rules: turn_core::Rules,
}

/// Every key with its value.
type Values = BTreeMap<&'static str, String>;

impl InUse {
    fn take(&self, settings: &Settings) {
        let new = settings.values();
        let mut now = self.now.lock().expect("nobody panics while holding it");
        let mut changed: Vec<&str> = new.keys().copied().filter(|key| now.values[key] != new[key]).collect();
        let before = changed.len();
        changed.retain(|key| !TAKEN.contains(key));
        if changed.len() < before {
            // Where the services are is known better than the configuration says.
            let back_ends = std::mem::take(&mut now.rules.back_ends);
            now.rules = turn_core::Rules { back_ends, ..relay::rules(settings) };
            self.relay.replace_rules(&now.rules);
            let (allow, deny) = (settings.relay.allow.len(), settings.relay.deny.len());
            tracing::info!(allow, deny, "new rules about addresses are in use");
        } else {
            tracing::info!("the rules about addresses have not changed");
        }
        if !changed.is_empty() {
            let keys = changed.join(" ");
            tracing::warn!(keys, "these keys have changed too, which takes a restart");
        }
        for key in TAKEN {
            now.values.insert(key, new[key].clone());
        }
    }

    fn take_back_ends(&self, back_ends: Vec<SocketAddr>) {
        let mut now = self.now.lock().expect("nobody panics while holding it");
        if now.rules.back_ends != back_ends {
            let addresses = back_ends.len();
            now.rules.back_ends = back_ends;
            self.relay.replace_rules(&now.rules);
            tracing::info!(addresses, "services that are asked here are closed to peers");
        }
    }
}

async fn watch(mut back_ends: Vec<BackEnd>, in_use: Arc<InUse>) {
    loop {
        for back_end in back_ends.iter_mut().filter(|it| it.has_name()) {
            back_end.look().await;
        }
        let mut sockets = back_ends::sockets(&back_ends);
        // Names are often answered in another order each time.
        sockets.sort_unstable();
        in_use.take_back_ends(sockets);
        tokio::time::sleep(Duration::from_secs(BACK_ENDS_LOOK_S)).await;
    }
}

/// What is taken over.
const TAKEN: [&str; 3] = ["relay.allow", "relay.deny", "relay.nat64"];

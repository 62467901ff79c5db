//! `/privacy`: what is kept of people at this moment, for people and for machines.
//!
//! It shows numbers and times, no record. The server writes nothing about people to a disk.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use match_core::Kept;
use relay_plane::{Handle, RelayCounters, web};
use serde_json::{Value, json};
use signal_plane::Signal;
use turn_core::limits::RESERVATION_LIFETIME;

use crate::admission::Admission;

/// Where the numbers come from.
pub(crate) struct Inventory {
    signal: Signal,
    relay: Handle,
    admission: Arc<Admission>,
    listeners: Vec<Listener>,
    longest: Longest,
}

/// Gives the numbers of a group of TCP listeners.
pub(crate) type Listener = Box<dyn Fn() -> web::Counters + Send + Sync>;

/// How long some things live at most.
#[derive(Clone, Copy)]
pub(crate) struct Longest {
    /// An allocation without a refresh, in seconds.
    pub(crate) allocation_s: u64,
    /// A session's credentials, in seconds.
    pub(crate) credential_s: u64,
}

impl Inventory {
    /// Of these parts.
    pub(crate) fn new(
        signal: Signal,
        relay: Handle,
        admission: Arc<Admission>,
        listeners: Vec<Listener>,
        longest: Longest,
    ) -> Self {
        Self { signal, relay, admission, listeners, longest }
    }

    /// The inventory as JSON.
    pub(crate) async fn json(&self) -> Value {
        let kept = self.kept().await.into_iter().map(|kept| {
            json!({
                "kind": kept.kind,
                "holds": kept.holds,
                "count": kept.count,
                "oldest_s": kept.oldest_s,
                "longest_s": kept.longest_s,
            })
        });
        json!({"kept": kept.collect::<Vec<_>>(), "written_to_disk": []})
    }

    /// The inventory as a page.
    pub(crate) async fn html(&self) -> String {
        let mut rows = String::new();
        for kept in self.kept().await {
            let oldest = match kept.oldest_s {
                Some(seconds) => duration(seconds),
                None => "\u{2013}".to_owned(),
            };
            let Kept { kind, holds, count, longest_s, .. } = kept;
            let longest = longest_s.map_or_else(|| "as long as it is in use".to_owned(), duration);
            // Writing to memory does not fail. Every text here is our own, so nothing needs escaping.
            let _ =
                writeln!(rows, "<tr><th scope=\"row\">{kind}<td>{holds}<td>{count}<td>{oldest}<td>{longest}");
        }
        format!("{HEAD}{rows}{FOOT}")
    }

    async fn kept(&self) -> Vec<Kept> {
        let mut kept = self.signal.inventory().await;
        let relay = self.relay.counters();
        let turn = &relay.turn;
        let now_unix_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let age = (now_unix_s + self.longest.credential_s).saturating_sub(turn.ended_until_unix_s);
        kept.push(Kept {
            kind: "ended sessions",
            holds: "random numbers whose credentials the relay refuses, until they would have ended anyway",
            count: turn.ended_sessions,
            oldest_s: (turn.ended_sessions > 0).then_some(age),
            longest_s: Some(self.longest.credential_s),
        });
        kept.extend(self.kept_of_relay(&relay));
        kept.extend(self.kept_of_ports(&turn.kept));
        kept.extend(self.kept_of_admission());
        kept.push(Kept {
            kind: "waiting bytes",
            holds: "of messages on their way to clients, sealed if payloads must be",
            count: self.signal.counters().outbound_bytes,
            oldest_s: None,
            longest_s: None,
        });
        let listeners: u64 = self.listeners.iter().map(|counters| counters().open).sum();
        kept.push(Kept {
            kind: "connections",
            holds: "an address prefix, to count how many come from there",
            count: listeners + self.signal.counters().quic.connections,
            // Only a number is kept for each prefix.
            oldest_s: None,
            longest_s: None,
        });
        kept
    }

    fn kept_of_relay(&self, relay: &RelayCounters) -> [Kept; 4] {
        let turn = &relay.turn;
        let age_s = |moment: Option<Duration>| moment.map(|moment| self.relay.age(moment).as_secs());
        [
            Kept {
                kind: "relay allocations",
                holds: "a client's address and port, its session's random number, whom it may reach",
                count: turn.allocations,
                oldest_s: age_s(turn.oldest_allocation),
                longest_s: Some(self.longest.allocation_s),
            },
            Kept {
                kind: "relay connections",
                holds: "a client's address and port, over TCP, TLS or DTLS",
                count: relay.streams.open + relay.dtls.open,
                oldest_s: None,
                longest_s: None,
            },
            Kept {
                kind: "peers over TCP",
                holds: "the address and port of a peer that an allocation is connected to",
                count: turn.connections,
                oldest_s: None,
                longest_s: None,
            },
            Kept {
                kind: "spent requests",
                holds: "keyed hashes of requests whose allocations have ended, so that nobody repeats them",
                count: turn.spent_requests,
                oldest_s: age_s(turn.oldest_spent),
                longest_s: Some(turn_core::SPENT_REQUEST_LIFETIME.as_secs()),
            },
        ]
    }

    fn kept_of_ports(&self, turn: &turn_core::Kept) -> [Kept; 4] {
        let age_s = |moment: Option<Duration>| moment.map(|moment| self.relay.age(moment).as_secs());
        [
            Kept {
                kind: "reservations",
                holds: "a relayed address for whoever brings a token, and whose allocation it is to be",
                count: turn.reservations,
                oldest_s: age_s(turn.oldest_reservation),
                longest_s: Some(RESERVATION_LIFETIME.as_secs()),
            },
            Kept {
                kind: "moving clients",
                holds: "the addresses and ports on which a client with a ticket was heard, as long as its \
                        allocations",
                count: turn.moving_clients,
                oldest_s: None,
                longest_s: None,
            },
            Kept {
                kind: "resting ports",
                holds: "a number that was somebody's and not whose, until others are given out",
                count: turn.resting_ports,
                oldest_s: age_s(turn.oldest_resting),
                longest_s: None,
            },
            Kept {
                kind: "budget places",
                holds: "in tables of constant size, used or not: how many answers and wrong passwords are \
                        left to all addresses whose keyed hashes fall together",
                count: turn.budget_places,
                oldest_s: None,
                longest_s: None,
            },
        ]
    }

    fn kept_of_admission(&self) -> [Kept; 2] {
        let (used_up, first) = self.admission.used_up();
        let keys = self.admission.numbers().unwrap_or_default();
        [
            Kept {
                kind: "used tokens",
                holds: "hashes of single-use tokens that have let somebody in, not whom",
                count: used_up as u64,
                oldest_s: first.map(|age| age.as_secs()),
                longest_s: None,
            },
            Kept {
                kind: "admission keys",
                holds: "public keys of the identity provider; nothing of the tokens that they verify",
                count: keys.keys,
                oldest_s: keys.age_s,
                longest_s: None,
            },
        ]
    }
}

/// Seconds for people.
fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}

const HEAD: &str = "<!doctype html>
<html lang=\"en\"><meta charset=\"utf-8\"><title>What is kept at this moment</title>
<meta name=\"viewport\" content=\"width=device-width\">
<h1>What is kept at this moment</h1>
<p>All of it is in memory only. Nothing about people is written to a disk or a log.
<table><thead><tr><th scope=\"col\">Kind<th scope=\"col\">What one holds<th scope=\"col\">How many
<th scope=\"col\">Oldest<th scope=\"col\">Longest life<tbody>
";
const FOOT: &str = "</table>
<p>A keyed hash stands for an address without being one: its key is random, in memory, and replaced
regularly. Used tokens stay listed until the server stops.
Nothing is kept of nonces and of proofs of work: both are told from forged ones by a key.
Whoever can read the memory of this process can try all IPv4 addresses. A relay allocation stays
longer if its client refreshes it. The same as JSON: send <code>Accept: application/json</code>.
</html>
";

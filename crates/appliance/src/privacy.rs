//! `/privacy`: what is kept of people at this moment, for people and for machines.
//!
//! It shows numbers and times, no record. The server writes nothing about people to a disk.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use match_core::Kept;
use relay_plane::{HANDSHAKE_TIME_MAX, Handle, Present, RelayCounters, web};
use serde_json::{Value, json};
use signal_plane::Signal;
use turn_core::limits::RESERVATION_LIFETIME;

use crate::admission::Admission;
use crate::tls::CertificatesKept;

/// The inventory, asked for now and then.
pub(crate) struct Inventory {
    sources: Sources,
    start: Instant,
}

/// Where the numbers come from.
pub(crate) struct Sources {
    pub(crate) signal: Signal,
    pub(crate) relay: Handle,
    pub(crate) admission: Arc<Admission>,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) certificates: Box<dyn Fn() -> CertificatesKept + Send + Sync>,
    /// Of those in a file; nothing where none is configured.
    pub(crate) shared_secrets: Option<Secrets>,
    /// Users with a name and a password of their own.
    pub(crate) users: usize,
    pub(crate) longest: Longest,
}

/// Gives the numbers of a group of TCP listeners.
pub(crate) type Listener = Box<dyn Fn() -> web::Counters + Send + Sync>;

/// Gives how many shared secrets there are, and since when.
pub(crate) type Secrets = Box<dyn Fn() -> (usize, Duration) + Send + Sync>;

/// How long some things live at most.
#[derive(Clone, Copy)]
pub(crate) struct Longest {
    /// An allocation without a refresh, in seconds.
    pub(crate) allocation_s: u64,
    /// A session's credentials, in seconds.
    pub(crate) credential_s: u64,
}

impl Inventory {
    /// Of these parts, which start now.
    pub(crate) fn new(sources: Sources) -> Self {
        Self { sources, start: Instant::now() }
    }

    /// The inventory as JSON.
    pub(crate) async fn json(&self) -> Value {
        let all = self.kept().await;
        let is_on_disk = |kept: &&Kept| kept.kind == STATE_FILES && kept.count > 0;
        let on_disk: Vec<_> = all.iter().filter(is_on_disk).map(|kept| kept.kind).collect();
        let kept = all.iter().map(|kept| {
            json!({
                "kind": kept.kind,
                "holds": kept.holds,
                "count": kept.count,
                "oldest_s": kept.oldest_s,
                "longest_s": kept.longest_s,
            })
        });
        json!({"kept": kept.collect::<Vec<_>>(), "written_to_disk": on_disk})
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
        let Sources { signal, relay, .. } = &self.sources;
        let mut kept = signal.inventory().await;
        let counters = relay.counters();
        kept.extend(self.kept_of_sessions(&counters.turn));
        kept.extend(self.kept_of_relay(&counters));
        kept.extend(self.kept_of_ports(&counters.turn.kept));
        kept.extend(self.kept_of_listeners(&counters));
        kept.extend(self.kept_of_admission());
        kept.extend(self.kept_of_operator());
        kept
    }

    fn kept_of_sessions(&self, turn: &turn_core::Counters) -> [Kept; 2] {
        let longest_s = self.sources.longest.credential_s;
        let now_unix_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let age_s = (now_unix_s + longest_s).saturating_sub(turn.ended_until_unix_s);
        let resting = self.sources.relay.kept().resting_sides;
        [
            Kept {
                kind: "ended sessions",
                holds: "random numbers whose credentials the relay refuses, until they would end anyway",
                count: turn.ended_sessions,
                oldest_s: (turn.ended_sessions > 0).then_some(age_s),
                longest_s: Some(longest_s),
            },
            Kept {
                kind: "resting sides",
                holds: "a session's random number and how much it has sent and received lately, until its \
                        bandwidth has come back, which takes seconds",
                count: resting.count,
                oldest_s: seconds(resting.oldest),
                longest_s: None,
            },
        ]
    }

    fn kept_of_relay(&self, relay: &RelayCounters) -> [Kept; 5] {
        let turn = &relay.turn;
        let age_s = |moment: Option<Duration>| seconds(moment.map(|moment| self.sources.relay.age(moment)));
        let connections = self.sources.relay.kept().connections;
        [
            Kept {
                kind: "relay allocations",
                holds: "a client's address and port, its session's random number, whom it may reach",
                count: turn.allocations,
                oldest_s: age_s(turn.oldest_allocation),
                longest_s: Some(self.sources.longest.allocation_s),
            },
            Kept {
                kind: "relay connections",
                holds: "a client's address and port, over TCP, TLS or DTLS",
                count: connections.count,
                oldest_s: seconds(connections.oldest),
                longest_s: None,
            },
            Kept {
                kind: "waiting relay bytes",
                holds: "of encrypted media, for half a second at most, and of requests and answers, between \
                        the relay and clients over TCP or TLS",
                count: relay.streams.waiting_bytes,
                oldest_s: None,
                longest_s: None,
            },
            Kept {
                kind: "peers over TCP",
                holds: "the address and port of a peer that an allocation is connected to",
                count: turn.connections,
                oldest_s: age_s(turn.kept.oldest_connection),
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

    fn kept_of_listeners(&self, relay: &RelayCounters) -> [Kept; 3] {
        let (mut open, mut handshakes) = (Present::default(), self.sources.relay.kept().handshakes);
        for counters in self.sources.listeners.iter().map(|counters| counters()) {
            open = open.and(counters.open);
            handshakes = handshakes.and(counters.handshakes);
        }
        let second = relay.dtls.second.map(|second| self.sources.relay.age(second));
        [
            Kept {
                kind: "connections",
                holds: "over TCP, whatever is spoken on them: an address prefix, to count how many come from \
                        there",
                count: open.count,
                oldest_s: seconds(open.oldest),
                longest_s: None,
            },
            Kept {
                kind: "handshakes",
                holds: "of TLS and DTLS, with what a proxy says before them: an address prefix, to count how \
                        many come from there",
                count: handshakes.count,
                oldest_s: seconds(handshakes.oldest),
                longest_s: Some(HANDSHAKE_TIME_MAX.as_secs()),
            },
            Kept {
                kind: "networks of DTLS",
                holds: "an address prefix: how many handshakes began from there in this second",
                count: relay.dtls.networks,
                oldest_s: seconds(second),
                longest_s: Some(1),
            },
        ]
    }

    fn kept_of_ports(&self, turn: &turn_core::Kept) -> [Kept; 4] {
        let age_s = |moment: Option<Duration>| seconds(moment.map(|moment| self.sources.relay.age(moment)));
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
                oldest_s: age_s(turn.oldest_moving),
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
                        left to all addresses whose keyed hashes fall together, how many allocations to \
                        networks, and under keyed hashes how much bandwidth users had used who left",
                count: turn.budget_places + self.sources.relay.kept().budget_places,
                oldest_s: Some(self.start.elapsed().as_secs()),
                longest_s: None,
            },
        ]
    }

    fn kept_of_admission(&self) -> [Kept; 3] {
        let admission = &self.sources.admission;
        let (used_up, first) = admission.used_up();
        let keys = admission.numbers().unwrap_or_default();
        let unused = admission.unused() as u64;
        [
            Kept {
                kind: "admission tokens",
                holds: "hashes of the tokens that the operator gave out, not to whom",
                count: unused,
                oldest_s: (unused > 0).then(|| self.start.elapsed().as_secs()),
                longest_s: None,
            },
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

    fn kept_of_operator(&self) -> [Kept; 4] {
        let certificates = (self.sources.certificates)();
        let secrets = self.sources.shared_secrets.as_ref().map(|secrets| secrets());
        let (secrets, since) = secrets.unwrap_or_default();
        let users = self.sources.users as u64;
        [
            Kept {
                kind: "certificates",
                holds: "the server's own names, with the private key",
                count: certificates.certificates,
                oldest_s: Some(certificates.oldest_s),
                longest_s: Some(certificates.longest_s),
            },
            Kept {
                kind: STATE_FILES,
                holds: "on the disk, nothing about people: certificates with their keys, and the account \
                        with the authority that signs them",
                count: certificates.files,
                oldest_s: seconds(certificates.oldest_file),
                longest_s: None,
            },
            Kept {
                kind: "shared secrets",
                holds: "keys that other software makes credentials with",
                count: secrets as u64,
                oldest_s: (secrets > 0).then_some(since.as_secs()),
                longest_s: None,
            },
            Kept {
                kind: "static users",
                holds: "names and passwords that the operator configured",
                count: users,
                oldest_s: (users > 0).then(|| self.start.elapsed().as_secs()),
                longest_s: None,
            },
        ]
    }
}

fn seconds(age: Option<Duration>) -> Option<u64> {
    age.map(|age| age.as_secs())
}

/// Seconds for people.
fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}

/// The only kind that is on a disk.
const STATE_FILES: &str = "state files";

const HEAD: &str = "<!doctype html>
<html lang=\"en\"><meta charset=\"utf-8\"><title>What is kept at this moment</title>
<meta name=\"viewport\" content=\"width=device-width\">
<h1>What is kept at this moment</h1>
<p>Nothing about people is written to a disk or a log: all of it is in memory, except the state files,
which are about this server.
<table><thead><tr><th scope=\"col\">Kind<th scope=\"col\">What one holds<th scope=\"col\">How many
<th scope=\"col\">Oldest<th scope=\"col\">Longest life<tbody>
";
const FOOT: &str = "</table>
<p>A keyed hash stands for an address without being one: its key is random, in memory, and replaced
regularly. Used tokens stay listed until the server stops.
Nothing is kept of nonces, of cookies of DTLS and of proofs of work: all are told from forged ones by
a key. The metrics are sums over everybody. A packet on its way is in memory until it is sent.
Whoever can read the memory of this process can try all IPv4 addresses. A relay allocation stays
longer if its client refreshes it. The same as JSON: send <code>Accept: application/json</code>.
</html>
";

//! `/privacy`: what is kept of people at this moment, for people and for machines.
//!
//! It shows numbers and times, no record. It does not count the credentials of ended sessions, which are
//! remembered until they would have ended anyway, nor single-use tokens that were used. The server writes
//! nothing about people to a disk.

use std::fmt::Write as _;

use match_core::Kept;
use relay_plane::Handle;
use serde_json::{Value, json};
use signal_plane::Signal;

/// Where the numbers come from.
pub(crate) struct Inventory {
    signal: Signal,
    relay: Handle,
    allocation_s_max: u64,
}

impl Inventory {
    /// `allocation_s_max`: how long an allocation lives without a refresh.
    pub(crate) fn new(signal: Signal, relay: Handle, allocation_s_max: u64) -> Self {
        Self { signal, relay, allocation_s_max }
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
        kept.push(Kept {
            kind: "relay allocations",
            holds: "a client's address and port, its session's random number, whom it may reach",
            count: self.relay.counters().turn.allocations,
            // Their ages are not kept.
            oldest_s: None,
            longest_s: Some(self.allocation_s_max),
        });
        kept
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
regularly. Whoever can read the memory of this process can try all IPv4 addresses. A relay allocation stays
longer if its client refreshes it. The same as JSON: send <code>Accept: application/json</code>.
</html>
";

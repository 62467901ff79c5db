//! What to measure, how much of it, and the results for people and machines.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::LoadError;
use crate::client::Client;
use crate::idle::{Idle, open_many};
use crate::limits::{
    BODY_BYTES_MAX, BODY_BYTES_MIN, CONNECTIONS_MAX, DRAIN_S_MAX, GOAL_MATCHES_PER_CPU_S, GOAL_TO_MATCH_MS,
    RATE_MAX, RATES_MAX, SECONDS_MAX,
};
use crate::matches::{Arrivals, Matched, Times, WANT};
use crate::message::{Heard, Said};
use crate::messages::{Exchange, Exchanged, exchange};
use crate::process::Server;
use crate::target::Target;

/// What to do to a server. Each measurement has clients of its own, which leave at its end.
#[derive(Clone)]
pub struct Plan {
    /// In this order.
    pub measurements: Vec<Measurement>,
    /// Idle connections.
    pub connections: usize,
    /// Clients that find and leave.
    pub clients: usize,
    /// Arrivals a second, one rate after the other.
    pub rates: Vec<u32>,
    /// Pairs that send each other payloads.
    pub pairs: usize,
    /// Payloads a second of each client; `None`: nine tenths of what the server allows.
    pub messages_per_s: Option<u32>,
    /// Characters of a payload.
    pub body_bytes: usize,
    /// How long matches, each rate of arrivals and payloads are measured, in seconds.
    pub seconds: u64,
    /// Who is asked for the server's memory and CPU time.
    pub server: Server,
}

/// One thing to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measurement {
    /// Memory per idle connection.
    Idle,
    /// Matches a second.
    Matches,
    /// Time to match at rates of arrivals.
    Times,
    /// Relayed payloads a second.
    Messages,
}

/// One result.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "measured", rename_all = "lowercase")]
pub enum Part {
    /// Of idle connections.
    Idle(Idle),
    /// Of matches.
    Matches(Matched),
    /// Of one rate of arrivals.
    Times(Times),
    /// Of payloads.
    Messages(Exchanged),
}

/// All results.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Whether the connections had TLS.
    pub encrypted: bool,
    /// In the order in which they were measured.
    pub parts: Vec<Part>,
}

impl Plan {
    /// Whether it has an end and a size.
    ///
    /// # Errors
    /// The bound that is exceeded.
    pub fn check(&self) -> Result<(), LoadError> {
        let within = |what: &str, is: u64, least: u64, most: u64| {
            let text = || LoadError::Asked(format!("{what} must be from {least} to {most}"));
            if (least..=most).contains(&is) { Ok(()) } else { Err(text()) }
        };
        let connections = CONNECTIONS_MAX as u64;
        within("connections", self.connections as u64, 1, connections)?;
        within("clients", self.clients as u64, 4, connections)?;
        within("pairs", self.pairs as u64, 1, connections / 2)?;
        within("rates", self.rates.len() as u64, 1, RATES_MAX as u64)?;
        within("seconds", self.seconds, 1, SECONDS_MAX)?;
        within("bytes", self.body_bytes as u64, BODY_BYTES_MIN as u64, BODY_BYTES_MAX as u64)?;
        for rate in self.rates.iter().copied().chain(self.messages_per_s) {
            within("a rate", rate.into(), 1, RATE_MAX.into())?;
        }
        Ok(())
    }

    /// Does it all; `tell` is given each result as it comes.
    ///
    /// # Errors
    /// The plan exceeds a bound, a client was refused or closed, or the server cannot be asked.
    pub async fn run(&self, target: &Target, mut tell: impl FnMut(&Part)) -> Result<Report, LoadError> {
        self.check()?;
        let mut report = Report { encrypted: target.is_encrypted(), parts: Vec::new() };
        let mut add = |part: Part| {
            tell(&part);
            report.parts.push(part);
        };
        let lasting = Duration::from_secs(self.seconds);
        let connect = |index| Client::connect(target, index);
        for measurement in &self.measurements {
            match measurement {
                Measurement::Idle => {
                    add(Part::Idle(Idle::measure(&self.server, self.connections, connect).await?));
                }
                Measurement::Matches => {
                    let clients = open_many(0..self.clients, connect).await?;
                    add(Part::Matches(Matched::measure(clients, &self.server, lasting).await?));
                }
                Measurement::Times => {
                    let mut arrivals = Arrivals::new(open_many(0..self.clients, connect).await?);
                    for rate in &self.rates {
                        add(Part::Times(arrivals.measure(*rate, &self.server, lasting).await?));
                    }
                }
                Measurement::Messages => {
                    let pairs = pairs(open_many(0..2 * self.pairs, connect).await?).await?;
                    let limit = pairs.first().map_or(1, |client| client.limits().messages_per_s);
                    let per_s = self.messages_per_s.map_or(f64::from(limit) * 0.9, f64::from);
                    let plan = Exchange { per_s, body_bytes: self.body_bytes, lasting };
                    add(Part::Messages(exchange(pairs, &self.server, plan).await?));
                }
            }
        }
        Ok(report)
    }
}

/// Lets clients meet, until each has a partner.
async fn pairs(clients: Vec<Client>) -> Result<Vec<Client>, LoadError> {
    let meet = |mut client: Client| async move {
        client.say(&Said::Find { want: WANT }).await?;
        loop {
            match client.hear().await? {
                Heard::Matched { .. } => return Ok(client),
                Heard::Error { code, text } => return Err(LoadError::Refused { code, text }),
                _ => {}
            }
        }
    };
    let all = futures_util::future::try_join_all(clients.into_iter().map(meet));
    let limit = DRAIN_S_MAX * 6;
    let met = tokio::time::timeout(Duration::from_secs(limit), all).await;
    met.map_err(|_| LoadError::Late("meeting partners", limit))?
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle(idle) => write!(f, "{idle}"),
            Self::Matches(matched) => write!(f, "{matched}"),
            Self::Times(times) => write!(f, "{times}"),
            Self::Messages(exchanged) => write!(f, "{exchanged}"),
        }
    }
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "idle      {} connections", self.connections)?;
        match self.bytes_each {
            Some(bytes) => write!(f, ", {bytes} bytes of the server's memory each")?,
            None => write!(f, "; give --pid or --metrics for the server's memory")?,
        }
        write!(f, ", {:.0} opened a second", self.opened_per_s)?;
        if self.lost > 0 { write!(f, "; {} WERE LOST", self.lost) } else { Ok(()) }
    }
}

impl fmt::Display for Matched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (clients, per_s) = (self.clients, self.matches_per_s);
        write!(f, "matches   {per_s:.0} a second among {clients} clients")?;
        per_cpu_second(f, self.matches_per_cpu_s)?;
        if let Some(per_s) = self.matches_per_cpu_s {
            let verdict = verdict(per_s >= GOAL_MATCHES_PER_CPU_S);
            write!(f, " (the goal is {GOAL_MATCHES_PER_CPU_S}: {verdict})")?;
        }
        write!(f, "; their message budgets allow {:.0}", self.budget_per_s)?;
        if self.errors > 0 { write!(f, "; {} errors", self.errors) } else { Ok(()) }
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { arrivals_per_s, partner_waits, everybody, .. } = self;
        writeln!(f, "arrivals  {arrivals_per_s} a second ({:.0} came)", self.arrived_per_s)?;
        write!(f, "            to match, a partner waits: {partner_waits}")?;
        let verdict = verdict(partner_waits.count > 0 && partner_waits.p99_ms < GOAL_TO_MATCH_MS);
        writeln!(f, " (the goal is a p99 under {GOAL_TO_MATCH_MS} ms: {verdict})")?;
        writeln!(f, "            to match, everybody:       {everybody}")?;
        write!(f, "            the machine wakes a sleeper late: {}", self.machine)?;
        if let Some(ms) = self.server_waited_ms {
            write!(f, "; the server waits {ms:.2} ms for a processor each time")?;
        }
        if let Some(share) = self.machine_busy {
            write!(f, "\n            the machine is {:.0} % busy", share * 100.0)?;
        }
        if let Some(processors) = self.server_processors {
            write!(f, "; the server uses {:.0} % of a processor", processors * 100.0)?;
        }
        if self.errors > 0 { write!(f, "; {} errors", self.errors) } else { Ok(()) }
    }
}

impl fmt::Display for Exchanged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { clients, body_bytes, latency, .. } = self;
        write!(f, "messages  {:.0} of {body_bytes} bytes a second", self.relayed_per_s)?;
        write!(f, " among {clients} clients")?;
        per_cpu_second(f, self.relayed_per_cpu_s)?;
        write!(f, "\n            {latency}")?;
        if self.lost + self.out_of_order > 0 {
            write!(f, "; {} LOST, {} OUT OF ORDER", self.lost, self.out_of_order)?;
        }
        Ok(())
    }
}

const fn verdict(is_met: bool) -> &'static str {
    if is_met { "met" } else { "MISSED" }
}

fn per_cpu_second(f: &mut fmt::Formatter<'_>, per_s: Option<f64>) -> fmt::Result {
    per_s.map_or(Ok(()), |per_s| write!(f, ", {per_s:.0} per second of the server's CPU"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Latency;

    #[test]
    fn a_plan_without_end_or_bound_is_refused() {
        let plan = Plan {
            measurements: vec![Measurement::Idle],
            connections: 10,
            clients: 10,
            rates: vec![1],
            pairs: 1,
            messages_per_s: None,
            body_bytes: 100,
            seconds: 1,
            server: Server::default(),
        };
        assert!(plan.check().is_ok());
        for bad in [
            Plan { connections: CONNECTIONS_MAX + 1, ..plan.clone() },
            Plan { seconds: 0, ..plan.clone() },
            Plan { rates: vec![0], ..plan.clone() },
            Plan { rates: vec![1; RATES_MAX + 1], ..plan.clone() },
            Plan { body_bytes: 1, ..plan.clone() },
            Plan { messages_per_s: Some(RATE_MAX + 1), ..plan },
        ] {
            assert!(bad.check().is_err());
        }
    }

    #[test]
    fn what_could_not_be_asked_is_not_claimed() {
        let idle = Idle { connections: 5, opened_per_s: 1.0, bytes_each: None, lost: 0 };
        assert!(Part::Idle(idle).to_string().contains("--pid"));
        let json = serde_json::to_value(Part::Idle(idle)).unwrap();
        assert_eq!((&json["measured"], &json["bytes_each"]), (&"idle".into(), &serde_json::Value::Null));
        let times = Times {
            arrivals_per_s: 5,
            arrived_per_s: 5.0,
            partner_waits: Latency::default(),
            everybody: Latency::default(),
            machine: Latency::default(),
            machine_busy: Some(0.25),
            server_processors: None,
            server_waited_ms: Some(0.5),
            errors: 2,
        };
        let text = Part::Times(times).to_string();
        assert!(text.ends_with("the machine is 25 % busy; 2 errors") && text.contains("MISSED"), "{text}");
    }
}

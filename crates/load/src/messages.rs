//! Payloads relayed between the two of each pair at a steady pace: how many arrive, in which order, how late,
//! and what they cost the server.
//!
//! It does not know who relays: bench gives it other servers' clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::LoadError;
use crate::latency::Latency;
use crate::limits::{BODY_BYTES_MIN, DRAIN_S_MAX};
use crate::process::Server;

/// A client with a partner.
pub trait Talker: Send + 'static {
    /// Sends the partner a payload of letters and digits.
    fn send(&mut self, body: String) -> impl Future<Output = Result<(), LoadError>> + Send;

    /// The partner's next payload. May be dropped and called again without losing any.
    fn receive(&mut self) -> impl Future<Output = Result<String, LoadError>> + Send;
}

/// What is sent, by each client.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    /// Payloads a second.
    pub per_s: f64,
    /// Characters of one.
    pub body_bytes: usize,
    /// For how long.
    pub lasting: Duration,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Exchanged {
    /// Clients, two of each pair.
    pub clients: usize,
    /// Characters of a payload.
    pub body_bytes: usize,
    /// Payloads that arrived a second.
    pub relayed_per_s: f64,
    /// Payloads for each second of the server's CPU time; `None` where it could not be asked.
    pub relayed_per_cpu_s: Option<f64>,
    /// Payloads that were sent and did not arrive.
    pub lost: u64,
    /// Payloads that arrived before their turn, or twice.
    pub out_of_order: u64,
    /// From sending to arriving.
    pub latency: Latency,
}

/// Lets all clients talk.
///
/// # Errors
/// A client was closed, or the server cannot be asked.
pub async fn exchange<T: Talker>(
    clients: Vec<T>,
    server: &Server,
    plan: Exchange,
) -> Result<Exchanged, LoadError> {
    let count = clients.len();
    let totals = Arc::<Totals>::default();
    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let before = server.usage().await?;
    let begin = Instant::now();
    for (i, client) in clients.into_iter().enumerate() {
        // Spread over the interval, so that they do not send all at once.
        let offset = Duration::from_secs_f64(i as f64 / count as f64 / plan.per_s);
        let one = Conversation { begin, plan, offset, totals: totals.clone(), stopped: stopped.clone() };
        tasks.spawn(one.run(client));
    }
    sleep_until(begin + plan.lasting).await;
    let deadline = Instant::now() + Duration::from_secs(DRAIN_S_MAX);
    while !totals.all_arrived() && Instant::now() < deadline {
        sleep(Duration::from_millis(1)).await;
    }
    let took = begin.elapsed();
    let after = server.usage().await?;
    stop.send_replace(true);
    let (mut times, mut out_of_order) = (Vec::new(), 0);
    while let Some(ended) = tasks.join_next().await {
        let tally = ended.expect("a conversation does not panic")?;
        times.extend(tally.times);
        out_of_order += tally.out_of_order;
    }
    let (sent, heard) = (totals.sent.load(Ordering::Relaxed), totals.heard.load(Ordering::Relaxed));
    Ok(Exchanged {
        clients: count,
        body_bytes: plan.body_bytes,
        relayed_per_s: heard as f64 / took.as_secs_f64(),
        relayed_per_cpu_s: after.cpu_since(&before).map(|cpu| heard as f64 / cpu.as_secs_f64()),
        lost: sent.saturating_sub(heard),
        out_of_order,
        latency: Latency::of(times),
    })
}

#[derive(Default)]
struct Totals {
    sent: AtomicU64,
    heard: AtomicU64,
}

impl Totals {
    fn all_arrived(&self) -> bool {
        self.heard.load(Ordering::Relaxed) >= self.sent.load(Ordering::Relaxed)
    }
}

struct Conversation {
    begin: Instant,
    plan: Exchange,
    offset: Duration,
    totals: Arc<Totals>,
    stopped: watch::Receiver<bool>,
}

#[derive(Default)]
struct Tally {
    times: Vec<Duration>,
    out_of_order: u64,
}

impl Conversation {
    async fn run(mut self, mut client: impl Talker) -> Result<Tally, LoadError> {
        let interval = Duration::from_secs_f64(1.0 / self.plan.per_s);
        let end = self.begin + self.plan.lasting;
        let (mut at, mut sent, mut expected) = (self.begin + self.offset, 0, 1);
        let mut tally = Tally::default();
        loop {
            tokio::select! {
                // Before the news that the partner, who has been stopped too, is gone.
                biased;
                _ = self.stopped.changed() => return Ok(tally),
                () = sleep_until(at), if at < end => {
                    // A timer that goes off too late: all that was sent has been counted.
                    if Instant::now() >= end {
                        at = end;
                        continue;
                    }
                    sent += 1;
                    self.totals.sent.fetch_add(1, Ordering::Relaxed);
                    client.send(body(self.begin.elapsed(), sent, self.plan.body_bytes)).await?;
                    // A late one is made up for, but not a second's worth: that would measure full buffers.
                    at = (at + interval).max(Instant::now() - interval * LATE_MAX);
                }
                arrived = client.receive() => {
                    let (then, n) = parse(&arrived?).ok_or(LoadError::Protocol("a payload of another's"))?;
                    tally.times.push(self.begin.elapsed().saturating_sub(then));
                    tally.out_of_order += u64::from(n != expected);
                    expected = n + 1;
                    self.totals.heard.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

/// When it was sent, its number, and as much more as makes its size.
fn body(since: Duration, n: u64, bytes: usize) -> String {
    let mut body = format!("{:016x}{n:016x}", since.as_nanos() as u64);
    body.extend(std::iter::repeat_n('A', bytes.saturating_sub(body.len())));
    body
}

fn parse(body: &str) -> Option<(Duration, u64)> {
    let hex = |digits: &str| u64::from_str_radix(digits, 16).ok();
    let (then, n) = (hex(body.get(..16)?)?, hex(body.get(16..32)?)?);
    Some((Duration::from_nanos(then), n))
}

/// Payloads that a client which is late may send at once.
const LATE_MAX: u32 = 8;

const _: () = assert!(BODY_BYTES_MIN == 32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_says_when_it_left_and_which_it_is() {
        let text = body(Duration::from_micros(5), 7, 100);
        assert_eq!((text.len(), parse(&text)), (100, Some((Duration::from_micros(5), 7))));
        assert_eq!(parse("x"), None);
    }
}

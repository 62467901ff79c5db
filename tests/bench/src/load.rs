//! The load: bursts at a fixed rate, and a count of what was truly delivered.
//!
//! It never catches up after a delay: a late burst would measure full buffers, so the rate sinks instead and
//! the count says so.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use crate::wire::Packets;

/// How much to send, and for how long.
pub(crate) struct Plan {
    burst: usize,
    interval: Duration,
    lasting: Duration,
}

/// What happened.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counted {
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
}

impl Plan {
    /// `rate` packets a second in bursts of `burst`.
    ///
    /// # Errors
    /// A rate or a burst of zero.
    pub(crate) fn new(rate: u32, burst: u32, lasting: Duration) -> Result<Self, String> {
        if rate == 0 || burst == 0 {
            return Err("--rate and --burst are at least 1".to_owned());
        }
        let interval = Duration::from_secs(1) * burst / rate;
        Ok(Self { burst: burst as usize, interval, lasting })
    }

    /// The same load, only until caches and tables are warm.
    pub(crate) fn warm_up(&self) -> Self {
        Self { lasting: WARM_UP, ..*self }
    }
}

/// Sends each client's datagram in turn and counts what arrives at any of them.
///
/// # Errors
/// What the operating system said.
pub(crate) fn run<P: Packets>(sockets: &[P], datagrams: &[Vec<u8>], plan: &Plan) -> Result<Counted, String> {
    let mut counted = Counted::default();
    let mut waiting = VecDeque::new();
    let mut clients = (0..sockets.len()).cycle();
    let start = Instant::now();
    let mut next = start;
    while start.elapsed() < plan.lasting {
        for client in clients.by_ref().take(plan.burst) {
            match sockets[client].send(&datagrams[client]) {
                Ok(()) => {
                    counted.sent += 1;
                    waiting.push_back(client ^ 1);
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(e) => return Err(format!("send: {e}")),
            }
        }
        next = Instant::now().max(next + plan.interval);
        while Instant::now() < next {
            counted.delivered += drain(sockets, datagrams, &mut waiting)?;
            std::thread::park_timeout(next.saturating_duration_since(Instant::now()));
        }
    }
    let deadline = Instant::now() + DRAIN_MAX;
    while counted.delivered < counted.sent && Instant::now() < deadline {
        counted.delivered += drain(sockets, datagrams, &mut waiting)?;
        std::thread::park_timeout(Duration::from_millis(1));
    }
    Ok(counted)
}

/// Reads at those who wait for a packet, in the order in which the packets left, and counts the right ones.
/// Whoever got none goes on waiting, until there are more than any server holds back.
fn drain<P: Packets>(
    sockets: &[P],
    datagrams: &[Vec<u8>],
    waiting: &mut VecDeque<usize>,
) -> Result<u64, String> {
    let mut delivered = 0;
    let mut buffer = [0u8; 2048];
    for _ in 0..waiting.len() {
        let Some(client) = waiting.pop_front() else { break };
        match sockets[client].receive(&mut buffer) {
            // What comes is what the partner sent; anything else is not a delivery.
            Ok(length) => delivered += u64::from(buffer[..length] == datagrams[client ^ 1][..]),
            Err(e) if e.kind() == ErrorKind::WouldBlock => waiting.push_back(client),
            Err(e) => return Err(format!("receive: {e}")),
        }
    }
    while waiting.len() > WAITING_MAX {
        waiting.pop_front();
    }
    Ok(delivered)
}

const WARM_UP: Duration = Duration::from_millis(500);

/// How long the last packets may take; it adds no packets, so it hardly adds CPU time.
const DRAIN_MAX: Duration = Duration::from_millis(200);

/// Packets under way that are looked for; older ones are lost.
const WAITING_MAX: usize = 4096;

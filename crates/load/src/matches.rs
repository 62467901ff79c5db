//! Clients that find and leave: as fast as they may, and at a given rate of arrivals.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use crate::LoadError;
use crate::client::Client;
use crate::latency::Latency;
use crate::lateness::Sleeper;
use crate::limits::DRAIN_S_MAX;
use crate::machine::Ticks;
use crate::message::{Heard, Media, Role, Said, Want};
use crate::process::Server;

/// How many matches there were.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Matched {
    /// Clients that went from partner to partner.
    pub clients: usize,
    /// Matches a second.
    pub matches_per_s: f64,
    /// Matches for each second of the server's CPU time; `None` where it could not be asked.
    pub matches_per_cpu_s: Option<f64>,
    /// What the clients' message budgets allow; near it, more clients make more matches.
    pub budget_per_s: f64,
    /// Errors that clients were told.
    pub errors: u64,
}

impl Matched {
    /// Each client leaves its partner at once for the next, as often as its budget of messages allows.
    ///
    /// # Errors
    /// A client was closed, or the server cannot be asked.
    pub async fn measure(
        clients: Vec<Client>,
        server: &Server,
        lasting: Duration,
    ) -> Result<Self, LoadError> {
        let count = clients.len();
        let per_s = clients.first().map_or(1.0, |client| f64::from(client.limits().messages_per_s)) * PACE;
        let (found, errors) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let before = server.usage().await?;
        let begin = Instant::now();
        for client in clients {
            let pace = Duration::from_secs_f64(1.0 / per_s);
            tasks.spawn(rove(client, pace, found.clone(), errors.clone(), stopped.clone()));
        }
        sleep(lasting).await;
        let (matches, took) = (found.load(Ordering::Relaxed) as f64 / 2.0, begin.elapsed());
        let after = server.usage().await?;
        stop.send_replace(true);
        while let Some(ended) = tasks.join_next().await {
            ended.expect("a client does not panic")?;
        }
        Ok(Self {
            clients: count,
            matches_per_s: matches / took.as_secs_f64(),
            matches_per_cpu_s: after.cpu_since(&before).map(|cpu| matches / cpu.as_secs_f64()),
            budget_per_s: per_s * count as f64 / 2.0,
            errors: errors.load(Ordering::Relaxed),
        })
    }
}

/// How long it takes to meet somebody when so many come a second.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Times {
    /// Arrivals a second that were asked for.
    pub arrivals_per_s: u32,
    /// Arrivals a second that there were; fewer where the load itself could not keep up.
    pub arrived_per_s: f64,
    /// Of those who found somebody waiting: from `find` to `matched`.
    pub partner_waits: Latency,
    /// Of everybody, waiting included.
    pub everybody: Latency,
    /// By how much a thread of the load that only sleeps was woken too late meanwhile: what the machine adds.
    pub machine: Latency,
    /// The share of the time in which the machine's processors were busy, whoever with; `None` where the
    /// kernel does not tell.
    pub machine_busy: Option<f64>,
    /// The processors that the server used on average; `None` where it could not be asked.
    pub server_processors: Option<f64>,
    /// How long a thread of the server that was ready waited for a processor on average, in milliseconds;
    /// `None` where it could not be asked.
    pub server_waited_ms: Option<f64>,
    /// Errors that clients were told.
    pub errors: u64,
}

/// Clients that arrive when they are told to, and are told again once their session is over.
pub(crate) struct Arrivals {
    clients: Vec<mpsc::Sender<()>>,
    idle: Vec<usize>,
    events: mpsc::Receiver<Event>,
    tasks: JoinSet<Result<(), LoadError>>,
    random: u64,
}

enum Event {
    Met { began: Instant, waited: Duration, role: Role },
    Free(usize),
    Error,
}

impl Arrivals {
    pub(crate) fn new(clients: Vec<Client>) -> Self {
        // Each client has at most three things to tell before it arrives again.
        let (told, events) = mpsc::channel(clients.len() * 4 + 1);
        let mut tasks = JoinSet::new();
        let idle = (0..clients.len()).collect();
        let of_client = |(index, client)| {
            let (arrive, arrivals) = mpsc::channel(1);
            tasks.spawn(come_and_go(client, index, arrivals, told.clone()));
            arrive
        };
        let clients = clients.into_iter().enumerate().map(of_client).collect();
        Self { clients, idle, events, tasks, random: 1 }
    }

    /// Lets them come at a rate.
    ///
    /// # Errors
    /// A client was closed.
    pub(crate) async fn measure(
        &mut self,
        per_s: u32,
        server: &Server,
        lasting: Duration,
    ) -> Result<Times, LoadError> {
        let (mut met, mut errors, mut arrived) = (Vec::new(), 0, 0_u64);
        let (sleeper, before, ticks) = (Sleeper::start(), server.usage().await?, Ticks::now());
        let begin = Instant::now();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = begin + lasting;
        let deadline = end + Duration::from_secs(DRAIN_S_MAX);
        // One may be left without a partner for ever.
        let is_over = |arrived: u64, met: usize| Instant::now() >= end && met as u64 + 1 >= arrived;
        while !is_over(arrived, met.len()) && Instant::now() < deadline {
            tokio::select! {
                _ = tick.tick(), if Instant::now() < end => {
                    let due = (begin.elapsed().as_secs_f64() * f64::from(per_s)) as u64;
                    while arrived < due && self.send_one().await {
                        arrived += 1;
                    }
                }
                event = self.events.recv() => match event {
                    // Who was left over from before is of no rate.
                    Some(Event::Met { began, waited, role }) if began >= begin => met.push((role, waited)),
                    Some(Event::Met { .. }) => {}
                    Some(Event::Free(index)) => self.idle.push(index),
                    Some(Event::Error) => errors += 1,
                    None => return Err(self.failure().await),
                },
                () = sleep_until(deadline) => {}
            }
            if self.tasks.try_join_next().is_some() {
                return Err(LoadError::Closed(" on a client that came and went".to_owned()));
            }
        }
        let (after, took) = (server.usage().await?, begin.elapsed());
        let waited = after.waited_since(&before);
        let found = met.iter().filter(|(role, _)| *role == Role::Caller).map(|(_, waited)| *waited);
        Ok(Times {
            arrivals_per_s: per_s,
            arrived_per_s: arrived as f64 / lasting.as_secs_f64(),
            partner_waits: Latency::of(found.collect()),
            everybody: Latency::of(met.iter().map(|(_, waited)| *waited).collect()),
            machine: sleeper.finish(),
            machine_busy: Ticks::now().zip(ticks).map(|(after, before)| after.busy_since(before)),
            server_processors: after.cpu_since(&before).map(|cpu| cpu.as_secs_f64() / took.as_secs_f64()),
            server_waited_ms: waited.map(|waited| waited.as_secs_f64() * 1e3),
            errors,
        })
    }

    /// Sends in one of those who are idle, in no order, so that not always the same two meet.
    async fn send_one(&mut self) -> bool {
        if self.idle.is_empty() {
            return false;
        }
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let place = (self.random >> 33) as usize % self.idle.len();
        let index = self.idle.swap_remove(place);
        self.clients[index].send(()).await.is_ok()
    }

    /// Why all have ended.
    async fn failure(&mut self) -> LoadError {
        while let Some(ended) = self.tasks.join_next().await {
            if let Ok(Err(error)) = ended {
                return error;
            }
        }
        LoadError::Closed(String::new())
    }
}

/// From partner to partner until it is stopped.
async fn rove(
    mut client: Client,
    pace: Duration,
    found: Arc<AtomicU64>,
    errors: Arc<AtomicU64>,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), LoadError> {
    client.say(&Said::Find { want: WANT }).await?;
    let mut next_at = None;
    let mut at = Instant::now();
    loop {
        tokio::select! {
            heard = client.hear() => match heard? {
                Heard::Matched { .. } => {
                    found.fetch_add(1, Ordering::Relaxed);
                    // Who had to wait may be faster afterwards, within the burst.
                    at = (at + pace).max(Instant::now() - pace * BURST);
                    next_at = Some(at);
                }
                Heard::Error { .. } => {
                    errors.fetch_add(1, Ordering::Relaxed);
                    next_at = Some(Instant::now() + AFTER_ERROR);
                }
                _ => {}
            },
            () = sleep_until(next_at.unwrap_or(at)), if next_at.is_some() => {
                next_at = None;
                client.say(&Said::Next {}).await?;
            }
            _ = stopped.changed() => return Ok(()),
        }
    }
}

/// Finds somebody whenever it is told to; who found leaves at once.
async fn come_and_go(
    mut client: Client,
    index: usize,
    mut arrivals: mpsc::Receiver<()>,
    events: mpsc::Sender<Event>,
) -> Result<(), LoadError> {
    let mut began = Instant::now();
    loop {
        let event = tokio::select! {
            told = arrivals.recv() => {
                if told.is_none() {
                    return Ok(());
                }
                began = Instant::now();
                client.say(&Said::Find { want: WANT }).await?;
                continue;
            }
            heard = client.hear() => match heard? {
                Heard::Matched { role, .. } => {
                    let waited = began.elapsed();
                    if role == Role::Caller {
                        client.say(&Said::Leave {}).await?;
                        let _ = events.send(Event::Free(index)).await;
                    }
                    Event::Met { began, waited, role }
                }
                Heard::Gone { .. } => Event::Free(index),
                Heard::Error { .. } => Event::Error,
                _ => continue,
            },
        };
        // Nobody listens any more when the load is over.
        if events.send(event).await.is_err() {
            return Ok(());
        }
    }
}

/// Whom a load's clients would meet: each other rather than people.
pub(crate) const WANT: Want<'static> = Want { media: Media::Text, tags: &["load"], langs: &["x-load"] };

/// How much of its budget a client uses.
const PACE: f64 = 0.9;
/// Messages that one who had to wait may send faster.
const BURST: u32 = 20;
/// How long one waits after it was told an error.
const AFTER_ERROR: Duration = Duration::from_secs(1);
/// Between two looks at who is due.
const TICK: Duration = Duration::from_millis(1);

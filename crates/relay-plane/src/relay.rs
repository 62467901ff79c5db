//! The relay as its owner sees it: started, told of sessions that end, asked for its counters, stopped.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::{Poll, Waker};
use redact::Sensitive;
use turn_core::{AllocationLimits, BandwidthLimits, Directory, Server, SessionId, Side, WorkerId};

use crate::clock::Clock;
use crate::limits::{LISTENER_BUFFER_BYTES, LISTENERS_MAX, WORKERS_MAX};
use crate::mailbox::Mailbox;
use crate::quic::{Queue, QuicSocket};
use crate::socket::Socket;
use crate::stats::{Publisher, RelayCounters};
use crate::streams::{StreamCounters, Streams, Sums};
use crate::worker::{WAKE, Worker};

/// What a relay needs to start.
pub struct Config {
    /// UDP addresses for STUN and TURN.
    pub listen: Vec<SocketAddr>,
    /// UDP addresses for STUN, TURN and QUIC.
    pub web: Vec<SocketAddr>,
    /// TCP addresses whose decrypted streams will be handed to [`Relay::streams`].
    pub listen_streams: Vec<SocketAddr>,
    /// Threads; 0: one per core.
    pub workers: usize,
    /// Limits that hold across workers.
    pub limits: AllocationLimits,
    /// How much may pass, of all workers together.
    pub bandwidth: BandwidthLimits,
    /// The rules. The worker's number and the sockets in `listen` are filled in here; `addresses.own_ips` is
    /// completed with this machine's interface addresses and the external ones.
    pub turn: turn_core::Config,
}

/// A running relay: one thread per worker. Dropping it stops it.
pub struct Relay {
    handle: Handle,
    streams: Streams,
    threads: Vec<JoinHandle<()>>,
    /// Those of `Config::listen`, then those of `Config::web`.
    listening: Vec<SocketAddr>,
    /// Of the latter, in their order.
    quic: Vec<QuicSocket>,
    own_ips: Vec<IpAddr>,
}

/// What others need of a running relay; it may outlive it and then does nothing.
#[derive(Clone)]
pub struct Handle {
    mailboxes: Vec<Mailbox>,
    counters: Vec<Arc<Mutex<RelayCounters>>>,
    directory: Arc<Mutex<Directory>>,
    clock: Clock,
    streams: Arc<Sums>,
}

impl Relay {
    /// Binds every listening address once per worker and starts the workers.
    ///
    /// # Errors
    /// [`StartError`], and nothing is left running.
    pub fn start(config: Config) -> Result<Self, StartError> {
        let count = (config.listen.len() + config.web.len()).max(config.listen_streams.len());
        if count > LISTENERS_MAX {
            return Err(StartError::TooManyListeners { count, most: LISTENERS_MAX });
        }
        let workers = worker_count(config.workers);
        let clock = Clock::start();
        let mut sockets: Vec<Vec<Socket>> = (0..workers).map(|_| Vec::new()).collect();
        let mut listening = Vec::new();
        for &address in config.listen.iter().chain(&config.web) {
            listening.push(bind_for_all(address, &mut sockets)?);
        }
        let shared = config.listen.len()..listening.len();
        let queues = (0..listening.len()).map(|place| shared.contains(&place).then(Queue::default));
        let queues: Vec<_> = queues.collect();
        let quic = quic_sockets(&sockets[0], &queues).map_err(StartError::System)?;
        let sockets_of_ours = [&listening[..], &config.listen_streams].concat();
        let rules = complete(config.turn, &sockets_of_ours, workers).map_err(StartError::System)?;
        let key = (random_u64()?, random_u64()?);
        let directory = Arc::new(Mutex::new(Directory::new(config.limits, config.bandwidth, key)));
        let own_ips = rules.addresses.own_ips.clone();
        let mut handle = Handle {
            mailboxes: Vec::new(),
            counters: Vec::new(),
            streams: Arc::default(),
            directory: Arc::clone(&directory),
            clock,
        };
        let mut built = Vec::new();
        for (index, listeners) in sockets.into_iter().enumerate() {
            let worker = WorkerId(u16::try_from(index).expect("at most WORKERS_MAX"));
            let rules = turn_core::Config { worker, ..rules.clone() };
            let server = Server::new(rules, Arc::clone(&directory), random_seed()?);
            built.push(handle.build(server, listeners, queues.clone()).map_err(StartError::System)?);
        }
        let sums = Arc::clone(&handle.streams);
        let streams = Streams::new(&handle.mailboxes, &config.listen_streams, clock, sums);
        let mut relay = Self { handle, streams, threads: Vec::new(), listening, quic, own_ips };
        for (index, worker) in built.into_iter().enumerate() {
            let others = relay.handle.mailboxes.clone();
            let thread = std::thread::Builder::new()
                .name(format!("relay-{index}"))
                .spawn(move || worker.run(others))
                .map_err(StartError::System)?;
            relay.threads.push(thread);
        }
        Ok(relay)
    }

    /// For those who tell it of sessions and read its counters.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Where TURN clients on streams are handed in.
    pub fn streams(&self) -> Streams {
        self.streams.clone()
    }

    /// The UDP addresses it listens on, those of [`Config::listen`] before those of [`Config::web`], with the
    /// ports the kernel chose where the configuration said 0.
    pub fn listening(&self) -> &[SocketAddr] {
        &self.listening
    }

    /// Hands over the QUIC of each address of [`Config::web`]; until somebody reads it, it waits and is lost.
    pub fn take_quic(&mut self) -> Vec<QuicSocket> {
        std::mem::take(&mut self.quic)
    }

    /// The addresses of this machine and those it is known by outside, loopback last.
    pub fn own_ips(&self) -> &[IpAddr] {
        &self.own_ips
    }

    /// Stops all workers and waits for them.
    pub fn stop(mut self) {
        self.stop_all();
    }

    fn stop_all(&mut self) {
        for mailbox in &self.handle.mailboxes {
            mailbox.stop();
        }
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a worker had panicked");
            }
        }
    }
}

impl Handle {
    /// Ends a session's allocations on every worker and refuses its credentials until they expire.
    pub fn end_session(&self, session: SessionId, until_unix_s: u64) {
        for mailbox in &self.mailboxes {
            if !mailbox.end_session(session, until_unix_s) {
                tracing::error!("a worker does not take word of ended sessions any more");
            }
        }
    }

    /// Whether the client of one side of a session was heard through the relay within `time`.
    pub fn was_heard(&self, session: SessionId, side: Side, time: Duration) -> bool {
        let directory = self.directory.lock().expect("nobody panics while holding the directory");
        let heard = directory.heard(session, side);
        heard.is_some_and(|heard| self.clock.now().mono.saturating_sub(heard) <= time)
    }

    /// From here on new clients with credentials of other software are sent to the first of `alternates` of
    /// their family, or told that there is no room; who has an allocation keeps it.
    pub fn drain(&self, alternates: &[SocketAddr]) {
        for mailbox in &self.mailboxes {
            mailbox.drain(alternates);
        }
    }

    /// The sum over all workers; at most a tenth of a second old.
    pub fn counters(&self) -> RelayCounters {
        let mut sum = RelayCounters::default();
        for counters in &self.counters {
            sum.add(&counters.lock().expect("nobody panics while holding counters"));
        }
        sum.streams = StreamCounters::from(&*self.streams);
        sum
    }

    fn build(
        &mut self,
        server: Server,
        listeners: Vec<Socket>,
        quic: Vec<Option<Queue>>,
    ) -> io::Result<Worker> {
        let poll = Poll::new()?;
        let mailbox = Mailbox::new(Waker::new(poll.registry(), WAKE)?);
        let (publisher, counters) = Publisher::new();
        self.mailboxes.push(mailbox.clone());
        self.counters.push(counters);
        Worker::new(server, poll, listeners, quic, mailbox, self.clock, publisher)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop_all();
    }
}

/// Why a relay did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listening address cannot be bound.
    #[error("cannot listen on UDP port {} of {address}: {source}", address.expose().port())]
    Bind {
        /// As configured.
        address: Sensitive<SocketAddr>,
        /// What the system said.
        source: io::Error,
    },
    /// More listening addresses than can be told apart.
    #[error("{count} listening addresses of one transport; at most {most} are possible")]
    TooManyListeners {
        /// Configured.
        count: usize,
        /// Possible.
        most: usize,
    },
    /// Threads, descriptors, randomness or the list of interfaces cannot be had.
    #[error("the system does not give what the relay needs: {0}")]
    System(io::Error),
}

/// Binds one address for every worker; returns it with the port that it got.
fn bind_for_all(address: SocketAddr, sockets: &mut [Vec<Socket>]) -> Result<SocketAddr, StartError> {
    let failed = |source| StartError::Bind { address: Sensitive::new(address), source };
    // Another process that shares the port too would silently get half of the clients: the first socket is
    // bound alone, which fails if anybody has the port.
    let alone = Socket::bind(address, false, LISTENER_BUFFER_BYTES).map_err(failed)?;
    let address = alone.local();
    drop(alone);
    for of_worker in sockets {
        of_worker.push(Socket::bind(address, true, LISTENER_BUFFER_BYTES).map_err(failed)?);
    }
    Ok(address)
}

/// QUIC leaves by the first worker's sockets.
fn quic_sockets(sockets: &[Socket], queues: &[Option<Queue>]) -> io::Result<Vec<QuicSocket>> {
    let shared = sockets.iter().zip(queues).filter_map(|(socket, queue)| Some((socket, queue.clone()?)));
    shared.map(|(socket, queue)| Ok(QuicSocket::new(queue, socket.sender()?))).collect()
}

fn complete(
    mut rules: turn_core::Config,
    listening: &[SocketAddr],
    workers: usize,
) -> io::Result<turn_core::Config> {
    rules.workers = u16::try_from(workers).expect("at most WORKERS_MAX");
    rules.addresses.listening.extend_from_slice(listening);
    let interfaces = if_addrs::get_if_addrs()?;
    let externals = rules.external.iter().map(|external| external.public);
    let mut own: Vec<IpAddr> = interfaces.iter().map(if_addrs::Interface::ip).chain(externals).collect();
    own.extend(listening.iter().map(SocketAddr::ip).filter(|ip| !ip.is_unspecified()));
    // Loopback last: "the first of ours" of a family should be one that others can reach.
    own.sort_by_key(IpAddr::is_loopback);
    for ip in own {
        if !rules.addresses.own_ips.contains(&ip) {
            rules.addresses.own_ips.push(ip);
        }
    }
    Ok(rules)
}

fn worker_count(configured: usize) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let wanted = if configured == 0 { cores() } else { configured };
    wanted.clamp(1, WORKERS_MAX)
}

fn random_seed() -> Result<[u8; 32], StartError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| StartError::System(error.into()))?;
    Ok(seed)
}

fn random_u64() -> Result<u64, StartError> {
    getrandom::u64().map_err(|error| StartError::System(error.into()))
}

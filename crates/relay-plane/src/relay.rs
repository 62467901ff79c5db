//! The relay as its owner sees it: started, told of sessions that end, asked for its counters, stopped.

use std::io;
use std::iter;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::{Poll, Waker};
use redact::Sensitive;
use tokio::sync::Notify;
use turn_core::{
    AllocationLimits, BandwidthLimits, Directory, ListenerId, Rules, Server, SessionId, SharedSecret, Side,
    WorkerId,
};

use crate::births::Present;
use crate::clock::Clock;
use crate::dtls::{self, Associations, Dtls};
use crate::inlet::Inlet;
use crate::limits::{LISTENERS_MAX, WORKERS_MAX};
use crate::mailbox::Mailbox;
use crate::own_ips::{OwnIps, Watch};
use crate::pulse::{Ending, Pulse};
use crate::quic::{Queue, QuicSocket};
use crate::socket::{KernelBuffers, Socket};
use crate::stats::{Publisher, RelayCounters};
use crate::streams::{StreamCounters, Streams, Sums};
use crate::worker::{Spoken, WAKE, Worker};

/// What a relay needs to start.
pub struct Config {
    /// UDP addresses for STUN and TURN.
    pub listen: Vec<SocketAddr>,
    /// UDP addresses for STUN, TURN, QUIC and DTLS.
    pub web: Vec<SocketAddr>,
    /// TURN over DTLS; `None`: nowhere.
    pub dtls: Option<dtls::Config>,
    /// UDP sockets that are open already, for those of these addresses that they are bound to.
    pub inherited: Vec<UdpSocket>,
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
    inlets: Vec<Inlet>,
    watch: Option<Watch>,
    /// Those of `Config::listen`, those of `Config::web`, then those of DTLS.
    listening: Vec<SocketAddr>,
    /// Of those of `Config::web`, in their order.
    quic: Vec<QuicSocket>,
    own_ips: Vec<IpAddr>,
}

/// What others need of a running relay; it may outlive it and then does nothing.
#[derive(Clone)]
pub struct Handle {
    mailboxes: Vec<Mailbox>,
    /// Of all threads.
    pulses: Vec<Pulse>,
    /// Told of the end of each thread.
    ended: Arc<Notify>,
    counters: Vec<Arc<Mutex<RelayCounters>>>,
    directory: Arc<Mutex<Directory>>,
    clock: Clock,
    streams: Arc<Sums>,
    associations: Option<Arc<Associations>>,
}

/// What is there at this moment besides what the counters tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RelayKept {
    /// Connections on streams and associations.
    pub connections: Present,
    /// Handshakes of DTLS under way.
    pub handshakes: Present,
    /// Sides of sessions that hold nothing and whose use of bandwidth has not come back.
    pub resting_sides: Present,
    /// Places of the tables of users whose allocations ended and of what networks make, in use or not.
    pub budget_places: u64,
}

impl Relay {
    /// Binds every listening address once per worker and starts the workers.
    ///
    /// # Errors
    /// [`StartError`], and nothing is left running.
    pub fn start(mut config: Config) -> Result<Self, StartError> {
        let of_dtls = config.dtls.as_ref().map_or(&[][..], |dtls| &dtls.listen);
        let all = [&config.listen[..], &config.web, of_dtls].concat();
        let count = all.len().max(config.listen_streams.len());
        if count > LISTENERS_MAX {
            return Err(StartError::TooManyListeners { count, most: LISTENERS_MAX });
        }
        let workers = worker_count(config.workers);
        let clock = Clock::start();
        let mut sockets: Vec<Vec<Socket>> = (0..workers).map(|_| Vec::new()).collect();
        let (mut listening, mut shared_by_all) = (Vec::new(), Vec::new());
        for &address in &all {
            let place = ListenerId(u8::try_from(listening.len()).expect("at most LISTENERS_MAX"));
            let is_there = |socket: &UdpSocket| socket.local_addr().is_ok_and(|it| it == address);
            if let Some(found) = config.inherited.iter().position(is_there) {
                let socket = config.inherited.swap_remove(found);
                shared_by_all.push((share(socket, &mut sockets).map_err(StartError::System)?, place));
                listening.push(address);
            } else {
                listening.push(bind_for_all(address, &mut sockets)?);
            }
        }
        let spoken: Vec<_> = iter::repeat_n(Spoken::Turn, config.listen.len())
            .chain(config.web.iter().map(|_| Spoken::All(Queue::default())))
            .chain(iter::repeat_n(Spoken::Dtls, of_dtls.len()))
            .collect();
        let quic = quic_sockets(&sockets[0], &spoken).map_err(StartError::System)?;
        let secured = config.dtls.map(|dtls| (dtls.certificate, Arc::new(Associations::new(dtls.caps))));
        let mut rules = complete(config.turn, &listening, &config.listen_streams, workers);
        let own = OwnIps::read(named(&rules, &listening, &config.listen_streams));
        let own = own.map_err(StartError::System)?;
        rules.addresses.own_ips = own.known().to_vec();
        let key = (random_u64()?, random_u64()?);
        let directory = Arc::new(Mutex::new(Directory::new(config.limits, config.bandwidth, key)));
        let own_ips = rules.addresses.own_ips.clone();
        let mut handle = Handle {
            mailboxes: Vec::new(),
            pulses: Vec::new(),
            ended: Arc::default(),
            counters: Vec::new(),
            streams: Arc::default(),
            directory: Arc::clone(&directory),
            clock,
            associations: secured.as_ref().map(|(_, all)| Arc::clone(all)),
        };
        let mut built = Vec::new();
        for (index, listeners) in sockets.into_iter().enumerate() {
            let worker = WorkerId(u16::try_from(index).expect("at most WORKERS_MAX"));
            let rules = turn_core::Config { worker, ..rules.clone() };
            let server = Server::new(rules, Arc::clone(&directory), random_seed()?);
            let worker = handle.build(server, listeners, spoken.clone(), secured.clone());
            built.push(worker.map_err(StartError::System)?);
        }
        let sums = Arc::clone(&handle.streams);
        let streams = Streams::new(&handle.mailboxes, &config.listen_streams, clock, sums);
        let (threads, inlets, watch) = (Vec::new(), Vec::new(), watch(own, &handle));
        let mut relay = Self { handle, streams, threads, inlets, watch, listening, quic, own_ips };
        relay.run(built, shared_by_all).map_err(StartError::System)?;
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

    /// The UDP addresses it listens on: those of [`Config::listen`], of [`Config::web`], of [`Config::dtls`],
    /// with the ports the kernel chose where the configuration said 0.
    pub fn listening(&self) -> &[SocketAddr] {
        &self.listening
    }

    /// Hands over the QUIC of each address of [`Config::web`]; until somebody reads it, it waits and is lost.
    pub fn take_quic(&mut self) -> Vec<QuicSocket> {
        std::mem::take(&mut self.quic)
    }

    /// The addresses that this machine had at the start and those it is known by outside, loopback last.
    pub fn own_ips(&self) -> &[IpAddr] {
        &self.own_ips
    }

    /// Stops all workers and waits for them.
    pub fn stop(mut self) {
        self.stop_all();
    }

    /// Starts all threads: those of the workers, and those that read a socket for all of them.
    fn run(&mut self, workers: Vec<Worker>, shared_by_all: Vec<(Socket, ListenerId)>) -> io::Result<()> {
        for (index, worker) in workers.into_iter().enumerate() {
            let others = self.handle.mailboxes.clone();
            let ending = Ending(Arc::clone(&self.handle.ended));
            let run = move || {
                let _ending = ending;
                worker.run(others);
            };
            self.threads.push(std::thread::Builder::new().name(format!("relay-{index}")).spawn(run)?);
        }
        for (socket, listener) in shared_by_all {
            let ending = Ending(Arc::clone(&self.handle.ended));
            let inlet = Inlet::start(socket, listener, self.handle.mailboxes.clone(), ending)?;
            self.handle.pulses.push(inlet.pulse().clone());
            self.inlets.push(inlet);
        }
        Ok(())
    }

    fn stop_all(&mut self) {
        self.inlets.clear();
        self.watch = None;
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

    /// Whether every thread has come round since this was asked last; if so, each is asked anew. `true` the
    /// first time.
    pub fn has_pulse(&self) -> bool {
        let all = self.pulses.iter().all(Pulse::has_answered);
        if all {
            self.pulses.iter().for_each(Pulse::ask);
        }
        all
    }

    /// Returns when a thread has ended. Where nobody stopped the relay it is deaf to some of its clients, and
    /// the log says why. For one caller.
    pub async fn ended(&self) {
        self.ended.notified().await;
    }

    /// From here on new clients with credentials of other software are sent to the first of `alternates` of
    /// their family, or told that there is no room; who has an allocation keeps it.
    pub fn drain(&self, alternates: &[SocketAddr]) {
        for mailbox in &self.mailboxes {
            mailbox.drain(alternates);
        }
    }

    /// From here on these are the secrets shared with other software; who has an allocation keeps it.
    pub fn replace_secrets(&self, secrets: &[SharedSecret]) {
        for mailbox in &self.mailboxes {
            mailbox.replace_secrets(secrets);
        }
    }

    /// From here on these are the rules about addresses; what they do not admit ends.
    pub fn replace_rules(&self, rules: &Rules) {
        for mailbox in &self.mailboxes {
            mailbox.replace_rules(rules);
        }
    }

    /// How long ago a moment was that the counters tell.
    pub fn age(&self, moment: Duration) -> Duration {
        self.clock.now().mono.saturating_sub(moment)
    }

    /// What is there besides what the counters tell.
    pub fn kept(&self) -> RelayKept {
        let all = self.associations.as_ref().map(|all| all.present());
        let (associations, handshakes) = all.unwrap_or_default();
        let directory = self.directory.lock().expect("nobody panics while holding the directory");
        let (resting, since) = directory.resting();
        let budget_places = directory.budget_places() as u64;
        drop(directory);
        let resting_sides = Present { count: resting as u64, oldest: since.map(|since| self.age(since)) };
        let connections = self.streams.births().count().and(associations);
        RelayKept { connections, handshakes, resting_sides, budget_places }
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
        spoken: Vec<Spoken>,
        secured: Option<(dtls::Certificate, Arc<Associations>)>,
    ) -> io::Result<Worker> {
        let poll = Poll::new()?;
        let mailbox = Mailbox::new(Waker::new(poll.registry(), WAKE)?);
        let (publisher, counters) = Publisher::new();
        self.mailboxes.push(mailbox.clone());
        self.pulses.push(mailbox.pulse().clone());
        self.counters.push(counters);
        let dtls = match secured {
            Some((certificate, all)) => Some((Dtls::new(certificate, Arc::clone(&all), self.clock)?, all)),
            None => None,
        };
        Worker::new(server, poll, (listeners, spoken), dtls, mailbox, self.clock, publisher)
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
    // bound alone, which fails if anybody has the port, and shares it from then on. In between it is never
    // free, so nobody can take it.
    let first = Socket::bind(address, false, KernelBuffers::LISTENER).map_err(failed)?;
    first.share_port().map_err(failed)?;
    let address = first.local();
    let (of_first, of_others) = sockets.split_first_mut().expect("there is a worker");
    of_first.push(first);
    for of_worker in of_others {
        of_worker.push(Socket::bind(address, true, KernelBuffers::LISTENER).map_err(failed)?);
    }
    Ok(address)
}

/// Gives each worker a handle to send by on a socket of which there is but one.
fn share(socket: UdpSocket, sockets: &mut [Vec<Socket>]) -> io::Result<Socket> {
    let socket = Socket::adopt(socket.into(), KernelBuffers::LISTENER)?;
    for of_worker in sockets {
        of_worker.push(socket.for_sending()?);
    }
    Ok(socket)
}

/// QUIC leaves by the first worker's sockets.
fn quic_sockets(sockets: &[Socket], spoken: &[Spoken]) -> io::Result<Vec<QuicSocket>> {
    let shared = sockets.iter().zip(spoken).filter_map(|(socket, spoken)| match spoken {
        Spoken::All(queue) => Some((socket, queue)),
        Spoken::Turn | Spoken::Dtls => None,
    });
    shared.map(|(socket, queue)| Ok(QuicSocket::new(queue.clone(), socket.sender()?))).collect()
}

fn complete(
    mut rules: turn_core::Config,
    datagrams: &[SocketAddr],
    streams: &[SocketAddr],
    workers: usize,
) -> turn_core::Config {
    rules.workers = u16::try_from(workers).expect("at most WORKERS_MAX");
    rules.addresses.answering.extend_from_slice(datagrams);
    rules.addresses.listening.extend(datagrams.iter().chain(streams));
    rules
}

/// The addresses that are ours by configuration.
fn named(rules: &turn_core::Config, datagrams: &[SocketAddr], streams: &[SocketAddr]) -> Vec<IpAddr> {
    let listening = datagrams.iter().chain(streams).map(SocketAddr::ip).filter(|ip| !ip.is_unspecified());
    let externals = rules.external.iter().map(|external| external.public);
    rules.addresses.own_ips.iter().copied().chain(externals).chain(listening).collect()
}

/// Keeps the workers told of the machine's addresses. Where the system gives no word of changes, those of the
/// start are all that is known.
fn watch(own: OwnIps, handle: &Handle) -> Option<Watch> {
    let watch = Watch::start(own, handle.mailboxes.clone());
    let complain = |error: io::Error| tracing::warn!(%error, "addresses that come later are not noticed");
    watch.map_err(complain).ok()
}

pub(crate) fn worker_count(configured: usize) -> usize {
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

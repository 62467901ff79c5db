//! One thread, one event loop, one `turn-core`: receives, asks for the verdict, executes it.

mod streams;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};
use quinn_udp::RecvMeta;
use turn_core::{
    ClientAddr, Event, FiveTuple, Handover, Hop, ListenerId, LocalIp, Notice, Now, Owner, PeerAddr, Server,
    Verdict, WorkerId,
};

use crate::clock::Clock;
use crate::limits::{BATCHES_PER_TURN_MAX, ERRORS_PER_TURN_MAX, EVENTS_PER_POLL, RELAY_BUFFER_BYTES};
use crate::mailbox::{Letter, Mailbox};
use crate::outbox::{Exit, Outbox, Way};
use crate::quic::Queue;
use crate::socket::{ReceiveBuffers, Socket};
use crate::stats::{IoCounters, Publisher};
use crate::streams::{StreamTable, Worth};

/// Everything one worker owns. Built on the starting thread, so that what cannot be had is known at once;
/// then moved into its own.
pub(crate) struct Worker {
    server: Server,
    poll: Poll,
    listeners: Vec<Socket>,
    /// By listener: where its QUIC goes, if it has any.
    quic: Vec<Option<Queue>>,
    relays: BTreeMap<u16, Socket>,
    /// Sockets that may have more than one turn's worth to read.
    unfinished: Vec<Exit>,
    streams: StreamTable,
    mailbox: Mailbox,
    /// Everyone's mailboxes, by worker.
    others: Vec<Mailbox>,
    clock: Clock,
    buffers: ReceiveBuffers,
    outbox: Outbox,
    io: IoCounters,
    publisher: Publisher,
}

impl Worker {
    /// Registers the listeners with the poll; nothing is read yet.
    pub(crate) fn new(
        server: Server,
        poll: Poll,
        mut listeners: Vec<Socket>,
        quic: Vec<Option<Queue>>,
        mailbox: Mailbox,
        clock: Clock,
        publisher: Publisher,
    ) -> io::Result<Self> {
        for (place, listener) in listeners.iter_mut().enumerate() {
            poll.registry().register(&mut listener.io, Token(place), Interest::READABLE)?;
        }
        Ok(Self {
            server,
            poll,
            listeners,
            quic,
            relays: BTreeMap::new(),
            unfinished: Vec::new(),
            streams: StreamTable::default(),
            mailbox,
            others: Vec::new(),
            clock,
            buffers: ReceiveBuffers::new(),
            outbox: Outbox::default(),
            io: IoCounters::default(),
            publisher,
        })
    }

    /// Runs until [`Mailbox::stop`].
    pub(crate) fn run(mut self, others: Vec<Mailbox>) {
        self.others = others;
        let mut events = Events::with_capacity(EVENTS_PER_POLL);
        loop {
            let timeout = self.sleep_for();
            if let Err(error) = self.poll.poll(&mut events, timeout)
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "a worker cannot wait for packets and stops");
                return;
            }
            let now = self.clock.now();
            let mut ready = std::mem::take(&mut self.unfinished);
            for event in &events {
                match event.token() {
                    WAKE => {
                        if self.read_letters(now) {
                            return;
                        }
                    }
                    token => {
                        let exit = exit_of(token);
                        if !ready.contains(&exit) {
                            ready.push(exit);
                        }
                    }
                }
            }
            for exit in ready {
                self.read_socket(exit, now);
            }
            self.server.handle_deadline(now);
            self.carry_out(now);
            self.flush();
            self.publisher.publish(now.mono, self.server.counters(), &self.io);
        }
    }

    /// Until the next deadline, or not at all while there is more to read.
    fn sleep_for(&self) -> Option<Duration> {
        if !self.unfinished.is_empty() {
            return Some(Duration::ZERO);
        }
        let next = [self.server.next_deadline(), self.publisher.due()].into_iter().flatten().min()?;
        Some(next.saturating_sub(self.clock.now().mono))
    }

    /// Takes the letters; `true`: the worker is to stop.
    fn read_letters(&mut self, now: Now) -> bool {
        let letters = self.mailbox.take();
        for (session, until_unix_s) in letters.endings {
            self.server.handle_session_ended(now, session, until_unix_s);
        }
        for letter in letters.from_workers {
            match letter {
                Letter::Notice(notice) => self.server.handle_notice(now, notice),
                Letter::Handover(handover, sockets) => self.take_over(handover, sockets, now),
                Letter::Datagram(tuple, datagram) => {
                    let mut reply = Vec::new();
                    let verdict = self.server.handle_passed_on(now, tuple, &datagram, &mut reply);
                    let Self { outbox, listeners, relays, streams, .. } = self;
                    execute(outbox, listeners, relays, streams, &tuple, verdict, &mut reply);
                    if self.outbox.is_full() || self.streams.is_full() {
                        self.flush();
                    }
                }
            }
            // Before anything else is read: a relay socket may have to leave with all that is in it.
            self.carry_out(now);
        }
        // After the notices, so that frames find the routes that were offered before they came.
        for letter in letters.streams {
            self.read_stream_letter(letter, now);
        }
        if let Some(alternates) = letters.drain {
            self.server.handle_drain(&alternates);
        }
        self.publisher.touch();
        if letters.stop {
            self.streams.drain().for_each(|link| link.finish());
        }
        letters.stop
    }

    /// Reads one socket for at most a turn.
    fn read_socket(&mut self, exit: Exit, now: Now) {
        if let Exit::Relay(port) = exit {
            self.read_errors(port, now);
        }
        for _ in 0..BATCHES_PER_TURN_MAX {
            let Some(socket) = socket_of(&mut self.listeners, &mut self.relays, exit) else { return };
            let local = socket.local();
            let (filled, more) = match socket.receive(&mut self.buffers) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    // The error of an earlier send (a closed port, say) is told at the next receive, once.
                    tracing::debug!(kind = ?error.kind(), "a socket reports an error");
                    continue;
                }
            };
            self.publisher.touch();
            for index in 0..filled {
                match exit {
                    Exit::Listener(place) => self.read_clients(index, ListenerId(place), local, now),
                    Exit::Relay(port) => self.read_peer(index, port, now),
                }
            }
            self.carry_out(now);
            if self.outbox.is_full() || self.streams.is_full() {
                self.flush();
            }
            if !more {
                return;
            }
        }
        self.unfinished.push(exit);
    }

    /// Datagrams of one client, in the buffer at `index`.
    fn read_clients(&mut self, index: usize, listener: ListenerId, local: SocketAddr, now: Now) {
        let (meta, datagrams) = self.buffers.datagrams(index);
        let tuple = five_tuple(&meta, listener, local);
        let quic = self.quic[usize::from(listener.0)].as_ref();
        let mut reply = Vec::new();
        for datagram in datagrams {
            self.io.udp.in_packets += 1;
            self.io.udp.in_bytes += datagram.len() as u64;
            if let Some(quic) = quic {
                match self.server.handle_shared(&tuple, datagram) {
                    Owner::Turn => {}
                    Owner::Quic => {
                        let taken = quic.push(&meta, datagram);
                        self.io.quic_packets += u64::from(taken);
                        self.io.quic_drops += u64::from(!taken);
                        continue;
                    }
                    Owner::Nobody(reason) => {
                        tracing::trace!(?reason, "dropped");
                        continue;
                    }
                }
            }
            let verdict = self.server.handle_client(now, tuple, datagram, &mut reply);
            let Self { outbox, listeners, relays, streams, .. } = self;
            execute(outbox, listeners, relays, streams, &tuple, verdict, &mut reply);
        }
    }

    /// What ICMP said about datagrams that left a relay socket.
    fn read_errors(&mut self, port: u16, now: Now) {
        let Some(socket) = self.relays.get(&port).filter(|socket| socket.reports_errors()) else { return };
        self.publisher.touch();
        for _ in 0..ERRORS_PER_TURN_MAX {
            match socket.next_error() {
                Ok((peer, Some(error))) => self.server.handle_icmp(now, port, PeerAddr(peer), error),
                Ok((_, None)) => {}
                Err(_) => return,
            }
        }
        self.unfinished.push(Exit::Relay(port));
    }

    /// Datagrams of one outside peer, in the buffer at `index`.
    fn read_peer(&mut self, index: usize, port: u16, now: Now) {
        let (meta, datagrams) = self.buffers.datagrams(index);
        let peer = PeerAddr(meta.addr);
        for datagram in datagrams {
            self.io.udp.in_packets += 1;
            self.io.udp.in_bytes += datagram.len() as u64;
            match self.server.handle_peer(now, port, peer, datagram) {
                Verdict::Forward { hop, payload } => {
                    let streams = &mut self.streams;
                    forward(&mut self.outbox, &self.listeners, &self.relays, streams, hop, payload);
                }
                Verdict::Drop(reason) => tracing::trace!(?reason, "dropped"),
                Verdict::Reply | Verdict::Later => {}
            }
        }
    }

    /// Does what the server wants done besides its verdicts; before the replies leave.
    fn carry_out(&mut self, now: Now) {
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::Send { to, message } if to.listener.is_stream() => {
                    self.streams.push(&to, Worth::Answer, |out| out.extend_from_slice(&message));
                    if let Some(link) = self.streams.find(&to) {
                        link.set_holds_allocation(self.server.holds_allocation(&to));
                    }
                }
                Event::Released { client } => {
                    if let Some(link) = self.streams.find(&client) {
                        link.set_holds_allocation(false);
                    }
                }
                Event::Send { to, message } => {
                    self.outbox.push(way_to_client(&to), 1, |out| out.extend_from_slice(&message));
                }
                Event::OpenRelay { ip, port } => {
                    let opened = self.open_relay(ip, port);
                    self.server.handle_relay_opened(now, port, opened);
                }
                Event::CloseRelay { port } => self.close_relay(port),
                Event::HandOver { worker, handover } => self.hand_over(worker, handover),
                Event::PassOn { worker, tuple, datagram } => {
                    let passed = |other: &Mailbox| other.pass_on(tuple, datagram);
                    if !self.others.get(usize::from(worker.0)).is_some_and(passed) {
                        self.io.lost_notices += 1;
                    }
                }
                Event::Tell { worker, notice } => self.tell(worker, notice),
            }
        }
    }

    /// Gives allocations and their relay sockets to the worker that their client has moved to.
    fn hand_over(&mut self, worker: WorkerId, handover: Handover) {
        // What was decided while the sockets were here leaves by them first.
        self.flush();
        let mut sockets = Vec::new();
        for port in handover.relay_ports() {
            if let Some(mut socket) = self.relays.remove(&port) {
                let _ = self.poll.registry().deregister(&mut socket.io);
                sockets.push((port, socket));
            }
        }
        self.others[usize::from(worker.0)].hand_over(handover, sockets);
    }

    /// Takes what [`Worker::hand_over`] gave. What has arrived in a socket meanwhile makes it ready at once.
    fn take_over(&mut self, handover: Handover, sockets: Vec<(u16, Socket)>, now: Now) {
        let mut lost = Vec::new();
        for (port, mut socket) in sockets {
            match self.register_relay(port, &mut socket) {
                Ok(()) => {
                    self.relays.insert(port, socket);
                }
                Err(error) => {
                    tracing::warn!(kind = ?error.kind(), "a relay socket cannot be taken over");
                    lost.push(port);
                }
            }
        }
        self.server.handle_handover(now, handover);
        for port in lost {
            self.server.handle_relay_opened(now, port, false);
        }
    }

    fn register_relay(&self, port: u16, socket: &mut Socket) -> io::Result<()> {
        let token = Token(RELAY_TOKENS + usize::from(port));
        self.poll.registry().register(&mut socket.io, token, Interest::READABLE)
    }

    fn open_relay(&mut self, ip: LocalIp, port: u16) -> bool {
        let bound = Socket::bind(SocketAddr::new(ip.0, port), false, RELAY_BUFFER_BYTES);
        let registered = bound.and_then(|mut socket| {
            if self.server.wants_icmp() {
                socket.report_errors()?;
            }
            self.register_relay(port, &mut socket)?;
            Ok(socket)
        });
        match registered {
            Ok(socket) => {
                self.relays.insert(port, socket);
                true
            }
            Err(error) => {
                tracing::debug!(kind = ?error.kind(), "a relay socket cannot be opened");
                false
            }
        }
    }

    fn close_relay(&mut self, port: u16) {
        // What was decided while the socket lived still leaves by it.
        self.flush();
        if let Some(mut socket) = self.relays.remove(&port) {
            // Closing takes it out of the poll too.
            let _ = self.poll.registry().deregister(&mut socket.io);
        }
    }

    fn tell(&mut self, worker: WorkerId, notice: Notice) {
        let delivered = self.others.get(usize::from(worker.0)).is_some_and(|other| other.notify(notice));
        if !delivered {
            self.io.lost_notices += 1;
        }
    }

    /// Sends everything in the outbox and to streams.
    fn flush(&mut self) {
        let Self { outbox, listeners, relays, streams, io, .. } = self;
        streams.flush(self.clock.now().mono, io);
        outbox.drain(|exit, burst, segments| {
            let Some(socket) = socket_of(listeners, relays, exit) else { return };
            match socket.send(&burst) {
                Ok(()) => {
                    io.udp.out_packets += segments as u64;
                    io.udp.out_bytes += burst.contents.len() as u64;
                }
                Err(error) => {
                    io.send_failures += segments as u64;
                    tracing::trace!(kind = ?error.kind(), "not sent");
                }
            }
        });
    }
}

/// Executes the verdict about a client's datagram.
fn execute(
    outbox: &mut Outbox,
    listeners: &[Socket],
    relays: &BTreeMap<u16, Socket>,
    streams: &mut StreamTable,
    from: &FiveTuple,
    verdict: Verdict<'_>,
    reply: &mut Vec<u8>,
) {
    match verdict {
        Verdict::Forward { hop, payload } => forward(outbox, listeners, relays, streams, hop, payload),
        Verdict::Reply if from.listener.is_stream() => {
            streams.push(from, Worth::Answer, |out| out.append(reply));
        }
        Verdict::Reply => {
            let segments = listeners[usize::from(from.listener.0)].burst_segments_max();
            outbox.push(way_to_client(from), segments, |out| out.append(reply));
        }
        Verdict::Later => {}
        Verdict::Drop(reason) => tracing::trace!(?reason, "dropped"),
    }
}

/// Executes a forward: the payload in its clothes, on its way.
fn forward(
    outbox: &mut Outbox,
    listeners: &[Socket],
    relays: &BTreeMap<u16, Socket>,
    streams: &mut StreamTable,
    hop: Hop,
    payload: &[u8],
) {
    match hop {
        Hop::Client { to, framing } if to.listener.is_stream() => {
            streams.push(&to, Worth::Data, |out| framing.write(payload, out));
        }
        Hop::Client { to, framing } => {
            let listener = usize::from(to.listener.0);
            // A Data indication has an identifier of its own and may differ in length: still a legal burst.
            let segments = listeners.get(listener).map_or(1, Socket::burst_segments_max);
            outbox.push(way_to_client(&to), segments, |out| framing.write(payload, out));
        }
        Hop::Peer { port, to, whole } => {
            let segments = relays.get(&port).map_or(1, Socket::burst_segments_max);
            let way = Way { exit: Exit::Relay(port), to: to.0, from: None, whole };
            outbox.push(way, segments, |out| out.extend_from_slice(payload));
        }
    }
}

fn way_to_client(tuple: &FiveTuple) -> Way {
    Way {
        exit: Exit::Listener(tuple.listener.0),
        to: tuple.client.0,
        from: Some(tuple.local.0),
        whole: false,
    }
}

fn socket_of<'a>(
    listeners: &'a mut [Socket],
    relays: &'a mut BTreeMap<u16, Socket>,
    exit: Exit,
) -> Option<&'a mut Socket> {
    match exit {
        Exit::Listener(place) => listeners.get_mut(usize::from(place)),
        Exit::Relay(port) => relays.get_mut(&port),
    }
}

fn exit_of(token: Token) -> Exit {
    match token.0.checked_sub(RELAY_TOKENS) {
        Some(port) => Exit::Relay(u16::try_from(port).expect("relay tokens are ports")),
        None => Exit::Listener(u8::try_from(token.0).expect("listener tokens are below 256")),
    }
}

/// The 5-tuple of a received datagram; the kernel tells which of our addresses it came to.
fn five_tuple(meta: &RecvMeta, listener: ListenerId, local: SocketAddr) -> FiveTuple {
    let reached = meta.dst_ip.unwrap_or_else(|| local.ip());
    FiveTuple { client: ClientAddr(meta.addr), local: LocalIp(reached), listener }
}

/// The token that says a letter arrived; sockets have smaller ones.
pub(crate) const WAKE: Token = Token(usize::MAX);

/// Tokens of relay sockets are their ports above this, those of listeners their places below.
const RELAY_TOKENS: usize = 256;

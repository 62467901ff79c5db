//! One thread, one event loop, one `turn-core`: receives, asks for the verdict, executes it.

mod dtls;
mod exits;
mod streams;
mod tcp;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};
use quinn_udp::RecvMeta;
use turn_core::{
    ClientAddr, Event, FiveTuple, Handover, ListenerId, LocalIp, Now, Owner, PeerAddr, Server, Verdict,
    WorkerId,
};

use self::exits::Exits;
use crate::clock::Clock;
use crate::dtls::{Associations, Dtls};
use crate::limits::{BATCHES_PER_TURN_MAX, ERRORS_PER_TURN_MAX, EVENTS_PER_POLL};
use crate::mailbox::{Letter, Mailbox};
use crate::outbox::Exit;
use crate::quic::Queue;
use crate::socket::{KernelBuffers, ReceiveBuffers, Socket, split};
use crate::stats::{IoCounters, Publisher};
use crate::tcp::TcpRelays;

/// Everything one worker owns. Built on the starting thread, so that what cannot be had is known at once;
/// then moved into its own.
pub(crate) struct Worker {
    server: Server,
    poll: Poll,
    exits: Exits,
    /// By listener.
    spoken: Vec<Spoken>,
    dtls: Option<Dtls>,
    /// Sockets that may have more than one turn's worth to read.
    unfinished: Vec<Exit>,
    tcp: TcpRelays,
    mailbox: Mailbox,
    /// Notices that leave behind the answers.
    late: Vec<(WorkerId, Letter)>,
    /// Everyone's mailboxes, by worker.
    others: Vec<Mailbox>,
    /// What is to be left for each when what happens now is through: its mailbox is locked, and it is
    /// woken, once for all of it.
    letters: Vec<Vec<Letter>>,
    clock: Clock,
    io: IoCounters,
    publisher: Publisher,
}

impl Worker {
    /// Registers the listeners with the poll; nothing is read yet.
    pub(crate) fn new(
        server: Server,
        poll: Poll,
        (mut listeners, spoken): (Vec<Socket>, Vec<Spoken>),
        dtls: Option<(Dtls, Arc<Associations>)>,
        mailbox: Mailbox,
        clock: Clock,
        publisher: Publisher,
    ) -> io::Result<Self> {
        for (place, listener) in listeners.iter_mut().enumerate().filter(|(_, it)| !it.is_for_sending()) {
            poll.registry().register(&mut listener.io, Token(place), Interest::READABLE)?;
        }
        let (dtls, all) = dtls.unzip();
        Ok(Self {
            server,
            poll,
            exits: Exits::new(listeners, all),
            spoken,
            dtls,
            unfinished: Vec::new(),
            tcp: TcpRelays::default(),
            mailbox,
            late: Vec::new(),
            others: Vec::new(),
            letters: Vec::new(),
            clock,
            io: IoCounters::default(),
            publisher,
        })
    }

    /// Runs until [`Mailbox::stop`].
    pub(crate) fn run(mut self, others: Vec<Mailbox>) {
        self.letters = others.iter().map(|_| Vec::new()).collect();
        self.others = others;
        let mut events = Events::with_capacity(EVENTS_PER_POLL);
        let mut buffers = ReceiveBuffers::new();
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
                self.read_socket(exit, &mut buffers, now);
            }
            self.server.handle_deadline(now);
            self.keep_dtls(now);
            self.carry_out(now);
            self.flush();
            let dtls = self.dtls.as_ref().map(Dtls::counters).unwrap_or_default();
            self.publisher.publish(now.mono, self.server.counters(), &self.io, dtls);
        }
    }

    /// Until the next deadline, or not at all while there is more to read.
    fn sleep_for(&self) -> Option<Duration> {
        if !self.unfinished.is_empty() {
            return Some(Duration::ZERO);
        }
        let dtls = self.dtls.as_ref().and_then(Dtls::next_deadline);
        let next = [self.server.next_deadline(), self.publisher.due(), dtls].into_iter().flatten().min()?;
        Some(next.saturating_sub(self.clock.now().mono))
    }

    /// Takes the letters; `true`: the worker is to stop.
    fn read_letters(&mut self, now: Now) -> bool {
        let letters = self.mailbox.take();
        // Before anything is let through by the old ones.
        if let Some(rules) = letters.rules {
            self.server.handle_rules(now, &rules);
        }
        if let Some(own_ips) = letters.own_ips {
            self.server.handle_own_ips(now, &own_ips);
        }
        self.carry_out(now);
        for (session, until_unix_s) in letters.endings {
            self.server.handle_session_ended(now, session, until_unix_s);
        }
        // Before the notices, which may be about a stream as new as they are.
        self.open_streams(&letters.streams);
        for letter in letters.from_workers {
            match letter {
                Letter::Notice(notice) => self.server.handle_notice(now, notice),
                Letter::Handover(handover, sockets) => self.take_over(handover, sockets, now),
                Letter::Datagram(tuple, datagram) => {
                    let mut reply = Vec::new();
                    let verdict = self.server.handle_passed_on(now, tuple, &datagram, &mut reply);
                    self.exits.execute(&tuple, verdict, &mut reply);
                    if self.exits.are_full() {
                        self.flush();
                    }
                }
            }
            // Before anything else is read: a relay socket may have to leave with all that is in it.
            self.carry_out(now);
        }
        // After the notices, so that what comes finds the routes that were offered before it came.
        self.io.lost_arrivals += letters.lost_arrivals;
        for (listener, local, meta, filled) in letters.arrivals.bursts() {
            let tuple = five_tuple(&meta, listener, local);
            self.read_clients(tuple, &meta, split(&meta, filled), now);
            self.carry_out(now);
            if self.exits.are_full() {
                self.flush();
            }
        }
        for letter in letters.streams {
            self.read_stream_letter(letter, now);
        }
        for letter in letters.tcp {
            self.read_tcp_letter(letter, now);
        }
        if let Some(alternates) = letters.drain {
            self.server.handle_drain(&alternates);
        }
        if let Some(secrets) = letters.secrets {
            self.server.handle_secrets(&secrets);
        }
        self.publisher.touch();
        self.mailbox.pulse().answer();
        if letters.stop {
            self.exits.streams.drain().for_each(|link| link.finish());
            self.close_dtls();
        }
        letters.stop
    }

    /// Reads one socket for at most a turn.
    fn read_socket(&mut self, exit: Exit, buffers: &mut ReceiveBuffers, now: Now) {
        if let Exit::Relay(port) = exit {
            self.read_errors(port, now);
        }
        for _ in 0..BATCHES_PER_TURN_MAX {
            let Some(socket) = self.exits.socket(exit) else { return };
            let local = socket.local();
            let (filled, more) = match socket.receive(buffers) {
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
            if let Exit::Listener(place) = exit {
                let tuple = |index| five_tuple(&buffers.filled(index).0, ListenerId(place), local);
                self.server.foresee((0..filled).map(tuple));
            }
            for index in 0..filled {
                let (meta, datagrams) = buffers.datagrams(index);
                match exit {
                    Exit::Listener(place) => {
                        let tuple = five_tuple(&meta, ListenerId(place), local);
                        self.read_clients(tuple, &meta, datagrams, now);
                    }
                    Exit::Relay(port) => self.read_peer(port, PeerAddr(meta.addr), datagrams, now),
                }
            }
            self.carry_out(now);
            if self.exits.are_full() {
                self.flush();
            }
            if !more {
                return;
            }
        }
        self.unfinished.push(exit);
    }

    /// Datagrams of one client.
    fn read_clients<'a>(
        &mut self,
        tuple: FiveTuple,
        meta: &RecvMeta,
        datagrams: impl Iterator<Item = &'a [u8]>,
        now: Now,
    ) {
        let mut reply = Vec::new();
        for datagram in datagrams {
            self.io.udp.in_packets += 1;
            self.io.udp.in_bytes += datagram.len() as u64;
            match self.owner(&tuple, datagram) {
                Owner::Turn => {
                    let verdict = self.server.handle_client(now, tuple, datagram, &mut reply);
                    self.exits.execute(&tuple, verdict, &mut reply);
                }
                Owner::Quic => self.pass_to_quic(tuple.listener, meta, datagram),
                Owner::Dtls => self.read_dtls(tuple, datagram, now),
                Owner::Nobody(reason) => tracing::trace!(?reason, "dropped"),
            }
        }
    }

    /// Whose a datagram is on the listener that it came to.
    fn owner(&mut self, tuple: &FiveTuple, datagram: &[u8]) -> Owner {
        match self.spoken[usize::from(tuple.listener.0)] {
            Spoken::Turn => Owner::Turn,
            Spoken::All(_) => self.server.handle_shared(tuple, datagram),
            Spoken::Dtls => self.server.handle_secured(tuple, datagram),
        }
    }

    fn pass_to_quic(&mut self, listener: ListenerId, meta: &RecvMeta, datagram: &[u8]) {
        let Spoken::All(queue) = &self.spoken[usize::from(listener.0)] else { return };
        let taken = queue.push(meta, datagram);
        self.io.quic_packets += u64::from(taken);
        self.io.quic_drops += u64::from(!taken);
    }

    /// What ICMP said about datagrams that left a relay socket.
    fn read_errors(&mut self, port: u16, now: Now) {
        let Some(socket) = self.exits.relays.get(&port).filter(|socket| socket.reports_errors()) else {
            return;
        };
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

    /// Datagrams of one outside peer.
    fn read_peer<'a>(
        &mut self,
        port: u16,
        peer: PeerAddr,
        datagrams: impl Iterator<Item = &'a [u8]>,
        now: Now,
    ) {
        for datagram in datagrams {
            self.io.udp.in_packets += 1;
            self.io.udp.in_bytes += datagram.len() as u64;
            match self.server.handle_peer(now, port, peer, datagram) {
                Verdict::Forward { hop, payload } => self.exits.forward(hop, payload),
                Verdict::Drop(reason) => tracing::trace!(?reason, "dropped"),
                Verdict::Reply | Verdict::Later => {}
            }
        }
    }

    /// Does what the server wants done besides its verdicts; before the replies leave.
    fn carry_out(&mut self, now: Now) {
        self.carry_out_events(now);
        while self.post() {
            self.carry_out_events(now);
        }
    }

    fn carry_out_events(&mut self, now: Now) {
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::Send { to, message } if to.listener.is_stream() => {
                    self.exits.answer(&to, &message);
                    if let Some(link) = self.exits.streams.find(&to) {
                        link.set_holds_allocation(self.server.holds_allocation(&to));
                    }
                }
                Event::Released { client } if client.listener.is_dtls() => self.release_dtls(&client, now),
                Event::Released { client } => {
                    if let Some(link) = self.exits.streams.find(&client) {
                        link.set_holds_allocation(false);
                    }
                }
                Event::Send { to, message } => self.exits.answer(&to, &message),
                Event::OpenRelay { ip, port } => {
                    let opened = self.open_relay(ip, port);
                    self.server.handle_relay_opened(now, port, opened);
                }
                Event::Listen { client, ip, port } => {
                    let opened = self.listen(&client, ip, port);
                    self.server.handle_relay_opened(now, port, opened);
                }
                Event::Connect { port, id, peer } => self.connect(port, id, peer),
                Event::Join { client, id, message, toll } => self.join(&client, id, message, toll),
                Event::CloseConnection { id } => self.tcp.close(id),
                Event::CloseRelay { port } => self.close_relay(port),
                Event::HandOver { worker, handover } => self.hand_over(worker, handover),
                Event::PassOn { worker, tuple, datagram } => {
                    self.write(worker, Letter::Datagram(tuple, datagram));
                }
                Event::Tell { worker, notice } if notice.follows_answers() => {
                    self.late.push((worker, Letter::Notice(notice)));
                }
                Event::Tell { worker, notice } => self.write(worker, Letter::Notice(notice)),
            }
        }
    }

    /// Gives allocations and their relay sockets to the worker that their client has moved to.
    fn hand_over(&mut self, worker: WorkerId, handover: Handover) {
        // What was decided while the sockets were here leaves by them first.
        self.flush();
        let mut sockets = Vec::new();
        for port in handover.relay_ports() {
            if let Some(mut socket) = self.exits.relays.remove(&port) {
                let _ = self.poll.registry().deregister(&mut socket.io);
                sockets.push((port, socket));
            }
        }
        self.write(worker, Letter::Handover(handover, sockets));
    }

    /// Takes what [`Worker::hand_over`] gave. What has arrived in a socket meanwhile makes it ready at once.
    fn take_over(&mut self, handover: Handover, sockets: Vec<(u16, Socket)>, now: Now) {
        let mut lost = Vec::new();
        for (port, mut socket) in sockets {
            match self.register_relay(port, &mut socket) {
                Ok(()) => {
                    self.exits.relays.insert(port, socket);
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
        let bound = Socket::bind(SocketAddr::new(ip.0, port), false, KernelBuffers::RELAY);
        let registered = bound.and_then(|mut socket| {
            if self.server.wants_icmp() {
                socket.report_errors()?;
            }
            self.register_relay(port, &mut socket)?;
            Ok(socket)
        });
        match registered {
            Ok(socket) => {
                self.exits.relays.insert(port, socket);
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
        self.tcp.close_port(port);
        if let Some(mut socket) = self.exits.relays.remove(&port) {
            // Closing takes it out of the poll too.
            let _ = self.poll.registry().deregister(&mut socket.io);
        }
    }

    fn write(&mut self, worker: WorkerId, letter: Letter) {
        self.letters[usize::from(worker.0)].push(letter);
    }

    /// Leaves the letters where they belong. `true`: for some there was no room, and the server has heard of
    /// that.
    fn post(&mut self) -> bool {
        let mut is_any_lost = false;
        let written = self.others.iter().zip(&mut self.letters).filter(|(_, letters)| !letters.is_empty());
        for (other, letters) in written {
            for refused in other.post(letters.drain(..)) {
                self.io.lost_notices += 1;
                is_any_lost = true;
                if let Letter::Notice(notice) = refused {
                    self.server.handle_lost_notice(notice);
                }
            }
        }
        is_any_lost
    }

    /// Sends everything that waits, and then tells what follows it.
    fn flush(&mut self) {
        self.exits.flush(self.clock.now().mono, &mut self.io);
        if self.late.is_empty() {
            return;
        }
        for (worker, letter) in std::mem::take(&mut self.late) {
            self.write(worker, letter);
        }
        // Nobody waits for one that finds no room.
        self.post();
    }
}

/// What clients speak to a listener.
#[derive(Clone)]
pub(crate) enum Spoken {
    /// STUN and TURN.
    Turn,
    /// The same, DTLS, and QUIC, which goes there.
    All(Queue),
    /// DTLS, with TURN inside.
    Dtls,
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

//! The client of `turn-client-proto`, which has no sockets and no clock of its own, with both.

use std::io::ErrorKind;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant as Clock};

use ::turn_client_proto::api::{Transmit, TurnClientApi, TurnEvent, TurnPollRet, TurnRecvRet};
use ::turn_client_proto::stun::Instant;
use ::turn_client_proto::stun::types::TransportType;

use crate::PATIENCE;

/// By what a client sends and receives.
pub trait Wire {
    /// Sends from one of its addresses to another.
    fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]);

    /// What has come within a moment.
    fn receive(&mut self) -> Vec<Received>;

    /// Opens one more connection; its own end.
    fn connect(&mut self, to: SocketAddr) -> SocketAddr;
}

/// What came, from where, and to which address.
pub struct Received {
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

/// The client, its wire and its clock.
pub struct Client<C, W> {
    /// The client itself.
    pub client: C,
    wire: W,
    start: Clock,
    /// Payloads of peers that nobody has looked at.
    pub heard: Vec<(SocketAddr, Vec<u8>)>,
}

impl<C: TurnClientApi, W: Wire> Client<C, W> {
    /// One that has just begun to allocate.
    pub fn start(client: C, wire: W) -> Self {
        Self { client, wire, start: Clock::now(), heard: Vec::new() }
    }

    /// Its time.
    pub fn now(&self) -> Instant {
        Instant::ZERO + self.start.elapsed()
    }

    /// Sends and receives until the next event, which must be the one that is awaited.
    ///
    /// # Panics
    /// It is another, or none comes in time.
    pub fn wait_for(&mut self, is_awaited: impl FnOnce(&TurnEvent) -> bool) {
        let event = self.step(|client| client.client.poll_event());
        assert!(is_awaited(&event), "{event:?}");
    }

    /// Sends and receives until there is something.
    ///
    /// # Panics
    /// There is nothing in time.
    pub fn step<T>(&mut self, mut found: impl FnMut(&mut Self) -> Option<T>) -> T {
        while self.start.elapsed() < PATIENCE {
            if let Some(found) = found(self) {
                return found;
            }
            let now = self.now();
            if let TurnPollRet::AllocateTcpSocket { id, socket, peer_addr } = self.client.poll(now) {
                let local = self.wire.connect(socket.to);
                let told = self.client.allocated_tcp_socket(id, socket, peer_addr, Some(local), now);
                told.expect("what it asked for");
            }
            while let Some(transmit) = self.client.poll_transmit(now) {
                self.wire.send(transmit.from, transmit.to, &transmit.data);
            }
            for received in self.wire.receive() {
                self.hear(received);
            }
        }
        panic!("nothing in time");
    }

    /// Asks for a permission and gets it.
    ///
    /// # Panics
    /// It does not.
    pub fn permit(&mut self, transport: TransportType, peer: SocketAddr) {
        let now = self.now();
        self.client.create_permission(transport, peer.ip(), now).expect("a permission to ask for");
        self.wait_for(|event| matches!(event, TurnEvent::PermissionCreated(..)));
    }

    /// Sends a payload to a peer, by a channel where there is one.
    ///
    /// # Panics
    /// The client has no way to it.
    pub fn say(&mut self, transport: TransportType, peer: SocketAddr, payload: &[u8]) {
        let now = self.now();
        let sent = self.client.send_to(transport, peer, payload, now).expect("a permission");
        let transmit = sent.expect("something to send").build();
        self.wire.send(transmit.from, transmit.to, &transmit.data);
    }

    /// Says something to a peer that sends all back, and hears it.
    ///
    /// # Panics
    /// It does not, or hears something else after it.
    pub fn has_back(&mut self, peer: SocketAddr, payload: &[u8]) {
        self.say(TransportType::Udp, peer, payload);
        self.step(|client| client.heard.pop().filter(|heard| *heard == (peer, payload.to_vec())));
    }

    fn hear(&mut self, Received { from, to, bytes }: Received) {
        let received = Transmit::new(bytes, self.client.transport(), from, to);
        let now = self.now();
        if let TurnRecvRet::PeerData(data) = self.client.recv(received, now) {
            self.heard.push((data.peer, data.data().to_vec()));
        }
        while let Some(data) = self.client.poll_recv(now) {
            self.heard.push((data.peer, data.data().to_vec()));
        }
    }
}

/// A socket of UDP.
pub struct Datagrams(UdpSocket);

impl Datagrams {
    /// At a free port of an address, and that.
    ///
    /// # Panics
    /// There is none.
    pub fn new(from: &str) -> (Self, SocketAddr) {
        let socket = UdpSocket::bind(from).expect("a free port");
        socket.set_read_timeout(Some(MOMENT)).expect("a timeout");
        let local = socket.local_addr().expect("a bound socket");
        (Self(socket), local)
    }
}

impl Wire for Datagrams {
    fn send(&mut self, _: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        self.0.send_to(bytes, to).expect("loopback takes it");
    }

    fn receive(&mut self) -> Vec<Received> {
        let mut buffer = [0; 4096];
        let Ok((length, from)) = self.0.recv_from(&mut buffer) else { return Vec::new() };
        let to = self.0.local_addr().expect("a bound socket");
        vec![Received { from, to, bytes: buffer[..length].to_vec() }]
    }

    fn connect(&mut self, _: SocketAddr) -> SocketAddr {
        panic!("nobody asks for connections who relays datagrams by UDP")
    }
}

/// Streams with both their ends: that of TURN, and those of TCP peers.
pub struct Streams<S>(Vec<(S, [SocketAddr; 2])>);

impl<S> Streams<S> {
    /// One stream; `ends`: its own, and the server's.
    pub fn new(stream: S, ends: [SocketAddr; 2]) -> Self {
        Self(vec![(stream, ends)])
    }
}

impl<S: Read + Write + Dial> Wire for Streams<S> {
    fn send(&mut self, from: SocketAddr, _: SocketAddr, bytes: &[u8]) {
        let stream = self.0.iter_mut().find(|(_, [local, _])| *local == from);
        stream.expect("a stream of this client").0.write_all(bytes).expect("loopback takes it");
    }

    fn receive(&mut self) -> Vec<Received> {
        let mut all = Vec::new();
        for (stream, [to, from]) in &mut self.0 {
            let mut buffer = [0; 4096];
            match stream.read(&mut buffer) {
                Ok(length) => {
                    all.push(Received { from: *from, to: *to, bytes: buffer[..length].to_vec() });
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => panic!("{error}"),
            }
        }
        all
    }

    fn connect(&mut self, to: SocketAddr) -> SocketAddr {
        let (stream, ends) = S::dial(to);
        self.0.push((stream, ends));
        ends[0]
    }
}

/// A stream that can be had by its server's address.
pub trait Dial: Sized {
    /// A new one that is read without waiting long, and both its ends.
    fn dial(to: SocketAddr) -> (Self, [SocketAddr; 2]);
}

impl Dial for TcpStream {
    fn dial(to: SocketAddr) -> (Self, [SocketAddr; 2]) {
        let stream = Self::connect(to).expect("the appliance listens");
        stream.set_read_timeout(Some(MOMENT)).expect("a timeout");
        let local = stream.local_addr().expect("a connected socket");
        (stream, [local, to])
    }
}

/// How long a read waits.
const MOMENT: Duration = Duration::from_millis(10);

//! What a client's packets travel on: UDP, TCP, TLS or DTLS, with the same two calls that never block.
//!
//! On streams a packet is a frame of RFC 8656. Clients check no certificate: they started the server.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use dimpl::{Config, Dtls, DtlsCertificate, Output};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use stun_wire::Frame;
use stun_wire::limits::STREAM_FRAME_BYTES_MAX;

/// What is between client and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    Udp,
    Tcp,
    Tls,
    Dtls,
}

impl Transport {
    pub(crate) const fn is_secured(self) -> bool {
        matches!(self, Self::Tls | Self::Dtls)
    }
}

/// Sends and receives whole packets, and says [`ErrorKind::WouldBlock`] instead of waiting.
pub(crate) trait Packets {
    /// # Errors
    /// What the operating system said.
    fn send(&self, packet: &[u8]) -> io::Result<()>;

    /// # Errors
    /// What the operating system said.
    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize>;
}

impl Packets for UdpSocket {
    fn send(&self, packet: &[u8]) -> io::Result<()> {
        Self::send(self, packet).map(drop)
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.recv(buffer)
    }
}

/// One client's connection.
pub(crate) enum Wire {
    Udp(UdpSocket),
    Stream(Box<RefCell<Stream>>),
    Dtls(Box<RefCell<Datagrams>>),
}

impl Wire {
    /// Connects, waiting for a server that is coming up. `certificate`: what a TLS server shows.
    ///
    /// # Errors
    /// It does not come up, or the handshake fails.
    pub(crate) fn connect(
        transport: Transport,
        to: SocketAddr,
        certificate: Option<&CertificateDer<'static>>,
    ) -> Result<Self, String> {
        let deadline = Instant::now() + CONNECT_MAX;
        loop {
            let connected = match transport {
                Transport::Udp => crate::client::socket().and_then(|socket| {
                    socket.connect(to).map_err(|e| format!("connect: {e}"))?;
                    Ok(Self::Udp(socket))
                }),
                Transport::Tcp | Transport::Tls => Stream::connect(to, certificate).map(Self::stream),
                Transport::Dtls => Datagrams::connect(to).map(|it| Self::Dtls(Box::new(it.into()))),
            };
            match connected {
                Err(_) if Instant::now() < deadline => std::thread::park_timeout(PAUSE),
                other => return other,
            }
        }
    }

    fn stream(stream: Stream) -> Self {
        Self::Stream(Box::new(stream.into()))
    }
}

impl Packets for Wire {
    fn send(&self, packet: &[u8]) -> io::Result<()> {
        match self {
            Self::Udp(socket) => Packets::send(socket, packet),
            Self::Stream(stream) => stream.borrow_mut().send(packet),
            Self::Dtls(datagrams) => datagrams.borrow_mut().send(packet),
        }
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => socket.recv(buffer),
            Self::Stream(stream) => stream.borrow_mut().receive(buffer),
            Self::Dtls(datagrams) => datagrams.borrow_mut().receive(buffer),
        }
    }
}

/// A TCP connection, with or without TLS.
pub(crate) struct Stream {
    socket: TcpStream,
    tls: Option<ClientConnection>,
    /// Received, and not yet taken as a packet.
    unread: Vec<u8>,
}

impl Stream {
    fn connect(to: SocketAddr, certificate: Option<&CertificateDer<'static>>) -> Result<Self, String> {
        let mut socket = TcpStream::connect(to).map_err(|e| format!("connect: {e}"))?;
        socket.set_nodelay(true).map_err(|e| format!("nodelay: {e}"))?;
        let mut tls = certificate.map(client).transpose()?;
        if let Some(tls) = &mut tls {
            while tls.is_handshaking() {
                tls.complete_io(&mut socket).map_err(|e| format!("TLS: {e}"))?;
            }
        }
        socket.set_nonblocking(true).map_err(|e| format!("nonblocking: {e}"))?;
        Ok(Self { socket, tls, unread: Vec::new() })
    }

    fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            // A socket that takes a part of it is so full that nothing after it counts.
            return self.socket.write_all(packet);
        };
        tls.writer().write_all(packet)?;
        while tls.wants_write() {
            tls.write_tls(&mut self.socket)?;
        }
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let frame = Frame::first(&self.unread, STREAM_FRAME_BYTES_MAX);
            if let Frame::Whole { message, taken } = frame.map_err(|_| ErrorKind::InvalidData)? {
                let length = message.len();
                buffer[..length].copy_from_slice(message);
                self.unread.drain(..taken);
                return Ok(length);
            }
            self.read_more()?;
        }
    }

    fn read_more(&mut self) -> io::Result<()> {
        let mut bytes = [0; 16_384];
        let read = match &mut self.tls {
            None => self.socket.read(&mut bytes)?,
            Some(tls) => {
                if tls.read_tls(&mut self.socket)? == 0 {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                tls.process_new_packets().map_err(io::Error::other)?;
                match tls.reader().read(&mut bytes) {
                    // A record that is not whole yet, or nothing that the application is told of.
                    Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                    read => read?,
                }
            }
        };
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.unread.extend_from_slice(&bytes[..read]);
        Ok(())
    }
}

/// A DTLS association.
pub(crate) struct Datagrams {
    socket: UdpSocket,
    dtls: Dtls,
    received: Vec<u8>,
    is_connected: bool,
    out: Vec<u8>,
}

impl Datagrams {
    fn connect(to: SocketAddr) -> Result<Self, String> {
        let socket = crate::client::socket()?;
        socket.connect(to).map_err(|e| format!("connect: {e}"))?;
        let made = rcgen::generate_simple_self_signed(Vec::new()).map_err(|e| format!("certificate: {e}"))?;
        let certificate = DtlsCertificate {
            certificate: made.cert.der().to_vec(),
            private_key: made.signing_key.serialize_der(),
        };
        let config = Config::builder().build().map_err(|e| format!("DTLS: {e}"))?;
        let mut dtls = Dtls::new_12(Arc::new(config), certificate, Instant::now());
        dtls.set_active(true);
        let mut datagrams =
            Self { socket, dtls, received: Vec::new(), is_connected: false, out: vec![0; 20_000] };
        let deadline = Instant::now() + HANDSHAKE_MAX;
        while !datagrams.is_connected {
            if Instant::now() > deadline {
                return Err("DTLS: no handshake in time".to_owned());
            }
            datagrams.dtls.handle_timeout(Instant::now()).map_err(|e| format!("DTLS: {e}"))?;
            datagrams.poll().map_err(|e| format!("DTLS: {e}"))?;
            match datagrams.take() {
                Err(e) if e.kind() == ErrorKind::WouldBlock => std::thread::park_timeout(PAUSE / 10),
                taken => taken.map_err(|e| format!("DTLS: {e}"))?,
            }
        }
        Ok(datagrams)
    }

    fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        self.dtls.send_application_data(packet).map_err(io::Error::other)?;
        self.poll()
    }

    /// One datagram holds one packet here.
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.received.is_empty() {
            self.take()?;
        }
        let length = self.received.len();
        buffer[..length].copy_from_slice(&self.received);
        self.received.clear();
        Ok(length)
    }

    fn take(&mut self) -> io::Result<()> {
        let mut datagram = [0; 2_048];
        let length = self.socket.recv(&mut datagram)?;
        self.dtls.handle_packet(&datagram[..length]).map_err(io::Error::other)?;
        self.poll()
    }

    fn poll(&mut self) -> io::Result<()> {
        loop {
            match self.dtls.poll_output(&mut self.out) {
                Output::Packet(datagram) => self.socket.send(datagram).map(drop)?,
                Output::ApplicationData(packet) => self.received = packet.to_vec(),
                Output::Connected => self.is_connected = true,
                Output::Timeout(_) => return Ok(()),
                _ => {}
            }
        }
    }
}

fn client(certificate: &CertificateDer<'static>) -> Result<ClientConnection, String> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).map_err(|e| format!("certificate: {e}"))?;
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").map_err(|e| format!("name: {e}"))?;
    ClientConnection::new(Arc::new(config), name).map_err(|e| format!("TLS: {e}"))
}

/// How long a server may take to come up.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// A handshake takes milliseconds; a lost datagram is asked for again after one second.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);

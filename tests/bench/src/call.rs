//! An ongoing call through a server's relay, and what its packets notice of something that goes on meanwhile.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use load::Latency;

use crate::client;
use crate::server::{CALLER, PASSWORD};

/// Two clients, each with a channel to the other's relayed address.
pub(crate) struct Call {
    sender: UdpSocket,
    receiver: UdpSocket,
    datagram: Vec<u8>,
}

/// How the call went.
pub(crate) struct Heard {
    /// From sending to arriving.
    pub(crate) latency: Latency,
    pub(crate) lost: usize,
}

impl Call {
    /// Sets it up.
    ///
    /// # Errors
    /// The server refused.
    pub(crate) fn new(server: SocketAddr) -> Result<Self, String> {
        let sockets = [client::socket()?, client::socket()?];
        for socket in &sockets {
            socket.connect(server).map_err(|e| format!("connect: {e}"))?;
        }
        let mut datagrams = client::set_up_turn(&sockets, CALLER, PASSWORD)?;
        let [sender, receiver] = sockets;
        for (what, result) in [
            ("blocking", receiver.set_nonblocking(false)),
            ("timeout", receiver.set_read_timeout(Some(PATIENCE))),
        ] {
            result.map_err(|e| format!("{what}: {e}"))?;
        }
        Ok(Self { sender, receiver, datagram: datagrams.swap_remove(0) })
    }

    /// Does something else while it goes on.
    ///
    /// # Errors
    /// What that other thing said, or a socket failed.
    pub(crate) fn meanwhile<T>(
        &self,
        other: impl FnOnce() -> Result<T, String>,
    ) -> Result<(T, Heard), String> {
        let (begin, is_over) = (Instant::now(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let sending = scope.spawn(|| self.send(begin, &is_over));
            let receiving = scope.spawn(|| self.receive(begin, &is_over));
            let result = other();
            is_over.store(true, Ordering::Relaxed);
            let sent = sending.join().map_err(|_| "the sender ended".to_owned())??;
            let times = receiving.join().map_err(|_| "the receiver ended".to_owned())??;
            let lost = sent.saturating_sub(times.len());
            Ok((result?, Heard { latency: Latency::of(times), lost }))
        })
    }

    /// A packet at a time, at a steady pace; gives how many.
    fn send(&self, begin: Instant, is_over: &AtomicBool) -> Result<usize, String> {
        let (mut datagram, mut sent) = (self.datagram.clone(), 0);
        while !is_over.load(Ordering::Relaxed) {
            let since = begin.elapsed().as_nanos() as u64;
            datagram[STAMP..STAMP + 8].copy_from_slice(&since.to_be_bytes());
            self.sender.send(&datagram).map_err(|e| format!("send: {e}"))?;
            sent += 1;
            let next = begin + INTERVAL * sent;
            while let Some(left) = next.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
            {
                park_timeout(left);
            }
        }
        Ok(sent as usize)
    }

    /// What arrives, until it is over and nothing more comes; gives how long each took.
    fn receive(&self, begin: Instant, is_over: &AtomicBool) -> Result<Vec<Duration>, String> {
        let (mut buffer, mut times) = ([0; 2048], Vec::new());
        loop {
            match self.receiver.recv(&mut buffer) {
                Ok(length) if length == self.datagram.len() => {
                    let stamp = buffer[STAMP..STAMP + 8].try_into().map_err(|_| "eight bytes are eight")?;
                    let since = Duration::from_nanos(u64::from_be_bytes(stamp));
                    times.push(begin.elapsed().saturating_sub(since));
                }
                Ok(_) => {}
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if is_over.load(Ordering::Relaxed) {
                        return Ok(times);
                    }
                }
                Err(e) => return Err(format!("receive: {e}")),
            }
        }
    }
}

impl std::fmt::Display for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { latency, lost } = self;
        write!(f, "p50 {:.2} ms, p99 {:.2} ms, {lost} of ", latency.p50_ms, latency.p99_ms)?;
        write!(f, "{} lost", latency.count + lost)
    }
}

/// Between two packets, as of a call with sound.
const INTERVAL: Duration = Duration::from_millis(5);
/// How long the last packet may take.
const PATIENCE: Duration = Duration::from_millis(500);
/// Where a packet says when it was sent: behind the headers of ChannelData and RTP.
const STAMP: usize = 16;

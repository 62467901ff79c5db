//! One UDP socket with what the kernel can do for it: batches, joined and split bursts, local addresses.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use mio::net::UdpSocket;
use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use socket2::{Domain, Protocol, SockRef, Socket as RawSocket, Type};
use turn_core::IcmpError;

use crate::limits::{RECEIVE_BATCH_MAX, RECEIVE_BYTES};
use crate::sys;

/// A bound, non-blocking UDP socket.
pub(crate) struct Socket {
    pub(crate) io: UdpSocket,
    state: Arc<UdpSocketState>,
    local: SocketAddr,
    reports_errors: bool,
    /// Buffers to offer at the next receive: few while few arrive, because preparing them costs.
    batch: usize,
}

impl Socket {
    /// Binds `address`. `shared`: every worker binds the same one, and the kernel deals out the clients.
    pub(crate) fn bind(address: SocketAddr, shared: bool, buffer_bytes: usize) -> io::Result<Self> {
        let raw = RawSocket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            raw.set_only_v6(true)?;
        }
        raw.set_reuse_port(shared)?;
        raw.set_nonblocking(true)?;
        // What the kernel does not grant it cuts short; a smaller buffer is no reason not to start.
        let _ = raw.set_recv_buffer_size(buffer_bytes);
        let _ = raw.set_send_buffer_size(buffer_bytes);
        raw.bind(&address.into())?;
        let io = UdpSocket::from_std(raw.into());
        let state = Arc::new(UdpSocketState::new((&io).into())?);
        sys::allow_fragments(&io, address.is_ipv6(), true)?;
        let local = io.local_addr()?;
        Ok(Self { io, state, local, reports_errors: false, batch: 1 })
    }

    /// Receives what is there, up to a batch. Returns how many buffers were filled and whether more may wait.
    pub(crate) fn receive(&mut self, buffers: &mut ReceiveBuffers) -> io::Result<(usize, bool)> {
        let offered = self.batch;
        let filled = buffers.with_slices(offered, |slices, metas| {
            self.state.recv((&self.io).into(), slices, &mut metas[..offered])
        })?;
        let more = filled == offered;
        self.batch = if more { (offered * 2).min(RECEIVE_BATCH_MAX) } else { (filled + 1).max(offered / 2) };
        Ok((filled, more))
    }

    /// Sends one datagram, or a burst of equal ones (the last may be shorter) to the same receiver.
    pub(crate) fn send(&self, burst: &Burst<'_>) -> io::Result<()> {
        let transmit = Transmit {
            destination: burst.to,
            ecn: None,
            contents: burst.contents,
            segment_size: (burst.contents.len() > burst.segment).then_some(burst.segment),
            src_ip: burst.from.filter(|_| self.local.ip().is_unspecified()),
        };
        if !burst.whole {
            return self.try_send(&transmit);
        }
        // IPv4 has no such flag for a single datagram. Clients that ask for it are looking for the path's MTU
        // and send few.
        let ipv6 = self.local.is_ipv6();
        sys::allow_fragments(&self.io, ipv6, false)?;
        let sent = self.try_send(&transmit);
        sys::allow_fragments(&self.io, ipv6, true)?;
        sent
    }

    /// From here on [`Socket::next_error`] has what ICMP says of datagrams sent.
    pub(crate) fn report_errors(&mut self) -> io::Result<()> {
        self.reports_errors = true;
        sys::report_errors(&self.io, self.local.is_ipv6())
    }

    /// Whether there is an error queue to read.
    pub(crate) const fn reports_errors(&self) -> bool {
        self.reports_errors
    }

    /// The oldest error, and whom its datagram was meant for.
    pub(crate) fn next_error(&self) -> io::Result<(SocketAddr, Option<IcmpError>)> {
        sys::next_error(&self.io)
    }

    /// The address it is bound to.
    pub(crate) const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Datagrams that one send may carry.
    pub(crate) fn burst_segments_max(&self) -> usize {
        self.state.max_gso_segments()
    }

    /// A second handle that sends by this very socket, for another thread. A second socket on the same port
    /// would be dealt a share of the clients.
    pub(crate) fn sender(&self) -> io::Result<Sender> {
        let io = SockRef::from(&self.io).try_clone()?;
        Ok(Sender { io, state: Arc::clone(&self.state), local: self.local })
    }

    /// Sends once more where the first try was told the error of an earlier datagram, which is gone by that.
    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let sent = self.state.try_send((&self.io).into(), transmit);
        match &sent {
            Err(error) if self.reports_errors && error.kind() != io::ErrorKind::WouldBlock => {
                self.state.try_send((&self.io).into(), transmit)
            }
            _ => sent,
        }
    }
}

/// Sends by a socket that a worker receives on.
pub(crate) struct Sender {
    io: RawSocket,
    state: Arc<UdpSocketState>,
    local: SocketAddr,
}

impl Sender {
    /// Sends what QUIC made up: one datagram or a burst, from the address that the client reached.
    pub(crate) fn send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let src_ip = transmit.src_ip.filter(|_| self.local.ip().is_unspecified());
        self.state.try_send((&self.io).into(), &Transmit { src_ip, ..transmit.clone() })
    }

    /// The address it is bound to.
    pub(crate) const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Datagrams that one send may carry.
    pub(crate) fn burst_segments_max(&self) -> usize {
        self.state.max_gso_segments()
    }
}

/// What one send carries.
pub(crate) struct Burst<'a> {
    pub(crate) to: SocketAddr,
    pub(crate) from: Option<IpAddr>,
    /// Whether the datagrams must not be fragmented.
    pub(crate) whole: bool,
    pub(crate) contents: &'a [u8],
    /// Bytes of each datagram but the last.
    pub(crate) segment: usize,
}

/// Room for one batch, kept across calls.
pub(crate) struct ReceiveBuffers {
    bytes: Vec<u8>,
    metas: Vec<RecvMeta>,
}

impl ReceiveBuffers {
    pub(crate) fn new() -> Self {
        Self {
            bytes: vec![0; RECEIVE_BATCH_MAX * RECEIVE_BYTES],
            metas: vec![RecvMeta::default(); RECEIVE_BATCH_MAX],
        }
    }

    /// The datagrams in the buffer at `index`, which all came from one sender.
    pub(crate) fn datagrams(&self, index: usize) -> (RecvMeta, impl Iterator<Item = &[u8]>) {
        let meta = self.metas[index];
        let start = index * RECEIVE_BYTES;
        let filled = &self.bytes[start..start + meta.len];
        // An empty datagram has no chunks, but it is one: peers may send it.
        let empty = filled.is_empty().then_some(filled);
        (meta, empty.into_iter().chain(filled.chunks(meta.stride.max(1))))
    }

    fn with_slices<R>(
        &mut self,
        count: usize,
        receive: impl FnOnce(&mut [IoSliceMut<'_>], &mut [RecvMeta]) -> R,
    ) -> R {
        let mut chunks = self.bytes.chunks_exact_mut(RECEIVE_BYTES);
        let mut slices: [IoSliceMut<'_>; RECEIVE_BATCH_MAX] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        receive(&mut slices[..count], &mut self.metas)
    }
}

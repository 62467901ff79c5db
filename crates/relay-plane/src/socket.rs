//! One UDP socket with what the kernel can do for it: batches, joined and split bursts, local addresses.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use mio::net::UdpSocket;
use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use socket2::{Domain, Protocol, SockRef, Socket as RawSocket, Type};
use turn_core::IcmpError;

use crate::limits::{
    LISTENER_BUFFER_BYTES, RECEIVE_BATCH_MAX, RECEIVE_BYTES, RELAY_RECEIVE_BYTES, RELAY_SEND_BYTES,
};
use crate::output::{Output, Sent};
use crate::sys;

/// A bound, non-blocking UDP socket.
pub(crate) struct Socket {
    pub(crate) io: UdpSocket,
    out: Output,
    local: SocketAddr,
    reports_errors: bool,
    /// Whether somebody else reads it.
    is_for_sending: bool,
    /// Buffers to offer at the next receive: few while few arrive, because preparing them costs.
    batch: usize,
}

impl Socket {
    /// Binds `address`. `shared`: every worker binds the same one, and the kernel deals out the clients.
    pub(crate) fn bind(address: SocketAddr, shared: bool, buffers: KernelBuffers) -> io::Result<Self> {
        let raw = RawSocket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            raw.set_only_v6(true)?;
        }
        raw.set_reuse_port(shared)?;
        raw.bind(&address.into())?;
        buffers.ask_for(&raw);
        Self::new(raw)
    }

    /// Takes one that somebody else has bound, perhaps with the right to larger buffers than the kernel
    /// grants us: no buffer is made smaller.
    pub(crate) fn adopt(raw: RawSocket, buffers: KernelBuffers) -> io::Result<Self> {
        let granted = RawSocket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        buffers.ask_for(&granted);
        let present = KernelBuffers::of(&raw)?;
        let granted = KernelBuffers::of(&granted)?;
        if granted.receive_bytes > present.receive_bytes {
            raw.set_recv_buffer_size(buffers.receive_bytes)?;
        }
        if granted.send_bytes > present.send_bytes {
            raw.set_send_buffer_size(buffers.send_bytes)?;
        }
        Self::new(raw)
    }

    fn new(raw: RawSocket) -> io::Result<Self> {
        raw.set_nonblocking(true)?;
        let io = UdpSocket::from_std(raw.into());
        let out = Output::new(UdpSocketState::new((&io).into())?);
        let local = io.local_addr()?;
        sys::allow_fragments(&io, local.is_ipv6(), true)?;
        Ok(Self { io, out, local, reports_errors: false, is_for_sending: false, batch: 1 })
    }

    /// From here on others of ours may bind its address too.
    pub(crate) fn share_port(&self) -> io::Result<()> {
        SockRef::from(&self.io).set_reuse_port(true)
    }

    /// A second handle on this very socket, for a worker that sends by it and reads nothing.
    pub(crate) fn for_sending(&self) -> io::Result<Self> {
        let io = UdpSocket::from_std(SockRef::from(&self.io).try_clone()?.into());
        let out = self.out.clone();
        Ok(Self { io, out, local: self.local, reports_errors: false, is_for_sending: true, batch: 1 })
    }

    /// Receives what is there, up to a batch. Returns how many buffers were filled and whether more may wait.
    pub(crate) fn receive(&mut self, buffers: &mut ReceiveBuffers) -> io::Result<(usize, bool)> {
        let offered = self.batch;
        let filled = buffers.with_slices(offered, |slices, metas| {
            self.out.state().recv((&self.io).into(), slices, &mut metas[..offered])
        })?;
        let more = filled == offered;
        self.batch = if more { (offered * 2).min(RECEIVE_BATCH_MAX) } else { (filled + 1).max(offered / 2) };
        Ok((filled, more))
    }

    /// Sends one datagram, or a burst of equal ones (the last may be shorter) to the same receiver. Returns
    /// what left.
    pub(crate) fn send(&self, burst: &Burst<'_>) -> Sent {
        let transmit = Transmit {
            destination: burst.to,
            ecn: None,
            contents: burst.contents,
            segment_size: (burst.contents.len() > burst.segment).then_some(burst.segment),
            src_ip: burst.from.filter(|_| self.local.ip().is_unspecified()),
        };
        if !burst.whole {
            return self.send_all(&transmit);
        }
        // IPv4 has no such flag for a single datagram. Clients that ask for it are looking for the path's MTU
        // and send few.
        let ipv6 = self.local.is_ipv6();
        if sys::allow_fragments(&self.io, ipv6, false).is_err() {
            return Sent::default();
        }
        let sent = self.send_all(&transmit);
        // It was possible a moment ago. Otherwise what is too large for the path does not leave any more, and
        // is counted.
        let _ = sys::allow_fragments(&self.io, ipv6, true);
        sent
    }

    /// From here on [`Socket::next_error`] has what ICMP says of datagrams sent.
    pub(crate) fn report_errors(&mut self) -> io::Result<()> {
        self.reports_errors = true;
        sys::report_errors(&self.io, self.local.is_ipv6())
    }

    /// Whether somebody else reads it.
    pub(crate) const fn is_for_sending(&self) -> bool {
        self.is_for_sending
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
        self.out.segments_max()
    }

    /// A second handle that sends by this very socket, for another thread. A second socket on the same port
    /// would be dealt a share of the clients.
    pub(crate) fn sender(&self) -> io::Result<Sender> {
        let io = SockRef::from(&self.io).try_clone()?;
        Ok(Sender { io, out: self.out.clone(), local: self.local })
    }

    /// Sends once more where the first try was told the error of an earlier datagram, which is gone by that.
    fn send_all(&self, transmit: &Transmit<'_>) -> Sent {
        self.out.send(transmit, |transmit| {
            let sent = self.out.state().try_send((&self.io).into(), transmit);
            match &sent {
                Err(error) if self.reports_errors && error.kind() != io::ErrorKind::WouldBlock => {
                    self.out.state().try_send((&self.io).into(), transmit)
                }
                _ => sent,
            }
        })
    }
}

/// Sends by a socket that a worker receives on.
pub(crate) struct Sender {
    io: RawSocket,
    out: Output,
    local: SocketAddr,
}

impl Sender {
    /// Sends what QUIC made up: one datagram or a burst, from the address that the client reached.
    ///
    /// # Errors
    /// Those of the system. Of a burst some may have left.
    pub(crate) fn send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let src_ip = transmit.src_ip.filter(|_| self.local.ip().is_unspecified());
        let transmit = Transmit { src_ip, ..transmit.clone() };
        let sent = self.out.send(&transmit, |it| self.out.state().try_send((&self.io).into(), it));
        sent.error.map_or(Ok(()), Err)
    }

    /// The address it is bound to.
    pub(crate) const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Datagrams that one send may carry.
    pub(crate) fn burst_segments_max(&self) -> usize {
        self.out.segments_max()
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

/// What the kernel is asked to hold for a socket, each way. It counts its own overhead too, and grants twice
/// this for it; and not more than the system allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KernelBuffers {
    pub(crate) receive_bytes: usize,
    pub(crate) send_bytes: usize,
}

impl KernelBuffers {
    /// Of a listening socket.
    pub(crate) const LISTENER: Self =
        Self { receive_bytes: LISTENER_BUFFER_BYTES, send_bytes: LISTENER_BUFFER_BYTES };
    /// Of the relay socket of one allocation.
    pub(crate) const RELAY: Self = Self { receive_bytes: RELAY_RECEIVE_BYTES, send_bytes: RELAY_SEND_BYTES };

    /// What a socket has been granted.
    fn of(socket: &RawSocket) -> io::Result<Self> {
        Ok(Self { receive_bytes: socket.recv_buffer_size()?, send_bytes: socket.send_buffer_size()? })
    }

    fn ask_for(self, socket: &RawSocket) {
        // What the kernel does not grant it cuts short; a smaller buffer is no reason not to start.
        let _ = socket.set_recv_buffer_size(self.receive_bytes);
        let _ = socket.set_send_buffer_size(self.send_bytes);
    }
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
        let (meta, filled) = self.filled(index);
        (meta, split(&meta, filled))
    }

    /// The same in one piece.
    pub(crate) fn filled(&self, index: usize) -> (RecvMeta, &[u8]) {
        let meta = self.metas[index];
        let start = index * RECEIVE_BYTES;
        (meta, &self.bytes[start..start + meta.len])
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

/// The datagrams of a burst.
pub(crate) fn split<'a>(meta: &RecvMeta, filled: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    // An empty datagram has no chunks, but it is one: peers may send it.
    let empty = filled.is_empty().then_some(filled);
    empty.into_iter().chain(filled.chunks(meta.stride.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adopted_socket_is_given_what_it_lacks_and_loses_nothing() {
        let bound = |bytes: usize| {
            let raw = RawSocket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
            raw.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
            KernelBuffers { receive_bytes: bytes, send_bytes: bytes }.ask_for(&raw);
            raw
        };
        let adopted = |raw: RawSocket| {
            let asked = KernelBuffers { receive_bytes: 64 << 10, send_bytes: 64 << 10 };
            let socket = Socket::adopt(raw, asked).unwrap();
            KernelBuffers::of(&socket.sender().unwrap().io).unwrap()
        };
        let (more, asked) = (bound(96 << 10), KernelBuffers::of(&bound(64 << 10)).unwrap());
        let before = KernelBuffers::of(&more).unwrap();
        assert!(before.receive_bytes > asked.receive_bytes && before.send_bytes > asked.send_bytes);
        assert_eq!(adopted(more), before);
        assert_eq!(adopted(bound(16 << 10)), asked);
    }
}

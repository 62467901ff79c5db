//! Datagrams that are QUIC, between the UDP workers and whoever speaks QUIC on the same port.
//!
//! It reads none of them. What comes too fast is dropped, as on any network; what leaves goes out by a
//! worker's socket, so that it has the right source. RFC 9443.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use quinn::udp::{EcnCodepoint, RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};

use crate::limits::{QUIC_DATAGRAM_BYTES_MAX, QUIC_QUEUE_DATAGRAMS_MAX};
use crate::socket::Sender;

/// The QUIC of one listening address, as a socket of its own: what all workers receive comes in, what is sent
/// leaves from the listening address.
pub struct QuicSocket {
    queue: Queue,
    sender: Sender,
}

impl QuicSocket {
    pub(crate) fn new(queue: Queue, sender: Sender) -> Self {
        Self { queue, sender }
    }
}

impl AsyncUdpSocket for QuicSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        match self.sender.send(transmit) {
            // The kernel's buffer is shared with the relay's packets: what does not fit is lost, and QUIC
            // sends it again at the pace that the loss tells it.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            sent => sent,
        }
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut waiting = self.queue.lock();
        let mut filled = 0;
        for (buffer, meta) in buffers.iter_mut().zip(metas) {
            let Some(datagram) = waiting.datagrams.pop_front() else { break };
            let length = datagram.content.len().min(buffer.len());
            buffer[..length].copy_from_slice(&datagram.content[..length]);
            *meta = RecvMeta {
                addr: datagram.from,
                len: length,
                stride: length,
                ecn: datagram.ecn,
                dst_ip: datagram.to,
            };
            filled += 1;
        }
        if filled > 0 {
            return Poll::Ready(Ok(filled));
        }
        waiting.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.sender.local())
    }

    fn max_transmit_segments(&self) -> usize {
        self.sender.burst_segments_max()
    }

    fn may_fragment(&self) -> bool {
        // The relay's packets must be allowed to, and the socket is theirs too. So QUIC looks for no larger
        // datagrams than every path takes (RFC 9000 §14).
        true
    }
}

impl fmt::Debug for QuicSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QuicSocket")
    }
}

/// What the workers have received and nobody has read. Clones are the same queue.
#[derive(Clone, Default)]
pub(crate) struct Queue(Arc<Mutex<Waiting>>);

impl Queue {
    /// Leaves a datagram; `false`: it is dropped.
    pub(crate) fn push(&self, meta: &RecvMeta, datagram: &[u8]) -> bool {
        if datagram.len() > QUIC_DATAGRAM_BYTES_MAX {
            return false;
        }
        let mut waiting = self.lock();
        if waiting.datagrams.len() >= QUIC_QUEUE_DATAGRAMS_MAX {
            return false;
        }
        let (from, to, ecn) = (meta.addr, meta.dst_ip, meta.ecn);
        waiting.datagrams.push_back(Datagram { from, to, ecn, content: datagram.into() });
        let waker = waiting.waker.take();
        drop(waiting);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().expect("nobody panics while holding the queue")
    }
}

#[derive(Default)]
struct Waiting {
    datagrams: VecDeque<Datagram>,
    /// Of the reader, if it waits.
    waker: Option<Waker>,
}

struct Datagram {
    from: SocketAddr,
    to: Option<IpAddr>,
    ecn: Option<EcnCodepoint>,
    content: Box<[u8]>,
}

#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_and_a_datagram_that_is_too_large_drop() {
        let queue = Queue::default();
        let meta = RecvMeta::default();
        assert!(!queue.push(&meta, &vec![0; QUIC_DATAGRAM_BYTES_MAX + 1]));
        for _ in 0..QUIC_QUEUE_DATAGRAMS_MAX {
            assert!(queue.push(&meta, &[64]));
        }
        assert!(!queue.push(&meta, &[64]));
    }
}

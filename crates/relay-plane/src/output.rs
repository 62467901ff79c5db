//! Bursts of datagrams, and what becomes of one that the kernel does not cut. Not sockets.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quinn_udp::{Transmit, UdpSocketState};

/// How datagrams leave a socket. Clones are of the same socket.
///
/// The library stops joining datagrams for good once the kernel refuses any with EINVAL; here one refused
/// burst says nothing of the next, so that nobody can take the joining away from all others.
#[derive(Clone)]
pub(crate) struct Output {
    state: Arc<UdpSocketState>,
    /// What the kernel takes in one send.
    segments_max: usize,
    /// Whether it has said that the device cannot make datagrams of a burst.
    is_device_unable: Arc<AtomicBool>,
}

impl Output {
    pub(crate) fn new(state: UdpSocketState) -> Self {
        let segments_max = state.max_gso_segments();
        Self { state: Arc::new(state), segments_max, is_device_unable: Arc::default() }
    }

    /// What the library knows of the socket.
    pub(crate) fn state(&self) -> &UdpSocketState {
        &self.state
    }

    /// Datagrams that one send may carry.
    pub(crate) fn segments_max(&self) -> usize {
        if self.is_device_unable.load(Ordering::Relaxed) { 1 } else { self.segments_max }
    }

    /// Sends by `try_send`. The kernel cuts a burst, but no datagram of one: what is larger than the path
    /// takes leaves one by one, to be fragmented, and so does all where the device is unable.
    pub(crate) fn send(
        &self,
        transmit: &Transmit<'_>,
        mut try_send: impl FnMut(&Transmit<'_>) -> io::Result<()>,
    ) -> Sent {
        let segment = transmit.segment_size.unwrap_or(usize::MAX).min(transmit.contents.len()).max(1);
        let error = match try_send(transmit) {
            Ok(()) => {
                let datagrams = transmit.contents.len().div_ceil(segment).max(1);
                return Sent { datagrams, bytes: transmit.contents.len(), error: None };
            }
            Err(error) => error,
        };
        let is_refused = matches!(error.raw_os_error(), Some(libc::EIO | libc::EINVAL | libc::EMSGSIZE));
        if transmit.segment_size.is_none() || !is_refused {
            return Sent { error: Some(error), ..Sent::default() };
        }
        if error.raw_os_error() == Some(libc::EIO) {
            self.is_device_unable.store(true, Ordering::Relaxed);
        }
        let mut sent = Sent::default();
        for contents in transmit.contents.chunks(segment) {
            match try_send(&Transmit { contents, segment_size: None, ..transmit.clone() }) {
                Ok(()) => {
                    sent.datagrams += 1;
                    sent.bytes += contents.len();
                }
                Err(error) => sent.error = Some(error),
            }
        }
        sent
    }
}

/// What left of a burst.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    pub(crate) datagrams: usize,
    pub(crate) bytes: usize,
    /// Why the last that did not leave stayed.
    pub(crate) error: Option<io::Error>,
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    /// Sends a burst of two and a half; `kernel` says what becomes of each try.
    fn send(output: &Output, kernel: impl Fn(&Transmit<'_>) -> Option<i32>) -> (Sent, Vec<usize>) {
        let contents = &[7; 250];
        let to = ([127, 0, 0, 1], 9).into();
        let burst = Transmit { destination: to, ecn: None, contents, segment_size: Some(100), src_ip: None };
        let mut tried = Vec::new();
        let sent = output.send(&burst, |transmit| {
            tried.push(transmit.contents.len());
            kernel(transmit).map_or(Ok(()), |error| Err(io::Error::from_raw_os_error(error)))
        });
        (sent, tried)
    }

    fn output() -> Output {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let output = Output::new(UdpSocketState::new((&socket).into()).unwrap());
        assert!(output.segments_max() > 1, "this kernel cuts bursts");
        output
    }

    #[test]
    fn a_burst_leaves_in_one() {
        let (sent, tried) = send(&output(), |_| None);
        assert_eq!((sent.datagrams, sent.bytes, tried), (3, 250, vec![250]));
    }

    #[test]
    fn a_burst_that_is_not_cut_leaves_one_by_one_and_the_next_is_tried_again() {
        let output = output();
        let before = output.segments_max();
        for error in [libc::EINVAL, libc::EMSGSIZE] {
            let (sent, tried) = send(&output, |it| it.segment_size.map(|_| error));
            assert_eq!((sent.datagrams, sent.bytes, tried), (3, 250, vec![250, 100, 100, 50]));
            assert!(sent.error.is_none());
            assert_eq!(output.segments_max(), before);
        }
    }

    #[test]
    fn no_burst_is_made_where_the_device_is_unable() {
        let output = output();
        let (sent, _) = send(&output, |it| it.segment_size.map(|_| libc::EIO));
        assert_eq!((sent.datagrams, output.clone().segments_max()), (3, 1));
    }

    #[test]
    fn what_leaves_of_a_burst_is_told() {
        let (sent, _) = send(&output(), |it| (it.contents.len() > 50).then_some(libc::EMSGSIZE));
        assert_eq!((sent.datagrams, sent.bytes), (1, 50));
        assert!(sent.error.is_some());
        let (sent, tried) = send(&output(), |_| Some(libc::EAGAIN));
        assert_eq!((sent.datagrams, tried), (0, vec![250]), "a full buffer is not tried again");
    }
}

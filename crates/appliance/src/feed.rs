//! From the queues of the listeners to those who speak what is on the streams: TURN or HTTP.
//!
//! Which of the two a stream is was found out before.

use std::net::IpAddr;

use relay_plane::Streams;
use relay_plane::web::{Decrypted, Protocol};
use signal_plane::{Peer, Proxies, Signal};
use tokio::sync::mpsc;

use crate::settings::Listen;

/// What is behind a listener for those who speak HTTP.
#[derive(Clone, Copy)]
pub(crate) enum Entrance {
    /// The page over TLS.
    Web,
    /// The way to the port of HTTPS.
    Http { https: Option<u16> },
    /// The page without TLS, for this machine.
    Local,
}

impl Entrance {
    fn peer(self, from: IpAddr, proxies: &Proxies) -> Peer {
        let beyond = Peer { address: Some(from), secure: false, proxied: false, redirect: None };
        match self {
            Self::Web => Peer { secure: true, ..beyond },
            Self::Http { https } => Peer { redirect: https, ..beyond },
            // All of its clients have the same address: a browser's on this machine or a proxy's.
            Self::Local => Peer { address: None, proxied: proxies.is_trusted(from), ..beyond },
        }
    }
}

/// Serves each stream of a queue on a task of its own, until the queue ends. The listener's limits bound the
/// tasks, because a stream keeps its place.
pub(crate) async fn run(
    mut queue: mpsc::Receiver<Decrypted>,
    signal: Signal,
    streams: Streams,
    entrance: Entrance,
    proxies: Proxies,
) {
    while let Some(decrypted) = queue.recv().await {
        if decrypted.protocol == Protocol::Turn {
            let streams = streams.clone();
            tokio::spawn(async move { streams.serve(decrypted).await });
        } else {
            let (signal, peer) = (signal.clone(), entrance.peer(decrypted.from.ip(), &proxies));
            tokio::spawn(async move { signal.serve(decrypted.stream, peer).await });
        }
    }
}

/// Who may tell the signaling a client's address.
pub(crate) fn proxies(listen: &Listen) -> Proxies {
    let trusted = listen.trusted_proxies.iter().map(|range| range.first()..=range.last()).collect();
    Proxies::new(listen.address_header, trusted)
}

//! The sockets of TCP allocations: a worker's listeners and its connections with peers. Their bytes pass in
//! tasks of the runtime ([`mod@pipe`]) and never come to the worker. RFC 6062 §5.

mod pipe;

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use turn_core::{ConnectionId, Toll};

pub(crate) use self::pipe::pipe;

use crate::limits::{ACCEPT_BACK_OFF_MS, PEER_BACKLOG_MAX};
use crate::mailbox::Mailbox;
use crate::streams::tune;
use crate::web::is_of_one_connection;

/// All of one worker. What is dropped is closed at once, its tasks with it.
#[derive(Default)]
pub(crate) struct TcpRelays {
    listeners: HashMap<u16, Listener>,
    peers: HashMap<ConnectionId, Peer>,
}

impl TcpRelays {
    /// Listens on a relayed address; who connects is told to `mailbox`.
    ///
    /// # Errors
    /// What the system says; the port is somebody else's, for one.
    pub(crate) fn listen(
        &mut self,
        runtime: &Handle,
        address: SocketAddr,
        mailbox: Mailbox,
    ) -> io::Result<()> {
        let _inside = runtime.enter();
        // Whoever shares the port with us would get some of the peers, so that it must be free before we
        // share it with our own connections.
        drop(bound(address, false)?.listen(PEER_BACKLOG_MAX)?);
        let listener = bound(address, true)?.listen(PEER_BACKLOG_MAX)?;
        let port = address.port();
        let accepting = Task(runtime.spawn(accept(listener, port, mailbox)).abort_handle());
        self.listeners.insert(port, Listener { runtime: runtime.clone(), address, _accepting: accepting });
        Ok(())
    }

    /// Connects from the relayed address with this port, which is open; `mailbox` is told how that ends.
    pub(crate) fn connect(&mut self, port: u16, id: ConnectionId, peer: SocketAddr, mailbox: Mailbox) {
        let Some(Listener { runtime, address, .. }) = self.listeners.get(&port) else {
            return mailbox.tell_of_tcp(TcpLetter::Connected { id, stream: None });
        };
        let address = *address;
        let connecting = async move {
            let stream = match bound(address, true) {
                Ok(socket) => socket.connect(peer).await.ok(),
                Err(_) => None,
            };
            mailbox.tell_of_tcp(TcpLetter::Connected { id, stream });
        };
        let task = Task(runtime.spawn(connecting).abort_handle());
        self.peers.insert(id, Peer { port, stage: Stage::Connecting { _task: task } });
    }

    /// A peer's connection is there; what it sends waits in the kernel, which lets it send no more than fits.
    pub(crate) fn hold(&mut self, port: u16, id: ConnectionId, stream: TcpStream) {
        tune(SockRef::from(&stream));
        // What a client writes at once is to leave at once.
        let _ = stream.set_nodelay(true);
        self.peers.insert(id, Peer { port, stage: Stage::Held(stream) });
    }

    /// Takes out a connection that is held, to be joined with a client's. When the joint is dropped, wherever
    /// that is, `mailbox` is told that the connection is over.
    pub(crate) fn take(
        &mut self,
        id: ConnectionId,
        answer: Vec<u8>,
        toll: Toll,
        mailbox: Mailbox,
    ) -> Option<Joint> {
        let peer = self.peers.get_mut(&id).filter(|peer| matches!(peer.stage, Stage::Held(_)))?;
        let (open, closed) = oneshot::channel();
        let held = std::mem::replace(&mut peer.stage, Stage::Joined { _open: open });
        let Stage::Held(peer) = held else { unreachable!("looked at above") };
        Some(Joint { answer, peer, toll, closed, _over: OnDrop { id, mailbox } })
    }

    /// The port of the relayed address of a connection that is being made.
    pub(crate) fn connecting(&self, id: ConnectionId) -> Option<u16> {
        let peer = self.peers.get(&id)?;
        matches!(peer.stage, Stage::Connecting { .. }).then_some(peer.port)
    }

    /// Closes a connection, made or not.
    pub(crate) fn close(&mut self, id: ConnectionId) {
        self.peers.remove(&id);
    }

    /// Closes a listener and all connections of its port.
    pub(crate) fn close_port(&mut self, port: u16) {
        if self.listeners.remove(&port).is_some() {
            self.peers.retain(|_, peer| peer.port != port);
        }
    }
}

/// What tasks tell a worker of TCP connections with peers.
pub(crate) enum TcpLetter {
    /// Somebody connected to the relayed address with this port.
    Accepted { port: u16, stream: TcpStream, peer: SocketAddr },
    /// What became of [`TcpRelays::connect`].
    Connected { id: ConnectionId, stream: Option<TcpStream> },
    /// A joined connection is over.
    Over { id: ConnectionId },
}

/// A peer's connection on its way to a client's, and all that is to be done with the two.
pub(crate) struct Joint {
    /// What the client is sent first.
    answer: Vec<u8>,
    peer: TcpStream,
    toll: Toll,
    /// Ends when the worker closes the connection.
    closed: oneshot::Receiver<Infallible>,
    _over: OnDrop,
}

struct Listener {
    runtime: Handle,
    address: SocketAddr,
    _accepting: Task,
}

struct Peer {
    port: u16,
    stage: Stage,
}

enum Stage {
    Connecting { _task: Task },
    Held(TcpStream),
    Joined { _open: oneshot::Sender<Infallible> },
}

/// A task that ends with this.
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct OnDrop {
    id: ConnectionId,
    mailbox: Mailbox,
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.mailbox.tell_of_tcp(TcpLetter::Over { id: self.id });
    }
}

/// Lets a connection end with a reset: it must not look like the end of what was to be sent, and nothing is
/// kept of it.
pub(crate) fn reset(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// A socket on a relayed address, `shared` with others of ours.
fn bound(address: SocketAddr, shared: bool) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    // Connections of an earlier allocation may still be waiting for their last packets.
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(shared)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn accept(listener: TcpListener, port: u16, mailbox: Mailbox) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => mailbox.tell_of_tcp(TcpLetter::Accepted { port, stream, peer }),
            Err(error) if is_of_one_connection(&error) => {}
            Err(_) => tokio::time::sleep(Duration::from_millis(ACCEPT_BACK_OFF_MS)).await,
        }
    }
}

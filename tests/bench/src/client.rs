//! Clients: sockets, and for a TURN server an allocation each and a channel to the partner's.
//!
//! Messages come from the `stun` crate, so the set-up shares no code with the server it measures. Only set-up
//! lives here; the load sends ready datagrams. RFC 8656 §7 (allocations) and §12 (channels).

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use stun::attributes::{
    ATTR_CHANNEL_NUMBER, ATTR_NONCE, ATTR_REALM, ATTR_REQUESTED_TRANSPORT, ATTR_USERNAME,
    ATTR_XOR_PEER_ADDRESS, ATTR_XOR_RELAYED_ADDRESS, AttrType,
};
use stun::integrity::MessageIntegrity;
use stun::message::{
    CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, METHOD_ALLOCATE, METHOD_BINDING, METHOD_CHANNEL_BIND, Message,
    MessageType, Method, Setter,
};
use stun::xoraddr::XorMappedAddress;

use crate::wire::Packets;

/// A client's UDP socket on loopback that never blocks.
pub(crate) fn socket() -> Result<UdpSocket, String> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| format!("bind: {e}"))?;
    socket.set_nonblocking(true).map_err(|e| format!("nonblocking: {e}"))?;
    Ok(socket)
}

/// The port of a client's socket.
pub(crate) fn port(socket: &UdpSocket) -> Result<u16, String> {
    Ok(socket.local_addr().map_err(|e| format!("local address: {e}"))?.port())
}

/// A socket of a client of its own network: number `n` of 60,000 on loopback.
pub(crate) fn socket_in_network(n: u32) -> Result<UdpSocket, String> {
    let ip = Ipv4Addr::from_bits(0x7F01_0001 + (n << 8));
    let socket = UdpSocket::bind((ip, 0)).map_err(|e| format!("bind {ip}: {e}"))?;
    socket.set_nonblocking(true).map_err(|e| format!("nonblocking: {e}"))?;
    Ok(socket)
}

/// Waits until a server answers a Binding request.
///
/// # Errors
/// It does not in time.
pub(crate) fn wait_for(socket: &dyn Packets) -> Result<(), String> {
    exchange(socket, &request(METHOD_BINDING)?).map(|_| ())
}

/// Waits until the forwarder answers; each client's datagram is as long as ChannelData with the payload.
///
/// # Errors
/// The forwarder did not come up in time.
pub(crate) fn set_up_bare<P: Packets>(sockets: &[P]) -> Result<Vec<Vec<u8>>, String> {
    let probe = b"probe".as_slice();
    until_some("no packet came through", |wait| {
        // Refused until the server is there.
        let _ = sockets[0].send(probe);
        receive(&sockets[1], wait).filter(|datagram| datagram == probe)
    })?;
    Ok((0..sockets.len()).map(channel_data).collect())
}

/// Allocates for each client and binds a channel to its partner's relayed address.
///
/// # Errors
/// The server did not come up in time, or refused.
pub(crate) fn set_up_turn<P: Packets>(
    sockets: &[P],
    user: &str,
    password: &str,
) -> Result<Vec<Vec<u8>>, String> {
    let mut clients = Vec::new();
    for socket in sockets {
        clients.push(TurnClient::allocate(socket, user, password)?);
    }
    for (index, client) in clients.iter().enumerate() {
        client.bind_channel(clients[index ^ 1].relayed)?;
    }
    Ok((0..sockets.len()).map(channel_data).collect())
}

/// One client of a TURN server, on a connection.
pub(crate) struct TurnClient<'a> {
    socket: &'a dyn Packets,
    user: String,
    realm: Vec<u8>,
    nonce: Vec<u8>,
    integrity: MessageIntegrity,
    pub(crate) relayed: SocketAddr,
}

impl<'a> TurnClient<'a> {
    /// Allocates, by way of the challenge.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub(crate) fn allocate(socket: &'a dyn Packets, user: &str, password: &str) -> Result<Self, String> {
        let refused = exchange(socket, &allocate_request()?)?;
        let text = |attribute| refused.get(attribute).map_err(|e| format!("401 without {attribute}: {e}"));
        let (realm, nonce) = (text(ATTR_REALM)?, text(ATTR_NONCE)?);
        let realm_text = String::from_utf8_lossy(&realm).into_owned();
        let integrity =
            MessageIntegrity::new_long_term_integrity(user.to_owned(), realm_text, password.to_owned());
        let unset = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let mut client = Self { socket, user: user.to_owned(), realm, nonce, integrity, relayed: unset };
        let granted = client.authenticated(allocate_request()?)?;
        let mut relayed = XorMappedAddress::default();
        relayed
            .get_from_as(&granted, ATTR_XOR_RELAYED_ADDRESS)
            .map_err(|e| format!("relayed address: {e}"))?;
        client.relayed = SocketAddr::new(relayed.ip, relayed.port);
        Ok(client)
    }

    /// Binds the channel to a peer.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub(crate) fn bind_channel(&self, peer: SocketAddr) -> Result<(), String> {
        let mut request = request(METHOD_CHANNEL_BIND)?;
        request.add(ATTR_CHANNEL_NUMBER, &[CHANNEL[0], CHANNEL[1], 0, 0]);
        let address = XorMappedAddress { ip: peer.ip(), port: peer.port() };
        address.add_to_as(&mut request, ATTR_XOR_PEER_ADDRESS).map_err(|e| format!("peer address: {e}"))?;
        self.authenticated(request).map(|_| ())
    }

    fn authenticated(&self, mut request: Message) -> Result<Message, String> {
        let fields: [(AttrType, &[u8]); 3] =
            [(ATTR_USERNAME, self.user.as_bytes()), (ATTR_REALM, &self.realm), (ATTR_NONCE, &self.nonce)];
        for (attribute, value) in fields {
            request.add(attribute, value);
        }
        self.integrity.add_to(&mut request).map_err(|e| format!("integrity: {e}"))?;
        let answer = exchange(self.socket, &request)?;
        if answer.typ.class == CLASS_SUCCESS_RESPONSE {
            return Ok(answer);
        }
        Err(format!("the server refused: {answer}"))
    }
}

fn allocate_request() -> Result<Message, String> {
    let mut request = request(METHOD_ALLOCATE)?;
    request.add(ATTR_REQUESTED_TRANSPORT, &[UDP, 0, 0, 0]);
    Ok(request)
}

fn request(method: Method) -> Result<Message, String> {
    let mut message = Message::new();
    message.new_transaction_id().map_err(|e| format!("transaction id: {e}"))?;
    message.set_type(MessageType::new(method, CLASS_REQUEST));
    message.write_header();
    Ok(message)
}

/// Sends a request until its answer comes, as a client does.
fn exchange(socket: &dyn Packets, request: &Message) -> Result<Message, String> {
    until_some("no answer", |wait| {
        let _ = socket.send(&request.raw);
        let mut answer = Message::new();
        answer.write(&receive(socket, wait)?).ok()?;
        (answer.transaction_id == request.transaction_id).then_some(answer)
    })
}

fn until_some<T>(complaint: &str, mut attempt: impl FnMut(Duration) -> Option<T>) -> Result<T, String> {
    let deadline = Instant::now() + ANSWER_MAX;
    while Instant::now() < deadline {
        if let Some(result) = attempt(RETRANSMIT) {
            return Ok(result);
        }
    }
    Err(format!("{complaint} within {} s", ANSWER_MAX.as_secs()))
}

fn receive(socket: &dyn Packets, wait: Duration) -> Option<Vec<u8>> {
    let mut buffer = [0u8; 2048];
    let deadline = Instant::now() + wait;
    while Instant::now() < deadline {
        if let Ok(length) = socket.receive(&mut buffer) {
            return Some(buffer[..length].to_vec());
        }
        std::thread::park_timeout(POLL);
    }
    None
}

/// ChannelData with a payload shaped like an RTP packet: version 2, then bytes without a pattern, others for
/// each client, so that a packet at the wrong client is no delivery.
fn channel_data(client: usize) -> Vec<u8> {
    let mut datagram = CHANNEL.to_vec();
    datagram.extend((PAYLOAD_BYTES as u16).to_be_bytes());
    datagram.extend([0x80, 111]);
    let mut state = 0x2545_f491_4f6c_dd1d_u64 ^ client as u64;
    datagram.extend((2..PAYLOAD_BYTES).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    }));
    datagram
}

/// The channel every client binds; a partner's ChannelData comes in on the same number.
const CHANNEL: [u8; 2] = [0x40, 0x00];
const PAYLOAD_BYTES: usize = 200;

/// The IP protocol number in REQUESTED-TRANSPORT.
const UDP: u8 = 17;
const POLL: Duration = Duration::from_micros(200);
const RETRANSMIT: Duration = Duration::from_millis(200);
const ANSWER_MAX: Duration = Duration::from_secs(10);

//! Requests as a client writes them, well-formed or not as a test wishes. Not when they are sent. RFC 8656
//! §17, §18.

use std::net::SocketAddr;

use stun_wire::{
    AttributeType, Class, IntegrityKey, MessageWriter, Method, PasswordAlgorithm, TransactionId,
};

/// A method and its attributes, in the order in which they go onto the wire.
#[derive(Clone)]
pub struct Request {
    method: Method,
    values: Vec<(AttributeType, Value)>,
}

impl Request {
    /// A request without attributes.
    pub const fn bare(method: Method) -> Self {
        Self { method, values: Vec::new() }
    }

    /// Allocate, of UDP.
    pub fn allocate() -> Self {
        Self::bare(Method::ALLOCATE).with(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
    }

    /// Allocate, of TCP.
    pub fn allocate_tcp() -> Self {
        Self::bare(Method::ALLOCATE).with(AttributeType::REQUESTED_TRANSPORT, &[6, 0, 0, 0])
    }

    /// Connect.
    pub fn connect(peer: SocketAddr) -> Self {
        Self::bare(Method::CONNECT).peer(peer)
    }

    /// ConnectionBind.
    pub fn bind_connection(id: &[u8]) -> Self {
        Self::bare(Method::CONNECTION_BIND).with(AttributeType::CONNECTION_ID, id)
    }

    /// Refresh; of 0 seconds: delete.
    pub fn refresh(lifetime_s: u32) -> Self {
        Self::bare(Method::REFRESH).lifetime(lifetime_s)
    }

    /// CreatePermission for all of these.
    pub fn permit(peers: &[SocketAddr]) -> Self {
        peers.iter().fold(Self::bare(Method::CREATE_PERMISSION), |request, peer| request.peer(*peer))
    }

    /// ChannelBind.
    pub fn bind(number: u16, peer: SocketAddr) -> Self {
        let [high, low] = number.to_be_bytes();
        Self::bare(Method::CHANNEL_BIND).with(AttributeType::CHANNEL_NUMBER, &[high, low, 0, 0]).peer(peer)
    }

    /// The same with one attribute more.
    pub fn with(mut self, kind: AttributeType, value: &[u8]) -> Self {
        self.values.push((kind, Value::Bytes(value.to_vec())));
        self
    }

    /// The same with a LIFETIME.
    pub fn lifetime(self, seconds: u32) -> Self {
        self.with(AttributeType::LIFETIME, &seconds.to_be_bytes())
    }

    /// The same with a REQUESTED-ADDRESS-FAMILY.
    pub fn family(self, family: u8) -> Self {
        self.with(AttributeType::REQUESTED_ADDRESS_FAMILY, &[family, 0, 0, 0])
    }

    /// The same with an ADDITIONAL-ADDRESS-FAMILY: IPv4 and IPv6.
    pub fn both_families(self) -> Self {
        self.with(AttributeType::ADDITIONAL_ADDRESS_FAMILY, &[2, 0, 0, 0])
    }

    /// The same with a MOBILITY-TICKET; an empty one asks for a ticket.
    pub fn ticket(self, ticket: &[u8]) -> Self {
        self.with(AttributeType::MOBILITY_TICKET, ticket)
    }

    /// The same with an XOR-PEER-ADDRESS.
    pub fn peer(mut self, peer: SocketAddr) -> Self {
        self.values.push((AttributeType::XOR_PEER_ADDRESS, Value::Peer(peer)));
        self
    }

    /// The whole message, signed if there is somebody to sign it.
    pub fn write(&self, id: TransactionId, signature: Option<&Signature>) -> Vec<u8> {
        self.write_as(Class::Request, id, signature)
    }

    /// The same as a message of any class.
    pub fn write_as(&self, class: Class, id: TransactionId, signature: Option<&Signature>) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = MessageWriter::new(&mut out, class, self.method, id);
        for (kind, value) in &self.values {
            match value {
                Value::Bytes(bytes) => writer.attribute(*kind, bytes),
                Value::Peer(peer) => writer.xor_address(*kind, *peer),
            };
        }
        if let Some(signature) = signature {
            writer
                .attribute(AttributeType::USERNAME, &signature.username)
                .attribute(AttributeType::REALM, &signature.realm)
                .attribute(AttributeType::NONCE, &signature.nonce);
            if let Some((told, chosen)) = &signature.algorithms {
                writer
                    .attribute(AttributeType::PASSWORD_ALGORITHMS, told)
                    .attribute(AttributeType::PASSWORD_ALGORITHM, &chosen.encode());
            }
            writer.integrity(&signature.key());
        }
        out
    }
}

/// What long-term credentials add to a request, RFC 8489 §9.2.
#[derive(Clone)]
pub struct Signature {
    /// USERNAME
    pub username: Vec<u8>,
    /// Goes into the key only.
    pub password: Vec<u8>,
    /// REALM
    pub realm: Vec<u8>,
    /// NONCE
    pub nonce: Vec<u8>,
    /// PASSWORD-ALGORITHMS as it was told, and what was chosen from it.
    pub algorithms: Option<(Vec<u8>, PasswordAlgorithm)>,
}

impl Signature {
    /// The key of the chosen algorithm, or of MD5, which is the one that browsers speak.
    pub(crate) fn key(&self) -> IntegrityKey {
        let algorithm = self.algorithms.as_ref().map_or(PasswordAlgorithm::Md5, |(_, chosen)| *chosen);
        IntegrityKey::long_term(algorithm, &self.username, &self.realm, &self.password)
    }
}

#[derive(Clone)]
enum Value {
    Bytes(Vec<u8>),
    /// XOR'd with the transaction identifier when it is written.
    Peer(SocketAddr),
}

//! The two addresses with two ports each by which clients find out how their NAT behaves, and what a request
//! asks of them. Not the answer. RFC 5780.

use std::net::{IpAddr, SocketAddr};

use stun_wire::{AttributeType, ErrorCode, Message};

use crate::address::{FiveTuple, ListenerId, LocalIp};

/// Two addresses of one family, each listened on at the same two ports, RFC 5780 §6.
#[derive(Clone)]
pub struct Discovery {
    endpoints: [Endpoint; 4],
}

/// One of the four: an address and a port.
#[derive(Clone, Copy)]
pub struct Endpoint {
    /// The listener that is bound to it.
    pub listener: ListenerId,
    /// The address it is bound to.
    pub local: IpAddr,
    /// Under what address and port clients know it.
    pub public: SocketAddr,
}

impl Discovery {
    /// The four, in this order: the first address with the first and with the other port, the other address
    /// with the first and with the other port.
    pub const fn new(endpoints: [Endpoint; 4]) -> Self {
        Self { endpoints }
    }

    /// The endpoint of a listener, if it is one of the four.
    pub(crate) fn asked_at(&self, listener: ListenerId) -> Option<Asked<'_>> {
        let at = self.endpoints.iter().position(|endpoint| endpoint.listener == listener)?;
        Some(Asked { discovery: self, at })
    }
}

/// The four endpoints, as seen from the one that a request came to.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    discovery: &'a Discovery,
    at: usize,
}

impl<'a> Asked<'a> {
    /// The endpoint that the answer leaves from.
    pub(crate) const fn origin(self, wishes: &Wishes) -> &'a Endpoint {
        &self.discovery.endpoints[self.at ^ wishes.change]
    }

    /// The endpoint that differs in both address and port, whatever the request asks for.
    pub(crate) const fn other(self) -> &'a Endpoint {
        &self.discovery.endpoints[self.at ^ (CHANGE_IP | CHANGE_PORT)]
    }
}

/// What a Binding request asks for.
pub(crate) struct Wishes {
    /// [`CHANGE_IP`], [`CHANGE_PORT`], both or 0: what differs between the places of two endpoints.
    change: usize,
    /// RESPONSE-PORT
    port: Option<u16>,
    /// Whether there is PADDING.
    pub(crate) padding: bool,
}

impl Wishes {
    /// Reads them.
    ///
    /// # Errors
    /// 400 where a value has another length, or both another port and padding are asked for.
    pub(crate) fn read(message: &Message<'_>) -> Result<Self, ErrorCode> {
        let change = match message.find(AttributeType::CHANGE_REQUEST) {
            None => 0,
            Some(&[_, _, _, flags]) => {
                //= RFC 5780 §7.2: "The attribute is 32 bits long, although only two bits (A and B) are used"
                // Bits 29 and 30 of the drawing there.
                let bit = |flag: u8, of_place: usize| if flags & flag != 0 { of_place } else { 0 };
                bit(0x04, CHANGE_IP) | bit(0x02, CHANGE_PORT)
            }
            Some(_) => return Err(ErrorCode::BadRequest),
        };
        let port = match message.find(AttributeType::RESPONSE_PORT) {
            None => None,
            //= RFC 5780 §7.5: "RESPONSE-PORT is a 16-bit unsigned integer in network byte order followed by 2
            //= bytes of padding"
            // Some count the padding into the length.
            Some(&[high, low] | &[high, low, _, _]) => Some(u16::from_be_bytes([high, low])),
            Some(_) => return Err(ErrorCode::BadRequest),
        };
        let padding = message.find(AttributeType::PADDING).is_some();
        //= RFC 5780 §6.1: "If the Request also contains the RESPONSE-PORT attribute the server MUST return an
        //= error response of type 400"
        if padding && port.is_some() {
            return Err(ErrorCode::BadRequest);
        }
        Ok(Self { change, port, padding })
    }

    /// The way of the answer to a request of `tuple`.
    pub(crate) const fn way(&self, tuple: FiveTuple, origin: &Endpoint) -> FiveTuple {
        let mut client = tuple.client;
        if let Some(port) = self.port {
            client.0.set_port(port);
        }
        FiveTuple { client, local: LocalIp(origin.local), listener: origin.listener }
    }
}

/// Attributes that Binding requests may carry where discovery is answered.
pub(crate) const ATTRIBUTES: [AttributeType; 3] =
    [AttributeType::CHANGE_REQUEST, AttributeType::PADDING, AttributeType::RESPONSE_PORT];

/// How the places of two endpoints differ that have another address.
const CHANGE_IP: usize = 2;

/// How the places of two endpoints differ that have another port.
const CHANGE_PORT: usize = 1;

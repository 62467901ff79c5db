//! Draining: who is here stays until its end, and newcomers are sent elsewhere. RFC 8489 §10, RFC 8656 §7.2.

use std::net::SocketAddr;

use stun_wire::{AddressFamily, AttributeType, Class, ErrorCode, MessageWriter};

use super::Server;
use super::authenticate::Request;
use crate::credentials::Identity;
use crate::verdict::Verdict;

impl Server {
    /// From here on static users and holders of shared secrets get no new allocation: they are sent to the
    /// first of `alternates` of their family, or told that there is no room. Sides of sessions are let in
    /// still: their credentials are good nowhere else, and it is the matcher that ends and makes sessions.
    pub fn handle_drain(&mut self, alternates: &[SocketAddr]) {
        self.drain = Some(alternates.to_vec());
    }

    /// Whether an Allocate comes too late. A retransmission is answered as the request was.
    pub(super) fn turns_away(&self, request: &Request<'_>) -> bool {
        let is_of_session = matches!(request.identity, Identity::Session { .. });
        self.drain.is_some() && !is_of_session && !self.by_tuple.contains_key(&request.tuple)
    }

    /// 300 with another server's address, or 508.
    pub(super) fn turn_away<'d>(&mut self, request: &Request<'_>, reply: &mut Vec<u8>) -> Verdict<'d> {
        let family = AddressFamily::of(request.tuple.client.0.ip());
        let mut alternates = self.drain.iter().flatten();
        let is_of_family = |server: &&SocketAddr| AddressFamily::of(server.ip()) == family;
        //= RFC 8489 §10: "The server MUST include at least one ALTERNATE-SERVER attribute in the error
        //= response, which MUST contain an IP address of the same address family as the source IP address of
        //= the request message. The server SHOULD include an additional ALTERNATE-SERVER attribute, after the
        //= mandatory one, that contains an IP address of the address family other than the source IP address
        //= of the request message"
        match alternates.clone().find(is_of_family) {
            Some(alternate) => {
                let id = request.message.transaction_id();
                let mut writer = MessageWriter::new(reply, Class::Error, request.message.method(), id);
                writer
                    .error_code(ErrorCode::TryAlternate)
                    .address(AttributeType::ALTERNATE_SERVER, *alternate);
                if let Some(other) = alternates.find(|server| !is_of_family(server)) {
                    writer.address(AttributeType::ALTERNATE_SERVER, *other);
                }
                //= RFC 8489 §14.8: "This error response MUST be protected with the MESSAGE-INTEGRITY or
                //= MESSAGE-INTEGRITY-SHA256 attribute"
                writer.integrity(&request.key);
            }
            None => request.refuse(ErrorCode::InsufficientCapacity, reply),
        }
        self.counters.errors += 1;
        Verdict::Reply
    }
}

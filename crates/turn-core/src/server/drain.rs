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
        //= RFC 8489 §14.15: the IP address family MUST be identical to that of the source IP address of the
        //= request
        let of_family = |server: &&SocketAddr| AddressFamily::of(server.ip()) == family;
        match self.drain.iter().flatten().find(of_family) {
            Some(alternate) => {
                let id = request.message.transaction_id();
                //= RFC 8489 §10: only a response that the client can verify may send it elsewhere
                MessageWriter::new(reply, Class::Error, request.message.method(), id)
                    .error_code(ErrorCode::TryAlternate)
                    .address(AttributeType::ALTERNATE_SERVER, *alternate)
                    .integrity(&request.key);
            }
            None => request.refuse(ErrorCode::InsufficientCapacity, reply),
        }
        self.counters.errors += 1;
        Verdict::Reply
    }
}

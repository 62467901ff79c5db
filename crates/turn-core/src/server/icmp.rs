//! ICMP errors, told to the client whose datagram they are about, where the operator wants that: it tells a
//! port scanner what is closed. RFC 8656 §11.5.

use stun_wire::{AddressFamily, AttributeType, Class, MessageWriter, Method, TransactionId};

use super::Server;
use crate::address::PeerAddr;
use crate::bandwidth::Direction;
use crate::config::Now;
use crate::counters::DropReason;
use crate::icmp::IcmpError;
use crate::verdict::Event;

impl Server {
    /// Whether relay sockets are to say what [`Server::handle_icmp`] wants to know.
    pub const fn wants_icmp(&self) -> bool {
        self.icmp
    }

    /// A datagram that left the relay socket with this port for `peer` did not arrive.
    pub fn handle_icmp(&mut self, now: Now, port: u16, peer: PeerAddr, error: IcmpError) {
        if let Err(reason) = self.tell_icmp(now, port, peer, error) {
            self.counters.drops[reason as usize] += 1;
        }
    }

    fn tell_icmp(&mut self, now: Now, port: u16, peer: PeerAddr, error: IcmpError) -> Result<(), DropReason> {
        if !self.icmp || !error.is_for_clients(AddressFamily::of(peer.0.ip())) {
            return Err(DropReason::PeerRefused);
        }
        let &slot = self.by_port.get(&port).ok_or(DropReason::NoAllocation)?;
        let allocation = &self.allocations[slot];
        //= RFC 8656 §11.5: "the server extracts the destination IP address from the encapsulated IP header.
        //= The server then compares this address with the IP address associated with each permission in the
        //= list of permissions for the allocation"
        if allocation.permitted_until(peer.0.ip(), now.mono).is_none() {
            return Err(DropReason::NoPermission);
        }
        if let Some(meter) = &allocation.meter {
            self.bandwidth.spend(meter, Direction::Received, 0, now.mono)?;
        }
        let mut message = Vec::new();
        let id = TransactionId(self.random.bytes());
        //= RFC 8656 §11.5: "The Data indication MUST contain both an XOR-PEER-ADDRESS and an ICMP attribute"
        MessageWriter::new(&mut message, Class::Indication, Method::DATA, id)
            .xor_address(AttributeType::XOR_PEER_ADDRESS, peer.0)
            .attribute(AttributeType::ICMP, &error.to_bytes());
        self.events.push_back(Event::Send { to: allocation.tuple, message });
        Ok(())
    }
}

//! Refresh: a longer life for an allocation, or its end. RFC 8656 §8.

use std::time::Duration;

use stun_wire::{AttributeType, ErrorCode, Message, MessageWriter};

use super::allocate::requested_family;
use super::authenticate::Request;
use super::{Answered, Server};
use crate::limits::ALLOCATION_LIFETIME_MIN;
use crate::moving::Renewal;
use crate::slots::Slots;

impl Server {
    pub(super) fn refresh(
        &mut self,
        now: Duration,
        request: &Request<'_>,
        reply: &mut Vec<u8>,
    ) -> Result<Answered, ErrorCode> {
        //= RFC 8016 §3.2.2: "If the STUN MOBILITY-TICKET attribute is included in the Refresh request, then
        //= the server will not retrieve the 5-tuple from the packet to identify an associated allocation"
        if let Some(ticket) = request.message.find(AttributeType::MOBILITY_TICKET) {
            return self.move_here(ticket, request, reply);
        }
        let slots = self.slots_of(request)?;
        let renewal = self.renewal(request.message)?;
        self.renew(slots, renewal, now)?;
        request.succeed(reply, |writer| describe_lifetime(renewal.lifetime, writer));
        Ok(Answered::Now)
    }

    /// What a Refresh asks for.
    ///
    /// # Errors
    /// 400 for malformed attributes, 443 for a family that does not exist.
    pub(super) fn renewal(&self, message: &Message<'_>) -> Result<Renewal, ErrorCode> {
        //= RFC 8656 §8.2: "If the server receives a Refresh Request with a REQUESTED-ADDRESS-FAMILY attribute
        //= and the attribute value does not match the address family of the allocation, the server MUST reply
        //= with a 443 (Peer Address Family Mismatch) Refresh error response"
        let family = requested_family(message).map_err(|code| match code {
            ErrorCode::AddressFamilyNotSupported => ErrorCode::PeerAddressFamilyMismatch,
            code => code,
        })?;
        let lifetime = match message.find(AttributeType::LIFETIME) {
            Some(&[0, 0, 0, 0]) => Duration::ZERO,
            _ => self.lifetime(message)?.unwrap_or(ALLOCATION_LIFETIME_MIN),
        };
        Ok(Renewal { family, lifetime })
    }

    /// Gives allocations a longer life, or ends them.
    ///
    /// # Errors
    /// 443 where none is of the family that is meant.
    pub(super) fn renew(&mut self, slots: Slots, renewal: Renewal, now: Duration) -> Result<(), ErrorCode> {
        let concerned: Vec<usize> = match renewal.family {
            None => slots.iter().collect(),
            Some(family) => {
                vec![self.of_family(slots, family).ok_or(ErrorCode::PeerAddressFamilyMismatch)?]
            }
        };
        for slot in concerned {
            if renewal.lifetime.is_zero() {
                self.remove(slot, now);
                continue;
            }
            let expires = now + renewal.lifetime;
            self.deadlines.remove(self.allocations[slot].expires, slot);
            self.deadlines.insert(expires, slot);
            self.allocations[slot].expires = expires;
            self.allocations[slot].hear(now);
            self.renew_all_offers(slot, now);
        }
        Ok(())
    }

    /// The allocations that a request is about.
    ///
    /// # Errors
    /// 437 where its 5-tuple has none, 441 where they are somebody else's.
    pub(super) fn slots_of(&self, request: &Request<'_>) -> Result<Slots, ErrorCode> {
        let &slots = self.by_tuple.get(&request.tuple).ok_or(ErrorCode::AllocationMismatch)?;
        if self.allocations[slots.first()].identity != request.identity {
            return Err(ErrorCode::WrongCredentials);
        }
        Ok(slots)
    }
}

/// LIFETIME of an answer.
pub(super) fn describe_lifetime(lifetime: Duration, writer: &mut MessageWriter<'_>) {
    let seconds = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX);
    writer.u32(AttributeType::LIFETIME, seconds);
}

//! Refresh: a longer life for an allocation, or its end. RFC 8656 §8.

use std::time::Duration;

use stun_wire::{AttributeType, ErrorCode};

use super::allocate::requested_family;
use super::authenticate::Request;
use super::{Answered, Server};
use crate::limits::ALLOCATION_LIFETIME_MIN;
use crate::slots::Slots;

impl Server {
    pub(super) fn refresh(
        &mut self,
        now: Duration,
        request: &Request<'_>,
        reply: &mut Vec<u8>,
    ) -> Result<Answered, ErrorCode> {
        let slots = self.slots_of(request)?;
        //= RFC 8656 §8.2: a family that the allocation does not have is answered with 443
        let concerned: Vec<usize> = match requested_family(request.message)? {
            None => slots.iter().collect(),
            Some(family) => {
                vec![self.of_family(slots, family).ok_or(ErrorCode::PeerAddressFamilyMismatch)?]
            }
        };
        if request.message.find(AttributeType::LIFETIME) == Some(&[0; 4]) {
            for slot in concerned {
                self.remove(slot, now);
            }
            request.succeed(reply, |writer| {
                writer.u32(AttributeType::LIFETIME, 0);
            });
            return Ok(Answered::Now);
        }
        let lifetime = self.lifetime(request.message)?.unwrap_or(ALLOCATION_LIFETIME_MIN);
        let expires = now + lifetime;
        for slot in concerned {
            self.deadlines.remove(self.allocations[slot].expires, slot);
            self.deadlines.insert(expires, slot);
            self.allocations[slot].expires = expires;
            self.allocations[slot].hear(now);
            self.renew_all_offers(slot, now);
        }
        let seconds = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX);
        request.succeed(reply, |writer| {
            writer.u32(AttributeType::LIFETIME, seconds);
        });
        Ok(Answered::Now)
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

//! Refresh: a longer life for an allocation, or its end. RFC 8656 §8.

use std::time::Duration;

use stun_wire::{AddressFamily, AttributeType, ErrorCode};

use super::allocate::requested_family;
use super::authenticate::Request;
use super::{Answered, Server};
use crate::limits::ALLOCATION_LIFETIME_MIN;

impl Server {
    pub(super) fn refresh(
        &mut self,
        now: Duration,
        request: &Request<'_>,
        reply: &mut Vec<u8>,
    ) -> Result<Answered, ErrorCode> {
        let slot = self.slot_of(request)?;
        if let Some(family) = requested_family(request.message)?
            && AddressFamily::of(self.allocations[slot].relayed.0.ip()) != family
        {
            return Err(ErrorCode::PeerAddressFamilyMismatch);
        }
        if request.message.find(AttributeType::LIFETIME) == Some(&[0; 4]) {
            self.remove(slot, now);
            request.succeed(reply, |writer| {
                writer.u32(AttributeType::LIFETIME, 0);
            });
            return Ok(Answered::Now);
        }
        let lifetime = self.lifetime(request.message)?.unwrap_or(ALLOCATION_LIFETIME_MIN);
        let expires = now + lifetime;
        self.deadlines.remove(self.allocations[slot].expires, slot);
        self.deadlines.insert(expires, slot);
        self.allocations[slot].expires = expires;
        self.renew_all_offers(slot, now);
        let seconds = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX);
        request.succeed(reply, |writer| {
            writer.u32(AttributeType::LIFETIME, seconds);
        });
        Ok(Answered::Now)
    }

    /// The allocation that a request is about.
    ///
    /// # Errors
    /// 437 where its 5-tuple has none or one that is not ready, 441 where it is somebody else's.
    pub(super) fn slot_of(&self, request: &Request<'_>) -> Result<usize, ErrorCode> {
        let &slot = self.by_tuple.get(&request.tuple).ok_or(ErrorCode::AllocationMismatch)?;
        if self.allocations[slot].identity != request.identity {
            return Err(ErrorCode::WrongCredentials);
        }
        Ok(slot)
    }
}

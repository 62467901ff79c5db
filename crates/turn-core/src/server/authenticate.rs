//! From a message to a request whose sender is proved. Only a [`Request`] can change anything.
//! RFC 8489 §9.2.4, RFC 8656 §5.

use stun_wire::{
    AttributeType, Class, ErrorCode, IntegrityKey, Message, MessageWriter, Method, PasswordAlgorithm,
};

use super::Server;
use crate::address::FiveTuple;
use crate::config::Now;
use crate::counters::DropReason;
use crate::credentials::{Claim, Identity};
use crate::limits::UNAUTHENTICATED_ALLOCATE_BYTES_MIN;
use crate::verdict::Verdict;

/// A request whose integrity was verified with the key of its user.
pub(super) struct Request<'m> {
    pub(super) tuple: FiveTuple,
    pub(super) message: &'m Message<'m>,
    pub(super) identity: Identity,
    pub(super) key: IntegrityKey,
}

impl Request<'_> {
    /// Appends the success response; `fill` adds its attributes, integrity is added last.
    pub(super) fn succeed(&self, reply: &mut Vec<u8>, fill: impl FnOnce(&mut MessageWriter<'_>)) {
        let id = self.message.transaction_id();
        let mut writer = MessageWriter::new(reply, Class::Success, self.message.method(), id);
        fill(&mut writer);
        writer.integrity(&self.key);
    }

    /// Appends an error response; 420 lists what was not understood.
    pub(super) fn refuse(&self, code: ErrorCode, reply: &mut Vec<u8>) {
        let id = self.message.transaction_id();
        let mut writer = MessageWriter::new(reply, Class::Error, self.message.method(), id);
        writer.error_code(code);
        if code == ErrorCode::UnknownAttribute {
            let list: Vec<u8> = self.unknown().flat_map(|kind| kind.0.to_be_bytes()).collect();
            writer.attribute(AttributeType::UNKNOWN_ATTRIBUTES, &list);
        }
        writer.integrity(&self.key);
    }

    /// Comprehension-required attributes that this server does not know.
    fn unknown(&self) -> impl Iterator<Item = AttributeType> {
        self.message
            .attributes()
            .map(|attribute| attribute.kind)
            .filter(|kind| kind.is_comprehension_required() && !KNOWN.contains(kind))
    }
}

impl Server {
    /// Proves the sender of a request, or says what it gets instead.
    ///
    /// The cheap checks come first: the nonce's MAC is a short keyed hash, so a flood of made-up
    /// requests never reaches the password's.
    pub(super) fn authenticate<'m, 'd>(
        &mut self,
        now: Now,
        tuple: FiveTuple,
        message: &'m Message<'m>,
        reply: &mut Vec<u8>,
    ) -> Result<Request<'m>, Verdict<'d>> {
        if !message.has_integrity() {
            return Err(self.challenge_or_drop(now, &tuple, message, reply));
        }
        let Some((claim, nonce)) = claims(message) else {
            return Err(self.refuse_bare(now, &tuple, message, reply));
        };
        if !self.nonces.accepts(nonce, now.mono, &tuple) {
            return Err(self.challenge(now, &tuple, message, ErrorCode::StaleNonce, reply));
        }
        let Some((algorithm, signs)) = self.algorithms.chosen(message) else {
            return Err(self.refuse_bare(now, &tuple, message, reply));
        };
        let identity = self.credentials.identify(claim);
        let key = self.prove(&tuple, identity, claim, algorithm, message);
        match identity.zip(key).filter(|(identity, _)| self.is_valid(*identity, &tuple, message, now)) {
            Some((identity, key)) => {
                let key = key.signing_by(signs);
                let request = Request { tuple, message, identity, key };
                if request.unknown().next().is_some() {
                    self.counters.errors += 1;
                    request.refuse(ErrorCode::UnknownAttribute, reply);
                    return Err(Verdict::Reply);
                }
                Ok(request)
            }
            None => Err(self.challenge(now, &tuple, message, ErrorCode::Unauthenticated, reply)),
        }
    }

    /// The key that a request was signed with, if it is one of the identity's; an allocation of the same
    /// identity on this 5-tuple has it at hand.
    fn prove(
        &self,
        tuple: &FiveTuple,
        identity: Option<Identity>,
        claim: Claim<'_>,
        algorithm: PasswordAlgorithm,
        message: &Message<'_>,
    ) -> Option<IntegrityKey> {
        if let Some(slots) = self.by_tuple.get(tuple)
            && let allocation = &self.allocations[slots.first()]
            && Some(allocation.identity) == identity
            && allocation.key.algorithm() == Some(algorithm)
            && message.verify_integrity(&allocation.key)
        {
            return Some(allocation.key.clone());
        }
        self.credentials.prove(identity, claim, algorithm, |key| message.verify_integrity(key))
    }

    /// Whether a proved identity may still act: its credential has not expired and its session has not ended.
    fn is_valid(&self, identity: Identity, tuple: &FiveTuple, message: &Message<'_>, now: Now) -> bool {
        match identity {
            Identity::Session { session, expires_unix_s, .. } => {
                now.unix_s < expires_unix_s && !self.ended.contains_key(&session)
            }
            Identity::User(_) => true,
            // Other software hands out credentials for an hour and has calls that are longer: who came in
            // time keeps the allocation it has, and with a ticket takes it along.
            Identity::Shared { expires_unix_s, .. } => {
                let slot = self.by_tuple.get(tuple);
                now.unix_s < expires_unix_s
                    || slot.is_some_and(|slots| self.allocations[slots.first()].identity == identity)
                    || (message.method() == Method::REFRESH
                        && message.find(AttributeType::MOBILITY_TICKET).is_some())
            }
        }
    }

    /// A request without credentials: an Allocate of a sensible size learns realm and nonce, all else
    /// nothing.
    fn challenge_or_drop<'d>(
        &mut self,
        now: Now,
        tuple: &FiveTuple,
        message: &Message<'_>,
        reply: &mut Vec<u8>,
    ) -> Verdict<'d> {
        let is_allocate = message.method() == Method::ALLOCATE;
        if is_allocate && message.length() >= UNAUTHENTICATED_ALLOCATE_BYTES_MIN {
            self.challenge(now, tuple, message, ErrorCode::Unauthenticated, reply)
        } else {
            Verdict::Drop(DropReason::Unauthenticated)
        }
    }

    /// 401 or 438 with realm and a fresh nonce: 48 bytes and the realm, or 68 where there is a choice of
    /// password algorithms. A 438 is never longer than its request.
    fn challenge<'d>(
        &mut self,
        now: Now,
        tuple: &FiveTuple,
        message: &Message<'_>,
        code: ErrorCode,
        reply: &mut Vec<u8>,
    ) -> Verdict<'d> {
        // Who is refused for a wrong password has echoed a nonce that was sent to its address.
        let heard_us = code == ErrorCode::Unauthenticated && message.has_integrity();
        if !heard_us && !self.may_answer(tuple, now) {
            return Verdict::Drop(DropReason::OverBudget);
        }
        let start = reply.len();
        let nonce = self.nonces.issue(now.mono, tuple);
        let mut writer = MessageWriter::new(reply, Class::Error, message.method(), message.transaction_id());
        writer
            .error_code(code)
            .attribute(AttributeType::REALM, self.credentials.realm().as_bytes())
            .attribute(AttributeType::NONCE, nonce.as_bytes());
        if let Some(value) = self.algorithms.value() {
            writer.attribute(AttributeType::PASSWORD_ALGORITHMS, value);
        }
        if code == ErrorCode::StaleNonce && reply.len() - start > message.length() {
            reply.truncate(start);
            return Verdict::Drop(DropReason::Unauthenticated);
        }
        self.counters.errors += 1;
        Verdict::Reply
    }

    /// 400 for somebody unproved: 28 bytes, no integrity.
    fn refuse_bare<'d>(
        &mut self,
        now: Now,
        tuple: &FiveTuple,
        message: &Message<'_>,
        reply: &mut Vec<u8>,
    ) -> Verdict<'d> {
        if !self.may_answer(tuple, now) {
            return Verdict::Drop(DropReason::OverBudget);
        }
        MessageWriter::new(reply, Class::Error, message.method(), message.transaction_id())
            .error_code(ErrorCode::BadRequest);
        self.counters.errors += 1;
        Verdict::Reply
    }
}

/// Who a request says it is from, and the nonce it echoes; `None` for 400: one of them or the realm is
/// missing, or larger than it may be.
fn claims<'m>(message: &Message<'m>) -> Option<(Claim<'m>, &'m [u8])> {
    let (name, hash) = (message.find(AttributeType::USERNAME), message.find(AttributeType::USERHASH));
    let claim = match (name, hash) {
        (Some(name), None) => {
            Claim::Name(Some(name).filter(|it| it.len() <= stun_wire::limits::USERNAME_BYTES_MAX)?)
        }
        (None, Some(hash)) => Claim::Hash(hash.try_into().ok()?),
        _ => return None,
    };
    message.find(AttributeType::REALM)?;
    let nonce = message.find(AttributeType::NONCE)?;
    (nonce.len() <= stun_wire::limits::REALM_BYTES_MAX).then_some((claim, nonce))
}

/// Comprehension-required attributes that requests may carry.
const KNOWN: [AttributeType; 15] = [
    AttributeType::USERNAME,
    AttributeType::USERHASH,
    AttributeType::PASSWORD_ALGORITHM,
    AttributeType::MESSAGE_INTEGRITY,
    AttributeType::CHANNEL_NUMBER,
    AttributeType::LIFETIME,
    AttributeType::XOR_PEER_ADDRESS,
    AttributeType::DATA,
    AttributeType::REALM,
    AttributeType::NONCE,
    AttributeType::REQUESTED_ADDRESS_FAMILY,
    AttributeType::EVEN_PORT,
    AttributeType::REQUESTED_TRANSPORT,
    AttributeType::DONT_FRAGMENT,
    AttributeType::RESERVATION_TOKEN,
];

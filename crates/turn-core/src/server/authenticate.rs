//! From a message to a request whose sender is proved. Only a [`Request`] can change anything.
//! RFC 8489 §9.2.4, RFC 8656 §5.

use std::cell::Cell;
use std::time::Duration;

use stun_wire::limits::{ATTRIBUTE_HEADER_BYTES, HEADER_BYTES};
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
        self.message.attributes().map(|attribute| attribute.kind).filter(|kind| !is_understood(*kind))
    }
}

impl Server {
    /// Proves the sender of a request, or says what it gets instead.
    ///
    /// The cheap checks come first: the nonce's MAC is a short keyed hash, so a flood of made-up
    /// requests never reaches the password's; and where too many passwords were wrong, most are not looked
    /// at.
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
        let key = match self.key_at_hand(&tuple, identity, algorithm, message) {
            Some(key) => Some(key),
            None if !self.failures.admits(&tuple, now.mono) => {
                return Err(Verdict::Drop(DropReason::OverFailures));
            }
            None => self.prove(now, &tuple, identity, claim, algorithm, message),
        };
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

    /// Whether the client does not ask for more than it may. Others cannot use up what is its own.
    pub(super) fn keeps_pace(&mut self, request: &Request<'_>, now: Duration) -> bool {
        let Some(slots) = self.by_tuple.get(&request.tuple) else { return true };
        let allocation = &mut self.allocations[slots.first()];
        allocation.identity != request.identity || allocation.pace.admits(now)
    }

    /// The key that a request was signed with, if an allocation of the same identity on this 5-tuple has it.
    fn key_at_hand(
        &mut self,
        tuple: &FiveTuple,
        identity: Option<Identity>,
        algorithm: PasswordAlgorithm,
        message: &Message<'_>,
    ) -> Option<IntegrityKey> {
        let allocation = &self.allocations[self.by_tuple.get(tuple)?.first()];
        let is_of_it = Some(allocation.identity) == identity && allocation.key.algorithm() == Some(algorithm);
        if !is_of_it {
            return None;
        }
        self.counters.proofs += 1;
        message.verify_integrity(&allocation.key).then(|| allocation.key.clone())
    }

    /// The key that a request was signed with, if it is one of the identity's.
    fn prove(
        &mut self,
        now: Now,
        tuple: &FiveTuple,
        identity: Option<Identity>,
        claim: Claim<'_>,
        algorithm: PasswordAlgorithm,
        message: &Message<'_>,
    ) -> Option<IntegrityKey> {
        let proofs = Cell::new(0);
        let key = self.credentials.prove(identity, claim, algorithm, |key| {
            proofs.set(proofs.get() + 1);
            message.verify_integrity(key)
        });
        self.counters.proofs += proofs.get();
        if key.is_none() {
            self.counters.failures += 1;
            self.failures.spend(tuple, now.mono);
        }
        key
    }

    /// Whether a proved identity may still act: its credential has not expired and its session has not ended.
    fn is_valid(&self, identity: Identity, tuple: &FiveTuple, message: &Message<'_>, now: Now) -> bool {
        match identity {
            Identity::Session { session, expires_unix_s, .. } => {
                now.unix_s < expires_unix_s && !self.ended.contains(session)
            }
            Identity::User(_) => true,
            // Other software hands out credentials for an hour and has calls that are longer: who came in
            // time keeps the allocation it has with its connections, and with a ticket takes it along.
            Identity::Shared { expires_unix_s, .. } => {
                let slot = self.by_tuple.get(tuple);
                now.unix_s < expires_unix_s
                    || message.method() == Method::CONNECTION_BIND
                    || slot.is_some_and(|slots| self.allocations[slots.first()].identity == identity)
                    || (message.method() == Method::REFRESH
                        && message.find(AttributeType::MOBILITY_TICKET).is_some())
            }
        }
    }

    /// A request without credentials: an Allocate of a sensible size learns realm and nonce, and so does a
    /// ConnectionBind; all else nothing.
    fn challenge_or_drop<'d>(
        &mut self,
        now: Now,
        tuple: &FiveTuple,
        message: &Message<'_>,
        reply: &mut Vec<u8>,
    ) -> Verdict<'d> {
        let begins = match message.method() {
            Method::ALLOCATE => message.length() >= UNAUTHENTICATED_ALLOCATE_BYTES_MIN,
            // On a connection of its own, whose client has proved its address by making it.
            Method::CONNECTION_BIND => tuple.listener.is_stream(),
            _ => false,
        };
        if begins {
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
        let answer_bytes = self.challenge_bytes();
        if code == ErrorCode::StaleNonce && answer_bytes > message.length() {
            return Verdict::Drop(DropReason::Unauthenticated);
        }
        if !heard_us && !self.may_answer(now, tuple, message, answer_bytes) {
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
        debug_assert_eq!(reply.len() - start, answer_bytes);
        self.counters.errors += 1;
        Verdict::Reply
    }

    /// How long a challenge is.
    fn challenge_bytes(&self) -> usize {
        let attribute = |bytes: usize| ATTRIBUTE_HEADER_BYTES + bytes.next_multiple_of(4);
        let choice = self.algorithms.value().map_or(0, |value| attribute(value.len()));
        BARE_ERROR_BYTES
            + attribute(self.credentials.realm().len())
            + attribute(self.nonces.nonce_bytes())
            + choice
    }

    /// 400 for somebody unproved: 28 bytes, no integrity.
    fn refuse_bare<'d>(
        &mut self,
        now: Now,
        tuple: &FiveTuple,
        message: &Message<'_>,
        reply: &mut Vec<u8>,
    ) -> Verdict<'d> {
        if !self.may_answer(now, tuple, message, BARE_ERROR_BYTES) {
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

/// Whether a message with such an attribute may be processed.
//= RFC 8489 §6.3: "Unknown comprehension-optional attributes MUST be ignored by the agent.
//= Known-but-unexpected attributes SHOULD be ignored by the agent"
pub(super) fn is_understood(kind: AttributeType) -> bool {
    !kind.is_comprehension_required() || KNOWN.contains(&kind)
}

/// A header and an error code without a phrase.
const BARE_ERROR_BYTES: usize = HEADER_BYTES + ATTRIBUTE_HEADER_BYTES + 4;

/// Comprehension-required attributes of RFC 8489, RFC 8656 and RFC 6062, whether or not they mean something
/// to a server.
const KNOWN: [AttributeType; 21] = [
    AttributeType::XOR_PEER_ADDRESS,
    AttributeType::DATA,
    AttributeType::DONT_FRAGMENT,
    AttributeType::MAPPED_ADDRESS,
    AttributeType::USERNAME,
    AttributeType::ERROR_CODE,
    AttributeType::UNKNOWN_ATTRIBUTES,
    AttributeType::USERHASH,
    AttributeType::PASSWORD_ALGORITHM,
    AttributeType::MESSAGE_INTEGRITY,
    AttributeType::CHANNEL_NUMBER,
    AttributeType::LIFETIME,
    AttributeType::REALM,
    AttributeType::NONCE,
    AttributeType::XOR_RELAYED_ADDRESS,
    AttributeType::REQUESTED_ADDRESS_FAMILY,
    AttributeType::EVEN_PORT,
    AttributeType::REQUESTED_TRANSPORT,
    AttributeType::XOR_MAPPED_ADDRESS,
    AttributeType::RESERVATION_TOKEN,
    AttributeType::CONNECTION_ID,
];

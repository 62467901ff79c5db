//! The same bytes to `stun-wire`, to the `stun` crate and, in the module below, to `stun-types`: where ours
//! and another disagree, the disagreement is one of a list, each explained in the README. Not what a message
//! means. RFC 8489 §5, §14.

mod stun_types;

use std::net::SocketAddr;

use stun::attributes::AttrType;
use stun::fingerprint::FingerprintAttr;
use stun::integrity::MessageIntegrity;
use stun::message::Message as TheirMessage;
use stun::xoraddr::XorMappedAddress;
use stun_wire::{AddressError, AttributeType, Message, ParseError, decode_xor_address};

use crate::input::{PASSWORD, datagram_of, is_seal, key};

/// Lets each read a datagram and compares everything that both, ours and another, can say about it.
///
/// # Panics
/// Where they differ in a way that nobody wrote down.
pub fn differential(data: &[u8]) {
    let datagram = datagram_of(data);
    let ours = Message::parse(&datagram);
    stun_types::compare(&datagram, ours);
    let mut theirs = TheirMessage::new();
    let their_verdict = theirs.unmarshal_binary(&datagram);
    match (ours, their_verdict) {
        (Err(error), Ok(())) => {
            let difference = explain(error, &datagram, &theirs);
            assert!(difference.is_some(), "only `stun` accepts it, we say {error:?}");
        }
        (Err(_), Err(_)) => {}
        (Ok(_), Err(error)) => panic!("only we accept it: {error}"),
        (Ok(ours), Ok(())) => {
            assert_eq!(theirs.typ.value().to_be_bytes(), datagram[..2]);
            assert_eq!(theirs.transaction_id.0, ours.transaction_id().0);
            compare_attributes(&ours, &theirs);
            compare_addresses(&ours, &theirs);
            compare_seals(&ours, &mut theirs);
        }
    }
}

/// What the `stun` crate accepts and we refuse.
#[derive(Debug)]
enum Difference {
    /// It does not look at the two highest bits.
    HighestBits,
    /// It ignores bytes behind the announced length.
    TrailingBytes,
    /// It has no cap on attributes.
    ManyAttributes,
    /// It checks a FINGERPRINT on demand only.
    Fingerprint,
    /// It checks the length of an integrity value on demand only.
    IntegrityLength,
}

fn explain(error: ParseError, datagram: &[u8], theirs: &TheirMessage) -> Option<Difference> {
    let announced = 20 + theirs.length as usize;
    match error {
        ParseError::NotStun => Some(Difference::HighestBits),
        ParseError::Length if announced < datagram.len() => Some(Difference::TrailingBytes),
        ParseError::TooManyAttributes => Some(Difference::ManyAttributes),
        ParseError::Integrity => Some(Difference::IntegrityLength),
        ParseError::Fingerprint => {
            let types: Vec<u16> = theirs.attributes.0.iter().map(|it| it.typ.0).collect();
            let fingerprint = AttributeType::FINGERPRINT.0;
            let is_last_and_only = types.iter().position(|it| *it == fingerprint) == Some(types.len() - 1);
            // Where it stands where it belongs, both must find it wrong.
            let agree = FingerprintAttr.check(theirs).is_err();
            (agree || !is_last_and_only).then_some(Difference::Fingerprint)
        }
        _ => None,
    }
}

/// Ours are the first of theirs; theirs go on with what seals the message.
fn compare_attributes(ours: &Message<'_>, theirs: &TheirMessage) {
    let mut rest = theirs.attributes.0.iter();
    for attribute in ours.attributes() {
        let other = rest.next().expect("they list at least what we list");
        assert_eq!(other.typ.0, their_number(attribute.kind));
        assert_eq!(other.value, attribute.value);
    }
    if let Some(other) = rest.next() {
        assert!(is_seal(AttributeType(other.typ.0)), "we leave out nothing but seals and what follows");
    }
}

fn compare_addresses(ours: &Message<'_>, theirs: &TheirMessage) {
    for kind in [
        AttributeType::XOR_MAPPED_ADDRESS,
        AttributeType::XOR_PEER_ADDRESS,
        AttributeType::XOR_RELAYED_ADDRESS,
    ] {
        let same_to_them = ours.attributes().find(|it| their_number(it.kind) == kind.0);
        let Some(attribute) = same_to_them.filter(|it| it.kind == kind) else { continue };
        let our_address = decode_xor_address(attribute.value, ours.transaction_id());
        let mut their_address = XorMappedAddress::default();
        let their_verdict = their_address.get_from_as(theirs, AttrType(kind.0));
        match (our_address, their_verdict) {
            (Ok(address), Ok(())) => {
                assert_eq!(address, SocketAddr::new(their_address.ip, their_address.port));
            }
            // They take the reserved byte for a part of the family, RFC 8489 §14.1 says to ignore it.
            (Ok(_), Err(_)) => assert_ne!(attribute.value[0], 0),
            // They fill up addresses that are too short.
            (Err(error), Ok(())) => {
                assert_eq!(error, AddressError::Length);
                assert!(attribute.value.len() < 20);
            }
            (Err(_), Err(_)) => {}
        }
    }
}

fn compare_seals(ours: &Message<'_>, theirs: &mut TheirMessage) {
    let types: Vec<u16> = theirs.attributes.0.iter().map(|it| it.typ.0).collect();
    if types.contains(&AttributeType::FINGERPRINT.0) {
        assert!(FingerprintAttr.check(theirs).is_ok(), "we accept no wrong fingerprint");
    }
    // They know the older integrity only, and look for it anywhere.
    let has_newer = types.contains(&AttributeType::MESSAGE_INTEGRITY_SHA256.0);
    if types.contains(&AttributeType::MESSAGE_INTEGRITY.0) && !has_newer {
        let their_verdict = MessageIntegrity::new_short_term_integrity(PASSWORD.into()).check(theirs);
        assert_eq!(ours.verify_integrity(&key()), their_verdict.is_ok());
    }
}

/// They read 0x8020, from a draft before RFC 5389, as XOR-MAPPED-ADDRESS.
const fn their_number(kind: AttributeType) -> u16 {
    match kind.0 {
        0x8020 => AttributeType::XOR_MAPPED_ADDRESS.0,
        number => number,
    }
}

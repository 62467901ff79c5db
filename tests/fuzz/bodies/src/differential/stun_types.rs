//! The same bytes to `stun-wire` and to the `stun-types` crate. Not what either says of a message's meaning.
//! RFC 8489 §5, §9, §14.

use stun_types::attribute::{
    Attribute as _, MappedSocketAddr, MessageIntegritySha256, RawAttribute, XorSocketAddr,
};
use stun_types::message::{
    IntegrityAlgorithm, Message as TheirMessage, MessageIntegrityCredentials, ShortTermCredentials,
};
use stun_types::prelude::AttributeStaticType as _;
use stun_wire::limits::{ATTRIBUTE_HEADER_BYTES, ATTRIBUTES_MAX, HEADER_BYTES};
use stun_wire::{AttributeType, Integrity, Message, ParseError, decode_address, decode_xor_address};

use crate::input::{PASSWORD, is_seal, key};

/// Where the two disagree; each is explained in the README.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Difference {
    /// It accepts a FINGERPRINT that is right up to where it stands, with more behind it.
    FingerprintNotLast,
    /// It checks the length of an integrity value on demand only.
    IntegrityLength,
    /// It has no cap on attributes.
    ManyAttributes,
    /// It takes a MESSAGE-INTEGRITY-SHA256 for absent that does not stand directly behind MESSAGE-INTEGRITY.
    OtherIntegrity,
    /// It accepts a part of the 32 bytes of MESSAGE-INTEGRITY-SHA256.
    PartOfIntegrity,
    /// It reads on behind the announced length.
    TrailingBytes,
    /// It stops where nothing counts any more, and accepts whatever comes then.
    Unread,
}

/// Compares everything that both can say about a datagram; how they differ, if they do.
///
/// # Panics
/// Where they differ in a way that nobody wrote down.
pub(super) fn compare(datagram: &[u8], ours: Result<Message<'_>, ParseError>) -> Option<Difference> {
    match (ours, TheirMessage::from_bytes(datagram)) {
        (Err(_), Err(_)) => None,
        (Ok(_), Err(error)) => panic!("`stun-types` alone refuses it: {error}"),
        (Err(error), Ok(_)) => {
            let difference = explain(error, datagram);
            assert!(difference.is_some(), "only `stun-types` accepts it, we say {error:?}");
            difference
        }
        (Ok(ours), Ok(theirs)) => {
            assert_eq!(theirs.get_type().to_bytes(), datagram[..2]);
            assert_eq!(theirs.method().value(), ours.method().number());
            let id: u128 = theirs.transaction_id().into();
            assert_eq!(id.to_be_bytes()[4..], ours.transaction_id().0);
            compare_attributes(&ours, &theirs);
            compare_integrity(&ours, &theirs)
        }
    }
}

/// Why it accepts what we refuse.
fn explain(error: ParseError, datagram: &[u8]) -> Option<Difference> {
    let announced = HEADER_BYTES + usize::from(u16::from_be_bytes([datagram[2], datagram[3]]));
    let stop = stop(datagram);
    let unread = stop.map(|_| Difference::Unread);
    match error {
        ParseError::Length if announced < datagram.len() => Some(Difference::TrailingBytes),
        // No multiple of four: only what it does not read can lack its padding.
        ParseError::Length if announced == datagram.len() => unread,
        ParseError::Attribute => unread,
        ParseError::TooManyAttributes => {
            walk(datagram).nth(ATTRIBUTES_MAX).map(|_| Difference::ManyAttributes)
        }
        ParseError::Integrity => walk(datagram).find(is_no_integrity).map(|_| Difference::IntegrityLength),
        ParseError::Fingerprint => {
            let print = walk(datagram).find(|it| it.kind == AttributeType::FINGERPRINT)?;
            if stop.is_some_and(|stop| stop < print.at) {
                return unread;
            }
            // Where it stands where it belongs, both must find it wrong.
            (print.end() < datagram.len()).then_some(Difference::FingerprintNotLast)
        }
        _ => None,
    }
}

/// What we leave out are the seals, and nothing but them.
fn compare_attributes(ours: &Message<'_>, theirs: &TheirMessage<'_>) {
    let mut rest = theirs.iter_attributes();
    for attribute in ours.attributes() {
        let (_, other) = rest.next().expect("they list at least what we list");
        assert_eq!(other.get_type().value(), attribute.kind.0);
        assert_eq!(*other.value, *attribute.value);
        compare_address(&other, ours);
    }
    assert!(rest.all(|(_, other)| is_seal(AttributeType(other.get_type().value()))));
}

/// Any value may be tried as an address: TURN's types are in another crate, what they hold is in this one.
fn compare_address(attribute: &RawAttribute<'_>, message: &Message<'_>) {
    let plain = MappedSocketAddr::from_raw(attribute).map(|it| it.addr());
    assert_eq!(decode_address(&attribute.value).ok(), plain.ok());
    let id = message.transaction_id();
    let their_id = u128::from_be_bytes(std::array::from_fn(|at| at.checked_sub(4).map_or(0, |at| id.0[at])));
    let xored = XorSocketAddr::from_raw(attribute).map(|it| it.addr(their_id.into()));
    assert_eq!(decode_xor_address(&attribute.value, id).ok(), xored.ok());
}

fn compare_integrity(ours: &Message<'_>, theirs: &TheirMessage<'_>) -> Option<Difference> {
    let our_verdict = ours.verify_integrity(&key());
    let their_verdict = theirs.validate_integrity(&credentials()).ok();
    if our_verdict == their_verdict.is_some() {
        return None;
    }
    assert!(ours.has(Integrity::Sha256), "we agree about MESSAGE-INTEGRITY alone");
    if theirs.raw_attribute(MessageIntegritySha256::TYPE).is_some_and(|it| it.value.len() < 32) {
        assert!(!our_verdict, "we accept no part of an integrity value");
        return Some(Difference::PartOfIntegrity);
    }
    assert!(!theirs.has_attribute(MessageIntegritySha256::TYPE), "we agree about whole values that both see");
    assert!(ours.has(Integrity::Sha1), "nothing else hides one from them");
    assert_ne!(their_verdict, Some(IntegrityAlgorithm::Sha256));
    Some(Difference::OtherIntegrity)
}

fn credentials() -> MessageIntegrityCredentials {
    ShortTermCredentials::new(PASSWORD.into()).into()
}

/// An attribute's header, as it stands there.
struct Header {
    at: usize,
    kind: AttributeType,
    /// Of the value without padding.
    bytes: usize,
}

impl Header {
    /// Where the next one begins.
    const fn end(&self) -> usize {
        self.at + ATTRIBUTE_HEADER_BYTES + self.bytes.next_multiple_of(4)
    }
}

/// The headers of a datagram, as far as they are whole; nothing is checked.
fn walk(datagram: &[u8]) -> impl Iterator<Item = Header> {
    let mut at = HEADER_BYTES;
    std::iter::from_fn(move || {
        let [kind @ .., high, low] = *datagram.get(at..)?.first_chunk::<ATTRIBUTE_HEADER_BYTES>()?;
        let bytes = usize::from(u16::from_be_bytes([high, low]));
        let header = Header { at, kind: AttributeType(u16::from_be_bytes(kind)), bytes };
        at = header.end();
        Some(header)
    })
}

/// Where it stops reading: at the first attribute behind a seal that is none, or is one once more.
fn stop(datagram: &[u8]) -> Option<usize> {
    let mut seals = Vec::new();
    for Header { at, kind, .. } in walk(datagram) {
        if is_seal(kind) && !seals.contains(&kind) {
            seals.push(kind);
        } else if !seals.is_empty() {
            return Some(at);
        }
    }
    None
}

/// Whether it says that it is message integrity, with a length that this cannot have.
fn is_no_integrity(header: &Header) -> bool {
    match header.kind {
        AttributeType::MESSAGE_INTEGRITY => header.bytes != 20,
        AttributeType::MESSAGE_INTEGRITY_SHA256 => ![16, 20, 24, 28, 32].contains(&header.bytes),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use stun_wire::{Class, MAGIC_COOKIE, MessageWriter, Method, TransactionId};

    use super::*;

    /// A Binding request of any attributes, padded; its length counts them all.
    fn message(attributes: &[(AttributeType, &[u8])]) -> Vec<u8> {
        let mut out = vec![0, 1, 0, 0];
        out.extend(MAGIC_COOKIE.to_be_bytes());
        out.extend([7; 12]);
        for (kind, value) in attributes {
            out.extend(kind.0.to_be_bytes());
            out.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
            out.extend(*value);
            out.resize(out.len().next_multiple_of(4), 0);
        }
        announce(&mut out, 0);
        out
    }

    /// Announces what there is and so many bytes more.
    fn announce(message: &mut [u8], more: usize) {
        let length = u16::try_from(message.len() + more - HEADER_BYTES).unwrap();
        message[2..4].copy_from_slice(&length.to_be_bytes());
    }

    /// The first bytes of the right MESSAGE-INTEGRITY-SHA256 behind these attributes.
    fn sha256(attributes: &[(AttributeType, &[u8])], bytes: usize) -> Vec<u8> {
        let mut covered = message(attributes);
        announce(&mut covered, ATTRIBUTE_HEADER_BYTES + bytes);
        let key = credentials().make_key(IntegrityAlgorithm::Sha256);
        MessageIntegritySha256::compute(&[&covered], &key).unwrap()[..bytes].to_vec()
    }

    fn difference(datagram: &[u8]) -> Option<Difference> {
        compare(datagram, Message::parse(datagram))
    }

    const SHA1: AttributeType = AttributeType::MESSAGE_INTEGRITY;
    const SHA256: AttributeType = AttributeType::MESSAGE_INTEGRITY_SHA256;
    const SOFTWARE: (AttributeType, &[u8]) = (AttributeType::SOFTWARE, b"some");

    #[test]
    fn row_62_what_stun_types_accepts_and_we_refuse() {
        let mut trailing = message(&[SOFTWARE]);
        trailing[3] = 0;
        assert_eq!(difference(&trailing), Some(Difference::TrailingBytes));

        assert_eq!(difference(&message(&[SOFTWARE; 65])), Some(Difference::ManyAttributes));
        assert_eq!(difference(&message(&[(SHA1, &[0; 16])])), Some(Difference::IntegrityLength));

        let mut printed = Vec::new();
        MessageWriter::new(&mut printed, Class::Request, Method::BINDING, TransactionId([7; 12]))
            .fingerprint();
        assert_eq!(difference(&printed), None);
        printed.extend(&message(&[SOFTWARE])[HEADER_BYTES..]);
        announce(&mut printed, 0);
        assert_eq!(difference(&printed), Some(Difference::FingerprintNotLast));
    }

    #[test]
    fn row_62_what_stun_types_does_not_read() {
        let signed = [(SHA1, [0; 20].as_slice()), SOFTWARE];
        assert_eq!(difference(&message(&signed)), None);

        let mut ragged = message(&signed);
        ragged.extend([0; 3]);
        announce(&mut ragged, 0);
        assert_eq!(difference(&ragged), Some(Difference::Unread));

        let mut broken = message(&signed);
        broken.extend([0, 0, 0, 9]);
        announce(&mut broken, 0);
        assert_eq!(difference(&broken), Some(Difference::Unread));

        let wrong = (AttributeType::FINGERPRINT, [0; 4].as_slice());
        assert_eq!(difference(&message(&[signed[0], SOFTWARE, wrong])), Some(Difference::Unread));
        assert_eq!(difference(&message(&[signed[0], wrong])), None);
    }

    #[test]
    fn row_62_integrity_that_stun_types_reads_differently() {
        let whole = sha256(&[SOFTWARE], 32);
        assert_eq!(difference(&message(&[SOFTWARE, (SHA256, &whole)])), None);
        let part = sha256(&[SOFTWARE], 16);
        let part = message(&[SOFTWARE, (SHA256, &part)]);
        assert_eq!(difference(&part), Some(Difference::PartOfIntegrity));

        let wrong = (SHA1, [0; 20].as_slice());
        let behind = sha256(&[wrong], 32);
        assert_eq!(difference(&message(&[wrong, (SHA256, &behind)])), None);
        let hidden = sha256(&[wrong, SOFTWARE], 32);
        let hidden = message(&[wrong, SOFTWARE, (SHA256, &hidden)]);
        assert_eq!(difference(&hidden), Some(Difference::OtherIntegrity));
    }
}

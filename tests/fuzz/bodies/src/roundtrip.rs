//! What was read can be written, and reads the same again. RFC 8489 §5, §14; RFC 8656 §12.4.

use stun_wire::limits::ATTRIBUTES_MAX;
use stun_wire::{
    AttributeType, ChannelData, Message, MessageWriter, decode_xor_address, write_channel_data_header,
};

use crate::input::{datagram_of, key, rewrite};

/// Decodes, encodes and decodes again.
///
/// # Panics
/// Where the second reading differs from the first.
pub fn roundtrip(data: &[u8]) {
    let datagram = datagram_of(data);
    if let Some(first) = ChannelData::parse(&datagram) {
        let mut out = Vec::new();
        let bytes = u16::try_from(first.data.len()).expect("the length field has 16 bits");
        write_channel_data_header(&mut out, first.number, bytes);
        out.extend_from_slice(first.data);
        assert_eq!(out, datagram[..out.len()]);
    }
    if let Ok(message) = Message::parse(&datagram) {
        bare(&message, &datagram);
        sealed(&message);
        addresses(&message);
    }
}

/// Without seals the bytes are the same but for padding, and stay as they are from then on.
fn bare(message: &Message<'_>, datagram: &[u8]) {
    let mut first = vec![0xAA; 3];
    rewrite(message, &mut first);
    let first = &first[3..];
    let again = Message::parse(first).expect("what we write, we read");
    assert_same(message, &again);
    if !message.has_integrity() && message.length() == first.len() {
        let mut at = 20;
        for attribute in again.attributes() {
            let end = at + 4 + attribute.value.len();
            assert_eq!(first[at..end], datagram[at..end]);
            at = end.next_multiple_of(4);
            assert!(first[end..at].iter().all(|&byte| byte == 0), "padding is zero");
        }
    }
    let mut second = Vec::new();
    rewrite(&again, &mut second);
    assert_eq!(first, second);
}

/// With seals it verifies, and no longer does when any one of its bits is flipped.
fn sealed(message: &Message<'_>) {
    if message.attributes().count() + 2 > ATTRIBUTES_MAX || message.length() > SEALED_BYTES_MAX {
        return;
    }
    let mut out = Vec::new();
    rewrite(message, &mut out).integrity(&key()).fingerprint();
    let again = Message::parse(&out).expect("what we seal, we read");
    assert_same(message, &again);
    assert!(again.verify_integrity(&key()));
    // Behind the integrity comes the fingerprint, which it does not cover.
    let at = usize::from(out[20]) * 7 % (out.len() - 8);
    out[at] ^= 1 << (out[19] % 8);
    assert!(!Message::parse(&out).is_ok_and(|it| it.verify_integrity(&key())), "byte {at} is covered");
}

/// An address that can be read is written as the same bytes, but for the first, which is reserved.
fn addresses(message: &Message<'_>) {
    let id = message.transaction_id();
    for attribute in message.attributes() {
        let Ok(address) = decode_xor_address(attribute.value, id) else { continue };
        let mut out = Vec::new();
        MessageWriter::new(&mut out, message.class(), message.method(), id)
            .xor_address(AttributeType::XOR_PEER_ADDRESS, address);
        assert_eq!(out[25..], attribute.value[1..]);
    }
}

fn assert_same(a: &Message<'_>, b: &Message<'_>) {
    assert_eq!((a.class(), a.method(), a.transaction_id()), (b.class(), b.method(), b.transaction_id()));
    assert!(a.attributes().eq(b.attributes()));
}

/// Larger messages leave no room for the seals in 16 bits of length.
const SEALED_BYTES_MAX: usize = 60_000;

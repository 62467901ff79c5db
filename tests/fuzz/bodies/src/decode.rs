//! Whatever arrives, reading it never panics, and what is read lies within what arrived. RFC 8489 §5, §14.

use std::ops::Range;

use stun_wire::limits::ATTRIBUTES_MAX;
use stun_wire::{AttributeType, ChannelData, ChannelNumber, FirstByte, Message, decode_xor_address};

use crate::input::{datagram_of, is_seal, key};

/// Reads a datagram in every way there is.
///
/// # Panics
/// Where something that was read contradicts the datagram.
pub fn decode(data: &[u8]) {
    let datagram = datagram_of(data);
    let first = FirstByte::of(&datagram);
    if let Ok(message) = Message::parse(&datagram) {
        // RFC 7983 leaves STUN fewer first bytes than its header has room for; methods there do not exist.
        assert_eq!(first == FirstByte::Stun, datagram[0] < 4);
        assert_ne!(first, FirstByte::ChannelData);
        read(&message, &datagram);
    }
    if let Some(channel_data) = ChannelData::parse(&datagram) {
        assert_eq!(first, FirstByte::ChannelData);
        assert!(ChannelNumber::new(channel_data.number.number()).is_some());
        assert!(is_within(channel_data.data, &datagram));
    }
}

fn read(message: &Message<'_>, datagram: &[u8]) {
    assert_eq!(message.length(), datagram.len());
    assert_eq!(message.transaction_id().0, datagram[8..20]);
    // Nothing of these says more than that it does not panic.
    let _ = (message.class(), message.method(), format!("{message:?}"));
    let _ = message.verify_integrity(&key());
    assert!(message.attributes().count() <= ATTRIBUTES_MAX);
    for attribute in message.attributes() {
        assert!(!is_seal(attribute.kind), "what seals a message is not among what it says");
        assert!(is_within(attribute.value, datagram));
        let first = message.find(attribute.kind).expect("it is among the attributes");
        assert!(first.as_ptr() <= attribute.value.as_ptr(), "the first of a type counts");
        let _ = ChannelNumber::from_attribute(attribute.value);
        if let Ok(address) = decode_xor_address(attribute.value, message.transaction_id()) {
            assert_eq!(attribute.value.len(), if address.is_ipv4() { 8 } else { 20 });
        }
    }
    for number in 0..=u16::from(u8::MAX) {
        for kind in [number, number | 0x8000].map(AttributeType) {
            let expected = message.attributes().find(|it| it.kind == kind).map(|it| it.value);
            assert_eq!(message.find(kind), expected);
        }
    }
}

fn is_within(part: &[u8], whole: &[u8]) -> bool {
    let Range { start, end } = whole.as_ptr_range();
    let part = part.as_ptr_range();
    start <= part.start && part.end <= end
}

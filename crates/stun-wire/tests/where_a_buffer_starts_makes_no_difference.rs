//! Row 48: whatever byte of a larger buffer a message starts at, it is read and written the same.

use stun_wire::{
    AttributeType, ChannelData, Class, Frame, IntegrityKey, Message, MessageWriter, Method, TransactionId,
    decode_xor_address,
};

/// More than the alignment of any type.
const OFFSETS: usize = 16;

/// A buffer on a boundary of its own, of which slices start anywhere.
#[repr(align(16))]
struct Aligned([u8; 512]);

impl Aligned {
    fn with(bytes: &[u8], offset: usize) -> Self {
        let mut buffer = Self([0xA5; 512]);
        buffer.0[offset..offset + bytes.len()].copy_from_slice(bytes);
        buffer
    }
}

#[test]
fn row_48_messages_are_read_the_same_at_every_offset() {
    let (message, key) = (written(Vec::new()), key());
    let expected = told(&message, &key);
    assert!(expected.ends_with("signed true"), "{expected}");
    for offset in 0..OFFSETS {
        let buffer = Aligned::with(&message, offset);
        let unaligned = &buffer.0[offset..offset + message.len()];
        assert_eq!(told(unaligned, &key), expected, "{offset}");
        for end in 0..message.len() {
            let [cut, elsewhere] = [&message[..end], &unaligned[..end]].map(|it| Message::parse(it).err());
            assert_eq!(cut, elsewhere, "{end} bytes at {offset}");
        }
    }
}

#[test]
fn row_48_messages_are_written_the_same_behind_any_bytes() {
    let expected = written(Vec::new());
    for offset in 0..OFFSETS {
        assert_eq!(written(vec![0xA5; offset])[offset..], expected, "{offset}");
    }
}

#[test]
fn row_48_frames_and_channel_data_too() {
    for length in 0..=8_u8 {
        let mut frame = vec![0x40, 0x01, 0, length];
        frame.resize(4 + usize::from(length).next_multiple_of(4), 7);
        for offset in 0..OFFSETS {
            let buffer = Aligned::with(&frame, offset);
            let unaligned = &buffer.0[offset..offset + frame.len()];
            let data = ChannelData::parse(unaligned).expect("whole").data;
            assert_eq!(data, vec![7; usize::from(length)], "{offset}");
            assert_eq!(Frame::first(unaligned, 512), Frame::first(&frame, 512), "{offset}");
        }
    }
}

/// All that can be read from a message.
fn told(bytes: &[u8], key: &IntegrityKey) -> String {
    let message = Message::parse(bytes).expect("a message");
    let id = message.transaction_id();
    let addresses: Vec<_> = [AttributeType::XOR_PEER_ADDRESS, AttributeType::XOR_MAPPED_ADDRESS]
        .map(|kind| decode_xor_address(message.find(kind).expect("an address"), id))
        .to_vec();
    let attributes: Vec<_> = message.attributes().map(|it| (it.kind, it.value)).collect();
    let head = (message.class(), message.method(), id.0);
    let signed = message.verify_integrity(key);
    format!("{head:?} {addresses:?} {attributes:?} signed {signed}")
}

fn written(mut out: Vec<u8>) -> Vec<u8> {
    MessageWriter::new(&mut out, Class::Request, Method::CREATE_PERMISSION, TransactionId([0x5A; 12]))
        .attribute(AttributeType::USERNAME, b"odd")
        .xor_address(AttributeType::XOR_PEER_ADDRESS, "[2001:db8::5]:5000".parse().expect("an address"))
        .xor_address(AttributeType::XOR_MAPPED_ADDRESS, "192.0.2.9:4000".parse().expect("an address"))
        .u32(AttributeType::LIFETIME, 600)
        .integrity(&key())
        .fingerprint();
    out
}

fn key() -> IntegrityKey {
    IntegrityKey::short_term(b"known-to-this-test")
}

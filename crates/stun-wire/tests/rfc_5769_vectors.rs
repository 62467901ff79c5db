//! The sample messages of RFC 5769, read, verified and written again to the same bytes.

use std::net::SocketAddr;

use stun_wire::{
    AttributeType, Class, IntegrityKey, Message, MessageWriter, Method, TransactionId, decode_xor_address,
};

const SHORT_TERM_PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";
const ID: TransactionId =
    TransactionId([0xB7, 0xE7, 0xA7, 0x01, 0xBC, 0x34, 0xD6, 0x86, 0xFA, 0x87, 0xDF, 0xAE]);

#[test]
fn section_2_1_sample_request() {
    let bytes = hex("0001 0058 2112a442 b7e7a701bc34d686fa87dfae 8022 0010 5354554e207465737420636c69656e74
         0024 0004 6e0001ff 8029 0008 932ff9b151263b36 0006 0009 6576746a3a68367659202020
         0008 0014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2 8028 0004 e57a3bcf");
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.class(), message.method()), (Class::Request, Method::BINDING));
    assert_eq!(message.transaction_id(), ID);
    assert_eq!(message.find(AttributeType::USERNAME), Some(&b"evtj:h6vY"[..]));
    assert_eq!(message.find(AttributeType::PRIORITY), Some(&0x6e00_01ff_u32.to_be_bytes()[..]));
    assert!(message.verify_integrity(&IntegrityKey::short_term(SHORT_TERM_PASSWORD)));
    assert!(!message.verify_integrity(&IntegrityKey::short_term(b"another")));
}

#[test]
fn section_2_2_and_2_3_sample_responses() {
    let v4 = "0101 003c 2112a442 b7e7a701bc34d686fa87dfae 8022 000b 7465737420766563746f7220
              0020 0008 0001a147e112a643 0008 0014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7
              8028 0004 c07d4c96";
    let v6 = "0101 0048 2112a442 b7e7a701bc34d686fa87dfae 8022 000b 7465737420766563746f7220
              0020 0014 0002a1470113a9faa5d3f179bc25f4b5bed2b9d9
              0008 0014 a382954e4be67bf11784c97c8292c275bfe3ed41 8028 0004 c8fb0b4c";
    for (text, mapped) in [(v4, "192.0.2.1:32853"), (v6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853")] {
        let bytes = hex(text);
        let message = Message::parse(&bytes).unwrap();
        let mapped: SocketAddr = mapped.parse().unwrap();
        let value = message.find(AttributeType::XOR_MAPPED_ADDRESS).unwrap();
        assert_eq!(decode_xor_address(value, ID), Ok(mapped));
        assert!(message.verify_integrity(&IntegrityKey::short_term(SHORT_TERM_PASSWORD)));
        assert_eq!(message.class(), Class::Success);
    }
}

#[test]
fn section_2_4_long_term_request_is_written_to_the_same_bytes() {
    let bytes = hex("0001 0060 2112a442 78ad3433c6ad72c029da412e
         0006 0012 e3839ee38388e383aae38383e382afe382b90000
         0015 001c 662f2f3439396b39353464364f4c33346f4c39465354767936347341
         0014 000b 6578616d706c652e6f726700 0008 0014 f67024656dd64a3e02b8e0712e85c9a28ca89666");
    let message = Message::parse(&bytes).unwrap();
    let username = message.find(AttributeType::USERNAME).unwrap();
    let key = IntegrityKey::long_term_md5(username, b"example.org", b"TheMatrIX");
    assert!(message.verify_integrity(&key));
    let mut written = Vec::new();
    MessageWriter::new(&mut written, Class::Request, Method::BINDING, message.transaction_id())
        .attribute(AttributeType::USERNAME, username)
        .attribute(AttributeType::NONCE, b"f//499k954d6OL34oL9FSTvy64sA")
        .attribute(AttributeType::REALM, b"example.org")
        .integrity(&key);
    assert_eq!(written, bytes);
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits
        .chunks_exact(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex digits"))
        .collect()
}

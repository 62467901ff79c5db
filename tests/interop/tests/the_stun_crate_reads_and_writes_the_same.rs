//! Messages of `stun-wire` read by the `stun` crate (webrtc-rs) and the other way round.

use std::net::SocketAddr;

use stun::agent::TransactionId as TheirId;
use stun::attributes as theirs;
use stun::error_code::{CODE_STALE_NONCE, ErrorCodeAttribute};
use stun::fingerprint::FINGERPRINT;
use stun::integrity::MessageIntegrity;
use stun::message::{BINDING_REQUEST, BINDING_SUCCESS, Getter, Message as Their, MessageType, Setter};
use stun::textattrs::TextAttribute;
use stun::xoraddr::XorMappedAddress;
use stun_wire::{
    AttributeType, Class, ErrorCode, IntegrityKey, Message, MessageWriter, Method, TransactionId,
    decode_xor_address,
};

const ID: TransactionId =
    TransactionId([0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xAA, 0xBB, 0xCC]);

const ADDRESSES: [&str; 4] =
    ["192.0.2.1:1", "255.254.253.252:65535", "[2001:db8::1]:443", "[fe80:1:2:3:4:5:6:7]:50000"];

fn their_reading(bytes: &[u8]) -> Their {
    let mut message = Their::new();
    message.unmarshal_binary(bytes).expect("the stun crate reads it");
    message
}

#[test]
fn they_read_addresses_that_we_write() {
    for text in ADDRESSES {
        let address: SocketAddr = text.parse().unwrap();
        let mut bytes = Vec::new();
        MessageWriter::new(&mut bytes, Class::Success, Method::BINDING, ID)
            .xor_address(AttributeType::XOR_MAPPED_ADDRESS, address)
            .fingerprint();
        let message = their_reading(&bytes);
        assert_eq!(message.typ, BINDING_SUCCESS);
        assert_eq!(message.transaction_id.0, ID.0);
        let mut mapped = XorMappedAddress::default();
        mapped.get_from(&message).unwrap();
        assert_eq!(SocketAddr::new(mapped.ip, mapped.port), address);
        FINGERPRINT.check(&message).unwrap();
    }
}

#[test]
fn we_read_addresses_that_they_write() {
    for text in ADDRESSES {
        let address: SocketAddr = text.parse().unwrap();
        let mut message = Their::new();
        let mapped = XorMappedAddress { ip: address.ip(), port: address.port() };
        message.build(&[Box::new(TheirId(ID.0)), Box::new(BINDING_SUCCESS), Box::new(mapped)]).unwrap();
        FINGERPRINT.add_to(&mut message).unwrap();
        let ours = Message::parse(&message.raw).unwrap();
        assert_eq!((ours.class(), ours.method()), (Class::Success, Method::BINDING));
        let value = ours.find(AttributeType::XOR_MAPPED_ADDRESS).unwrap();
        assert_eq!(decode_xor_address(value, ID), Ok(address));
    }
}

#[test]
fn long_term_integrity_is_the_same_both_ways() {
    let key = IntegrityKey::long_term_md5(b"user", b"example.org", b"pass");
    let integrity =
        || MessageIntegrity::new_long_term_integrity("user".into(), "example.org".into(), "pass".into());
    let mut bytes = Vec::new();
    MessageWriter::new(&mut bytes, Class::Request, Method::ALLOCATE, ID)
        .attribute(AttributeType::USERNAME, b"user")
        .integrity(&key)
        .fingerprint();
    let mut read = their_reading(&bytes);
    integrity().check(&mut read).unwrap();
    FINGERPRINT.check(&read).unwrap();
    let username = TextAttribute::get_from_as(&read, theirs::ATTR_USERNAME).unwrap();
    assert_eq!(username.text, "user");

    let mut written = Their::new();
    let name = TextAttribute::new(theirs::ATTR_USERNAME, "user".into());
    written.build(&[Box::new(TheirId(ID.0)), Box::new(BINDING_REQUEST), Box::new(name)]).unwrap();
    integrity().add_to(&mut written).unwrap();
    FINGERPRINT.add_to(&mut written).unwrap();
    let ours = Message::parse(&written.raw).unwrap();
    assert!(ours.verify_integrity(&key));
    assert!(!ours.verify_integrity(&IntegrityKey::long_term_md5(b"user", b"example.org", b"other")));
}

#[test]
fn they_read_the_errors_that_we_write() {
    let mut bytes = Vec::new();
    MessageWriter::new(&mut bytes, Class::Error, Method::REFRESH, ID)
        .error_code(ErrorCode::StaleNonce)
        .attribute(AttributeType::REALM, b"ginnel")
        .attribute(AttributeType::NONCE, b"0123456789abcdef");
    let message = their_reading(&bytes);
    let expected =
        MessageType { method: stun::message::METHOD_REFRESH, class: stun::message::CLASS_ERROR_RESPONSE };
    assert_eq!(message.typ, expected);
    let mut code = ErrorCodeAttribute::default();
    code.get_from(&message).unwrap();
    assert!(code.code == CODE_STALE_NONCE && code.reason.is_empty());
    for (kind, text) in [(theirs::ATTR_REALM, "ginnel"), (theirs::ATTR_NONCE, "0123456789abcdef")] {
        assert_eq!(TextAttribute::get_from_as(&message, kind).unwrap().text, text);
    }
}

/// Where the two differ on purpose: they take a message with bytes behind it, or with a wrong FINGERPRINT
/// that nobody asked about; we do not.
#[test]
fn we_are_stricter_about_what_a_message_is() {
    let mut message = Their::new();
    message.build(&[Box::new(TheirId(ID.0)), Box::new(BINDING_REQUEST)]).unwrap();
    let mut longer = message.raw.clone();
    longer.extend([0; 4]);
    their_reading(&longer);
    assert!(Message::parse(&longer).is_err());
    FINGERPRINT.add_to(&mut message).unwrap();
    let last = message.raw.len() - 1;
    message.raw[last] ^= 1;
    their_reading(&message.raw);
    assert!(Message::parse(&message.raw).is_err());
}

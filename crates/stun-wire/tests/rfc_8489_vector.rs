//! The sample request of RFC 8489 Appendix B.1: as erratum 6268 has it, and as it is printed, which is wrong.

use stun_wire::{
    AttributeType, Class, Integrity, IntegrityKey, Message, MessageWriter, Method, ParseError,
    PasswordAlgorithm, userhash,
};

const USERNAME: &str = "\u{30DE}\u{30C8}\u{30EA}\u{30C3}\u{30AF}\u{30B9}";
const NONCE: &[u8] = b"obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA";
const REALM: &[u8] = b"example.org";

fn key(algorithm: PasswordAlgorithm) -> IntegrityKey {
    IntegrityKey::long_term(algorithm, USERNAME.as_bytes(), REALM, b"TheMatrIX")
}

#[test]
fn the_corrected_request_is_verified_and_written_to_the_same_bytes() {
    let bytes =
        [hex("0001 0090"), hex(AS_FAR_AS_REALM), hex("001d 0004 00020000"), hex(CORRECTED_MAC)].concat();
    let message = Message::parse(&bytes).unwrap();
    assert!(message.verify_integrity(&key(PasswordAlgorithm::Sha256)));
    assert!(!message.verify_integrity(&key(PasswordAlgorithm::Md5)));
    let hash = userhash(USERNAME.as_bytes(), REALM);
    assert_eq!(message.find(AttributeType::USERHASH), Some(&hash[..]));
    let algorithm = message.find(AttributeType::PASSWORD_ALGORITHM).and_then(PasswordAlgorithm::decode);
    assert_eq!(algorithm, Some(PasswordAlgorithm::Sha256));

    let mut written = Vec::new();
    MessageWriter::new(&mut written, Class::Request, Method::BINDING, message.transaction_id())
        .attribute(AttributeType::USERHASH, &hash)
        .attribute(AttributeType::NONCE, NONCE)
        .attribute(AttributeType::REALM, REALM)
        .attribute(AttributeType::PASSWORD_ALGORITHM, &PasswordAlgorithm::Sha256.encode())
        .integrity(&key(PasswordAlgorithm::Sha256));
    assert_eq!(written, bytes);
}

#[test]
fn the_printed_request_has_a_wrong_length_and_a_mac_of_no_key() {
    let printed = [hex("0001 009c"), hex(AS_FAR_AS_REALM), hex(PRINTED_MAC)].concat();
    assert_eq!(Message::parse(&printed).err(), Some(ParseError::Length));
    let right_length = [hex("0001 0088"), hex(AS_FAR_AS_REALM), hex(PRINTED_MAC)].concat();
    let message = Message::parse(&right_length).unwrap();
    assert!(message.has(Integrity::Sha256));
    for algorithm in [PasswordAlgorithm::Md5, PasswordAlgorithm::Sha256] {
        assert!(!message.verify_integrity(&key(algorithm)), "{algorithm:?}");
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits
        .chunks_exact(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex digits"))
        .collect()
}

/// What both have behind the first line: from the magic cookie to REALM.
const AS_FAR_AS_REALM: &str = "2112a442 78ad3433c6ad72c029da412e
    001e 0020 4a3cf38fef6992bda952c6780417da0f24819415569e60b205c46e41407f1704
    0015 0029 6f624d61744a6f7332414141 43662f2f3439396b39353464364f4c33346f4c394653547679363473 41000000
    0014 000b 6578616d706c652e6f726700";

const CORRECTED_MAC: &str = "001c 0020 b5c7bf005b6c52a21c51c5e892f81924136296cb927c43149309278cc6518e65";

const PRINTED_MAC: &str = "001c 0020 e4686c8f0edeb59013e07090010a93efccbccc544c0a45d9f830aa6d6f735a01";

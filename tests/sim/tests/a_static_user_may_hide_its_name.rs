//! USERHASH stands for the name of a static user. Nobody else can be looked up by it: RFC 8489 §14.4, and the
//! decision about username anonymity.

use sim::{Setup, Side, Signature, World};
use stun_wire::{
    AttributeType, Class, IntegrityKey, MessageWriter, Method, PasswordAlgorithm, TransactionId, userhash,
};

/// An Allocate that says who it is from by hash, perhaps by name too.
fn allocate(signature: &Signature, hash: &[u8], with_name: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = MessageWriter::new(&mut out, Class::Request, Method::ALLOCATE, TransactionId([4; 12]));
    writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
    if with_name {
        writer.attribute(AttributeType::USERNAME, &signature.username);
    }
    let algorithm = PasswordAlgorithm::Sha256;
    let (told, _) = signature.algorithms.as_ref().expect("an offer");
    let key = IntegrityKey::long_term(algorithm, &signature.username, &signature.realm, &signature.password);
    writer
        .attribute(AttributeType::USERHASH, hash)
        .attribute(AttributeType::REALM, &signature.realm)
        .attribute(AttributeType::NONCE, &signature.nonce)
        .attribute(AttributeType::PASSWORD_ALGORITHMS, told)
        .attribute(AttributeType::PASSWORD_ALGORITHM, &algorithm.encode())
        .integrity(&key);
    out
}

fn world(seed: u64) -> World {
    let password_algorithms = vec![PasswordAlgorithm::Md5, PasswordAlgorithm::Sha256];
    World::with(Setup { password_algorithms, ..Setup::new(seed) })
}

#[test]
fn by_hash_a_static_user_is_who_it_is_by_name() {
    let mut world = world(1);
    let user = world.user("user");
    world.learn_nonce(user);
    let (from, signature) = (world.address(user), world.of(user).signature().unwrap().clone());
    let hash = userhash(b"user", &signature.realm);
    let wrong = Signature { password: b"guess".to_vec(), ..signature.clone() };
    assert_eq!(world.knock(from, &allocate(&wrong, &hash, false)).code(), Some(401));
    assert_eq!(world.knock(from, &allocate(&signature, &hash, false)).code(), None);
    world.settle();
    // The same user by name refreshes what it allocated by hash.
    assert_eq!(world.refusal(user, sim::Request::refresh(600)), None);
}

#[test]
fn a_hash_of_nobody_is_a_wrong_name_and_one_beside_a_name_or_of_another_size_a_bad_request() {
    let mut world = world(2);
    let user = world.user("user");
    world.learn_nonce(user);
    let (from, signature) = (world.address(user), world.of(user).signature().unwrap().clone());
    let hash = userhash(b"user", &signature.realm);
    let nobody = userhash(b"user", b"elsewhere");
    assert_eq!(world.knock(from, &allocate(&signature, &nobody, false)).code(), Some(401));
    assert_eq!(world.knock(from, &allocate(&signature, &hash, true)).code(), Some(400));
    assert_eq!(world.knock(from, &allocate(&signature, &hash[..31], false)).code(), Some(400));
    assert!(world.relay().is_empty());
}

#[test]
fn users_of_sessions_say_their_names() {
    let mut world = world(3);
    let alice = world.person(1, Side::A);
    world.learn_nonce(alice);
    let (from, signature) = (world.address(alice), world.of(alice).signature().unwrap().clone());
    let hash = userhash(&signature.username, &signature.realm);
    assert_eq!(world.knock(from, &allocate(&signature, &hash, false)).code(), Some(401));
    world.allocate(alice);
}

//! The test vectors in `docs/sealing-vectors.json`, which the JavaScript SDK wrote, hold here as well.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sealing::{Role, Sealing, Share, Step};
use serde_json::Value;

/// `vector[path]` as bytes.
fn bytes(vector: &Value, path: &str) -> Vec<u8> {
    let hex = vector.pointer(path).and_then(Value::as_str).unwrap_or_else(|| panic!("no {path}"));
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn side(role: Role, vector: &Value) -> Sealing {
    let own = |what: &str| bytes(vector, &format!("/given/{}/{what}", role.name())).try_into().unwrap();
    let session = bytes(vector, "/given/session").try_into().unwrap();
    let link = bytes(vector, "/given/link_secret");
    let link = (!link.is_empty()).then(|| link.try_into().unwrap());
    Sealing::new(role, session, link, Share::new(&own("private"), own("nonce")).unwrap())
}

/// What JavaScript sealed is what we seal, and it opens.
fn check_sealed(message: &Value, from: &mut Sealing, to: &mut Sealing) {
    let text = message["text"].as_str().unwrap().as_bytes();
    let sealed = from.seal(text).unwrap();
    match message["body"].as_str() {
        Some(body) => assert_eq!(BASE64_URL_SAFE_NO_PAD.encode(&sealed), body),
        None => {
            use sha2::Digest as _;
            assert_eq!(sha2::Sha256::digest(&sealed)[..], bytes(message, "/body_sha256"));
        }
    }
    assert_eq!(to.receive(&sealed), Ok(Step::Opened(text.to_vec())));
}

fn check(vector: &Value) {
    let (mut caller, mut callee) = (side(Role::Caller, vector), side(Role::Callee, vector));
    let commit = caller.begin().unwrap();
    assert_eq!(commit, bytes(vector, "/exchange/commit"));
    let callee_key = bytes(vector, "/exchange/callee_key");
    assert_eq!(callee.receive(&commit), Ok(Step::Send(callee_key.clone())));
    let caller_key = bytes(vector, "/exchange/caller_key");
    assert_eq!(caller.receive(&callee_key), Ok(Step::Send(caller_key.clone())));
    assert_eq!(callee.receive(&caller_key), Ok(Step::Ready));

    for message in vector["sealed"].as_array().unwrap() {
        if message["from"] == "caller" {
            check_sealed(message, &mut caller, &mut callee);
        } else {
            check_sealed(message, &mut callee, &mut caller);
        }
    }
    for side in [&caller, &callee] {
        let names = side.signs().unwrap().map(|sign| sign.name);
        assert_eq!(vector["derived"]["string"], serde_json::json!(names));
        for role in [Role::Caller, Role::Callee] {
            let published = bytes(vector, &format!("/derived/proof_{}", role.name()));
            assert_eq!(side.proof_of(role).unwrap()[..], published);
        }
    }
}

#[test]
fn the_published_vectors_hold() {
    let file = include_str!("../../../docs/sealing-vectors.json");
    let vectors: Vec<Value> = serde_json::from_str(file).unwrap();
    assert_eq!(vectors.len(), 2, "with a link and without");
    vectors.iter().for_each(check);
}

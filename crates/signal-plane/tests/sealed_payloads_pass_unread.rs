//! What is sealed arrives as it was sent, counted together with what is not; where it must be sealed, nothing
//! else passes.

use serde_json::{Value, json};
use signal_plane::Config;

use crate::common::{Server, candidate, plain};

#[tokio::test]
async fn sealed_and_plain_share_a_counter() {
    let server = Server::start().await;
    let (mut caller, mut callee, session) = server.pair().await;
    // The largest padded plaintext, sealed.
    let large = "A".repeat(21_878);
    for message in [seal(&session, 1, "Zm9v"), plain(&session, 2, candidate(1)), seal(&session, 3, &large)] {
        caller.say(message.clone()).await;
        assert_eq!(callee.hear().await, message);
    }
    for n in [1, 3, 5] {
        caller.say(seal(&session, n, "Zm9v")).await;
        caller.hear_error("bad-counter").await;
    }
    callee.say(seal(&session, 1, "YmFy")).await;
    assert_eq!(caller.hear().await, seal(&session, 1, "YmFy"));
}

#[tokio::test]
async fn plain_payloads_stay_here_where_sealing_is_required() {
    let mut config = Config::default();
    config.matcher.require_sealed = true;
    let server = Server::with(config).await;
    let mut client = server.open().await;
    client.say(json!({"t": "hello", "v": 1})).await;
    assert_eq!(client.hear_a("welcome").await["policy"]["require_sealed"], true);
    let (mut caller, mut callee, session) = server.pair().await;
    caller.say(plain(&session, 1, candidate(1))).await;
    caller.hear_error("sealed-required").await;
    caller.say(seal(&session, 1, "Zm9v")).await;
    assert_eq!(callee.hear().await, seal(&session, 1, "Zm9v"));
}

fn seal(session: &str, n: u64, body: &str) -> Value {
    json!({"t": "seal", "session": session, "n": n, "body": body})
}

//! When many come at once they have to work for it; where a token is asked for, only those with a good one
//! get in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use signal_plane::{Admits, Config, Doorkeeper};

use crate::common::Server;

#[tokio::test]
async fn row_159_work_is_asked_of_a_crowd() {
    let mut config = Config::default();
    (config.matcher.limits.work.place_per_s, config.matcher.limits.work.place_burst) = (0, 2);
    let server = Server::with(config).await;
    let _first = server.greeted().await;
    let mut second = server.open().await;
    second.say(json!({"t": "hello", "v": 1})).await;
    let challenge = second.hear_a("challenge").await;
    assert_eq!(challenge["bits"], 12);
    second.say(json!({"t": "find", "want": {"media": "text"}})).await;
    second.hear_error("not-greeted").await;
    second.say(json!({"t": "hello", "v": 1, "proof": {"seed": challenge["seed"], "nonce": "lazy"}})).await;
    second.hear_error("bad-proof").await;
    let challenge = second.hear_a("challenge").await;
    let proof = solve(&challenge);
    // Another's proof is worth nothing.
    let mut third = server.open().await;
    third.say(json!({"t": "hello", "v": 1})).await;
    third.hear_a("challenge").await;
    third.say(json!({"t": "hello", "v": 1, "proof": proof})).await;
    third.hear_error("bad-proof").await;
    second.say(json!({"t": "hello", "v": 1, "proof": proof})).await;
    second.hear_a("welcome").await;
    assert_eq!(server.signal.counters().matcher.challenges_total, 2);
}

#[tokio::test]
async fn a_token_is_asked_for() {
    let mut config = Config::default();
    config.matcher.require_token = true;
    config.doorkeeper = Doorkeeper::new(Arc::new(Once(AtomicBool::new(true))));
    let server = Server::with(config).await;
    for hello in [json!({"t": "hello", "v": 1}), json!({"t": "hello", "v": 1, "token": "wrong"})] {
        let mut client = server.open().await;
        client.say(hello).await;
        assert_eq!(client.hear_error("not-admitted").await["fatal"], true);
        assert_eq!(client.hear_close().await, 1008);
    }
    let mut client = server.open().await;
    client.say(json!({"t": "hello", "v": 1, "token": "right"})).await;
    let resume = client.hear_a("welcome").await["resume"].clone();
    let mut second = server.open().await;
    second.say(json!({"t": "hello", "v": 1, "token": "right"})).await;
    second.hear_error("not-admitted").await;
    // Who comes back has been let in already.
    client.find("text").await;
    client.hear_a("waiting").await;
    drop(client);
    let mut client = server.open().await;
    client.say(json!({"t": "hello", "v": 1, "resume": {"token": resume, "got": {}}})).await;
    client.hear_a("welcome").await;
}

#[tokio::test]
async fn a_token_is_used_up_by_who_comes_in() {
    let mut config = Config::default();
    config.matcher.require_token = true;
    config.matcher.limits.work.bits_min = 12;
    config.doorkeeper = Doorkeeper::new(Arc::new(Once(AtomicBool::new(true))));
    let server = Server::with(config).await;
    let hello = json!({"t": "hello", "v": 1, "token": "right"});
    let mut old = server.open().await;
    old.say(json!({"t": "hello", "v": 2, "token": "right"})).await;
    old.hear_error("bad-version").await;
    let mut gives_up = server.open().await;
    gives_up.say(hello.clone()).await;
    gives_up.hear_a("challenge").await;
    drop(gives_up);
    let mut both = [server.open().await, server.open().await];
    let mut proofs = Vec::new();
    for client in &mut both {
        client.say(hello.clone()).await;
        proofs.push(solve(&client.hear_a("challenge").await));
    }
    let [first, second] = &mut both;
    let [of_first, of_second] =
        [0, 1].map(|i| json!({"t": "hello", "v": 1, "token": "right", "proof": proofs[i]}));
    second.say(of_second).await;
    second.hear_a("welcome").await;
    first.say(of_first).await;
    first.hear_error("not-admitted").await;
}

/// Lets one in.
struct Once(AtomicBool);

impl Admits for Once {
    fn admits(&self, token: &str, _: u64) -> bool {
        token == "right" && self.0.load(Ordering::Relaxed)
    }

    fn uses_up(&self, _: &str) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

fn solve(challenge: &Value) -> Value {
    use sha2::{Digest as _, Sha256};
    let seed = challenge["seed"].as_str().unwrap_or_default();
    let is_good = |nonce: &u64| {
        let hash = Sha256::digest(format!("{seed}.{nonce}"));
        u16::from_be_bytes([hash[0], hash[1]]) >> 4 == 0
    };
    let nonce = (0..).find(is_good).unwrap_or_default();
    json!({"seed": seed, "nonce": nonce.to_string()})
}

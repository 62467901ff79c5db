//! Two clients who ask for a stranger get each other, a role each and credentials of their own.

use crate::common::Server;

#[tokio::test]
async fn two_who_press_start_are_paired() {
    let server = Server::start().await;
    let mut first = server.open().await;
    first.say(serde_json::json!({"t": "hello", "v": 1})).await;
    let welcome = first.hear_a("welcome").await;
    assert_eq!(welcome["policy"]["exposure"], "consent");
    assert_eq!(welcome["policy"]["require_sealed"], false);
    assert_eq!(welcome["limits"]["message_bytes"], 32768);
    first.find("video").await;
    assert_eq!(first.hear_a("waiting").await["bin"], 0);

    let mut second = server.greeted().await;
    second.find("video").await;
    let (to_second, to_first) = (second.hear_a("matched").await, first.hear_a("matched").await);
    assert_eq!(to_first["session"], to_second["session"]);
    assert_eq!((&to_second["role"], &to_first["role"]), (&"caller".into(), &"callee".into()));
    assert_eq!(to_first["exposure"], "consent");
    assert_eq!(to_first["ice"][0]["urls"][0], "turn:127.0.0.1:3478");
    let (ends, username) =
        (to_first["ends"].as_u64().unwrap(), to_first["ice"][0]["username"].as_str().unwrap());
    assert_eq!(username, format!("{ends}:B"));
    assert_eq!(to_second["ice"][0]["username"], format!("{ends}:A"));
    server.counts("one match", |all| all.matcher.matches_total == 1 && all.matcher.sessions == 1).await;
}

//! A room's code lets one more in; a third, and one who guesses, get the same answer.

use serde_json::json;

use crate::common::Server;

#[tokio::test]
async fn row_148_two_who_share_a_code_meet_and_a_third_does_not() {
    let server = Server::start().await;
    let mut host = server.greeted().await;
    host.say(json!({"t": "open", "size": 2})).await;
    let code = host.hear_a("room").await["code"].as_str().unwrap().to_owned();
    assert_eq!(code.len(), 22);

    let mut guest = server.greeted().await;
    guest.say(json!({"t": "join", "room": code})).await;
    assert_eq!(guest.hear_a("matched").await["role"], "caller");
    assert_eq!(host.hear_a("matched").await["role"], "callee");

    let mut third = server.greeted().await;
    third.say(json!({"t": "join", "room": code})).await;
    let full = third.hear_error("no-room").await;
    for guess in ["AAAAAAAAAAAAAAAAAAAAAA", "", "no code at all"] {
        third.say(json!({"t": "join", "room": guess})).await;
        assert_eq!(third.hear_error("no-room").await, full);
    }

    // The room outlives the guest, who may come again, and ends with its last member.
    guest.say(json!({"t": "leave"})).await;
    assert_eq!(host.hear_a("gone").await["why"], "left");
    guest.say(json!({"t": "join", "room": code})).await;
    guest.hear_a("matched").await;
    host.hear_a("matched").await;
    guest.say(json!({"t": "leave"})).await;
    host.hear_a("gone").await;
    host.say(json!({"t": "leave"})).await;
    server.counts("no room is left", |all| all.matcher.rooms == 0).await;
    third.say(json!({"t": "join", "room": code})).await;
    third.hear_error("no-room").await;
}

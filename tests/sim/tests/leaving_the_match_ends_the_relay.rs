//! Who leaves, or whose session runs out, loses the relay at that moment: the matcher says so, and all
//! workers hear it.

use std::time::Duration;

use match_core::ConnectionId;
use serde_json::json;
use sim::{ClientId, DropReason, Lobby, Outcome, Request, World};

/// Two who were matched and talk.
fn talking(world: &mut World, lobby: &mut Lobby) -> [(ConnectionId, ClientId); 2] {
    let visitors = [(); 2].map(|()| lobby.enter(world));
    for visitor in visitors {
        lobby.say(world, visitor, &json!({"t": "find", "want": {"media": "text"}}));
    }
    let people = visitors.map(|visitor| {
        let credential = lobby.credential(visitor).expect("both are matched");
        let person = world.client(&credential);
        world.allocate(person);
        (visitor, person)
    });
    let [(_, alice), (_, bob)] = people;
    world.bind(alice, 0x4000, world.relayed(bob));
    world.bind(bob, 0x4000, world.relayed(alice));
    world.settle();
    assert!(world.send_channel(alice, 0x4000, b"x").is_routed());
    people
}

fn is_over(world: &mut World, people: [(ConnectionId, ClientId); 2]) {
    for (_, person) in people {
        assert_eq!(world.send_channel(person, 0x4000, b"x"), Outcome::Drop(DropReason::NoAllocation));
        assert_eq!(world.refusal(person, Request::allocate()), Some(401));
    }
    world.settle();
    assert!(world.relay().is_empty());
}

#[test]
fn row_160_when_one_leaves() {
    let (mut world, mut lobby) = (World::new(1), Lobby::new(1, 7200));
    let people = talking(&mut world, &mut lobby);
    lobby.say(&mut world, people[0].0, &json!({"t": "leave"}));
    is_over(&mut world, people);
}

#[test]
fn row_160_when_its_time_is_up() {
    let (mut world, mut lobby) = (World::new(2), Lobby::new(2, 300));
    let people = talking(&mut world, &mut lobby);
    world.pass(Duration::from_secs(300));
    lobby.handle_deadline(&mut world);
    is_over(&mut world, people);
}

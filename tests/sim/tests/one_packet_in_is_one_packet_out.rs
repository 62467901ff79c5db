//! Row 73: a packet is never multiplied, not even between peers and clients that echo.

use sim::{Setup, World};

#[test]
fn row_73_towards_an_echoing_peer() {
    let mut world = World::new(1);
    let user = world.user("user");
    world.allocate(user);
    let peer = world.echo("9.9.9.9:5000");
    world.permit(user, peer);
    world.take_record();
    assert!(world.send(user, peer, b"x").is_forward());
    world.settle();
    assert_eq!(world.heard_by_peer(peer).len(), 1);
    assert_eq!(world.heard(user).len(), 1);
    // To the relay, to the peer, back to the relay, to the client.
    assert_eq!(world.take_record().len(), 4);
}

#[test]
fn row_73_between_partners() {
    for workers in [1, 2, 5] {
        let mut world = World::with(Setup { workers, ..Setup::new(2) });
        let [alice, bob] = world.couple(1);
        let [from, to] = [world.relayed(alice), world.relayed(bob)];
        world.bind(alice, 0x4000, to);
        world.permit(bob, from);
        world.settle();
        world.take_record();
        assert!(world.send_channel(alice, 0x4000, b"x").is_routed());
        assert!(world.send(alice, to, b"x").is_routed());
        world.settle();
        assert_eq!(world.take_record().len(), 4);
        assert_eq!(world.heard(bob).len(), 2);
    }
}

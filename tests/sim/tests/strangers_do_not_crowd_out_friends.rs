//! Other users of the appliance may offer themselves as peers; however many do, a client's own choices find
//! room.

use sim::{Heard, PeerPolicy, Setup, World};

#[test]
fn a_client_with_many_admirers_still_talks_to_whom_it_likes() {
    let users = vec![("user", PeerPolicy::Appliance)];
    let mut world = World::with(Setup { users, ..Setup::new(7) });
    let liked = world.user("user");
    let friend = world.user("user");
    let (address, friends) = (world.allocate(liked), world.allocate(friend));
    for _ in 0..100 {
        let stranger = world.user("user");
        world.allocate(stranger);
        world.bind(stranger, 0x4000, address);
    }
    world.settle();
    world.bind(liked, 0x4000, friends);
    world.bind(friend, 0x4000, address);
    world.settle();
    assert!(world.send_channel(liked, 0x4000, b"hello").is_routed());
    assert!(world.send_channel(friend, 0x4000, b"there you are").is_routed());
    assert_eq!(world.heard(friend), [Heard::channel(0x4000, b"hello")]);
    assert_eq!(world.heard(liked), [Heard::channel(0x4000, b"there you are")]);
}

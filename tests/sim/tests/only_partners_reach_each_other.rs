//! A relayed address that nobody holds may be permitted and bound, because browsers give up after a 403, and
//! leads nowhere, like a stranger's.

use sim::{DropReason, Outcome, World};

const NO_ROUTE: Outcome = Outcome::Drop(DropReason::NoRoute);

#[test]
fn a_number_that_nobody_holds_is_as_silent_as_a_strangers() {
    let mut world = World::new(1);
    let [alice, bob] = world.couple(1);
    let mut nobody = world.relayed(bob);
    nobody.set_port(if nobody.port() == 2000 { 2001 } else { 2000 });
    world.permit(alice, nobody);
    world.bind(alice, 0x4000, nobody);
    world.settle();
    assert_eq!(world.send(alice, nobody, b"x"), NO_ROUTE);
    assert_eq!(world.send_channel(alice, 0x4000, b"x"), NO_ROUTE);
}

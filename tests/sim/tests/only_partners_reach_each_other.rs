//! Rows 9, 10 and 11 by every path and on one, two and five workers: a relayed address of this appliance may
//! be permitted and bound by anybody, because browsers give up after a 403, but only the partner's leads
//! anywhere.

use sim::{ClientId, DropReason, Heard, Outcome, Setup, World};

const NO_ROUTE: Outcome = Outcome::Drop(DropReason::NoRoute);

/// Two couples whose members all permit each other and themselves, and bind a channel to everybody.
fn everybody_permits_everybody(workers: u16, seed: u64) -> (World, Vec<ClientId>) {
    let mut world = World::with(Setup { workers, ..Setup::new(seed) });
    let people: Vec<ClientId> = [world.couple(1), world.couple(2)].concat();
    for one in &people {
        for (number, other) in (0x4000..).zip(&people) {
            let relayed = world.relayed(*other);
            world.permit(*one, relayed);
            world.bind(*one, number, relayed);
        }
    }
    world.settle();
    (world, people)
}

#[test]
fn rows_9_to_11_only_the_partners_relayed_address_leads_anywhere() {
    for (workers, seed) in [1, 2, 5].into_iter().flat_map(|workers| (0..8).map(move |seed| (workers, seed))) {
        let (mut world, people) = everybody_permits_everybody(workers, seed);
        for (at, one) in people.iter().enumerate() {
            for (number, (other_at, other)) in (0x4000..).zip(people.iter().enumerate()) {
                let partner = at / 2 == other_at / 2 && at != other_at;
                let relayed = world.relayed(*other);
                for outcome in
                    [world.send(*one, relayed, b"sent"), world.send_channel(*one, number, b"on channel")]
                {
                    if partner {
                        assert!(outcome.is_routed(), "row 10");
                    } else {
                        assert_eq!(outcome, NO_ROUTE, "rows 9 and 11");
                    }
                }
                // Asking for a route does not open one either.
                world.settle();
                let heard = world.heard(*other);
                let expected =
                    [b"sent".as_slice(), b"on channel"].map(|it| Heard::channel(0x4000 + at as u16, it));
                assert_eq!(heard, if partner { expected.to_vec() } else { vec![] });
            }
        }
    }
}

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

//! E. Allocations, permissions and channels: what a client does one after the other, and what it is answered
//! at which moment.

use std::net::SocketAddr;
use std::time::Duration;

use sim::{ClientId, DropReason, Heard, Outcome, PeerPolicy, Request, Setup, Side, World};

use self::How::{Indicated, Nothing, On};
use self::Peer::{X, Y};
use self::Step::{Allocate, Bind, Comes, Data, Permit, Refresh, Send, Until};
use crate::people::{POLICIES, WAYS, Way, holder, setup};
use crate::table;

table! { run;
    row_76_a_second_allocate => [vec![Allocate(Some(437)), Refresh(600, None), Allocate(Some(437))]];
    row_77_a_5_tuple_that_is_free_again => [
        vec![
            Bind(0x4000, X, None), Comes(X, On(0x4000)), Refresh(0, None), Refresh(600, Some(437)),
            Allocate(None), Data(0x4000, Some(DropReason::ChannelUnbound)),
            Send(X, Some(DropReason::NoPermission)), Comes(X, Nothing),
        ],
        vec![
            Refresh(600, None), Bind(0x4000, X, None), Until(600_000), Refresh(600, Some(437)),
            Allocate(None), Data(0x4000, Some(DropReason::ChannelUnbound)),
            Send(X, Some(DropReason::NoPermission)), Comes(X, Nothing),
        ],
    ];
    row_78_numbers_out_of_range => [0, 1, 0x3FFF, 0x5000, 0x7FFF, 0x8000, 0xFFFF].map(|number| {
        vec![Bind(number, X, Some(400)), Comes(X, Nothing), Bind(0x4000, X, None)]
    });
    row_78_both_ends_of_the_range => [[Bind(0x4000, X, None), Bind(0x4FFF, Y, None), Comes(X, On(0x4000))]];
    row_79_a_number_and_a_peer_belong_to_each_other => [[
        Bind(0x4000, X, None), Bind(0x4000, Y, Some(400)), Bind(0x4001, X, Some(400)), Bind(0x4000, X, None),
        Bind(0x4001, Y, None), Data(0x4000, None), Comes(X, On(0x4000)),
    ]];
    row_80_a_channel_at_its_last_moment => [[
        Bind(0x4000, X, None), Until(599_998), Data(0x4000, None), Permit(X, None), Comes(X, On(0x4000)),
        Until(600_000), Data(0x4000, Some(DropReason::ChannelUnbound)), Comes(X, Indicated),
    ]];
    row_80_number_and_peer_five_minutes_later => [[
        Bind(0x4000, X, None), Until(899_999), Bind(0x4000, Y, Some(400)), Bind(0x4001, X, Some(400)),
        Until(900_000), Bind(0x4000, Y, None), Bind(0x4001, X, None), Data(0x4001, None),
    ]];
    row_80_the_same_pair_at_once => [[
        Bind(0x4000, X, None), Until(650_000), Data(0x4000, Some(DropReason::ChannelUnbound)),
        Bind(0x4000, X, None), Data(0x4000, None),
    ]];
    row_81_a_permission_at_its_last_moment => [[
        Permit(X, None), Until(100_000), Send(X, None), Until(299_998), Send(X, None), Comes(X, Indicated),
        Until(300_000), Send(X, Some(DropReason::NoPermission)), Comes(X, Nothing),
        Permit(X, None), Send(X, None), Comes(X, Indicated),
    ]];
    row_82_late_data_after_the_end => [[
        Bind(0x4000, X, None), Data(0x4000, None), Comes(X, On(0x4000)), Refresh(0, None), Comes(X, Nothing),
        Data(0x4000, Some(DropReason::NoAllocation)), Send(X, Some(DropReason::NoAllocation)),
        Comes(X, Nothing),
    ]];
}

/// What happens next, and what comes of it; codes are `None` for success, losses for none.
#[derive(Clone, Copy, Debug)]
enum Step {
    Allocate(Option<u16>),
    Refresh(u32, Option<u16>),
    Permit(Peer, Option<u16>),
    Bind(u16, Peer, Option<u16>),
    /// ChannelData.
    Data(u16, Option<DropReason>),
    /// A Send indication.
    Send(Peer, Option<DropReason>),
    /// The peer says something.
    Comes(Peer, How),
    /// So many milliseconds after the first step.
    Until(u64),
}

/// The first can be heard, and hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    X,
    Y,
}

/// How the client hears of it.
#[derive(Clone, Copy, Debug)]
enum How {
    On(u16),
    Indicated,
    Nothing,
}

/// Takes the steps as a client of every policy that comes by every way.
fn run(steps: &(impl AsRef<[Step]> + ?Sized)) {
    for policy in POLICIES {
        for way in WAYS {
            let mut walk = Walk::begin(policy, way);
            for (at, step) in steps.as_ref().iter().enumerate() {
                walk.take(*step, &format!("step {at}, {step:?}, for {policy:?} by {way:?}"));
            }
        }
    }
}

struct Walk {
    world: World,
    policy: PeerPolicy,
    client: ClientId,
    /// Where it relays, or did last.
    relayed: SocketAddr,
    /// Behind the first peer's address, unless that is outside.
    other: ClientId,
    start: Duration,
}

impl Walk {
    fn begin(policy: PeerPolicy, way: Way) -> Self {
        let workers = [1, 2, 5][way as usize];
        let mut world = World::with(Setup { workers, ..setup(policy as u64 + 1) });
        let [client, other] = [Side::A, Side::B].map(|side| holder(&mut world, policy, way, (1, side), 1));
        for person in [client, other] {
            assert_eq!(world.refusal(person, Request::refresh(3600)), None);
        }
        world.echo(OUTSIDE);
        let (relayed, start) = (world.relayed(client), world.now());
        Self { world, policy, client, relayed, other, start }
    }

    fn address(&self, peer: Peer) -> SocketAddr {
        let first = match self.policy {
            PeerPolicy::Public => OUTSIDE.parse().expect("an address"),
            _ => self.world.relayed(self.other),
        };
        let port = if peer == X { first.port() } else { first.port() ^ 1 };
        SocketAddr::new(first.ip(), port)
    }

    fn take(&mut self, step: Step, what: &str) {
        let client = self.client;
        match step {
            Allocate(code) => {
                assert_eq!(self.world.refusal(client, Request::allocate()), code, "{what}");
                self.world.settle();
                self.relayed = self.world.relayed(client);
            }
            Refresh(seconds, code) => {
                assert_eq!(self.world.refusal(client, Request::refresh(seconds)), code, "{what}");
            }
            Permit(peer, code) => {
                let request = Request::permit(&[self.address(peer)]);
                assert_eq!(self.world.refusal(client, request), code, "{what}");
            }
            Bind(number, peer, code) => {
                let request = Request::bind(number, self.address(peer));
                assert_eq!(self.world.refusal(client, request), code, "{what}");
            }
            Data(number, lost) => {
                self.listen();
                self.is_lost(lost, what, |world| world.send_channel(client, number, b"x"));
            }
            Send(peer, lost) => {
                self.listen();
                let address = self.address(peer);
                self.is_lost(lost, what, |world| world.send(client, address, b"x"));
            }
            Comes(peer, how) => self.hears(peer, how, what),
            Until(ms) => self.world.drive(self.start + Duration::from_millis(ms)),
        }
    }

    /// The other side wants to hear whoever stands where the client relays.
    fn listen(&mut self) {
        if self.policy != PeerPolicy::Public {
            self.world.permit(self.other, self.relayed);
            self.world.settle();
        }
    }

    fn is_lost(&mut self, lost: Option<DropReason>, what: &str, send: impl Fn(&mut World) -> Outcome) {
        let outcome = send(&mut self.world);
        match lost {
            None => assert!(outcome.is_forward(), "{what}: {outcome:?}"),
            Some(reason) => assert_eq!(outcome, Outcome::Drop(reason), "{what}"),
        }
        self.world.settle();
        // What an echo sent back.
        self.world.heard(self.client);
        self.world.heard(self.other);
    }

    fn hears(&mut self, peer: Peer, how: How, what: &str) {
        let address = self.address(peer);
        if self.policy == PeerPolicy::Public {
            self.world.throw(address, self.relayed, b"y");
        } else {
            self.listen();
            let (other, relayed) = (self.other, self.relayed);
            self.world.say(other, |other| other.send(relayed, b"y"));
        }
        self.world.settle();
        let expected = match how {
            On(number) => vec![Heard::channel(number, b"y")],
            Indicated => vec![Heard::data(address, b"y")],
            Nothing => Vec::new(),
        };
        assert_eq!(self.world.heard(self.client), expected, "{what}");
    }
}

const OUTSIDE: &str = "9.9.9.9:5000";

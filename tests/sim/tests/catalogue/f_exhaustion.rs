//! F. Exhaustion: how often something is granted, what is said after that, and that who is in notices
//! nothing.

use std::net::SocketAddr;

use sim::{ClientId, PeerPolicy, Request, Setup, Side, World};
use turn_core::AllocationLimits;
use turn_core::limits::{CONNECTIONS_MAX, PEERINGS_MAX, PERMISSIONS_MAX};

use crate::people::{POLICIES, WAYS, Way, holder, own, setup, somebody};
use crate::table;

table! { run;
    row_91_allocations_of_one_network =>
        [Case::new(allocate_nearby, LIMIT - 1, 486).limited(0, LIMIT as u32, 0)];
    row_92_allocations_of_all => [Case::new(allocate_anywhere, LIMIT - 1, 508).limited(0, 0, LIMIT as u32)];
    row_93_permissions => [Case::new(permit, PERMISSIONS_MAX, 508).of(&[PeerPolicy::Public])];
    row_93_channels => [Case::new(bind, PEERINGS_MAX, 508)];
    row_93_connections =>
        [Case::new(connect, CONNECTIONS_MAX, 508).of(&[PeerPolicy::Public]).by(&[Way::Stream])];
}

/// Something that can be asked for again and again.
struct Case {
    ask: fn(&mut Trying, u16) -> Option<u16>,
    /// How often it is granted.
    most: usize,
    /// What is said then.
    code: u16,
    policies: &'static [PeerPolicy],
    ways: &'static [Way],
    limits: AllocationLimits,
}

impl Case {
    const fn new(ask: fn(&mut Trying, u16) -> Option<u16>, most: usize, code: u16) -> Self {
        let limits = AllocationLimits { per_side: 0, per_prefix: 0, total: 0 };
        Self { ask, most, code, policies: &POLICIES, ways: &WAYS, limits }
    }

    const fn limited(mut self, per_side: u32, per_prefix: u32, total: u32) -> Self {
        self.limits = AllocationLimits { per_side, per_prefix, total };
        self
    }

    const fn of(mut self, policies: &'static [PeerPolicy]) -> Self {
        self.policies = policies;
        self
    }

    const fn by(mut self, ways: &'static [Way]) -> Self {
        self.ways = ways;
        self
    }
}

/// Who asks.
struct Trying {
    world: World,
    policy: PeerPolicy,
    way: Way,
    client: ClientId,
}

fn run(case: &Case) {
    for (policy, way) in
        case.policies.iter().flat_map(|policy| case.ways.iter().map(move |way| (*policy, *way)))
    {
        let workers = [1, 2, 5][way as usize];
        let mut world = World::with(Setup { workers, limits: case.limits, ..setup(policy as u64 + 1) });
        let client = if case.most == CONNECTIONS_MAX {
            let client = somebody(&mut world, policy, way, (1, Side::A));
            assert_eq!(world.refusal(client, Request::allocate_tcp()), None);
            client
        } else {
            holder(&mut world, policy, way, (1, Side::A), 1)
        };
        let mut trying = Trying { world, policy, way, client };
        let most = u16::try_from(case.most).expect("a limit that a test can reach");
        for number in 0..most {
            assert_eq!((case.ask)(&mut trying, number), None, "{number} for {policy:?} by {way:?}");
        }
        for number in most..most + 3 {
            assert_eq!((case.ask)(&mut trying, number), Some(case.code), "for {policy:?} by {way:?}");
        }
        assert_eq!(trying.world.refusal(client, Request::refresh(600)), None);
        // What is there already takes no new place.
        if case.most != CONNECTIONS_MAX && case.limits.total == 0 && case.limits.per_prefix == 0 {
            assert_eq!((case.ask)(&mut trying, 0), None);
        }
    }
}

/// One of the network that the client is in, of another address and session.
fn allocate_nearby(trying: &mut Trying, number: u16) -> Option<u16> {
    let address = match trying.world.address(trying.client) {
        SocketAddr::V4(at) => {
            let [a, b, c, _] = at.ip().octets();
            SocketAddr::from(([a, b, c, 100 + number as u8], at.port()))
        }
        SocketAddr::V6(at) => {
            let mut segments = at.ip().segments();
            (segments[3], segments[7]) = (number, 7);
            SocketAddr::from((segments, at.port()))
        }
    };
    let (world, session) = (&mut trying.world, 10 + number as u8);
    let credential = world.credential(session, Side::A, world.unix_s() + 60);
    let newcomer = match trying.policy {
        PeerPolicy::Partner => world.client_with_address(address, &credential),
        PeerPolicy::Public => world.user_with_address("public", address),
        PeerPolicy::Appliance => world.user_with_address("appliance", address),
    };
    let newcomer = if trying.way == Way::Stream { world.by_stream(newcomer) } else { newcomer };
    world.refusal(newcomer, Request::allocate())
}

/// One of a network of its own.
fn allocate_anywhere(trying: &mut Trying, number: u16) -> Option<u16> {
    let newcomer = somebody(&mut trying.world, trying.policy, trying.way, (10 + number as u8, Side::A));
    trying.world.refusal(newcomer, Request::allocate())
}

fn permit(trying: &mut Trying, number: u16) -> Option<u16> {
    trying.world.refusal(trying.client, Request::permit(&[SocketAddr::from(([9, 9, 9, number as u8], 5000))]))
}

fn bind(trying: &mut Trying, number: u16) -> Option<u16> {
    let peer = match trying.policy {
        PeerPolicy::Public => SocketAddr::from(([9, 9, 9, 9], 6000 + number)),
        _ => own(1, 10_000 + number),
    };
    trying.world.refusal(trying.client, Request::bind(0x4000 + number, peer))
}

fn connect(trying: &mut Trying, number: u16) -> Option<u16> {
    let peer = trying.world.echo(&format!("9.9.9.9:{}", 5000 + number));
    trying.world.refusal(trying.client, Request::connect(peer))
}

const LIMIT: usize = 8;

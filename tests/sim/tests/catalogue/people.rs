//! Who tries: people of every policy, by datagrams over either family and by streams.

use std::net::{IpAddr, SocketAddr};

use sim::{ClientId, PeerPolicy, RELAY_V4, RELAY_V6, Request, Setup, Side, World};

/// By what way a client comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    Ipv4,
    Ipv6,
    Stream,
}

/// All of them.
pub(crate) const WAYS: [Way; 3] = [Way::Ipv4, Way::Ipv6, Way::Stream];

/// All policies.
pub(crate) const POLICIES: [PeerPolicy; 3] = [PeerPolicy::Public, PeerPolicy::Partner, PeerPolicy::Appliance];

/// A relay that serves users of all policies, and relays TCP.
pub(crate) fn setup(seed: u64) -> Setup {
    let users = vec![("public", PeerPolicy::Public), ("appliance", PeerPolicy::Appliance)];
    Setup { tcp: true, users, ..Setup::new(seed) }
}

/// Somebody without an allocation; where the policy is that of partners, this side of this session.
pub(crate) fn somebody(
    world: &mut World,
    policy: PeerPolicy,
    way: Way,
    (session, side): (u8, Side),
) -> ClientId {
    // Whoever came before was answered at least once.
    let number = 0x100 + world.relay().counters().successes + world.relay().counters().errors;
    let ipv6: SocketAddr = format!("[2001:db8:{number:x}::1]:5000").parse().expect("an address");
    let name = if policy == PeerPolicy::Public { "public" } else { "appliance" };
    match (way, policy) {
        (Way::Ipv6, PeerPolicy::Partner) => {
            let credential = world.credential(session, side, world.unix_s() + 86_400);
            world.client_with_address(ipv6, &credential)
        }
        (Way::Ipv6, _) => world.user_with_address(name, ipv6),
        _ => {
            let is_of_session = policy == PeerPolicy::Partner;
            let client = if is_of_session { world.person(session, side) } else { world.user(name) };
            if way == Way::Stream { world.by_stream(client) } else { client }
        }
    }
}

/// The same with an allocation of a family, 1 or 2.
pub(crate) fn holder(
    world: &mut World,
    policy: PeerPolicy,
    way: Way,
    who: (u8, Side),
    family: u8,
) -> ClientId {
    let client = somebody(world, policy, way, who);
    assert_eq!(world.refusal(client, Request::allocate().family(family)), None);
    world.settle();
    client
}

/// A port of the relay's own address of a family.
pub(crate) fn own(family: u8, port: u16) -> SocketAddr {
    SocketAddr::new(if family == 1 { RELAY_V4 } else { RELAY_V6 }, port)
}

/// 1 or 2, as in REQUESTED-ADDRESS-FAMILY.
pub(crate) const fn family(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 1 } else { 2 }
}

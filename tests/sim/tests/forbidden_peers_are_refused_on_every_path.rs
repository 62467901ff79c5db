//! Rows 1 to 8, 13, 14 and 18: what the design's address table forbids is forbidden by CreatePermission,
//! ChannelBind and Send alike. The table is written out here again, by hand, so that the one in the code
//! cannot vouch for itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use sim::{ClientId, DropReason, Outcome, RELAY_V4, RELAY_V6, Request, World};
use turn_core::AddressRange;

const PORT: u16 = 40_000;

/// Block, prefix length.
const IPV4_BLOCKS: [(&str, u32); 22] = [
    ("0.0.0.0", 8),
    ("10.0.0.0", 8),
    ("100.64.0.0", 10),
    ("100.100.100.200", 32),
    ("127.0.0.0", 8),
    ("168.63.129.16", 32),
    ("169.254.0.0", 16),
    ("172.16.0.0", 12),
    ("192.0.0.0", 24),
    ("192.0.2.0", 24),
    ("192.31.196.0", 24),
    ("192.52.193.0", 24),
    ("192.88.99.0", 24),
    ("192.168.0.0", 16),
    ("192.175.48.0", 24),
    ("198.18.0.0", 15),
    ("198.51.100.0", 24),
    ("203.0.113.0", 24),
    ("224.0.0.0", 4),
    ("240.0.0.0", 4),
    ("255.255.255.255", 32),
    ("192.0.0.9", 32),
];

/// Block, prefix length.
const IPV6_BLOCKS: [(&str, u32); 29] = [
    ("::", 128),
    ("::1", 128),
    ("::", 96),
    ("::ffff:0:0", 96),
    ("::ffff:0:0:0", 96),
    ("64:ff9b::", 96),
    ("64:ff9b:1::", 48),
    ("100::", 64),
    ("100:0:0:1::", 64),
    ("200::", 7),
    ("400::", 6),
    ("5f00::", 16),
    ("4000::", 2),
    ("8000::", 1),
    ("fc00::", 7),
    ("fe80::", 10),
    ("fec0::", 10),
    ("ff00::", 8),
    ("2001::", 23),
    ("2001::", 32),
    ("2001:1::1", 128),
    ("2001:2::", 48),
    ("2001:10::", 28),
    ("2001:20::", 28),
    ("2001:db8::", 32),
    ("2002::", 16),
    ("2620:4f:8000::", 48),
    ("3fff::", 20),
    ("3ffe::", 16),
];

/// IPv4 addresses in IPv6 clothes, and cloud metadata.
const DISGUISES: [&str; 14] = [
    "::ffff:127.0.0.1",
    "::ffff:0.0.0.0",
    "::ffff:9.9.9.9",
    "::9.9.9.9",
    "::ffff:0:9.9.9.9",
    "64:ff9b::9.9.9.9",
    "64:ff9b:1::9.9.9.9",
    "2002:909:909::1",
    "2001:0:909:909:0:0:f6f6:f6f6",
    "2a00:1450::5efe:9.9.9.9",
    "2a00:1450::200:5efe:9.9.9.9",
    "fd00:ec2::254",
    "fe80::a9fe:a9fe",
    "ff02::1",
];

/// The addresses just outside of blocks, and others that are nobody's secret.
const ALLOWED: [&str; 34] = [
    "1.0.0.0",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "168.63.129.15",
    "168.63.129.17",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.0.3.0",
    "192.31.195.255",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "203.0.112.255",
    "203.0.114.0",
    "223.255.255.255",
    "2000::",
    "2001:200::",
    "2001:db7:ffff::",
    "2001:db9::",
    "2003::",
    "2606:4700:4700::1111",
    "2620:4f:7fff::",
    "2620:4f:8001::",
    "2a00:1450::1",
    "3ffd::",
    "3fff:1000::",
];

/// A public user with an allocation of each family, and a channel number that was not used yet.
struct Prober {
    world: World,
    v4: ClientId,
    v6: ClientId,
    number: u16,
}

impl Prober {
    fn new(allow: &[(&str, &str)], deny: &[(&str, &str)]) -> Self {
        let ranges = |of: &[(&str, &str)]| of.iter().map(|(first, last)| range(first, last)).collect();
        let mut world =
            World::with(sim::Setup { allow: ranges(allow), deny: ranges(deny), ..sim::Setup::new(1) });
        let [v4, v6] = [1, 2].map(|family| {
            let user = world.user("user");
            assert_eq!(world.refusal(user, Request::allocate().family(family)), None);
            user
        });
        world.settle();
        Self { world, v4, v6, number: 0x4000 }
    }

    fn on_its_family(&self, peer: SocketAddr) -> ClientId {
        if peer.is_ipv4() { self.v4 } else { self.v6 }
    }

    /// What the three paths say, from a clean table of permissions each time.
    fn verdicts(&mut self, peer: SocketAddr) -> (Option<u16>, Option<u16>, Outcome) {
        let client = self.on_its_family(peer);
        // Half an hour makes every permission and channel of before end.
        for _ in 0..6 {
            self.world.pass(std::time::Duration::from_secs(300));
            for client in [self.v4, self.v6] {
                assert_eq!(self.world.refusal(client, Request::refresh(3600)), None);
            }
        }
        self.number = if self.number == 0x4FFF { 0x4000 } else { self.number + 1 };
        let permission = self.world.refusal(client, Request::permit(&[peer]));
        let sent = self.world.send(client, peer, b"x");
        let channel = self.world.refusal(client, Request::bind(self.number, peer));
        (permission, channel, sent)
    }

    fn is_refused(&mut self, peer: SocketAddr) {
        let (before, client) = (self.world.relay().counters().to_peer_packets, self.on_its_family(peer));
        let refused = (Some(403), Some(403), Outcome::Drop(DropReason::PeerRefused));
        assert_eq!(self.verdicts(peer), refused, "{peer}");
        // Nothing was installed: the answer to Send stays what it was, and the channel does not exist.
        let unbound = Outcome::Drop(DropReason::ChannelUnbound);
        assert_eq!(self.world.send_channel(client, self.number, b"x"), unbound, "{peer}");
        assert_eq!(self.world.relay().counters().to_peer_packets, before, "{peer}");
    }

    fn is_allowed(&mut self, peer: SocketAddr) {
        let (permission, channel, sent) = self.verdicts(peer);
        assert_eq!((permission, channel), (None, None), "{peer}");
        assert!(sent.is_forward(), "{peer}");
    }
}

fn range(first: &str, last: &str) -> AddressRange {
    AddressRange::new(address(first), address(last)).expect("a range of this test")
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address of this test")
}

fn ends_and_middle(block: &str, bits: u32) -> [IpAddr; 3] {
    match address(block) {
        IpAddr::V4(first) => {
            let size = (1_u64 << (32 - bits)) - 1;
            [0, size / 2, size].map(|offset| Ipv4Addr::from_bits(first.to_bits() + offset as u32).into())
        }
        IpAddr::V6(first) => {
            let size = u128::MAX.checked_shr(bits).unwrap_or(0);
            [0, size / 2, size].map(|offset| Ipv6Addr::from_bits(first.to_bits() + offset).into())
        }
    }
}

#[test]
fn rows_1_to_7_every_block_of_the_table_and_every_disguise() {
    let mut prober = Prober::new(&[], &[]);
    for (block, bits) in IPV4_BLOCKS.into_iter().chain(IPV6_BLOCKS) {
        for ip in ends_and_middle(block, bits) {
            // Two of these are the relay's own; row 8 has them.
            if ip != RELAY_V4 && ip != RELAY_V6 {
                prober.is_refused((ip, PORT).into());
            }
        }
    }
    for disguise in DISGUISES {
        prober.is_refused(SocketAddr::new(disguise.parse().unwrap(), PORT));
    }
}

#[test]
fn row_1_what_lies_just_outside_is_allowed() {
    let mut prober = Prober::new(&[], &[]);
    for ip in ALLOWED {
        prober.is_allowed(SocketAddr::new(ip.parse().unwrap(), PORT));
    }
}

#[test]
fn row_6_the_operators_ranges_need_no_prefix() {
    let mut prober =
        Prober::new(&[("10.1.0.5", "10.1.0.7")], &[("2a00::1:fffe", "2a00::2:1"), ("10.1.0.6", "10.1.0.6")]);
    for refused in
        ["2a00::1:fffe", "2a00::1:ffff", "2a00::2:0", "2a00::2:1", "10.1.0.4", "10.1.0.6", "10.1.0.8"]
    {
        prober.is_refused(SocketAddr::new(refused.parse().unwrap(), PORT));
    }
    for allowed in ["2a00::1:fffd", "2a00::2:2", "10.1.0.5", "10.1.0.7"] {
        prober.is_allowed(SocketAddr::new(allowed.parse().unwrap(), PORT));
    }
}

#[test]
fn row_8_the_relay_itself_is_no_peer() {
    let mut prober = Prober::new(&[("192.0.2.1", "192.0.2.1")], &[]);
    // The listening port, although the address is allowed; a permission has no port and gives nothing by
    // itself.
    let (_, channel, sent) = prober.verdicts((RELAY_V4, sim::RELAY_PORT).into());
    assert_eq!((channel, sent), (Some(403), Outcome::Drop(DropReason::PeerRefused)));
    let mut prober = Prober::new(&[], &[]);
    for ip in [RELAY_V4, RELAY_V6] {
        for port in [sim::RELAY_PORT, 22, 40_000] {
            let (_, channel, sent) = prober.verdicts((ip, port).into());
            assert_eq!((channel, sent), (Some(403), Outcome::Drop(DropReason::PeerRefused)));
        }
    }
}

#[test]
fn row_11_oneself_is_no_peer() {
    let mut prober = Prober::new(&[], &[]);
    for client in [prober.v4, prober.v6] {
        let own = prober.world.relayed(client);
        for _ in 0..2 {
            let (_, channel, sent) = prober.verdicts(own);
            assert_eq!((channel, sent), (Some(403), Outcome::Drop(DropReason::PeerRefused)));
            prober.world.settle();
        }
        assert!(prober.world.heard(client).is_empty());
    }
}

#[test]
fn row_13_low_ports_and_amplifiers_are_refused_where_a_port_means_something() {
    let mut prober = Prober::new(&[], &[]);
    for port in [1, 22, 53, 123, 161, 389, 1023, 1900, 3478, 5060, 11_211] {
        let (permission, channel, sent) = prober.verdicts(([9, 9, 9, 9], port).into());
        assert_eq!(permission, None); // means the address only
        assert_eq!((channel, sent), (Some(403), Outcome::Drop(DropReason::PeerRefused)), "{port}");
    }
    let (permission, channel, sent) = prober.verdicts(([9, 9, 9, 9], 0).into());
    assert_eq!((permission, channel), (None, Some(400)));
    assert_eq!(sent, Outcome::Drop(DropReason::PeerRefused));
    prober.is_allowed(([9, 9, 9, 9], 1024).into());
}

#[test]
fn row_14_a_peer_of_the_other_family_is_a_mismatch() {
    let mut prober = Prober::new(&[], &[]);
    let peers: [SocketAddr; 2] = ["[2a00:1450::1]:40000".parse().unwrap(), "9.9.9.9:40000".parse().unwrap()];
    for (client, peer) in [prober.v4, prober.v6].into_iter().zip(peers) {
        assert_eq!(prober.world.refusal(client, Request::permit(&[peer])), Some(443));
        assert_eq!(prober.world.refusal(client, Request::bind(0x4000, peer)), Some(443));
        assert_eq!(prober.world.send(client, peer, b"x"), Outcome::Drop(DropReason::PeerRefused));
    }
}

#[test]
fn row_18_a_closed_relay_refuses_everything_but_its_own_addresses() {
    let mut world = World::new(1);
    let [alice, _] = world.couple(1);
    for ip in ALLOWED.into_iter().chain(["10.0.0.1", "127.0.0.1", "192.0.2.2"]) {
        let peer = SocketAddr::new(ip.parse().unwrap(), PORT);
        let code = if peer.is_ipv4() { 403 } else { 443 };
        assert_eq!(world.refusal(alice, Request::permit(&[peer])), Some(code), "{ip}");
        assert_eq!(world.refusal(alice, Request::bind(0x4000, peer)), Some(code), "{ip}");
        assert_eq!(world.send(alice, peer, b"x"), Outcome::Drop(DropReason::PeerRefused), "{ip}");
    }
}

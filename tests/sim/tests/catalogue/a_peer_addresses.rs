//! A. Peer addresses: what each path says about each of them, to whom. The addresses that the design closes
//! are written out here again, by hand, so that the table in the code cannot vouch for itself.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use sim::{
    ClientId, DropReason, Outcome, PeerPolicy, RELAY_PORT, RELAY_STREAM_PORT, RELAY_V4, RELAY_V6, Request,
    Setup, Side, World,
};
use stun_wire::{AttributeType, Class, Method, TransactionId};
use turn_core::{AddressRange, Nat64};

use self::Peer::{At, Named, Of};
use crate::people::{POLICIES, WAYS, Way, family, holder, own, setup, somebody};
use crate::table;

table! { run;
    row_1_both_ends_and_the_middle_of_every_closed_block =>
        blocks().map(|ip| Case::new(At(ip, PORT), CLOSED));
    row_1_what_lies_just_outside_of_them => ALLOWED.map(|ip| Case::new(At(address(ip), PORT), OPEN));
    row_2_unspecified_and_loopback => ["0.0.0.0", "127.0.0.1", "::", "::1"].map(closed);
    row_3_mapped_forms_of_what_is_closed_and_of_what_is_open =>
        mapped().map(|ip| Case::new(At(ip, PORT), CLOSED));
    row_4_mapped_forms_of_exactly_two => ["::ffff:127.0.0.1", "::ffff:0.0.0.0"].map(closed);
    row_4_mapped_forms_where_all_is_allowed =>
        ["::ffff:127.0.0.1", "::ffff:0.0.0.0", "::ffff:9.9.9.9"].map(|ip| {
        closed(ip).rules(&[("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")], &[])
    });
    row_5_ipv4_in_ipv6 => DISGUISES.map(closed);
    row_5_ipv4_behind_prefixes_of_the_network => TRANSLATED.map(|(prefix, bits, [closed, open])| {
        [(closed, CLOSED), (open, OPEN)]
            .map(|(ip, said)| Case::new(At(address(ip), PORT), said).behind(prefix, bits))
    }).into_iter().flatten();
    row_5_a_translator_that_is_allowed_opens_nothing_behind_it => [
        ("64:ff9b::10.0.0.1", CLOSED),
        ("64:ff9b::192.0.2.1", CLOSED),
        ("64:ff9b:1::9.9.9.9", CLOSED),
        ("64:ff9b::9.9.9.9", OPEN),
    ].map(|(ip, said)| {
        Case::new(At(address(ip), PORT), said).rules(&[TRANSLATORS], &[])
    });
    row_6_an_operators_ranges_that_fit_no_prefix => of_operator();
    row_7_what_is_no_global_unicast => SPECIAL.map(closed);
    row_8_our_own_sockets_and_addresses => ours();
    row_8_addresses_of_ours_where_nobody_relays => [
        Case::new(At(address("10.3.3.3"), PORT), CLOSED).closed(UNRELAYED).ours(),
        Case::new(At(address("fd00::3"), PORT), CLOSED).closed(UNRELAYED).ours(),
        // To an outsider it is an address like any other until it is used.
        Case::new(At(address("9.3.3.3"), PORT), OURS).closed(UNRELAYED).ours(),
        Case::new(At(address("9.3.3.3"), 55_000), OTHERS_NONE).closed(UNRELAYED).ours(),
    ];
    row_9_relayed_addresses_of_others =>
        [Case::new(Of(Relation::Stranger), OTHERS).closed(NOWHERE).appliance(MEETS)];
    row_10_the_partners => [Case::new(Of(Relation::Partner), OTHERS).closed(MEETS)];
    row_11_ones_own => [Case::new(Of(Relation::Oneself), PORT_CLOSED).closed(NOWHERE)];
    row_12_a_back_end_in_a_private_network => [Case::new(At(address("10.9.9.9"), 14_000), CLOSED)];
    row_12_a_back_end_on_the_internet =>
        [443, 8443, PORT].map(|port| Case::new(At(address("9.9.9.9"), port), CLOSED).back_end(8443));
    row_12_a_back_end_whose_host_is_allowed => [(8443, PORT_CLOSED), (8444, OPEN)].map(|(port, said)| {
        Case::new(At(address("10.9.9.9"), port), said).rules(&[("10.9.9.9", "10.9.9.9")], &[]).back_end(8443)
    });
    row_13_low_ports_and_those_of_amplifiers =>
        LOW.map(|port| Case::new(At(address("9.9.9.9"), port), PORT_CLOSED));
    row_13_port_zero => [Case::new(At(address("9.9.9.9"), 0), NO_PORT).closed(NO_PORT_CLOSED)];
    row_13_the_lowest_port_that_is_open => [Case::new(At(address("9.9.9.9"), 1024), OPEN)];
    row_14_the_other_family =>
        MISMATCHED.map(|ip| Case::new(At(address(ip), PORT), MISMATCH).closed(MISMATCH).mismatched());
    row_18_attributes_of_drafts => DRAFTS.map(|kind| Case::new(Named(kind), UNKNOWN).closed(UNKNOWN));
    row_18_attributes_that_name_other_addresses =>
        NAMES.map(|kind| Case::new(Named(kind), NAMELESS).closed(NAMELESS));
}

/// One peer, and what is said to those who ask for it.
struct Case {
    peer: Peer,
    allow: Vec<AddressRange>,
    deny: Vec<AddressRange>,
    nat64: Vec<Nat64>,
    back_ends: Vec<SocketAddr>,
    /// To holders of `public` credentials.
    public: Said,
    partner: Said,
    appliance: Said,
    /// Asked for at the allocation of the other family.
    is_mismatched: bool,
    /// It is an address of the relay's machine.
    is_ours: bool,
}

impl Case {
    /// In a closed relay everything is closed that is not said to be open.
    const fn new(peer: Peer, public: Said) -> Self {
        Self {
            peer,
            allow: Vec::new(),
            deny: Vec::new(),
            nat64: Vec::new(),
            back_ends: Vec::new(),
            public,
            partner: CLOSED,
            appliance: CLOSED,
            is_mismatched: false,
            is_ours: false,
        }
    }

    const fn closed(mut self, said: Said) -> Self {
        (self.partner, self.appliance) = (said, said);
        self
    }

    const fn appliance(mut self, said: Said) -> Self {
        self.appliance = said;
        self
    }

    const fn ours(mut self) -> Self {
        self.is_ours = true;
        self
    }

    const fn mismatched(mut self) -> Self {
        self.is_mismatched = true;
        self
    }

    /// Whether it leaves no trace, as far as it is what it should be.
    fn changes_nothing(&self) -> bool {
        let said = [self.public, self.partner, self.appliance];
        self.allow.is_empty()
            && self.deny.is_empty()
            && self.nat64.is_empty()
            && self.back_ends.is_empty()
            && said == [CLOSED; 3]
            && !self.is_mismatched
            && !self.is_ours
    }

    /// Of the allocation at which it is asked for.
    const fn family(&self) -> u8 {
        match self.peer {
            At(ip, _) if self.is_mismatched => 3 - family(ip),
            At(ip, _) => family(ip),
            Of(_) | Named(_) => 1,
        }
    }

    fn rules(mut self, allow: &[(&str, &str)], deny: &[(&str, &str)]) -> Self {
        let range = |(first, last): &(&str, &str)| AddressRange::new(address(first), address(last));
        let ranges = |of: &[(&str, &str)]| of.iter().map(|it| range(it).expect("a range")).collect();
        (self.allow, self.deny) = (ranges(allow), ranges(deny));
        self
    }

    /// Where a network reaches IPv4 by this prefix.
    fn behind(mut self, prefix: &str, bits: u32) -> Self {
        self.nat64.extend(Nat64::new(prefix.parse().expect("an address"), bits));
        self
    }

    /// Where the relay has a service of its own at the peer's host.
    fn back_end(mut self, port: u16) -> Self {
        if let At(ip, _) = self.peer {
            self.back_ends.push(SocketAddr::new(ip, port));
        }
        self
    }
}

#[derive(Clone, Copy, Debug)]
enum Peer {
    At(IpAddr, u16),
    /// The relayed address of somebody.
    Of(Relation),
    /// An open one, told by an attribute that is not XOR-PEER-ADDRESS.
    Named(AttributeType),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Oneself,
    Partner,
    Stranger,
}

/// What each path says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Said {
    /// The code of CreatePermission.
    permission: Option<u16>,
    /// The code of ChannelBind.
    channel: Option<u16>,
    /// Why a Send indication and ChannelData are lost.
    sent: Option<DropReason>,
    /// The code of Connect, for a peer that does not answer.
    connect: Option<u16>,
    /// Whether such a peer may connect.
    comes: bool,
}

const CLOSED: Said = Said {
    permission: Some(403),
    channel: Some(403),
    sent: Some(DropReason::PeerRefused),
    connect: Some(403),
    comes: false,
};
const OPEN: Said = Said { permission: None, channel: None, sent: None, connect: Some(447), comes: true };
/// A permission means an address, and a port that somebody connects from is nobody's service.
const PORT_CLOSED: Said = Said { permission: None, comes: true, ..CLOSED };
const NO_PORT: Said = Said { channel: Some(400), connect: Some(400), ..PORT_CLOSED };
const NO_PORT_CLOSED: Said = Said { channel: Some(400), ..CLOSED };
const MISMATCH: Said = Said { permission: Some(443), channel: Some(443), connect: Some(443), ..CLOSED };
/// An address of this machine that nobody relays at.
const OURS: Said = Said { comes: false, ..PORT_CLOSED };
/// The same in a closed relay, where it is told like an address of anybody.
const UNRELAYED: Said = Said { sent: Some(DropReason::NoPermission), ..CLOSED };
/// The same where its port could be a relayed address, which nobody has there.
const OTHERS_NONE: Said = Said { sent: Some(DropReason::NoRoute), ..OURS };
/// Another client's datagrams; its TCP is another address.
const OTHERS: Said = Said { connect: Some(403), comes: false, ..OPEN };
/// Granted, because browsers give up after a 403, and nothing comes of it.
const NOWHERE: Said = Said { sent: Some(DropReason::NoRoute), ..OPEN };
const MEETS: Said = OPEN;
const UNKNOWN: Said = Said {
    permission: Some(420),
    channel: Some(420),
    sent: Some(DropReason::BadMessage),
    connect: Some(420),
    comes: true,
};

/// An attribute that does exist, and is no peer's.
const NAMELESS: Said = Said { permission: Some(400), channel: Some(400), connect: Some(400), ..UNKNOWN };

/// Asks for the peer of a case by every path, as clients of every policy that come by every way.
fn run(case: &Case) {
    for policy in POLICIES {
        let said = match policy {
            PeerPolicy::Public => case.public,
            PeerPolicy::Partner => case.partner,
            PeerPolicy::Appliance => case.appliance,
        };
        for way in WAYS {
            let ask = |asking: &mut Asking| {
                asking.by_datagrams(case.peer, said);
                if policy == PeerPolicy::Public && way == Way::Stream {
                    asking.by_connections(case.peer, said);
                }
            };
            if case.changes_nothing() {
                let key = (policy, way, case.family());
                ASKING.with_borrow_mut(|all| {
                    ask(all.entry(key).or_insert_with(|| Asking::begin(case, policy, way)))
                });
            } else {
                ask(&mut Asking::begin(case, policy, way));
            }
        }
    }
}

thread_local! {
    /// Who asks for what is closed to everybody, which most of the table is: each finds the world as it was.
    static ASKING: RefCell<HashMap<(PeerPolicy, Way, u8), Asking>> = RefCell::default();
}

/// Somebody who asks, and whoever else is there.
struct Asking {
    world: World,
    policy: PeerPolicy,
    way: Way,
    family: u8,
    client: ClientId,
    partner: ClientId,
    stranger: ClientId,
    /// With an allocation of TCP.
    tcp: Option<ClientId>,
}

impl Asking {
    fn begin(case: &Case, policy: PeerPolicy, way: Way) -> Self {
        let (allow, deny) = (case.allow.clone(), case.deny.clone());
        // The number of workers is another each time; peers of ours are with any of them.
        let workers = [1, 2, 5][way as usize];
        let mut own_ips = vec![RELAY_V4, RELAY_V6];
        if let (true, At(ip, _)) = (case.is_ours, case.peer) {
            own_ips.push(ip);
        }
        let (nat64, back_ends) = (case.nat64.clone(), case.back_ends.clone());
        let rules = Setup { allow, deny, nat64, back_ends, ..setup(policy as u64) };
        let mut world = World::with(Setup { workers, own_ips, ..rules });
        let family = case.family();
        let [client, partner, stranger] = [(1, Side::A), (1, Side::B), (2, Side::A)]
            .map(|who| holder(&mut world, policy, way, who, family));
        Self { world, policy, way, family, client, partner, stranger, tcp: None }
    }

    fn address_of(&self, peer: Peer) -> SocketAddr {
        match peer {
            At(ip, port) => SocketAddr::new(ip, port),
            Of(Relation::Oneself) => self.world.relayed(self.client),
            Of(Relation::Partner) => self.world.relayed(self.partner),
            Of(Relation::Stranger) => self.world.relayed(self.stranger),
            Named(_) => OPEN_PEER.parse().expect("an address"),
        }
    }

    /// CreatePermission, ChannelBind, Send and ChannelData.
    fn by_datagrams(&mut self, peer: Peer, said: Said) {
        let (address, client) = (self.address_of(peer), self.client);
        let what = format!("{peer:?} for {:?} by {:?}", self.policy, self.way);
        let [permit, bind] =
            [Method::CREATE_PERMISSION, Method::CHANNEL_BIND].map(|method| named(method, peer, address));
        let before = self.world.relay().counters();
        let permission = self.world.refusal(client, permit);
        self.accept_back(peer);
        assert_eq!((permission, self.sent(peer, address)), (said.permission, said.sent), "{what}");
        let channel = self.world.refusal(client, bind);
        assert_eq!(channel, said.channel, "{what}");
        if channel.is_none() {
            assert_eq!(self.sent_on_channel(), said.sent, "{what}");
        } else {
            let unbound = Outcome::Drop(DropReason::ChannelUnbound);
            assert_eq!(self.world.send_channel(client, 0x4000, b"x"), unbound, "{what}");
        }
        if said.sent.is_some() {
            let after = self.world.relay().counters();
            let left = (after.to_peer_packets, after.routed_packets);
            assert_eq!(left, (before.to_peer_packets, before.routed_packets), "{what}");
            for person in [self.client, self.partner, self.stranger] {
                assert!(self.world.heard(person).is_empty(), "{what}");
            }
        }
    }

    /// Whoever stands at a relayed address wants to hear the client, and be heard: that opens nothing by
    /// itself.
    fn accept_back(&mut self, peer: Peer) {
        let Of(relation) = peer else { return };
        let other = if relation == Relation::Partner { self.partner } else { self.stranger };
        let mine = self.world.relayed(self.client);
        self.world.permit(other, mine);
        self.world.settle();
    }

    /// Why what is sent is lost, also after a way was asked for.
    fn sent(&mut self, peer: Peer, address: SocketAddr) -> Option<DropReason> {
        let from = self.world.address(self.client);
        let message = named(Method::SEND, peer, address).with(AttributeType::DATA, b"x").write_as(
            Class::Indication,
            TransactionId([1; 12]),
            None,
        );
        self.lost(|world| world.knock(from, &message))
    }

    fn sent_on_channel(&mut self) -> Option<DropReason> {
        let client = self.client;
        self.lost(|world| world.send_channel(client, 0x4000, b"x"))
    }

    fn lost(&mut self, send: impl Fn(&mut World) -> Outcome) -> Option<DropReason> {
        let mut outcome = send(&mut self.world);
        if outcome == Outcome::Drop(DropReason::NoRoute) {
            self.world.settle();
            self.world.pass(std::time::Duration::from_secs(1));
            outcome = send(&mut self.world);
        }
        match outcome {
            Outcome::Drop(reason) => Some(reason),
            Outcome::Forward { .. } => None,
            other => panic!("{other:?}"),
        }
    }

    /// Connect, and a peer that connects.
    fn by_connections(&mut self, peer: Peer, said: Said) {
        let client = self.tcp.unwrap_or_else(|| {
            let client = somebody(&mut self.world, PeerPolicy::Public, Way::Stream, (1, Side::A));
            assert_eq!(self.world.refusal(client, Request::allocate_tcp().family(self.family)), None);
            client
        });
        self.tcp = Some(client);
        let relayed = self.world.relayed(client);
        let address = match peer {
            Of(Relation::Oneself) => relayed,
            peer => self.address_of(peer),
        };
        let connect = named(Method::CONNECT, peer, address);
        assert_eq!(self.world.refusal(client, connect), said.connect, "{peer:?}");
        // A permission for an address that can have one.
        let _ = self.world.ask(client, Request::permit(&[address]));
        assert_eq!(self.world.dial(address, relayed).is_some(), said.comes, "{peer:?}");
    }
}

/// A request about a peer.
fn named(method: Method, peer: Peer, address: SocketAddr) -> Request {
    let request = match method {
        Method::CHANNEL_BIND => Request::bare(method).with(AttributeType::CHANNEL_NUMBER, &[0x40, 0, 0, 0]),
        method => Request::bare(method),
    };
    match peer {
        Named(kind) => request.with(kind, &[0, 1, 0x13, 0x88, 9, 9, 9, 9]),
        _ => request.peer(address),
    }
}

fn closed(ip: &str) -> Case {
    Case::new(At(address(ip), PORT), CLOSED)
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address of this table")
}

/// Two of the blocks' ends are the relay's own; row 8 has them.
fn blocks() -> impl Iterator<Item = IpAddr> {
    let all = IPV4_BLOCKS.into_iter().chain(IPV6_BLOCKS);
    all.flat_map(|(block, bits)| ends_and_middle(block, bits)).filter(|ip| *ip != RELAY_V4 && *ip != RELAY_V6)
}

fn mapped() -> impl Iterator<Item = IpAddr> {
    let closed = IPV4_BLOCKS.into_iter().flat_map(|(block, bits)| ends_and_middle(block, bits));
    let all = closed.chain(["9.9.9.9", "192.0.2.1"].map(address));
    all.map(|ip| match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().into(),
        IpAddr::V6(_) => unreachable!("the blocks of IPv4"),
    })
}

fn of_operator() -> Vec<Case> {
    let allow = [("10.1.0.5", "10.1.0.7"), ("2001:db8::ff", "2001:db8::1:1")];
    let deny = [("2a00::1:fffe", "2a00::2:1"), ("10.1.0.6", "10.1.0.6")];
    let closed =
        ["2a00::1:fffe", "2a00::1:ffff", "2a00::2:0", "2a00::2:1", "10.1.0.4", "10.1.0.6", "10.1.0.8"];
    let closed = closed.into_iter().chain(["2001:db8::fe", "2001:db8::1:2"]).map(|ip| (ip, CLOSED));
    let open = ["2a00::1:fffd", "2a00::2:2", "10.1.0.5", "10.1.0.7", "2001:db8::ff", "2001:db8::1:1"];
    let cases = closed.chain(open.map(|ip| (ip, OPEN)));
    cases.map(|(ip, said)| Case::new(At(address(ip), PORT), said).rules(&allow, &deny)).collect()
}

fn ours() -> Vec<Case> {
    let mut cases = Vec::new();
    for family in [1, 2] {
        for port in [RELAY_PORT, RELAY_STREAM_PORT, 22, PORT] {
            let ip = own(family, port).ip();
            let is_listening = [RELAY_PORT, RELAY_STREAM_PORT].contains(&port);
            // In a closed relay any other port could be a client's.
            let in_closed = if is_listening { Said { permission: None, ..CLOSED } } else { NOWHERE };
            cases.push(Case::new(At(ip, port), OURS).closed(in_closed));
            if is_listening {
                // No rule opens it.
                let text = ip.to_string();
                let case = Case::new(At(ip, port), PORT_CLOSED).closed(in_closed);
                cases.push(case.rules(&[(&text, &text)], &[]));
            }
        }
    }
    cases
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

const PORT: u16 = 40_000;

const OPEN_PEER: &str = "9.9.9.9:5000";

const LOW: [u16; 13] = [1, 7, 19, 22, 53, 123, 161, 389, 1023, 1900, 3478, 5060, 11_211];

const MISMATCHED: [&str; 2] = ["9.9.9.9", "2a00:1450::1"];

/// PEER-ADDRESS, RESPONSE-ADDRESS, CHANGED-ADDRESS and REMOTE-ADDRESS.
const DRAFTS: [AttributeType; 4] =
    [AttributeType(0x11), AttributeType(0x02), AttributeType(0x05), AttributeType(0x28)];

const NAMES: [AttributeType; 2] = [AttributeType::MAPPED_ADDRESS, AttributeType::XOR_MAPPED_ADDRESS];

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

/// IPv4 addresses in IPv6 clothes.
const DISGUISES: [&str; 15] = [
    "::9.9.9.9",
    "::ffff:0:9.9.9.9",
    "64:ff9b::9.9.9.9",
    "64:ff9b:1::9.9.9.9",
    "2002:909:909::1",
    "2001:0:909:909:0:0:f6f6:f6f6",
    "2a00:1450::5efe:9.9.9.9",
    "2a00:1450::200:5efe:9.9.9.9",
    "64:ff9b:1:909:9:900::",
    "64:ff9b:1:9:9:909::",
    "64:ff9b:1:0:9:909:900::",
    "::127.0.0.1",
    "2002:7f00:1::1",
    "2001:0:7f00:1::80ff:fffe",
    "fe80::5efe:10.0.0.1",
];

/// From the well-known prefix to the end of the block for local use.
const TRANSLATORS: (&str, &str) = ("64:ff9b::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff");

/// A prefix of each length, with 10.0.0.1 and 9.9.9.9 behind it.
const TRANSLATED: [(&str, u32, [&str; 2]); 6] = [
    ("2a00:64::", 32, ["2a00:64:a00:1::", "2a00:64:909:909::"]),
    ("2a00:64:100::", 40, ["2a00:64:10a:0:1::", "2a00:64:109:909:9::"]),
    ("2a00:64:122::", 48, ["2a00:64:122:a00:0:100::", "2a00:64:122:909:9:900::"]),
    ("2a00:64:122:300::", 56, ["2a00:64:122:30a:0:1::", "2a00:64:122:309:9:909::"]),
    ("2a00:64:122:344::", 64, ["2a00:64:122:344:a:0:100::", "2a00:64:122:344:9:909:900::"]),
    ("2a00:64::", 96, ["2a00:64::10.0.0.1", "2a00:64::9.9.9.9"]),
];

/// Clouds' metadata among them.
const SPECIAL: [&str; 9] = [
    "fe80::1",
    "fe80::a9fe:a9fe",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "5f00::1",
    "3fff::1",
    "100::1",
    "100:0:0:1::1",
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

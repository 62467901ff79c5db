//! What is settled before a world begins, and the configuration of its servers that follows from that.
//! Nothing happens here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use turn_core::{
    AddressPolicy, AddressRange, AllocationLimits, AnswerLimits, BandwidthLimits, Config, Credential, Nat64,
    PasswordAlgorithm, PeerPolicy, Rules, SessionKey, SharedSecret, StaticUser, TicketKey, WorkerId,
};

use crate::world::{RELAY_PORT, RELAY_PORTS, RELAY_STREAM_PORT, RELAY_V4, RELAY_V6};

/// What is settled before a world begins. The limits are those of the default configuration.
pub struct Setup {
    /// All chance comes from it.
    pub seed: u64,
    /// How many workers the relay has.
    pub workers: u16,
    /// What clients may make keys with.
    pub password_algorithms: Vec<PasswordAlgorithm>,
    /// [`Config::username_anonymity`]
    pub username_anonymity: bool,
    /// What holders of session credentials may reach.
    pub session_peers: PeerPolicy,
    /// Secrets shared with other software.
    pub shared_secrets: Vec<&'static str>,
    /// Static users; their passwords follow from their names.
    pub users: Vec<(&'static str, PeerPolicy)>,
    /// Ranges opened to `public` users.
    pub allow: Vec<AddressRange>,
    /// Ranges closed to `public` users.
    pub deny: Vec<AddressRange>,
    /// Services of the relay's own.
    pub back_ends: Vec<SocketAddr>,
    /// [`Rules::nat64`]
    pub nat64: Vec<Nat64>,
    /// Whether channel numbers of RFC 5766 are taken.
    pub old_channels: bool,
    /// [`Config::icmp`]
    pub icmp: bool,
    /// [`Config::tcp`]
    pub tcp: bool,
    /// Whether allocations move.
    pub mobility: bool,
    /// How many allocations there may be.
    pub limits: AllocationLimits,
    /// The relay's addresses.
    pub own_ips: Vec<IpAddr>,
    /// How much may pass.
    pub bandwidth: BandwidthLimits,
    /// The ports of relay sockets; other numbers are for those who need no socket.
    pub relay_ports: RangeInclusive<u16>,
    /// How many answers unproved senders may get; lifted by default.
    pub answers: AnswerLimits,
}

impl Setup {
    /// Two workers, sessions for partners only, and one `public` user named `user`.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            workers: 2,
            password_algorithms: vec![PasswordAlgorithm::Md5],
            username_anonymity: false,
            session_peers: PeerPolicy::Partner,
            shared_secrets: Vec::new(),
            users: vec![("user", PeerPolicy::Public)],
            allow: Vec::new(),
            deny: Vec::new(),
            back_ends: Vec::new(),
            nat64: Vec::new(),
            old_channels: false,
            icmp: false,
            tcp: false,
            mobility: true,
            limits: AllocationLimits { per_side: 16, per_prefix: 256, total: 10_000 },
            own_ips: vec![RELAY_V4, RELAY_V6],
            bandwidth: BandwidthLimits::default(),
            relay_ports: RELAY_PORTS,
            answers: AnswerLimits::default(),
        }
    }

    /// What a server of this worker is told, for a test that drives one by itself.
    pub fn config(&self, worker: WorkerId) -> Config {
        let users = self.users.iter().map(|(name, peers)| {
            let credential = user_credential(name);
            StaticUser::new(&credential.username, REALM, &credential.password, *peers)
        });
        let secrets = self.shared_secrets.iter();
        let any = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
        let listening = any.map(|ip| SocketAddr::new(ip, RELAY_PORT)).to_vec();
        let by_stream = any.into_iter().map(|ip| SocketAddr::new(ip, RELAY_STREAM_PORT));
        Config {
            realm: REALM.into(),
            session_key: SessionKey::new(SESSION_KEY),
            password_algorithms: self.password_algorithms.clone(),
            username_anonymity: self.username_anonymity,
            session_peers: self.session_peers,
            shared_secrets: secrets.map(|secret| SharedSecret::new(secret.as_bytes())).collect(),
            users: users.collect(),
            addresses: AddressPolicy {
                rules: Rules {
                    allow: self.allow.clone(),
                    deny: self.deny.clone(),
                    back_ends: self.back_ends.clone(),
                    nat64: self.nat64.clone(),
                },
                listening: by_stream.chain(listening.iter().copied()).collect(),
                answering: listening,
                own_ips: self.own_ips.clone(),
            },
            external: Vec::new(),
            discovery: Vec::new(),
            answers: self.answers,
            relay_ports: self.relay_ports.clone(),
            old_channels: self.old_channels,
            icmp: self.icmp,
            tcp: self.tcp,
            mobility: self.mobility.then(|| TicketKey::new(SESSION_KEY)),
            lifetime_max: Duration::from_secs(3600),
            worker,
            workers: self.workers,
        }
    }
}

/// The credential of a static user.
pub(crate) fn user_credential(name: &str) -> Credential {
    Credential { username: name.into(), password: format!("the password of {name}") }
}

const REALM: &str = "ginnel";

/// What session credentials are made with.
pub(crate) const SESSION_KEY: [u8; 32] = [7; 32];

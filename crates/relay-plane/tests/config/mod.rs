//! What a relay under test is told where a test has no wish of its own. Not a test.

use std::time::Duration;

use relay_plane::Config;
use turn_core::{
    AddressPolicy, AllocationLimits, AnswerLimits, BandwidthLimits, PeerPolicy, SessionKey, WorkerId,
};

/// A closed relay that listens nowhere yet, with two workers, and answers as many questions as come.
pub(crate) fn closed() -> Config {
    Config {
        listen: Vec::new(),
        web: Vec::new(),
        dtls: None,
        inherited: Vec::new(),
        listen_streams: Vec::new(),
        workers: 2,
        limits: AllocationLimits { per_side: 16, per_prefix: 256, total: 10_000 },
        bandwidth: BandwidthLimits::default(),
        turn: turn_core::Config {
            realm: REALM.into(),
            session_key: SessionKey::new([7; 32]),
            password_algorithms: Vec::new(),
            username_anonymity: false,
            session_peers: PeerPolicy::Partner,
            shared_secrets: Vec::new(),
            users: Vec::new(),
            addresses: AddressPolicy::default(),
            external: Vec::new(),
            discovery: Vec::new(),
            answers: AnswerLimits::default(),
            relay_ports: 49152..=65535,
            old_channels: false,
            icmp: false,
            tcp: false,
            mobility: None,
            lifetime_max: Duration::from_secs(3600),
            worker: WorkerId(0),
            workers: 1,
        },
    }
}

pub(crate) const REALM: &str = "ginnel";

/// How long a test waits for what takes next to no time where nothing else runs: a machine may be busy. Less
/// than the half minute after which a connection of a peer ends that nobody takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(25);

//! `[relay]`: who may relay what to where.
//!
//! It reads the rules; `turn-core` applies them.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use turn_core::{Nat64, PasswordAlgorithm};

use super::discovery::Discovery;
use super::draft::{Draft, Item, Place, Value, nearest};
use super::keys::{USER_FIELDS, USER_PEERS};
use super::listen::Listen;
use super::passwords::{read_password, read_shared_secrets};
use super::range::Range;
use super::source::{Folders, Secret};
use super::{nat64, turn_urls};
use crate::limits::{REALM_BYTES_MAX, USER_NAME_BYTES_MAX};

/// The relay's rules.
pub struct Relay {
    /// TURN realm.
    pub realm: String,
    /// TURN URLs that clients are given; empty: by our name and ports.
    pub urls: Vec<String>,
    /// UDP ports of relay sockets.
    pub ports: RangeInclusive<u16>,
    /// Policy of session credentials.
    pub peers: Peers,
    /// Opened to `public` credentials.
    pub allow: Vec<Range>,
    /// Closed to `public` credentials; stronger than `allow`.
    pub deny: Vec<Range>,
    /// Prefixes by which the networks around reach IPv4.
    pub nat64: Vec<Nat64>,
    /// Whether clients with relay sockets are told of ICMP errors.
    pub icmp: bool,
    /// Whether all `public` credentials may relay TCP.
    pub tcp_allocations: bool,
    /// Whether channel numbers above 0x4FFF are admitted.
    pub old_channels: bool,
    /// Where newcomers are sent while the relay drains, at most one a family.
    pub alternates: Vec<SocketAddr>,
    /// Where NAT behaviour discovery is answered, at most once a family.
    pub discovery: Vec<Discovery>,
    /// Whether clients may take their allocations along to another address.
    pub mobility: bool,
    /// Where the shared secrets stand.
    pub secret_file: Option<PathBuf>,
    /// Secrets shared with other software; the first is the one to mint with.
    pub shared_secrets: Vec<Secret>,
    /// Static users.
    pub users: Vec<User>,
    /// How clients may make keys from passwords; never empty.
    pub password_algorithms: Vec<PasswordAlgorithm>,
    /// Clients are asked to hash their user name.
    pub username_anonymity: bool,
    /// How much of everything.
    pub limits: Limits,
}

/// Whom a credential's packets may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peers {
    /// The other side of the session.
    Partner,
    /// Any allocation of this appliance.
    Appliance,
    /// The Internet, by the rules.
    Public,
}

/// A static user. Its name and password are for protocol work only.
#[derive(Clone)]
pub struct User {
    /// User name, without a colon.
    pub name: String,
    /// Password.
    pub password: Secret,
    /// [`Peers::Appliance`] or [`Peers::Public`].
    pub peers: Peers,
    /// Whether it may relay TCP whatever holds for others; for [`Peers::Public`] only.
    pub tcp: bool,
}

/// Limits of the relay; `None`: no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Allocations of one side of a session.
    pub allocations_per_side: Option<u32>,
    /// Allocations of one /24 or /48.
    pub allocations_per_prefix: Option<u32>,
    /// Allocations in all.
    pub allocations: Option<u32>,
    /// Bits a second of one side of a session, each way.
    pub session_bps: Option<u32>,
    /// Bits a second in all.
    pub total_bps: Option<u32>,
    /// Answers a second to one unproved address.
    pub answers_per_address_s: Option<u32>,
    /// Answers a second to one unproved /24 or /48.
    pub answers_per_prefix_s: Option<u32>,
    /// Answers a second to everybody unproved.
    pub answers_total_s: Option<u32>,
    /// Longest lifetime of an allocation between refreshes, in seconds.
    pub lifetime_max_s: u32,
}

impl Relay {
    pub(super) fn read(
        draft: &mut Draft,
        listen: &Listen,
        folders: &Folders,
        notices: &mut Vec<String>,
    ) -> Self {
        let realm = draft.text("relay.realm");
        if realm.is_empty() || realm.len() > REALM_BYTES_MAX || realm.contains(['"', '\\', ':']) {
            let right = format!("write 1 to {REALM_BYTES_MAX} bytes without quotes, backslash and colon");
            draft.refuse("relay.realm", draft.place("relay.realm"), "is not a realm", &right);
        }
        let (secret_file, shared_secrets) = read_shared_secrets(draft, folders);
        let username_anonymity = read_anonymity(draft, secret_file.is_some());
        Self {
            realm,
            urls: turn_urls::read(draft),
            ports: read_ports(draft, listen),
            peers: Peers::parse(&draft.text("relay.peers")).expect("the key is a choice of these words"),
            allow: Range::read_all(draft, "relay.allow"),
            deny: Range::read_all(draft, "relay.deny"),
            nat64: nat64::read(draft),
            icmp: draft.switch("relay.icmp"),
            tcp_allocations: draft.switch("relay.tcp_allocations"),
            old_channels: draft.switch("relay.old_channels"),
            alternates: read_alternates(draft),
            discovery: Vec::new(),
            mobility: draft.switch("relay.mobility"),
            secret_file,
            shared_secrets,
            users: read_users(draft, folders),
            password_algorithms: read_algorithms(draft, notices),
            username_anonymity,
            limits: Limits::read(draft),
        }
    }

    /// Whether anybody may reach the Internet.
    pub fn reaches_outside(&self) -> bool {
        self.peers == Peers::Public
            || !self.shared_secrets.is_empty()
            || self.users.iter().any(|user| user.peers == Peers::Public)
    }

    /// For whom the relay is open, in a sentence for the operator.
    pub fn openness(&self) -> String {
        let public = self.users.iter().filter(|user| user.peers == Peers::Public).count();
        let mut sentence = match self.peers {
            Peers::Partner => "The relay is closed: it carries packets between the two of a session only.",
            Peers::Appliance => "The relay is closed: it carries packets between its own clients only.",
            Peers::Public => {
                "The relay is open: everyone who is paired here may reach the Internet through it."
            }
        }
        .to_owned();
        if !self.users.is_empty() {
            let users = self.users.len();
            let noun = if users == 1 { "static user has" } else { "static users have" };
            sentence.push_str(&format!(" {users} {noun} a password, {public} of them for the Internet."));
        }
        let tcp = self.users.iter().filter(|user| user.tcp).count();
        let noun = if tcp == 1 { "user" } else { "users" };
        match (self.tcp_allocations, tcp) {
            (true, _) => sentence.push_str(" Who may reach the Internet may relay TCP."),
            (false, 0) => {}
            (false, _) => sentence.push_str(&format!(" {tcp} static {noun} may relay TCP.")),
        }
        match self.shared_secrets.len() {
            0 => {}
            1 => sentence.push_str(" Whoever holds the shared secret may reach the Internet."),
            several => {
                sentence.push_str(&format!(
                    " Whoever holds one of the {several} shared secrets may reach the Internet."
                ));
            }
        }
        sentence
    }
}

impl Peers {
    fn parse(word: &str) -> Option<Self> {
        match word {
            "partner" => Some(Self::Partner),
            "appliance" => Some(Self::Appliance),
            "public" => Some(Self::Public),
            _ => None,
        }
    }
}

impl Limits {
    fn read(draft: &Draft) -> Self {
        let limit = |key| Some(draft.number(key)).filter(|limit| *limit > 0);
        Self {
            allocations_per_side: limit("relay.limits.allocations_per_side"),
            allocations_per_prefix: limit("relay.limits.allocations_per_prefix"),
            allocations: limit("relay.limits.allocations"),
            session_bps: limit("relay.limits.session_bps"),
            total_bps: limit("relay.limits.total_bps"),
            answers_per_address_s: limit("relay.limits.answers_per_address_s"),
            answers_per_prefix_s: limit("relay.limits.answers_per_prefix_s"),
            answers_total_s: limit("relay.limits.answers_total_s"),
            lifetime_max_s: draft.number("relay.limits.lifetime_max_s"),
        }
    }
}

fn read_ports(draft: &mut Draft, listen: &Listen) -> RangeInclusive<u16> {
    let key = "relay.ports";
    let place = draft.place(key);
    let text = draft.text(key);
    let parsed = text
        .split_once('-')
        .and_then(|(low, high)| Some((low.trim().parse::<u16>().ok()?, high.trim().parse::<u16>().ok()?)));
    let Some((low, high)) = parsed else {
        draft.refuse(key, place, "is not a range of ports", "write it like \"49152-65535\", up to 65535");
        return PORTS_DEFAULT;
    };
    if low > high {
        draft.refuse(key, place, "has its ends swapped", "write the lower port first");
    } else if low < 1_024 {
        draft.refuse(key, place, "reaches below port 1024", "start at 1024 or higher");
    } else if let Some((other, port)) = listen.ports().find(|(_, port)| (low..=high).contains(port)) {
        if place == Place::Default {
            let wrong = format!("takes port {port}, which is one of relay.ports");
            draft.refuse(other, draft.place(other), &wrong, "choose another port or move relay.ports");
        } else {
            let wrong = format!("holds port {port}, which {other} takes");
            draft.refuse(key, place, &wrong, &format!("move the range or {other}"));
        }
    }
    low..=high
}

fn read_alternates(draft: &mut Draft) -> Vec<SocketAddr> {
    let key = "relay.alternates";
    let mut servers: Vec<SocketAddr> = Vec::new();
    for (text, place) in draft.texts(key) {
        let server = text.parse::<SocketAddr>().ok().filter(|at| {
            let canonical = at.ip().to_canonical() == at.ip();
            canonical && !at.ip().is_unspecified() && !at.ip().is_multicast() && at.port() != 0
        });
        let Some(server) = server else {
            let right =
                "write an address and a port, like \"192.0.2.9:3478\"; a name cannot be told to clients";
            draft.refuse(key, place, "is not the address of a server", right);
            continue;
        };
        if servers.iter().any(|other| other.is_ipv4() == server.is_ipv4()) {
            draft.refuse(key, place, "is a second server of its family", "keep one");
            continue;
        }
        servers.push(server);
    }
    servers
}

fn read_algorithms(draft: &mut Draft, notices: &mut Vec<String>) -> Vec<PasswordAlgorithm> {
    let key = "relay.password_algorithms";
    let mut algorithms = Vec::new();
    for (word, place) in draft.texts(key) {
        let algorithm = match word.as_str() {
            "md5" => PasswordAlgorithm::Md5,
            "sha256" => PasswordAlgorithm::Sha256,
            _ => {
                draft.refuse(key, place, "has a word that is no algorithm", "write \"md5\" or \"sha256\"");
                continue;
            }
        };
        if algorithms.contains(&algorithm) {
            draft.refuse(key, place, "has an algorithm twice", "remove one of the two");
            continue;
        }
        algorithms.push(algorithm);
    }
    if draft.entries(key).is_empty() {
        draft.refuse(key, draft.place(key), "has no algorithm", "write [\"md5\"], or remove it");
    } else if !algorithms.contains(&PasswordAlgorithm::Md5) {
        notices.push(
            "relay.password_algorithms has no \"md5\", and browsers know no other: \
             they can't use the relay"
                .to_owned(),
        );
    }
    algorithms
}

/// Whom other software sends with a name of its own making is not found by hash.
fn read_anonymity(draft: &mut Draft, has_secrets: bool) -> bool {
    let key = "relay.username_anonymity";
    let wanted = draft.switch(key);
    if wanted && has_secrets {
        let remedy = "remove one of the two: only static users are found by a hash of their name";
        draft.refuse(key, draft.place(key), "does not go with relay.secret_file", remedy);
    }
    wanted
}

fn read_users(draft: &mut Draft, folders: &Folders) -> Vec<User> {
    let mut users: Vec<(User, Place)> = Vec::new();
    for entry in draft.entries(KEY).to_vec() {
        let Some(user) = read_user(draft, folders, &entry) else { continue };
        if let Some((_, place)) = users.iter().find(|(other, _)| other.name == user.name) {
            let first = match place {
                Place::Line(line) => format!("rename or remove one; the first is in line {line}"),
                _ => "rename or remove one".to_owned(),
            };
            draft.refuse(KEY, entry.place, "has the name of another user", &first);
            continue;
        }
        users.push((user, entry.place));
    }
    users.into_iter().map(|(user, _)| user).collect()
}

/// One entry; nothing if it was refused.
fn read_user(draft: &mut Draft, folders: &Folders, entry: &Item) -> Option<User> {
    let Value::Table(fields) = &entry.value else { unreachable!("the kind of the key") };
    let known = |name: &str| USER_FIELDS.iter().any(|(field, _)| *field == name);
    if let Some((name, item)) = fields.iter().find(|(name, _)| !known(name)) {
        let right = match nearest(name, USER_FIELDS.iter().map(|(field, _)| *field)) {
            Some(meant) => format!("did you mean {meant}?"),
            None => "a user has name, password_file, peers and tcp".to_owned(),
        };
        draft.refuse(KEY, item.place, "has a field that users do not have", &right);
        return None;
    }
    let mut field = |name: &str| match fields.iter().find(|(field, _)| field == name) {
        Some((_, Item { value: Value::Text(text), place })) => Some((text.clone(), *place)),
        Some((_, item)) => {
            draft.refuse(KEY, item.place, &format!("{name} is not a text"), "put it in quotes");
            None
        }
        None if name == "peers" => Some(("appliance".to_owned(), Place::Default)),
        None => {
            draft.refuse(
                KEY,
                entry.place,
                &format!("a user has no {name}"),
                &format!("add {name} = \"...\""),
            );
            None
        }
    };
    let (name, file, peers) = (field("name"), field("password_file"), field("peers"));
    let name = name.and_then(|(name, place)| check_name(draft, name, place));
    let password = file.and_then(|(file, place)| read_password(draft, folders, KEY, &file, place));
    let peers = peers.and_then(|(word, place)| {
        let known = USER_PEERS.contains(&word.as_str()).then(|| Peers::parse(&word)).flatten();
        if known.is_none() {
            let right = "write \"appliance\" or \"public\"; a static user has no session and so no partner";
            draft.refuse(KEY, place, "peers is not what a user can have", right);
        }
        known
    });
    let (peers, tcp) = (peers?, fields.iter().find(|(field, _)| field == "tcp"));
    let tcp = tcp.map_or(Some(false), |(_, item)| read_tcp(draft, item, peers));
    Some(User { name: name?, password: password?, peers, tcp: tcp? })
}

/// Whether a user may relay TCP; nothing if that was refused.
fn read_tcp(draft: &mut Draft, item: &Item, peers: Peers) -> Option<bool> {
    let (wrong, right) = match item.value {
        Value::Switch(true) if peers != Peers::Public => {
            ("tcp is for users whose peers are public", "add peers = \"public\", or remove tcp")
        }
        Value::Switch(tcp) => return Some(tcp),
        _ => ("tcp is neither true nor false", "write tcp = true, or remove it"),
    };
    draft.refuse(KEY, item.place, wrong, right);
    None
}

fn check_name(draft: &mut Draft, name: String, place: Place) -> Option<String> {
    // A colon, or nothing but digits, marks the names of credentials that expire.
    let valid = (1..=USER_NAME_BYTES_MAX).contains(&name.len())
        && !name.contains(|c: char| c == ':' || c.is_control())
        && !name.bytes().all(|byte| byte.is_ascii_digit());
    if !valid {
        let right = format!("write 1 to {USER_NAME_BYTES_MAX} bytes without a colon, not digits only");
        draft.refuse(KEY, place, "name is not a user name", &right);
    }
    valid.then_some(name)
}

const KEY: &str = "relay.user";

/// Stands in for a refused range while the rest is read.
const PORTS_DEFAULT: RangeInclusive<u16> = 49_152..=65_535;

//! Every bound of the matcher, by name, with its unit last.
//!
//! What an operator may turn is in [`Limits`] and [`Config`]; what the protocol fixes is a constant. A bound
//! that belongs to sockets (connections per address, buffers) is the transport's.

use std::time::Duration;

use crate::message::Exposure;

/// What the matcher is told by its operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Whether rooms may be opened and joined.
    pub rooms: bool,
    /// How many meet in a room; held between 2 and [`ROOM_SIZE_MAX`].
    pub room_size: u8,
    /// How long a client that lost its transport may come back, in seconds.
    pub resume_s: u64,
    /// Which candidates strangers may be shown.
    pub exposure: Exposure,
    /// Which candidates the members of a room may be shown.
    pub room_exposure: Exposure,
    /// Whether only those may come in whose token the transport has found to be good.
    pub require_token: bool,
    /// How long a ban lasts, in seconds.
    pub ban_s: u64,
    /// How long a key of tags is in use, in seconds.
    pub rotate_s: u64,
    /// Whether payloads must be sealed; if not, what is sent in the clear has to pass the gate.
    pub require_sealed: bool,
    /// How long a session and its credentials last at most, in seconds.
    pub session_ttl_s: u64,
    /// Within how many seconds of its end a session is forgotten; told in `welcome`. Partners met and
    /// credentials to be refused are remembered longer, as numbers that name nobody.
    pub retention_s: u64,
    /// The adjustable bounds.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            rooms: true,
            room_size: 2,
            resume_s: 30,
            exposure: Exposure::Consent,
            room_exposure: Exposure::Consent,
            require_token: false,
            ban_s: 3600,
            rotate_s: 86_400,
            require_sealed: false,
            session_ttl_s: 12 * 3600,
            retention_s: 5,
            limits: Limits::default(),
        }
    }
}

/// The adjustable bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; further ones are told `server-full`.
    pub connections_max: usize,
    /// Clients that lost their transport and may come back, at once; further ones are forgotten.
    pub lost_max: usize,
    /// Waiting tickets at once; further ones are told `queue-full`.
    pub waiting_max: usize,
    /// Open rooms at once; further ones are told `server-full`.
    pub rooms_max: usize,
    /// What payloads held for all clients may take, in bytes; beyond it those for whom the most is held lose
    /// it, and cannot come back to the sessions that it belongs to.
    pub held_total_bytes_max: usize,
    /// What a connection may send on average, in messages per second.
    pub messages_per_s: u32,
    /// What a connection may send at once after a silence, in messages.
    pub burst_messages: u32,
    /// How many messages over the budget are answered before the connection is closed.
    pub excess_messages_max: u32,
    /// Searches for a partner from one IPv4 address or IPv6 /64, on average, per second; a tenth of it more
    /// for each client that is there.
    pub searches_per_s: u32,
    /// From there, at once after a silence; as much more for every ten clients that are there.
    pub burst_searches: u32,
    /// How long a ticket waits for a partner, in milliseconds.
    pub waiting_ms_max: u64,
    /// How long a room waits with one member, in milliseconds.
    pub room_ms_max: u64,
    /// How long a greeted connection may do nothing, in milliseconds.
    pub idle_ms_max: u64,
    /// After how long a ticket does without a shared tag, then without a shared language, then without the
    /// same media; in milliseconds, ascending.
    pub widen_ms: [u64; 3],
    /// After how long a ticket takes a partner it met within the hour, if nobody else fits; in milliseconds.
    pub rematch_ms: u64,
    /// What comes in for free.
    pub work: WorkLimits,
}

/// How many clients come in without work. Those who are there already notice nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkLimits {
    /// In all, on average, in clients per second.
    pub total_per_s: u32,
    /// In all, at once after a silence, in clients.
    pub total_burst: u32,
    /// From one IPv4 address or IPv6 /64, on average, in clients per second.
    pub place_per_s: u32,
    /// From there, at once after a silence, in clients.
    pub place_burst: u32,
    /// What everybody has to do, however few come, in bits; 0: nothing. At most [`WORK_BITS_MAX`].
    pub bits_min: u8,
}

impl Default for WorkLimits {
    fn default() -> Self {
        Self { total_per_s: 200, total_burst: 2_000, place_per_s: 5, place_burst: 300, bits_min: 0 }
    }
}

impl Limits {
    /// The widening step of a ticket that has waited this long: 0 asks for a shared tag, 3 for nothing.
    pub(crate) fn step(&self, waited: Duration) -> usize {
        self.widen_ms.iter().filter(|ms| waited >= Duration::from_millis(**ms)).count()
    }

    /// When, counted from the start of waiting, something about a ticket changes next; `None` when nothing
    /// will.
    pub(crate) fn next_change(&self, waited: Duration) -> Option<Duration> {
        let changes = self.widen_ms.iter().chain([&self.rematch_ms]);
        changes.map(|ms| Duration::from_millis(*ms)).filter(|at| *at > waited).min()
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 20_000,
            lost_max: 5_000,
            waiting_max: 20_000,
            rooms_max: 10_000,
            held_total_bytes_max: 64 << 20,
            messages_per_s: 20,
            burst_messages: 60,
            excess_messages_max: 40,
            searches_per_s: 1,
            burst_searches: 60,
            waiting_ms_max: 30 * 60 * 1000,
            room_ms_max: 12 * 3600 * 1000,
            idle_ms_max: 3600 * 1000,
            widen_ms: [2_000, 4_000, 8_000],
            rematch_ms: 3_000,
            work: WorkLimits::default(),
        }
    }
}

/// One message, in bytes of UTF-8.
pub const MESSAGE_BYTES_MAX: usize = 32 * 1024;
/// How deep a message may nest, in brackets.
pub const JSON_DEPTH_MAX: usize = 16;
/// How much a message may list in all, in commas: several times what the candidates of one take.
pub const JSON_COMMAS_MAX: usize = 1_024;
/// The malformed message that closes a connection, counted from one.
pub const MALFORMED_MAX: u8 = 3;
/// From the opening of a connection to its `hello`, in milliseconds.
pub const HELLO_MS_MAX: u64 = 5_000;
/// Tags of a ticket.
pub const TAGS_MAX: usize = 8;
/// Languages of a ticket.
pub const LANGS_MAX: usize = 4;
/// A tag, in bytes of UTF-8.
pub const TAG_BYTES_MAX: usize = 64;
/// A language tag, in bytes (RFC 5646 asks for room for 35).
pub const LANG_BYTES_MAX: usize = 35;
/// Members of a room: each sends its media to every other, which is more than most links carry.
pub const ROOM_SIZE_MAX: u8 = 8;
/// Places of a room whose opener does not say how many.
pub const OPEN_SIZE_DEFAULT: u8 = 2;
/// Sessions a returning client may name.
pub const RESUMED_SESSIONS_MAX: usize = ROOM_SIZE_MAX as usize;
/// Payloads held for one client.
pub const HELD_MESSAGES_MAX: usize = 64;
/// Payloads held for one client, in bytes.
pub const HELD_BYTES_MAX: usize = 256 * 1024;
/// What a held payload costs beside its text, in bytes.
pub const HELD_OVERHEAD_BYTES: usize = 128;
/// How long a payload is held for a client that is there, in milliseconds: longer than a dead transport goes
/// unnoticed.
pub const HELD_MS_MAX: u64 = 60_000;
/// After how long to try again, when the partner is lost and no more can be held, in milliseconds.
pub const HELD_RETRY_MS: u64 = 2_000;
/// Within how long those who are sent away come back, in milliseconds: not all at once.
pub const DRAIN_MS_MAX: u64 = 5_000;
/// How recently the relay must have moved something for a call to count as working, in milliseconds.
pub const RELAYED_MS: u64 = 30_000;
/// How long two people who met are kept apart while others wait, in milliseconds.
pub const RECENT_MS_MAX: u64 = 3600 * 1000;
/// Partners a connection remembers in order not to meet them again.
pub const RECENT_PARTNERS_MAX: usize = 32;
/// A token of admission, in bytes.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// The nonce of a proof, in bytes.
pub const NONCE_BYTES_MAX: usize = 32;
/// How long a challenge stands, in seconds.
pub const CHALLENGE_S: u64 = 60;
/// The least work that is asked for, in bits: a moment for a browser.
pub const WORK_BITS_MIN: u8 = 12;
/// The most, in bits: about half a minute for a phone.
pub const WORK_BITS_MAX: u8 = 20;
/// More clients than this at once within the hour, and a place is an office's or a carrier's.
pub const CROWD_CLIENTS: usize = 4;
/// How many networks must have reported a place within the hour to ban it.
pub const REPORTERS_TO_BAN: usize = 3;
/// Reports that one place may make within the hour.
pub const REPORTS_PER_REPORTER_MAX: usize = 5;
/// How long a session must have lasted for a report of it to count, in milliseconds.
pub const REPORT_AFTER_MS: u64 = 20_000;
/// How long after its end a session may be reported, in milliseconds: as long as partners are remembered.
pub const REPORTABLE_MS_MAX: u64 = RECENT_MS_MAX;
/// After how long to try again, when somebody has reported too often, in milliseconds.
pub const REPORT_RETRY_MS: u64 = 600_000;
/// So many clients of a place add to its budget of searches as much as it has without them.
pub const SEARCHERS_SHARE: u64 = 10;
/// How long a place's searches are remembered, in milliseconds.
pub const SEARCHES_MS_MAX: u64 = 120_000;
/// After how long to try again at most, when a place has searched too often, in milliseconds.
pub const SEARCH_RETRY_MS_MAX: u64 = 60_000;
/// Places of one network (/24, IPv6: /48) remembered, for each kind of record; further ones share one.
pub const NETWORK_RECORDS_MAX: usize = TAG_RECORDS_MAX / 64;
/// Places remembered, for each kind of record.
pub const TAG_RECORDS_MAX: usize = 32_768;
/// How long arrivals and reports are remembered, in milliseconds.
pub const TAG_RECORDS_MS_MAX: u64 = 3600 * 1000;
/// How often records that are over are looked for, in milliseconds.
pub const SWEEP_MS: u64 = 60_000;
/// Candidates a side may send per description, those inside the description included.
pub const CANDIDATES_MAX: u32 = 20;
/// Lines of an SDP.
pub const SDP_LINES_MAX: usize = 600;
/// Media sections of an SDP.
pub const SDP_MEDIA_MAX: usize = 16;
/// A line of an SDP, in bytes.
pub const SDP_LINE_BYTES_MAX: usize = 1024;
/// A candidate, in bytes.
pub const CANDIDATE_BYTES_MAX: usize = 512;

/// The lowest port that a candidate may name. Below are services; browsers and NATs give out higher ones
/// (RFC 4787 REQ-3), and so does the relay.
pub const CANDIDATE_PORT_MIN: u32 = 1024;

const _: () = assert!(SDP_LINE_BYTES_MAX >= CANDIDATE_BYTES_MAX + "a=".len());
const _: () = assert!(SDP_LINE_BYTES_MAX <= MESSAGE_BYTES_MAX);

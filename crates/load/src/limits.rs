//! Every bound of a load, by name, with its unit last: whatever it is asked for, it has an end and a size.

/// Connections of one load.
pub const CONNECTIONS_MAX: usize = 50_000;
/// How long one measurement lasts, in seconds.
pub const SECONDS_MAX: u64 = 300;
/// Arrivals or messages a second.
pub const RATE_MAX: u32 = 100_000;
/// Arrival rates of one load.
pub const RATES_MAX: usize = 16;
/// A relayed payload, in characters; a message of 32,768 bytes has to hold it.
pub const BODY_BYTES_MAX: usize = 32_000;
/// A relayed payload, in characters: when it was sent, and its number.
pub const BODY_BYTES_MIN: usize = 32;

/// Handshakes under way at once: below what a server refuses.
pub(crate) const HANDSHAKES_MAX: usize = 64;
/// How long a connection may take to be greeted, work included, in seconds.
pub(crate) const GREETING_S_MAX: u64 = 60;
/// How long the last answers may take, in seconds.
pub(crate) const DRAIN_S_MAX: u64 = 5;
/// How long a server gets to give back what opening a crowd took, in milliseconds.
pub(crate) const SETTLE_MS: u64 = 1_000;
/// Connections from one loopback address: below what a server grants one address without work.
pub(crate) const CONNECTIONS_PER_SOURCE: usize = 250;
/// What a client's WebSocket reads at once, in bytes.
pub(crate) const READ_BUFFER_BYTES: usize = 4 * 1024;
/// One message, in bytes.
pub(crate) const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// What a server is meant to match at least for each second of one processor.
pub(crate) const GOAL_MATCHES_PER_CPU_S: f64 = 5_000.0;
/// How long 99 in a hundred of those who find somebody waiting are meant to wait at most, in milliseconds.
pub(crate) const GOAL_TO_MATCH_MS: f64 = 20.0;
/// What `/metrics` may answer, in bytes.
pub(crate) const METRICS_BYTES_MAX: u64 = 1 << 20;
/// The most work that is done for one connection, in bits: a minute or so.
pub(crate) const WORK_BITS_MAX: u8 = 24;

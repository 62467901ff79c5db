//! Every bound of this crate.
//!
//! Bounds that an operator's situation decides are arguments ([`crate::web::Caps`]), not here.

/// From a connection's acceptance until its decrypted stream is taken by the reader of the queue.
pub(crate) const HANDSHAKE_MS_MAX: u64 = 5_000;

/// Decrypted streams that wait for the reader of the queue. It empties within microseconds; a longer queue
/// would only hide that it does not.
pub(crate) const DECRYPTED_QUEUE_MAX: usize = 64;

/// Connections the kernel completes before we accept them.
pub(crate) const BACKLOG_CONNECTIONS_MAX: i32 = 1_024;

/// Pause after an accept that failed for want of descriptors or memory: until one is free, the same
/// connection would be offered again at once, and the loop would eat a core.
pub(crate) const ACCEPT_BACK_OFF_MS: u64 = 100;

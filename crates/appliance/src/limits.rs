//! Every bound of this crate.
//!
//! What an operator may choose is bounded in the table of keys (`settings/keys.rs`).

/// A configuration file; thousands of address ranges fit.
pub(crate) const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// Entries of one list in the configuration.
pub(crate) const LIST_ENTRIES_MAX: usize = 1_024;

/// A password file. TURN has no use for longer ones, and a mistaken path should not be read whole.
pub(crate) const PASSWORD_FILE_BYTES_MAX: u64 = 1_024;

/// A password of a static user: it protects a relay that the whole Internet can try.
pub(crate) const PASSWORD_BYTES_MIN: usize = 8;

/// RFC 8489 §14.3: a user name is shorter than 509 bytes.
pub(crate) const USER_NAME_BYTES_MAX: usize = 508;

/// RFC 8489 §14.9: a realm is shorter than 128 characters; in bytes, so that a challenge stays small.
pub(crate) const REALM_BYTES_MAX: usize = 127;

/// A certificate chain or a private key in PEM.
pub(crate) const PEM_BYTES_MAX: u64 = 256 << 10;

/// RFC 1035 §2.3.4: a host name.
pub(crate) const HOST_NAME_BYTES_MAX: usize = 253;

/// Keys that differ in more places than this are not each other's misspelling.
pub(crate) const TYPING_MISTAKES_MAX: usize = 2;

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

/// A file of shared secrets, one a line.
pub(crate) const SHARED_SECRETS_FILE_BYTES_MAX: u64 = 4_096;

/// A shared secret: whoever finds it out, off line and at leisure, has an open relay.
pub(crate) const SHARED_SECRET_BYTES_MIN: usize = 16;

/// Shared secrets: the present one, the next, and what has not yet been replaced everywhere. A wrong password
/// is tried with each.
pub(crate) const SHARED_SECRETS_MAX: usize = 4;

/// A file of tokens of admission, one a line: some twenty thousand.
pub(crate) const TOKENS_FILE_BYTES_MAX: u64 = 1 << 20;

/// A set of keys that verify tokens: with certificates in it, some sixty.
pub(crate) const JWKS_BYTES_MAX: usize = 256 << 10;

/// Keys in such a set.
pub(crate) const JWKS_KEYS_MAX: usize = 64;

/// From the question for such a set to the end of the answer.
pub(crate) const JWKS_FETCH_MS_MAX: u64 = 10_000;

/// The wait after the first time that such a set could not be had; it doubles, up to the usual wait.
pub(crate) const JWKS_BACK_OFF_S: u64 = 5;

/// The shortest wait between two questions when a token names a key that is not in the set.
pub(crate) const JWKS_EARLY_S: u64 = 10;

/// Keys that one token is tried with, where it does not say by a name of one key which it is.
pub(crate) const JWT_KEYS_TRIED_MAX: usize = 4;

/// An RSA key that verifies tokens: a shorter one is too weak (RFC 7518 §3.3).
pub(crate) const RSA_BITS_MIN: usize = 2_048;

/// An RSA key that verifies tokens: a longer one is too much work.
pub(crate) const RSA_BITS_MAX: usize = 8_192;

/// The longest time for which a shared-secret credential is minted here, in seconds: thirty days.
pub(crate) const CREDENTIAL_TTL_S_MAX: u64 = 30 * 86_400;

/// RFC 8489 §14.3: a user name is shorter than 509 bytes.
pub(crate) const USER_NAME_BYTES_MAX: usize = 508;

/// RFC 8489 §14.9: a realm is shorter than 128 characters; in bytes, so that a challenge stays small.
pub(crate) const REALM_BYTES_MAX: usize = 127;

/// A certificate chain or a private key in PEM.
pub(crate) const PEM_BYTES_MAX: u64 = 256 << 10;

/// A file in the state directory: keys, certificates, an account.
pub(crate) const STATE_FILE_BYTES_MAX: u64 = 256 << 10;

/// What is written to see whether the state directory takes files: a long chain of certificates and its key.
pub(crate) const STATE_PROBE_BYTES: usize = 32 << 10;

/// The pause between two tries to write what the state directory did not take.
pub(crate) const STATE_RETRY_S: u64 = 60;

/// How wrong a client's clock may be for it to find our own certificates valid all the same.
pub(crate) const CLOCK_SKEW_S_MAX: u64 = 86_400;

/// A self-signed certificate: people accept it by hand. Apple's systems take none of more than 825 days.
pub(crate) const SELF_SIGNED_S: u64 = 365 * 86_400;

/// What is left of a self-signed certificate when the next one is made.
pub(crate) const SELF_SIGNED_RENEW_S: u64 = 30 * 86_400;

/// A certificate that a browser takes by its hash; it refuses what holds for more than 14 days.
pub(crate) const PAIR_MEMBER_S: u64 = 13 * 86_400;

/// The longest pause between two looks at whether a certificate is due.
pub(crate) const CERTIFICATE_LOOK_S_MAX: u64 = 3_600;

/// The pause between two looks at the files of a certificate.
pub(crate) const FILES_LOOK_S: u64 = 2;

/// Looks in a row at which files are no certificate before it is told: they are written one after the other.
pub(crate) const FILES_SETTLE_LOOKS: u32 = 5;

/// All that one order of a certificate asks of an ACME server, which may look for proofs from several places.
pub(crate) const ACME_EXCHANGE_MS_MAX: u64 = 180_000;

/// The wait after the first time that an ACME server could not be reached; it doubles.
pub(crate) const ACME_BACK_OFF_S: u64 = 5;

/// The wait after the first time that an ACME server refused; public ones allow few refusals an hour.
pub(crate) const ACME_REFUSED_BACK_OFF_S: u64 = 900;

/// The pause between two questions where the services are that this system asks, which are no peers.
pub(crate) const BACK_ENDS_LOOK_S: u64 = 300;

/// One such question.
pub(crate) const BACK_END_LOOK_MS_MAX: u64 = 10_000;

/// Addresses of one such service.
pub(crate) const BACK_END_ADDRESSES_MAX: usize = 32;

/// URLs of the relay that clients are given. Firefox warns from five on, that finding addresses takes long.
pub(crate) const TURN_URLS_MAX: usize = 8;

/// The longest wait between two orders.
pub(crate) const ACME_BACK_OFF_S_MAX: u64 = 21_600;

/// An ACME error type in a log line.
pub(crate) const ACME_PROBLEM_BYTES_MAX: usize = 40;

/// RFC 1035 §2.3.4: a host name.
pub(crate) const HOST_NAME_BYTES_MAX: usize = 253;

/// Keys that differ in more places than this are not each other's misspelling.
pub(crate) const TYPING_MISTAKES_MAX: usize = 2;

/// Log lines that wait for the writer; more are lost and counted, because a relay must not wait for a log.
pub(crate) const LOG_QUEUE_LINES_MAX: usize = 4_096;

/// At the end the log gets this long to take what is queued.
pub(crate) const LOG_FLUSH_MS_MAX: u64 = 500;

/// An admin request's header, and the pause between two requests.
pub(crate) const ADMIN_HEADER_MS_MAX: u64 = 5_000;

/// A connection to the admin listener, whatever it does.
pub(crate) const ADMIN_CONNECTION_MS_MAX: u64 = 60_000;

/// Between two looks at whether the last allocation has ended.
pub(crate) const DRAIN_LOOK_MS: u64 = 200;

/// Connections to the admin listener: scrapers and health checks.
pub(crate) const ADMIN_CONNECTIONS_MAX: usize = 64;

/// Connections to the `web`, `turn` and `turns` listeners, each, however small the machine is.
pub(crate) const TURN_CONNECTIONS_MIN: usize = 128;

/// Connections to the `web`, `turn`, `turns` and `local` listeners, each; and DTLS associations.
pub(crate) const WEB_CONNECTIONS_MAX: usize = 16_384;

/// Connections of the signaling, however small the machine is.
pub(crate) const SIGNAL_CONNECTIONS_MIN: usize = 128;

/// What may wait for all readers, and as much again for clients that may come back, however small the machine
/// is: thirty times what one of them may have.
pub(crate) const MESSAGES_BYTES_MIN: usize = 8 << 20;

/// The same, however large it is.
pub(crate) const MESSAGES_BYTES_MAX: usize = 256 << 20;

/// Connections to `web`, `turn` and `turns` from one /24 or /48, each. An office, a school or a carrier's NAT
/// looks like one prefix.
pub(crate) const WEB_CONNECTIONS_PER_PREFIX_MAX: usize = 1_024;

/// How long the service manager may take to make room for news.
pub(crate) const NEWS_S_MAX: u64 = 2;

/// Ports tried until one is free for TCP and UDP and not spoken for: by default nearly half of those that
/// Linux gives are for relay sockets.
pub(crate) const PORT_CHOICES_MAX: usize = 64;

/// TLS and DTLS handshakes under way, of each; each costs a signature, so that a flood of them is bounded
/// in memory and time.
pub(crate) const WEB_HANDSHAKES_MAX: usize = 512;

/// Those of one /24 or /48. Four networks are needed to keep newcomers of others out.
pub(crate) const WEB_HANDSHAKES_PER_PREFIX_MAX: usize = WEB_HANDSHAKES_MAX / 4;

const _: () = assert!(WEB_CONNECTIONS_PER_PREFIX_MAX < WEB_CONNECTIONS_MAX);
const _: () = assert!(WEB_HANDSHAKES_PER_PREFIX_MAX < WEB_HANDSHAKES_MAX);
const _: () = assert!(WEB_HANDSHAKES_MAX < WEB_CONNECTIONS_MAX && TURN_CONNECTIONS_MIN < WEB_CONNECTIONS_MAX);

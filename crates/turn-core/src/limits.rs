//! Every bound of the relay's decisions that the configuration does not set, named with its unit.

use std::time::Duration;

/// The shortest and the default lifetime of an allocation, RFC 8656 §3.2 and §7.2.
pub const ALLOCATION_LIFETIME_MIN: Duration = Duration::from_secs(600);

/// How long a permission lasts, RFC 8656 §9: exactly five minutes, not to be changed by configuration.
pub const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);

/// How long a channel binding lasts, RFC 8656 §12.
pub const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);

/// How long a channel number and a peer stay tied to each other after a binding's end, RFC 8656 §12.
pub const CHANNEL_REUSE_DELAY: Duration = Duration::from_secs(300);

/// How long a relayed port rests before somebody else gets it: late packets of its last user must not
/// reach the next one.
pub const PORT_QUARANTINE: Duration = Duration::from_secs(60);

/// How long a nonce is accepted, RFC 8656 §5 suggests at most an hour.
pub const NONCE_LIFETIME: Duration = Duration::from_secs(600);

/// How long an unanswered question about a route waits before it may be asked again.
pub const ROUTE_ASK_INTERVAL: Duration = Duration::from_secs(1);

/// Permissions of one allocation. Browsers hold one per address of the appliance and family.
pub const PERMISSIONS_MAX: usize = 16;

/// Peers of one allocation that have a channel or a route. A partner holds at most 16 allocations; an ICE
/// restart doubles that, and recently ended bindings count for [`CHANNEL_REUSE_DELAY`].
pub const PEERINGS_MAX: usize = 64;

/// XOR-PEER-ADDRESS attributes that one CreatePermission may carry.
pub const PEERS_PER_REQUEST_MAX: usize = 16;

/// Token buckets in each table of answer budgets, of 8 bytes. Two floods that share one share its budget.
pub const ANSWER_SLOTS: usize = 1 << 14;

/// How many seconds' worth of answers may leave at once: a page opens with a handful of questions.
pub const ANSWER_BURST_S: u32 = 2;

/// Ports that are tried for one relay socket before 508: another program may hold some of the range.
pub const RELAY_BIND_ATTEMPTS_MAX: u8 = 8;

/// Sessions that are remembered as ended. The oldest is forgotten first, which lets its two sides, once
/// more and only with each other, use credentials that have not expired.
pub const ENDED_SESSIONS_MAX: usize = 1 << 18;

/// Allocate requests that are remembered when their allocation has ended, of about 50 bytes each.
pub const SPENT_REQUESTS_MAX: usize = 1 << 16;

/// The smallest Allocate without credentials that is answered: a header and REQUESTED-TRANSPORT.
pub const UNAUTHENTICATED_ALLOCATE_BYTES_MIN: usize = 28;

/// Bytes of a challenge's realm, so that a 401 stays within 60 bytes.
pub const REALM_BYTES_MAX: usize = 128;

const _: () = assert!(PERMISSION_LIFETIME.as_secs() < CHANNEL_LIFETIME.as_secs());
const _: () = assert!(PEERS_PER_REQUEST_MAX <= PERMISSIONS_MAX && PERMISSIONS_MAX <= PEERINGS_MAX);
const _: () = assert!(ANSWER_SLOTS.is_power_of_two() && ANSWER_BURST_S > 0);
const _: () = assert!(NONCE_LIFETIME.as_secs() / crate::nonce::TICK_S < u16::MAX as u64);

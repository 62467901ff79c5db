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

/// A network may make so many times as many allocations in that time as it may have at once: a browser makes
/// some for each call, and gives them back when it ends.
pub const TURNOVER_FACTOR: u32 = 4;

/// And so many at least.
pub const TURNOVER_MIN: u32 = 1_024;

/// Networks that are told apart there.
pub const TURNOVER_PLACES: usize = 16_384;

/// How long a nonce is accepted, RFC 8656 §5 suggests at most an hour.
pub const NONCE_LIFETIME: Duration = Duration::from_secs(600);

/// How long an unanswered question about a route waits before it may be asked again.
pub const ROUTE_ASK_INTERVAL: Duration = Duration::from_secs(1);

/// How much longer a peer has to be admitted, where the client did not name it, before it is told: all peers
/// of an address have one permission. Who is told less asks when what it knows is over.
pub const OFFER_NEWS_MIN: Duration = Duration::from_secs(30);

/// Requests of one allocation that are looked at on the long run: one in this time. A browser makes a dozen
/// for each peer when a call begins, and three in some minutes after that.
pub const REQUEST_INTERVAL: Duration = Duration::from_micros(31_250);

/// The same at once, after a silence: a channel and four permissions for each peer that there may be.
pub const REQUESTS_BURST_MAX: u32 = 256;

/// How long the port after an even one is kept for the holder of its token, RFC 8656 §7.2: at least 30 s.
pub const RESERVATION_LIFETIME: Duration = Duration::from_secs(30);

/// Ports that are kept at once, of all workers together.
pub const RESERVATIONS_MAX: usize = 1024;

/// Notices that wait for allocations on their way to this worker, which takes microseconds.
pub const EARLY_NOTICES_MAX: usize = 1024;

/// Addresses of this machine at which something was relayed, which are few.
pub const RELAYED_IPS_MAX: usize = 1024;

/// Even ports that are looked at for one whose next is free too.
pub const PAIR_ATTEMPTS_MAX: usize = 16;

/// Permissions of one allocation. Browsers hold one per address of the appliance and family.
pub const PERMISSIONS_MAX: usize = 16;

/// Peers of one allocation that have a channel or a route. A partner holds at most 16 allocations; an ICE
/// restart doubles that, and recently ended bindings count for [`CHANNEL_REUSE_DELAY`].
pub const PEERINGS_MAX: usize = 64;

/// Of these, how many may be there when a peer that the client never named offers itself: strangers must not
/// fill the table. Whom the client names after that is asked by this side.
pub const PEERINGS_OFFERED_MAX: usize = PEERINGS_MAX / 2;

/// XOR-PEER-ADDRESS attributes that one CreatePermission may carry.
pub const PEERS_PER_REQUEST_MAX: usize = 16;

/// Token buckets in each table of answer budgets, of 8 bytes. Two floods that share one share its budget.
pub const ANSWER_SLOTS: usize = 1 << 14;

/// Requests over budget that each worker remembers, of 8 bytes, to answer them when they are repeated.
pub const SECOND_CHANCES_MAX: usize = 1 << 16;

/// How long one is remembered. Clients repeat after half a second, one and two, RFC 8489 §6.2.1, or sooner.
pub const SECOND_CHANCE_WAIT: Duration = Duration::from_millis(2_200);

/// Answers a second to repeated requests over budget of one IPv4 address or IPv6 /64, of all workers.
pub const SECOND_CHANCES_PER_ADDRESS_S: u32 = 10;

/// The same to everybody.
pub const SECOND_CHANCES_S: u32 = 5_000;

/// Wrong passwords a second from one IPv4 address or IPv6 /64, of all workers together, before most are not
/// looked at: a browser whose session has ended gives up its allocations with credentials that are none.
pub const FAILURES_PER_ADDRESS_S: u32 = 10;

/// The same from one IPv4 /24 or IPv6 /48.
pub const FAILURES_PER_PREFIX_S: u32 = 50;

/// The same from everywhere.
pub const FAILURES_S: u32 = 1_000;

/// Passwords that are looked at all the same in a second, of one IPv4 address or IPv6 /64: who has the right
/// one may share it with a guesser.
pub const FAILURE_CHANCES_PER_ADDRESS_S: u32 = 2;

/// The same of one IPv4 /24 or IPv6 /48.
pub const FAILURE_CHANCES_PER_PREFIX_S: u32 = 5;

/// The same from everywhere.
pub const FAILURE_CHANCES_S: u32 = 100;

/// How many seconds' worth of answers may leave at once: a page opens with a handful of questions.
pub const ANSWER_BURST_S: u32 = 2;

/// What a session may send at once after a silence, as time at its full rate: a key frame of video.
pub const SESSION_BURST: Duration = Duration::from_millis(500);

/// Sides that hold nothing any more whose bucket is remembered until it is full again. Of more the one that
/// left first is forgotten.
pub const RESTING_SIDES_MAX: usize = 4_096;

/// Places for users of no session whose allocations have ended, until their buckets are full again.
pub const LEAVERS_MAX: usize = 4_096;

/// The same of the whole appliance. Its second half is kept for those within their fair share.
pub const TOTAL_BURST: Duration = Duration::from_millis(500);

/// The same of one fair share of the whole.
pub const SHARE_BURST: Duration = Duration::from_millis(200);

/// Bytes that a datagram costs besides its payload: headers of IPv4, UDP and ChannelData. Empty datagrams are
/// not free.
pub const DATAGRAM_OVERHEAD_BYTES: usize = 32;

/// How long a peer may take to accept a connection, and a client to bind one, RFC 6062 §5.2 and §5.3: the
/// first at least, the second exactly 30 s.
pub const CONNECTION_WAIT: Duration = Duration::from_secs(30);

/// TCP connections of one allocation, from the attempt to the end.
pub const CONNECTIONS_MAX: usize = 32;

/// Of these, how many may be there when a peer makes another: peers must not take the client's places.
pub const CONNECTIONS_OFFERED_MAX: usize = CONNECTIONS_MAX / 2;

/// TCP connections with peers of all workers together, who have equal shares; a share is never less than
/// [`CONNECTIONS_MAX`].
pub const CONNECTIONS_TOTAL_MAX: usize = 4096;

/// The largest payload: in a Data indication with an IPv6 peer it fits a UDP datagram over IPv4.
pub const PAYLOAD_BYTES_MAX: usize = UDP_BYTES_MAX - DATA_INDICATION_BYTES_MAX;

/// Ports that are tried for one relay socket before 508: another program may hold some of the range.
pub const RELAY_BIND_ATTEMPTS_MAX: u8 = 8;

/// Sessions that are remembered as ended. The oldest is forgotten first, which lets its two sides, once
/// more and only with each other, use credentials that have not expired.
pub const ENDED_SESSIONS_MAX: usize = 1 << 18;

/// Allocate requests that are remembered when their allocation has ended, of about 50 bytes each.
pub const SPENT_REQUESTS_MAX: usize = 1 << 16;

/// The lowest port that an answer to a Binding request may be sent to in place of the one that asked, RFC
/// 5780's RESPONSE-PORT: services listen below.
pub const RESPONSE_PORT_MIN: u16 = 1024;

/// The smallest Allocate without credentials that is answered: a header and REQUESTED-TRANSPORT.
pub const UNAUTHENTICATED_ALLOCATE_BYTES_MIN: usize = 28;

/// Bytes of a challenge's realm, so that a 401 stays within 60 bytes.
pub const REALM_BYTES_MAX: usize = 128;

/// What fits a UDP datagram over IPv4.
const UDP_BYTES_MAX: usize = 65_507;

/// Header, XOR-PEER-ADDRESS of an IPv6 address, and header and padding of DATA.
const DATA_INDICATION_BYTES_MAX: usize = 20 + 24 + 4 + 3;

const _: () = assert!(PERMISSION_LIFETIME.as_secs() < CHANNEL_LIFETIME.as_secs());
const _: () = assert!(PEERS_PER_REQUEST_MAX <= PERMISSIONS_MAX && PERMISSIONS_MAX <= PEERINGS_MAX);
const _: () = assert!(REQUESTS_BURST_MAX as usize >= 4 * PEERINGS_MAX);
const _: () = assert!(OFFER_NEWS_MIN.as_secs() < PERMISSION_LIFETIME.as_secs() / 2);
const _: () = assert!(CONNECTIONS_OFFERED_MAX < CONNECTIONS_MAX);
const _: () = assert!(CONNECTIONS_MAX < CONNECTIONS_TOTAL_MAX);
const _: () = assert!(SHARE_BURST.as_millis() < TOTAL_BURST.as_millis() / 2);
const _: () = assert!(ANSWER_SLOTS.is_power_of_two() && ANSWER_BURST_S > 0);
const _: () = assert!(NONCE_LIFETIME.as_secs() / crate::nonce::TICK_S < u16::MAX as u64);

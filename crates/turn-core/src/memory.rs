//! How many bytes the server's maps and tables take when every limit is reached. An upper bound by the sizes
//! of what they hold, not a measurement; sockets are not known here.

use std::time::Duration;

use crate::address::{FiveTuple, Prefix, RelayedAddr, WorkerId};
use crate::allocation::{ALLOCATION_BYTES, PERMISSION_BYTES};
use crate::clients::Record;
use crate::connections::{Connection, ConnectionId, Connections};
use crate::credentials::{SessionId, Side};
use crate::directory::Rest;
use crate::leavers::Leaver;
use crate::limits::{
    ANSWER_SLOTS, CONNECTIONS_MAX, CONNECTIONS_TOTAL_MAX, EARLY_NOTICES_MAX, ENDED_SESSIONS_MAX, LEAVERS_MAX,
    PEERINGS_MAX, PERMISSIONS_MAX, RESERVATIONS_MAX, RESTING_SIDES_MAX, SECOND_CHANCES_MAX,
    SPENT_REQUESTS_MAX, TURNOVER_PLACES,
};
use crate::moving::Mobile;
use crate::packed::Packed;
use crate::peerings::Peering;
use crate::route::Notice;

/// A list that grows by doubling has room for twice what is in it.
const fn grown(bytes: usize) -> usize {
    2 * bytes
}

/// An entry of an `IndexMap`: a doubling list of entries with their hashes, and a table of places that is
/// at least 7/16 full.
const fn entry<K, V>() -> usize {
    grown(size_of::<(u64, K, V)>()) + 3 * (size_of::<usize>() + 1)
}

/// TCP connections with peers that one worker of so many may have.
pub const fn connections_max(workers: usize) -> usize {
    let share = CONNECTIONS_TOTAL_MAX / workers;
    if share < CONNECTIONS_MAX { CONNECTIONS_MAX } else { share }
}

/// One allocation with all its permissions and peers, its entries in every map, and what is kept of it while
/// its client moves.
pub const ALLOCATION_BYTES_MAX: usize = grown(ALLOCATION_BYTES)
    + grown(PERMISSIONS_MAX * PERMISSION_BYTES)
    + grown(PEERINGS_MAX * size_of::<Peering>())
    // A client that moves is known by two 5-tuples, and by one more to the worker it comes from.
    + 2 * entry::<Packed, Record>()
    + 2 * entry::<FiveTuple, WorkerId>()
    + entry::<FiveTuple, Mobile>()
    + entry::<Duration, u64>()
    + entry::<u16, usize>()
    + entry::<SessionId, Vec<usize>>()
    + entry::<(SessionId, Side), [RelayedAddr; 2]>()
    + entry::<Prefix, u32>()
    // When it ends and since when it is there.
    + 2 * entry::<Duration, usize>()
    + size_of::<Connections>()
    + entry::<RelayedAddr, ()>()
    + METER_BYTES_MAX;

/// One TCP connection with a peer, with its entries in every map.
pub const CONNECTION_BYTES_MAX: usize =
    grown(size_of::<Connection>()) + entry::<ConnectionId, usize>() + 2 * entry::<Duration, ConnectionId>();

/// One worker's tables that are there, or may fill, without any allocation.
pub const SERVER_BYTES_MAX: usize = ANSWER_TABLES * ANSWER_SLOTS * 8
    + SECOND_CHANCES_MAX * 8
    + ENDED_SESSIONS_MAX * (entry::<SessionId, u64>() + grown(size_of::<SessionId>()))
    + SPENT_REQUESTS_MAX * (entry::<u64, ()>() + grown(size_of::<(Duration, u64)>()))
    + EARLY_NOTICES_MAX * grown(size_of::<(u16, Notice)>())
    + RESERVATIONS_MAX * RESERVATION_BYTES_MAX
    + RESTING_SIDES_MAX * (RESTING_SIDE_BYTES + METER_BYTES_MAX)
    + LEAVERS_MAX * size_of::<Leaver>()
    + TURNOVER_PLACES * size_of::<u64>()
    + PORTS * grown(size_of::<(Duration, u16)>());

/// Numbers that relayed addresses can have: those from 1024 up.
pub const ALLOCATIONS_MAX: usize = PORTS - 1024;

/// Tables of budgets: of addresses and of networks for answers, for wrong passwords and for those that are
/// looked at all the same; of addresses for second chances, and of networks without wrong passwords.
const ANSWER_TABLES: usize = 8;

/// What is shared with the directory: the token buckets and the time a client was last heard.
const METER_BYTES_MAX: usize = 256;

/// A reservation with its token, and its end in the worker that made it.
const RESERVATION_BYTES_MAX: usize = 512;

/// A side that holds nothing any more, in its map and in its queue.
const RESTING_SIDE_BYTES: usize = entry::<(SessionId, Side), [RelayedAddr; 2]>() + grown(size_of::<Rest>());

/// All ports there are.
const PORTS: usize = 1 << 16;

const _: () = assert!(ALLOCATION_BYTES_MAX < 64 << 10);

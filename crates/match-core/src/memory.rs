//! How many bytes the matcher takes when every limit is reached. An upper bound by the sizes of what it
//! holds, not a measurement; what waits in transports is not known here.

use std::collections::VecDeque;
use std::time::Duration;

use crate::client::{Client, ClientId, Transport};
use crate::deadlines::Deadline;
use crate::ids::{ResumeToken, RoomCode, SessionId};
use crate::limits::{
    LANG_BYTES_MAX, LANGS_MAX, Limits, RECENT_PARTNERS_MAX, REPORTERS_TO_BAN, REPORTS_PER_REPORTER_MAX,
    ROOM_SIZE_MAX, TAG_BYTES_MAX, TAG_RECORDS_MAX, TAGS_MAX,
};
use crate::lost::Seat;
use crate::message::GoneReason;
use crate::places::Record;
use crate::queue::{KEYS_MAX, Line, Posting, Ticket};
use crate::records::{Level, Report};
use crate::rooms::Room;
use crate::session::Session;
use crate::tags::Tag;

/// What a matcher with these limits takes at most, in bytes.
pub const fn bytes_max(limits: &Limits) -> usize {
    let clients = limits.connections_max + limits.lost_max;
    clients * CLIENT_BYTES_MAX
        + limits.lost_max * SEAT_BYTES
        + limits.connections_max * grown(size_of::<Transport>())
        + limits.held_total_bytes_max
        + RECORDS_BYTES_MAX
}

/// A list that grows by doubling has room for twice what is in it.
const fn grown(bytes: usize) -> usize {
    2 * bytes
}

/// An entry of an `IndexMap`: a doubling list of entries with their hashes, and a table of places that is at
/// least 7/16 full.
const fn entry<K, V>() -> usize {
    grown(size_of::<(u64, K, V)>()) + 3 * (size_of::<usize>() + 1)
}

/// What is noted of a place, and how many there are in its network.
const fn place<T>() -> usize {
    entry::<Tag, Record<T>>() + entry::<Tag, usize>()
}

/// An entry of an ordered map, whose nodes are half full at least, with its part of their pointers.
const fn node<T>() -> usize {
    grown(size_of::<T>()) + 2 * size_of::<usize>()
}

/// One client with its deadlines and whom it remembers, in the queue or in sessions; without what is held for
/// it.
pub const CLIENT_BYTES_MAX: usize = grown(size_of::<Client>())
    // The one it has and the one it came with.
    + 2 * entry::<ResumeToken, ClientId>()
    // That its place has one more, under both keys.
    + 2 * entry::<Tag, usize>()
    + 4 * DEADLINE_BYTES
    + grown(RECENT_PARTNERS_MAX * size_of::<(ClientId, Duration)>())
    + WANT_BYTES_MAX
    + if TICKET_BYTES_MAX > ROOM_BYTES_MAX { TICKET_BYTES_MAX } else { ROOM_BYTES_MAX };

/// A place in the queue.
const TICKET_BYTES_MAX: usize = grown(size_of::<usize>())
    + size_of::<Ticket>()
    + WANT_BYTES_MAX
    + KEYS_MAX * (size_of::<Posting>() + entry::<u64, Line>());

/// A place in a room, and half of each session with the others; or of one with a stranger, whose tags are
/// fewer bytes than the others.
const ROOM_BYTES_MAX: usize = entry::<RoomCode, Room>()
    + ROOM_SIZE_MAX as usize
        * (grown(size_of::<ClientId>())
            + (grown(size_of::<Session>()) + DEADLINE_BYTES) / 2
            + grown(size_of::<usize>() + size_of::<(SessionId, GoneReason)>()));

/// The lists of a wish.
const WANT_BYTES_MAX: usize = grown(TAGS_MAX * (size_of::<String>() + TAG_BYTES_MAX))
    + grown(LANGS_MAX * (size_of::<String>() + LANG_BYTES_MAX));

/// A deadline in the heap, and where it is there.
const DEADLINE_BYTES: usize = grown(size_of::<Deadline>() + size_of::<u32>());

/// A place among those who may come back, with its network's and its place's.
const SEAT_BYTES: usize = node::<(ClientId, Seat)>() + node::<Seat>() + 4 * node::<(Tag, usize, Tag)>();

/// All that is remembered under tags.
const RECORDS_BYTES_MAX: usize = TAG_RECORDS_MAX
    * (2 * place::<Level>()
        + place::<Duration>()
        + place::<Vec<Report>>()
        + grown(REPORTERS_TO_BAN * size_of::<Report>())
        + place::<VecDeque<Duration>>()
        + grown(REPORTS_PER_REPORTER_MAX * size_of::<Duration>())
        // Bans and suspects.
        + 2 * entry::<Tag, Duration>());

const _: () = assert!(CLIENT_BYTES_MAX < 16 << 10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_has_its_part() {
        let limits = Limits::default();
        let of = |change: fn(&mut Limits)| {
            let mut limits = limits.clone();
            change(&mut limits);
            bytes_max(&limits)
        };
        let all = bytes_max(&limits);
        assert_eq!(of(|it| it.held_total_bytes_max += 1), all + 1);
        assert!(of(|it| it.connections_max += 1) > all + CLIENT_BYTES_MAX);
        assert_eq!(of(|it| it.lost_max += 1), all + CLIENT_BYTES_MAX + SEAT_BYTES);
        println!(
            "{CLIENT_BYTES_MAX} bytes a client, {ROOM_BYTES_MAX} in a room, {TICKET_BYTES_MAX} a ticket"
        );
    }
}

//! Who has lost a transport and may come back, and who gives way when that are too many.
//!
//! A network, and in it a place, has no fixed share: whoever has the most gives way first, so that many who
//! vanish from one network push out each other. Nothing of a client is kept here but where it belongs.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::client::{ClientId, State};
use crate::tags::{Place, Tag};

/// Lost clients by network and place.
#[derive(Default)]
pub(crate) struct Lost {
    seat_by_client: BTreeMap<ClientId, Seat>,
    seats: BTreeSet<Seat>,
    networks: Sizes<()>,
    places: Sizes<Tag>,
}

/// Where a lost client belongs; within a place the first to give way comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seat {
    wide: Tag,
    near: Tag,
    rank: u8,
    /// Of two the one who has been here for less time gives way.
    client: Reverse<ClientId>,
}

/// How many there are of each of several things, and of which the most; each belongs to a group.
struct Sizes<G> {
    size_by_tag: BTreeMap<(G, Tag), usize>,
    by_size: BTreeSet<(G, usize, Tag)>,
}

impl Lost {
    /// Notes a client that is lost in a state.
    pub(crate) fn insert(&mut self, client: ClientId, place: Option<Place>, state: State) {
        let Place { wide, near } = place.unwrap_or(Place::NOWHERE);
        let seat = Seat { wide, near, rank: rank(state), client: Reverse(client) };
        let before = self.seat_by_client.insert(client, seat);
        debug_assert!(before.is_none(), "nobody is lost twice");
        self.seats.insert(seat);
        self.networks.change((), wide, |size| size + 1);
        self.places.change(wide, near, |size| size + 1);
    }

    /// Forgets a client, if it is known.
    pub(crate) fn remove(&mut self, client: ClientId) {
        let Some(seat) = self.seat_by_client.remove(&client) else { return };
        self.seats.remove(&seat);
        self.networks.change((), seat.wide, |size| size - 1);
        self.places.change(seat.wide, seat.near, |size| size - 1);
    }

    /// What a client has to come back to has changed.
    pub(crate) fn change(&mut self, client: ClientId, state: State) {
        let Some(seat) = self.seat_by_client.get_mut(&client) else { return };
        self.seats.remove(seat);
        seat.rank = rank(state);
        self.seats.insert(*seat);
    }

    pub(crate) fn len(&self) -> usize {
        self.seats.len()
    }

    /// Who is to give way where there is one too many: of the network with the most, and there of the place
    /// with the most.
    pub(crate) fn first_to_go(&self) -> Option<ClientId> {
        let wide = self.networks.largest(())?;
        let near = self.places.largest(wide)?;
        let first = Seat { wide, near, rank: 0, client: Reverse(ClientId::LAST) };
        self.seats.range(first..).next().map(|seat| seat.client.0)
    }
}

impl<G: Copy + Ord> Sizes<G> {
    fn change(&mut self, group: G, tag: Tag, change: impl FnOnce(usize) -> usize) {
        let before = self.size_by_tag.remove(&(group, tag)).unwrap_or(0);
        self.by_size.remove(&(group, before, tag));
        let now = change(before);
        if now > 0 {
            self.size_by_tag.insert((group, tag), now);
            self.by_size.insert((group, now, tag));
        }
    }

    fn largest(&self, group: G) -> Option<Tag> {
        let of_group = (group, 0, Tag::NOWHERE)..=(group, usize::MAX, Tag::LAST);
        self.by_size.range(of_group).next_back().map(|(_, _, tag)| *tag)
    }
}

impl<G> Default for Sizes<G> {
    fn default() -> Self {
        Self { size_by_tag: BTreeMap::new(), by_size: BTreeSet::new() }
    }
}

/// Who talks has more to lose than who waits for somebody with a link, and that one more than who waits for
/// anybody.
fn rank(state: State) -> u8 {
    match state {
        State::New | State::Greeted | State::Waiting => 0,
        State::InRoom => 1,
        State::Matched => 2,
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::tags::{Origin, TagKeys};

    fn id(serial: u64) -> ClientId {
        ClientId { serial, key: serial as usize }
    }

    fn lose(lost: &mut Lost, serial: u64, address: &str, state: State) {
        let keys = TagKeys::new([[1; 32], [2; 32]]);
        let tags = keys.tags(Origin::from(address.parse::<IpAddr>().unwrap()));
        lost.insert(id(serial), Some(keys.place(&tags)), state);
    }

    /// Takes everybody out in the order in which they give way.
    fn order(mut lost: Lost) -> Vec<u64> {
        let order = std::iter::from_fn(|| {
            let first = lost.first_to_go()?;
            lost.remove(first);
            Some(first.serial)
        });
        let order = order.collect();
        assert_eq!((lost.len(), lost.networks.by_size.len(), lost.places.by_size.len()), (0, 0, 0));
        order
    }

    #[test]
    fn the_largest_network_and_in_it_the_largest_place_gives_way() {
        let mut lost = Lost::default();
        for i in 1..=3 {
            lose(&mut lost, i, "2001:db8:1:1::1", State::Matched);
        }
        lose(&mut lost, 4, "2001:db8:1:2::1", State::Waiting);
        lose(&mut lost, 5, "2001:db8:2::1", State::Waiting);
        assert_eq!(order(lost)[..2], [3, 2], "neither the neighbour nor another network");
    }

    #[test]
    fn who_talks_stays_longest_and_who_came_first() {
        let mut lost = Lost::default();
        for (i, state) in
            [State::Matched, State::Waiting, State::InRoom, State::Matched, State::InRoom, State::Waiting]
                .into_iter()
                .enumerate()
        {
            lose(&mut lost, i as u64, "192.0.2.1", state);
        }
        lost.change(id(0), State::Greeted);
        assert_eq!(order(lost), [5, 1, 0, 4, 2, 3]);
    }

    #[test]
    fn those_without_an_address_are_one_place() {
        let mut lost = Lost::default();
        lost.insert(id(1), None, State::Waiting);
        lost.insert(id(2), None, State::Waiting);
        lose(&mut lost, 3, "192.0.2.1", State::Waiting);
        assert_eq!(order(lost)[0], 2);
    }
}

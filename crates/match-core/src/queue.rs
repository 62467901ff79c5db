//! The queue of those who wait, indexed so that a match never looks through it.
//!
//! Each ticket stands in a line for each combination of media, language and tag it would accept: its own
//! values, and the joker where it does not insist (it named none, or has waited long enough). **Two tickets
//! accept each other exactly when they share a line.** The longest waiting partner is then the first of at
//! most [`KEYS_MAX`] lines, past the few the seeker has just met. Who waits, not the queue's length, is what
//! a search costs.
//!
//! A line is short: who joins one meets somebody there at once, unless all in it are partners it has just
//! met.
//!
//! It does not decide when a ticket widens; the matcher's deadlines do.

use std::hash::Hasher;
use std::time::Duration;

use indexmap::IndexMap;
use siphasher::sip::SipHasher13;

use crate::client::ClientId;
use crate::ids::KeyedHasher;
use crate::limits::{LANGS_MAX, RECENT_PARTNERS_MAX, TAGS_MAX};
use crate::want::Want;

/// Tickets, and the lines in which they stand.
pub(crate) struct Queue {
    hash_key: [u8; 16],
    /// By the client's slab key. A look-up of any of them costs the same, however many there are.
    tickets: Vec<Option<Box<Ticket>>>,
    line_by_key: IndexMap<u64, Line, KeyedHasher>,
    len: usize,
    next_serial: u64,
}

/// One who waits.
pub(crate) struct Ticket {
    client: ClientId,
    pub(crate) want: Want,
    pub(crate) arrival: Arrival,
    step: usize,
    meets_again: bool,
    /// Ordered by key.
    postings: Box<[Posting]>,
}

/// A place in the queue.
#[derive(Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) since: Duration,
    /// The order of arrival.
    serial: u64,
}

/// A ticket's place in one line.
#[derive(Clone, Copy)]
pub(crate) struct Posting {
    key: u64,
    /// The index of the ticket behind it, or [`NOBODY`].
    behind: u32,
}

/// The tickets that share a key, in the order of arrival, each with the next one's index.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    first: u32,
    last: u32,
}

impl Queue {
    pub(crate) fn new(hash_key: [u8; 16]) -> Self {
        let line_by_key = IndexMap::with_hasher(KeyedHasher(hash_key));
        Self { hash_key, tickets: Vec::new(), line_by_key, len: 0, next_serial: 0 }
    }

    /// The next place, behind everybody who came before.
    pub(crate) fn arrive(&mut self, now: Duration) -> Arrival {
        let serial = self.next_serial;
        self.next_serial += 1;
        Arrival { since: now, serial }
    }

    /// Adds a ticket at the first step.
    pub(crate) fn insert(&mut self, client: ClientId, want: Want, arrival: Arrival) {
        let postings = Box::default();
        let ticket = Ticket { client, want, arrival, step: 0, meets_again: false, postings };
        if self.tickets.len() <= client.key {
            self.tickets.resize_with(client.key + 1, || None);
        }
        let before = self.tickets[client.key].replace(Box::new(ticket));
        debug_assert!(before.is_none(), "one ticket per client");
        self.len += 1;
        self.post(client.key as u32);
    }

    /// Takes a ticket away.
    pub(crate) fn remove(&mut self, client: ClientId) -> Option<Ticket> {
        self.ticket(client)?;
        self.withdraw(client.key as u32);
        self.len -= 1;
        self.tickets[client.key].take().map(|ticket| *ticket)
    }

    /// Moves a ticket to a step of the widening, and says whether it takes a partner it has met.
    pub(crate) fn widen(&mut self, client: ClientId, step: usize, meets_again: bool) {
        if self.ticket(client).is_none() {
            return;
        }
        let index = client.key as u32;
        let ticket = self.at_mut(index);
        ticket.meets_again = meets_again;
        if ticket.step != step {
            self.withdraw(index);
            self.at_mut(index).step = step;
            self.post(index);
        }
    }

    /// The longest waiting ticket that accepts this one and is accepted by it; counts what it looks at.
    ///
    /// Partners who have `met` the seeker are passed over, unless both sides have waited long enough to meet
    /// again. Whoever has met too many of those who wait finds nobody among them, and is found by others.
    pub(crate) fn partner(
        &self,
        seeker: ClientId,
        met: impl Fn(ClientId) -> bool,
        looked_at: &mut u64,
    ) -> Option<ClientId> {
        let ticket = self.ticket(seeker)?;
        let mut best: Option<&Ticket> = None;
        for posting in &ticket.postings {
            for other in self.in_line(posting.key).take(PASSED_OVER_MAX) {
                *looked_at += 1;
                if best.is_some_and(|best| best.arrival.serial <= other.arrival.serial) {
                    break;
                }
                let meets_again = ticket.meets_again && other.meets_again;
                if other.client != seeker && (meets_again || !met(other.client)) {
                    best = Some(other);
                    break;
                }
            }
        }
        best.map(|other| other.client)
    }

    pub(crate) fn ticket(&self, client: ClientId) -> Option<&Ticket> {
        self.tickets.get(client.key)?.as_deref().filter(|ticket| ticket.client == client)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Has a ticket stand in the lines of its step, in each behind those who came before it.
    fn post(&mut self, index: u32) {
        let ticket = self.at(index);
        let serial = ticket.arrival.serial;
        let keys = keys(&self.hash_key, &ticket.want, ticket.step);
        let mut postings = Vec::with_capacity(keys.len());
        for key in keys {
            let before = self.last_before(key, serial);
            let behind = match before {
                Some(before) => std::mem::replace(self.behind_mut(before, key), index),
                None => self.line_by_key.get(&key).map_or(NOBODY, |line| line.first),
            };
            let line = self.line_by_key.entry(key).or_insert(Line { first: index, last: index });
            if before.is_none() {
                line.first = index;
            }
            if behind == NOBODY {
                line.last = index;
            }
            postings.push(Posting { key, behind });
        }
        self.at_mut(index).postings = postings.into_boxed_slice();
    }

    /// Takes a ticket out of its lines.
    fn withdraw(&mut self, index: u32) {
        let serial = self.at(index).arrival.serial;
        for place in 0..self.at(index).postings.len() {
            let Posting { key, behind } = self.at(index).postings[place];
            let before = self.last_before(key, serial);
            match before {
                Some(before) => *self.behind_mut(before, key) = behind,
                None if behind == NOBODY => {
                    self.line_by_key.swap_remove(&key);
                    continue;
                }
                None => self.line_mut(key).first = behind,
            }
            if behind == NOBODY {
                self.line_mut(key).last = before.unwrap_or(NOBODY);
            }
        }
        self.at_mut(index).postings = Box::default();
    }

    /// Who is the last in a line of those who came before this one.
    fn last_before(&self, key: u64, serial: u64) -> Option<u32> {
        let line = self.line_by_key.get(&key)?;
        let is_before = |ticket: &&Ticket| ticket.arrival.serial < serial;
        // Mostly it is who came last.
        let last = Some(self.at(line.last)).filter(is_before);
        let found = last.or_else(|| self.in_line(key).take_while(is_before).last());
        found.map(|ticket| ticket.client.key as u32)
    }

    /// Who stands in a line, the longest waiting first.
    fn in_line(&self, key: u64) -> impl Iterator<Item = &Ticket> {
        let first = self.line_by_key.get(&key).map_or(NOBODY, |line| line.first);
        let at = |index| (index != NOBODY).then(|| self.at(index));
        std::iter::successors(at(first), move |ticket| at(ticket.behind(key)))
    }

    fn line_mut(&mut self, key: u64) -> &mut Line {
        self.line_by_key.get_mut(&key).expect("somebody stands in it")
    }

    fn behind_mut(&mut self, index: u32, key: u64) -> &mut u32 {
        let ticket = self.at_mut(index);
        let place = ticket.place(key);
        &mut ticket.postings[place].behind
    }

    fn at(&self, index: u32) -> &Ticket {
        self.tickets[index as usize].as_deref().expect("whoever stands in a line has a ticket")
    }

    fn at_mut(&mut self, index: u32) -> &mut Ticket {
        self.tickets[index as usize].as_deref_mut().expect("whoever stands in a line has a ticket")
    }

    /// Whether everybody stands in their lines, and nobody else, in the order of arrival.
    #[cfg(debug_assertions)]
    pub(crate) fn assert_consistent(&self) {
        let tickets = || self.tickets.iter().flatten();
        let mut places = 0;
        for (key, line) in &self.line_by_key {
            let stand: Vec<_> = self.in_line(*key).collect();
            assert!(stand.is_sorted_by(|a, b| a.arrival.serial < b.arrival.serial), "in order of arrival");
            assert_eq!(stand.last().map(|ticket| ticket.client.key as u32), Some(line.last));
            places += stand.len();
        }
        // Who stands in a line has a posting for it; as many are there.
        assert_eq!(places, tickets().map(|ticket| ticket.postings.len()).sum::<usize>());
        assert_eq!(self.len, tickets().count());
    }
}

impl Ticket {
    /// The index of the ticket behind it in a line.
    fn behind(&self, key: u64) -> u32 {
        self.postings[self.place(key)].behind
    }

    fn place(&self, key: u64) -> usize {
        self.postings.binary_search_by_key(&key, |posting| posting.key).expect("it stands in that line")
    }
}

/// The keys of a wish at a step: 0 insists on tag, language and media, 1 on the last two, 2 on media, 3 on
/// nothing.
///
/// Keyed hashes stand for the words, so that nobody can choose two words that fall together.
fn keys(hash_key: &[u8; 16], want: &Want, step: usize) -> Vec<u64> {
    fn with_joker(list: &[String], insists: bool) -> Vec<Option<&str>> {
        let joker = (!insists || list.is_empty()).then_some(None);
        list.iter().map(|word| Some(word.as_str())).chain(joker).collect()
    }
    let media = [Some(want.media as u8), None];
    let media = if step < 3 { &media[..1] } else { &media[..] };
    let langs = with_joker(&want.langs, step < 2);
    let tags = with_joker(&want.tags, step < 1);
    let mut keys = Vec::with_capacity(media.len() * langs.len() * tags.len());
    for media in media {
        for lang in &langs {
            for tag in &tags {
                let mut hasher = SipHasher13::new_with_key(hash_key);
                hasher.write_u8(media.unwrap_or(u8::MAX));
                for word in [lang, tag] {
                    // 0xff is in no UTF-8 text, so words cannot run together or look like the joker.
                    hasher.write(word.map_or(&[0xff][..], str::as_bytes));
                    hasher.write_u8(0xff);
                }
                keys.push(hasher.finish());
            }
        }
    }
    debug_assert!(keys.len() <= KEYS_MAX, "a wish keeps to its bounds");
    keys.sort_unstable();
    // Two hashes may be equal, once in many ages; nobody stands in a line twice.
    keys.dedup();
    keys
}

/// How many of a line are looked at: itself, those who are in its list of partners, and as many who have it
/// in theirs.
const PASSED_OVER_MAX: usize = 2 * RECENT_PARTNERS_MAX + 2;

/// The keys a ticket has at most: two media, every language and tag it may name, and a joker for each.
pub(crate) const KEYS_MAX: usize = 2 * (LANGS_MAX + 1) * (TAGS_MAX + 1);
/// No ticket's index.
const NOBODY: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Recent;
    use crate::want::Media;

    fn want(media: Media, langs: &[&str], tags: &[&str]) -> Want {
        let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        Want { media, tags: owned(tags), langs: owned(langs) }
    }

    fn id(serial: u64) -> ClientId {
        ClientId { serial, key: serial as usize }
    }

    fn enter(queue: &mut Queue, client: ClientId, want: Want) {
        let arrival = queue.arrive(Duration::ZERO);
        queue.insert(client, want, arrival);
    }

    /// Whether two tickets at two steps find each other.
    fn meet(a: (&Want, usize), b: (&Want, usize)) -> bool {
        let mut queue = Queue::new([7; 16]);
        for (i, (want, step)) in [a, b].into_iter().enumerate() {
            enter(&mut queue, id(i as u64), want.clone());
            queue.widen(id(i as u64), step, false);
        }
        let there = queue.partner(id(0), |_| false, &mut 0).is_some();
        let back = queue.partner(id(1), |_| false, &mut 0).is_some();
        assert_eq!(there, back, "acceptance is mutual");
        there
    }

    /// The rule in plain words, against which the keys are held.
    fn accept(a: (&Want, usize), b: (&Want, usize)) -> bool {
        let shared = |a: &[String], b: &[String]| a.iter().any(|word| b.contains(word));
        let content = |of: (&Want, usize), with: &Want| {
            (of.1 > 0 || of.0.tags.is_empty() || shared(&of.0.tags, &with.tags))
                && (of.1 > 1 || of.0.langs.is_empty() || shared(&of.0.langs, &with.langs))
                && (of.1 > 2 || of.0.media == with.media)
        };
        content(a, b.0) && content(b, a.0)
    }

    #[test]
    fn keys_say_what_the_rule_says() {
        let mut wants = Vec::new();
        for media in [Media::Text, Media::Video] {
            for langs in [&[][..], &["en"], &["de"], &["en", "de"]] {
                for tags in [&[][..], &["x"], &["y", "en"], &["x", "y"]] {
                    wants.push(want(media, langs, tags));
                }
            }
        }
        for a in &wants {
            for b in &wants {
                for (i, j) in (0..4).flat_map(|i| (0..4).map(move |j| (i, j))) {
                    assert_eq!(meet((a, i), (b, j)), accept((a, i), (b, j)), "steps {i} {j}");
                }
            }
        }
    }

    #[test]
    fn the_longest_waiting_one_is_found() {
        let mut queue = Queue::new([7; 16]);
        let common = want(Media::Text, &["en", "de"], &[]);
        enter(&mut queue, id(1), want(Media::Text, &["de"], &[]));
        enter(&mut queue, id(2), want(Media::Text, &["en"], &[]));
        enter(&mut queue, id(3), common);
        assert_eq!(queue.partner(id(3), |_| false, &mut 0), Some(id(1)));
        queue.remove(id(1));
        assert_eq!(queue.partner(id(3), |_| false, &mut 0), Some(id(2)));
    }

    #[test]
    fn a_search_costs_the_same_in_a_queue_of_ten_and_of_a_hundred_thousand() {
        let cost = |waiting: u64| {
            let mut queue = Queue::new([7; 16]);
            let mut recent = Recent::default();
            // The worst seeker: as many words as it may have, and the first in every list are those it has
            // met.
            let words: Vec<String> = (0..TAGS_MAX).map(|i| format!("t{i}")).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            for i in 0..waiting {
                let tag = if i < 40 { words[i as usize % TAGS_MAX] } else { "other" };
                enter(&mut queue, id(i), want(Media::Text, &["en", "de", "fr", "it"], &[tag]));
                if i < RECENT_PARTNERS_MAX as u64 {
                    recent.insert(id(i), Duration::ZERO);
                }
            }
            enter(&mut queue, id(waiting), want(Media::Text, &["en", "de", "fr", "it"], &words));
            queue.widen(id(waiting), 3, false);
            let mut looked_at = 0;
            assert!(queue.partner(id(waiting), |other| recent.contains(other), &mut looked_at).is_some());
            looked_at
        };
        let (few, many) = (cost(40), cost(100_000));
        assert_eq!(few, many);
        assert!(many as usize <= KEYS_MAX * (RECENT_PARTNERS_MAX + 2), "{many}");
    }

    #[test]
    fn a_search_that_finds_nobody_costs_the_same_in_any_queue() {
        let cost = |waiting: u64| {
            let mut queue = Queue::new([7; 16]);
            for i in 0..waiting {
                enter(&mut queue, id(i), want(Media::Text, &["en"], &["x"]));
            }
            enter(&mut queue, id(waiting), want(Media::Text, &["en"], &["y"]));
            let mut looked_at = 0;
            assert!(queue.partner(id(waiting), |_| false, &mut looked_at).is_none());
            looked_at
        };
        assert_eq!(cost(10), cost(100_000));
    }
}

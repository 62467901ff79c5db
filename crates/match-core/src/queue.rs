//! The queue of those who wait, indexed so that a match never looks through it.
//!
//! Each ticket is posted under keys, one for each combination of media, language and tag it would accept: its
//! own values, and the joker where it does not insist (it named none, or has waited long enough). **Two
//! tickets accept each other exactly when they share a key.** The longest waiting partner is then the first
//! of at most [`KEYS_MAX`] ordered lists, past the few entries the seeker has just met. Who waits, not the
//! queue's length, is what a search costs.
//!
//! It does not decide when a ticket widens; the matcher's deadlines do.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;
use std::time::Duration;

use siphasher::sip::SipHasher13;

use crate::client::{ClientId, Recent};
use crate::limits::{LANGS_MAX, TAGS_MAX};
use crate::want::Want;

/// Tickets and their postings.
pub(crate) struct Queue {
    hash_key: [u8; 16],
    ticket_by_client: BTreeMap<ClientId, Ticket>,
    postings: BTreeSet<Posting>,
    next_serial: u64,
}

/// One who waits.
pub(crate) struct Ticket {
    pub(crate) want: Want,
    pub(crate) arrival: Arrival,
    step: usize,
    meets_again: bool,
    keys: Box<[u64]>,
}

/// A place in the queue.
#[derive(Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) since: Duration,
    /// The order of arrival.
    serial: u64,
}

/// A ticket's entry under one key; ordered by key, then by arrival.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Posting {
    key: u64,
    serial: u64,
    client: ClientId,
}

impl Queue {
    pub(crate) fn new(hash_key: [u8; 16]) -> Self {
        let (ticket_by_client, postings) = (BTreeMap::new(), BTreeSet::new());
        Self { hash_key, ticket_by_client, postings, next_serial: 0 }
    }

    /// The next place, behind everybody who came before.
    pub(crate) fn arrive(&mut self, now: Duration) -> Arrival {
        let serial = self.next_serial;
        self.next_serial += 1;
        Arrival { since: now, serial }
    }

    /// Adds a ticket at the first step.
    pub(crate) fn insert(&mut self, client: ClientId, want: Want, arrival: Arrival) {
        let ticket = Ticket { want, arrival, step: 0, meets_again: false, keys: Box::default() };
        let before = self.ticket_by_client.insert(client, ticket);
        debug_assert!(before.is_none(), "one ticket per client");
        self.repost(client);
    }

    /// Takes a ticket away.
    pub(crate) fn remove(&mut self, client: ClientId) -> Option<Ticket> {
        let ticket = self.ticket_by_client.remove(&client)?;
        for key in &ticket.keys {
            self.postings.remove(&Posting { key: *key, serial: ticket.arrival.serial, client });
        }
        Some(ticket)
    }

    /// Moves a ticket to a step of the widening, and says whether it takes a partner it has met.
    pub(crate) fn widen(&mut self, client: ClientId, step: usize, meets_again: bool) {
        let Some(ticket) = self.ticket_by_client.get_mut(&client) else { return };
        ticket.meets_again = meets_again;
        if ticket.step != step {
            ticket.step = step;
            self.repost(client);
        }
    }

    /// The longest waiting ticket that accepts this one and is accepted by it; counts what it looks at.
    ///
    /// Partners in `recent` are passed over unless both sides have waited long enough to meet again.
    pub(crate) fn partner(&self, seeker: ClientId, recent: &Recent, looked_at: &mut u64) -> Option<ClientId> {
        let ticket = self.ticket_by_client.get(&seeker)?;
        let mut best: Option<Posting> = None;
        for key in &ticket.keys {
            let first = Posting { key: *key, serial: 0, client: ClientId { serial: 0, key: 0 } };
            for posting in self.postings.range(first..).take_while(|posting| posting.key == *key) {
                *looked_at += 1;
                if best.is_some_and(|best| best.serial <= posting.serial) {
                    break;
                }
                let met = || recent.contains(posting.client) && !self.meet_again(ticket, posting.client);
                if posting.client != seeker && !met() {
                    best = Some(*posting);
                    break;
                }
            }
        }
        best.map(|posting| posting.client)
    }

    pub(crate) fn ticket(&self, client: ClientId) -> Option<&Ticket> {
        self.ticket_by_client.get(&client)
    }

    pub(crate) fn len(&self) -> usize {
        self.ticket_by_client.len()
    }

    fn meet_again(&self, ticket: &Ticket, other: ClientId) -> bool {
        ticket.meets_again && self.ticket_by_client[&other].meets_again
    }

    fn repost(&mut self, client: ClientId) {
        let ticket = self.ticket_by_client.get_mut(&client).expect("the caller has just looked it up");
        let serial = ticket.arrival.serial;
        for key in &ticket.keys {
            self.postings.remove(&Posting { key: *key, serial, client });
        }
        ticket.keys = keys(&self.hash_key, &ticket.want, ticket.step);
        self.postings.extend(ticket.keys.iter().map(|key| Posting { key: *key, serial, client }));
    }

    /// Whether every posting belongs to a ticket and every ticket has its postings.
    #[cfg(debug_assertions)]
    pub(crate) fn assert_consistent(&self) {
        let mut postings = 0;
        for (client, ticket) in &self.ticket_by_client {
            for key in &ticket.keys {
                let posting = Posting { key: *key, serial: ticket.arrival.serial, client: *client };
                assert!(self.postings.contains(&posting), "a ticket's key is not posted");
            }
            postings += ticket.keys.len();
        }
        assert_eq!(postings, self.postings.len(), "a posting without a ticket");
    }
}

/// The keys of a wish at a step: 0 insists on tag, language and media, 1 on the last two, 2 on media, 3 on
/// nothing.
///
/// Keyed hashes stand for the words, so that nobody can choose two words that fall together.
fn keys(hash_key: &[u8; 16], want: &Want, step: usize) -> Box<[u64]> {
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
    keys.into_boxed_slice()
}

/// The keys a ticket has at most: two media, every language and tag it may name, and a joker for each.
const KEYS_MAX: usize = 2 * (LANGS_MAX + 1) * (TAGS_MAX + 1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::RECENT_PARTNERS_MAX;
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
        let there = queue.partner(id(0), &Recent::default(), &mut 0).is_some();
        let back = queue.partner(id(1), &Recent::default(), &mut 0).is_some();
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
        assert_eq!(queue.partner(id(3), &Recent::default(), &mut 0), Some(id(1)));
        queue.remove(id(1));
        assert_eq!(queue.partner(id(3), &Recent::default(), &mut 0), Some(id(2)));
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
            assert!(queue.partner(id(waiting), &recent, &mut looked_at).is_some());
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
            assert!(queue.partner(id(waiting), &Recent::default(), &mut looked_at).is_none());
            looked_at
        };
        assert_eq!(cost(10), cost(100_000));
    }
}

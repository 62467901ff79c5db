//! Numbers that are kept for whoever brings a token, and numbers that another worker than their own serves.
//! Not the pools they come from. RFC 8656 §7.2, §18.10.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use indexmap::IndexMap;

use crate::address::{RelayedAddr, WorkerId};
use crate::credentials::{Identity, SessionId};
use crate::keyed::{Keyed, KeyedMap};
use crate::limits::RESERVATIONS_MAX;

/// What all workers know of reserved and of lent numbers. A number that is away from its worker's pool is in
/// exactly one of the two maps, or was redeemed by its own worker.
pub(crate) struct Reservations {
    by_token: KeyedMap<Token, Reservation>,
    /// Numbers that were redeemed on, or moved to, another worker than their own: who serves them,
    /// `None` once they are free and wait for their own worker to fetch them.
    lent: BTreeMap<u16, Option<WorkerId>>,
}

impl Reservations {
    pub(crate) fn new(keyed: Keyed) -> Self {
        Self { by_token: IndexMap::with_hasher(keyed), lent: BTreeMap::new() }
    }

    /// Keeps a number for the holder of a token; `false` where too many are kept.
    pub(crate) fn reserve(&mut self, token: Token, reservation: Reservation) -> bool {
        let has_room = self.by_token.len() < RESERVATIONS_MAX;
        if has_room {
            self.by_token.insert(token, reservation);
        }
        has_room
    }

    /// Hands a number to the worker that serves the holder of its token. `None`, and nothing changes, where
    /// there is no such token, it ran out, or it is somebody else's.
    pub(crate) fn redeem(
        &mut self,
        token: Token,
        identity: Identity,
        to: WorkerId,
        workers: u16,
        now: Duration,
    ) -> Option<Reservation> {
        let found = self.by_token.get(&token)?;
        if found.identity != identity || found.until <= now {
            return None;
        }
        let reservation = self.by_token.swap_remove(&token)?;
        if reservation.relayed.worker(workers) != to {
            self.lent.insert(reservation.relayed.0.port(), Some(to));
        }
        Some(reservation)
    }

    /// Forgets a reservation that was not redeemed, if it is that session's where one is named; `false`:
    /// there is none.
    pub(crate) fn lapse(&mut self, token: Token, only: Option<SessionId>) -> bool {
        let is_meant = |reservation: &Reservation| {
            only.is_none_or(|only| reservation.identity.side().is_some_and(|(session, _)| session == only))
        };
        self.by_token.get(&token).is_some_and(is_meant) && self.by_token.swap_remove(&token).is_some()
    }

    /// A number moves on to another worker, which may be its own.
    pub(crate) fn lend(&mut self, port: u16, to: WorkerId) {
        self.lent.insert(port, Some(to));
    }

    /// A lent number is back at its own worker.
    pub(crate) fn return_home(&mut self, port: u16) {
        self.lent.remove(&port);
    }

    /// The worker that serves a lent number, or is about to.
    pub(crate) fn borrower(&self, port: u16) -> Option<WorkerId> {
        self.lent.get(&port).copied().flatten()
    }

    /// A lent number is free again.
    pub(crate) fn bring_back(&mut self, port: u16) {
        self.lent.insert(port, None);
    }

    /// How many of a worker's numbers it may fetch.
    pub(crate) fn waiting_for(&self, home: WorkerId, workers: u16) -> usize {
        let is_home = |port: u16| RelayedAddr(([0, 0, 0, 0], port).into()).worker(workers) == home;
        self.lent.iter().filter(|(port, borrower)| borrower.is_none() && is_home(**port)).count()
    }

    /// Takes the free ones among the lent numbers of a worker.
    pub(crate) fn fetch(&mut self, home: WorkerId, workers: u16) -> Vec<u16> {
        let is_home = |port: u16| RelayedAddr(([0, 0, 0, 0], port).into()).worker(workers) == home;
        self.lent
            .extract_if(.., |port, borrower| borrower.is_none() && is_home(*port))
            .map(|(port, _)| port)
            .collect()
    }

    /// Whether nothing is kept for anybody and nothing is lent.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_token.is_empty() && self.lent.values().all(Option::is_none)
    }
}

/// RESERVATION-TOKEN: eight random bytes that stand for a number. Does not print.
pub(crate) type Token = [u8; 8];

/// A number that waits for its token.
pub(crate) struct Reservation {
    /// Who may redeem it.
    pub(crate) identity: Identity,
    pub(crate) relayed: RelayedAddr,
    /// What a relay socket is to be bound to.
    pub(crate) local: IpAddr,
    pub(crate) until: Duration,
}

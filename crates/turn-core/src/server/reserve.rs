//! EVEN-PORT with its R bit, and RESERVATION-TOKEN: a pair of ports for two 5-tuples, which may belong to
//! two workers. RFC 8656 §7.2.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use stun_wire::{AttributeType, ErrorCode};

use super::Server;
use super::allocate::{Grant, additional_family};
use super::authenticate::Request;
use crate::address::{RelayedAddr, WorkerId};
use crate::allocation::RelaySocket;
use crate::credentials::{Identity, SessionId};
use crate::directory::Heard;
use crate::limits::{RELAY_BIND_ATTEMPTS_MAX, RESERVATION_LIFETIME};
use crate::ports::PortPool;
use crate::reservations::{Reservation, Token};

/// A reservation of this worker; it may have been redeemed.
pub(super) struct Reserved {
    pub(super) until: Duration,
    token: Token,
    port: u16,
}

impl Server {
    /// The number that a token stands for.
    ///
    /// # Errors
    /// 400 for a token of another length or together with what would choose the number otherwise,
    /// 508 where the token is not, or no longer, this user's.
    pub(super) fn redeem(
        &mut self,
        request: &Request<'_>,
        token: &[u8],
        now: Duration,
    ) -> Result<Grant, ErrorCode> {
        let token = Token::try_from(token).map_err(|_| ErrorCode::BadRequest)?;
        //= RFC 8656 §7.2: "If yes, and the request also contains an EVEN-PORT or REQUESTED-ADDRESS-FAMILY or
        //= ADDITIONAL-ADDRESS-FAMILY attribute, the server rejects the request with a 400 (Bad Request)
        //= error"
        let excluded = [AttributeType::EVEN_PORT, AttributeType::REQUESTED_ADDRESS_FAMILY];
        if excluded.iter().any(|kind| request.message.find(*kind).is_some())
            || additional_family(request.message).is_some()
        {
            return Err(ErrorCode::BadRequest);
        }
        let (worker, workers) = (self.worker, self.workers);
        let redeemed = self.directory().reservations().redeem(token, request.identity, worker, workers, now);
        let Reservation { relayed, local, .. } = redeemed.ok_or(ErrorCode::InsufficientCapacity)?;
        if self.is_mine(relayed.0.port()) {
            self.pool(relayed.0.port()).claim();
        }
        let relay = match RelaySocket::of(self.credentials.peers(request.identity), local) {
            // This port or none.
            RelaySocket::Opening { ip, .. } => RelaySocket::Opening { ip, attempts: RELAY_BIND_ATTEMPTS_MAX },
            relay => relay,
        };
        Ok(Grant { relayed, relay, reserved: None, heard: Heard::default() })
    }

    /// Keeps the port after `even`, which was taken with it, for the same user; returns its token. `None`,
    /// and the port is free, where too many are kept.
    pub(super) fn reserve_next(
        &mut self,
        identity: Identity,
        even: RelayedAddr,
        local: IpAddr,
        now: Duration,
    ) -> Option<Token> {
        let (token, until) = (self.random.bytes(), now + RESERVATION_LIFETIME);
        let relayed = next(even);
        let reservation = Reservation { identity, relayed, local, until };
        let port = relayed.0.port();
        if !self.directory().reservations().reserve(token, reservation) {
            self.pool(port).come_back(port, now);
            return None;
        }
        self.reserved.push_back(Reserved { until, token, port });
        Some(token)
    }

    /// The allocation of `even` does not come about: nor does its reservation.
    pub(super) fn cancel_reservation(&mut self, token: Option<Token>, even: RelayedAddr, now: Duration) {
        let Some(token) = token else { return };
        self.reserved.retain(|reserved| reserved.token != token);
        self.lapse(&Reserved { until: now, token, port: next(even).0.port() }, None, now);
    }

    /// Frees what nobody redeemed in time.
    pub(super) fn lapse_reservations(&mut self, now: Duration) {
        while let Some(reserved) = self.reserved.pop_front_if(|reserved| reserved.until <= now) {
            self.lapse(&reserved, None, now);
        }
    }

    /// Frees what is kept for the sides of a session that is over.
    pub(super) fn end_reservations(&mut self, session: SessionId, now: Duration) {
        for reserved in std::mem::take(&mut self.reserved) {
            if !self.lapse(&reserved, Some(session), now) {
                self.reserved.push_back(reserved);
            }
        }
    }

    /// Who serves a relayed address. Its own worker passes on what is about one that it has lent, and
    /// a worker that is asked for one it does not serve (any more) passes that on to where it is.
    pub(super) fn whereabouts(&mut self, port: u16) -> Whereabouts {
        if let Some(&slot) = self.by_port.get(&port) {
            return Whereabouts::Here(slot);
        }
        let is_mine = self.is_mine(port);
        if is_mine && self.pool(port).away() == 0 {
            return Whereabouts::Nowhere;
        }
        let borrower = self.directory().reservations().borrower(port);
        match borrower {
            Some(worker) if worker == self.worker => Whereabouts::Coming,
            Some(worker) => Whereabouts::At(worker),
            None if is_mine => Whereabouts::Nowhere,
            None => Whereabouts::At(self.home(port)),
        }
    }

    /// Lets a number of ours, or one that was lent to us, go to another worker.
    pub(super) fn lend(&mut self, port: u16, to: WorkerId) {
        if self.is_mine(port) {
            self.pool(port).lend();
        }
        self.directory().reservations().lend(port, to);
    }

    /// Takes a number that was lent to us, or has come back.
    pub(super) fn take_lent(&mut self, port: u16) {
        if self.is_mine(port) {
            self.pool(port).claim();
            self.directory().reservations().return_home(port);
        }
    }

    /// Puts a number back where it came from; it rests.
    pub(super) fn give_back(&mut self, port: u16, now: Duration) {
        if self.is_mine(port) {
            self.pool(port).give_back(port, now);
        } else {
            self.directory().reservations().bring_back(port);
        }
    }

    /// Takes numbers of ours that other workers do not need any more.
    pub(super) fn fetch_lent(&mut self, now: Duration) {
        if self.closed_numbers.away() + self.public_ports.away() == 0 {
            return;
        }
        let (worker, workers) = (self.worker, self.workers);
        let free = self.directory().reservations().fetch(worker, workers);
        for port in free {
            self.pool(port).come_back(port, now);
        }
    }

    fn lapse(&mut self, reserved: &Reserved, only: Option<SessionId>, now: Duration) -> bool {
        let lapsed = self.directory().reservations().lapse(reserved.token, only);
        if lapsed {
            self.pool(reserved.port).come_back(reserved.port, now);
        }
        lapsed
    }

    fn pool(&mut self, port: u16) -> &mut PortPool {
        if self.relay_ports.contains(&port) { &mut self.public_ports } else { &mut self.closed_numbers }
    }

    fn is_mine(&self, port: u16) -> bool {
        self.home(port) == self.worker
    }

    /// The worker whose pool a number comes from.
    pub(super) fn home(&self, port: u16) -> WorkerId {
        RelayedAddr(([0, 0, 0, 0], port).into()).worker(self.workers)
    }
}

/// Where the allocation with a number is, if there is one.
pub(super) enum Whereabouts {
    /// At this worker, in this slot.
    Here(usize),
    /// At another one, or that one knows better.
    At(WorkerId),
    /// On its way here.
    Coming,
    Nowhere,
}

/// The relayed address after an even one.
fn next(even: RelayedAddr) -> RelayedAddr {
    RelayedAddr(SocketAddr::new(even.0.ip(), even.0.port() + 1))
}

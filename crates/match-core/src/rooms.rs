//! Rooms: a code that a few people share, and who is inside. Every pair of them is a session.
//!
//! A room lives until its last member leaves. An unknown code and a full room get the same answer, so that
//! codes cannot be probed for.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use indexmap::IndexMap;
use rand_chacha::rand_core::Rng as _;

use crate::Now;
use crate::client::{ClientId, State};
use crate::ids::{KeyedHasher, RoomCode};
use crate::limits::OPEN_SIZE_DEFAULT;
use crate::matcher::Matcher;
use crate::message::{ErrorCode, ServerMessage};

/// The open rooms.
pub(crate) type Rooms = IndexMap<RoomCode, Room, KeyedHasher>;

/// One room.
pub(crate) struct Room {
    /// In the order in which they came.
    pub(crate) members: Vec<ClientId>,
    /// How many may be inside.
    size: usize,
    /// Pairs without a session, caller first, of whom one is away: they get one when both are there.
    owed: Vec<[ClientId; 2]>,
    pub(crate) since: Duration,
}

impl Matcher {
    /// Makes a room and puts the client into it.
    pub(crate) fn handle_open(
        &mut self,
        from: ClientId,
        size: Option<u8>,
        now: Now,
    ) -> Result<(), ErrorCode> {
        self.expect_state(from, State::Greeted)?;
        self.expect_no_drain()?;
        if !self.config.rooms {
            return Err(ErrorCode::RoomsOff);
        }
        let size = size.unwrap_or(OPEN_SIZE_DEFAULT);
        if !(OPEN_SIZE_DEFAULT..=self.config.room_size).contains(&size) {
            return Err(ErrorCode::BadMessage);
        }
        if self.rooms.len() >= self.config.limits.rooms_max {
            return Err(ErrorCode::ServerFull);
        }
        let mut code = RoomCode([0; 16]);
        self.random.fill_bytes(&mut code.0);
        self.rooms
            .insert(code, Room { members: vec![from], size: size.into(), owed: Vec::new(), since: now.mono });
        if let Some(own) = self.client_mut(from) {
            own.room = Some(code);
        }
        self.enter(from, State::InRoom, now);
        self.send(from, ServerMessage::Room { code });
        Ok(())
    }

    /// Puts the client into a room; each member gets the newcomer as caller, at once or on coming back.
    pub(crate) fn handle_join(&mut self, from: ClientId, room: &str, now: Now) -> Result<(), ErrorCode> {
        self.expect_state(from, State::Greeted)?;
        self.expect_no_drain()?;
        if !self.config.rooms {
            return Err(ErrorCode::RoomsOff);
        }
        let mut code = RoomCode([0; 16]);
        let is_code = URL_SAFE_NO_PAD.decode_slice(room, &mut code.0) == Ok(code.0.len());
        let room = self.rooms.get_mut(&code).filter(|room| is_code && room.members.len() < room.size);
        let room = room.ok_or(ErrorCode::NoRoom)?;
        room.owed.extend(room.members.iter().map(|member| [from, *member]));
        room.members.push(from);
        if let Some(own) = self.client_mut(from) {
            own.room = Some(code);
        }
        self.open_owed(from, now);
        if self.client(from).is_some_and(|own| own.sessions.is_empty()) {
            self.enter(from, State::InRoom, now);
            self.send(from, ServerMessage::Room { code });
        }
        Ok(())
    }

    /// Opens the sessions that a member should have with those who are there.
    pub(crate) fn open_owed(&mut self, member: ClientId, now: Now) {
        let Some(code) = self.client(member).and_then(|own| own.room) else { return };
        if self.is_draining {
            return;
        }
        let clients = &self.clients;
        let is_there = |id: &ClientId| clients.get(id.key).is_some_and(|own| !own.is_lost());
        let room = self.rooms.get_mut(&code).expect("a member's room is open");
        let due = |pair: &mut [ClientId; 2]| pair.contains(&member) && pair.iter().all(is_there);
        let pairs: Vec<_> = room.owed.extract_if(.., due).collect();
        for [caller, callee] in pairs {
            self.open_session(caller, callee, Vec::new(), self.config.room_exposure, now);
        }
    }

    /// Two whose session broke get another when both are there, if they are still in one room.
    pub(crate) fn owe(&mut self, pair: [ClientId; 2]) {
        let Some(code) = self.client(pair[0]).and_then(|own| own.room) else { return };
        let room = self.rooms.get_mut(&code).expect("a member's room is open");
        if pair.iter().all(|member| room.members.contains(member)) {
            room.owed.push(pair);
        }
    }

    /// Takes a client out of its room, if it has one; the last to leave takes the room along.
    pub(crate) fn leave_room(&mut self, client: ClientId) {
        let Some(code) = self.client_mut(client).and_then(|own| own.room.take()) else { return };
        let room = self.rooms.get_mut(&code).expect("a member's room is open");
        room.members.retain(|member| *member != client);
        room.owed.retain(|pair| !pair.contains(&client));
        if room.members.is_empty() {
            self.rooms.swap_remove(&code);
        }
    }
}

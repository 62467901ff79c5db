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
        self.rooms.insert(code, Room { members: vec![from], size: size.into(), since: now.mono });
        if let Some(own) = self.client_mut(from) {
            own.room = Some(code);
        }
        self.enter(from, State::InRoom, now);
        self.send(from, ServerMessage::Room { code });
        Ok(())
    }

    /// Puts the client into a room; each who was there gets the newcomer as caller.
    pub(crate) fn handle_join(&mut self, from: ClientId, room: &str, now: Now) -> Result<(), ErrorCode> {
        self.expect_state(from, State::Greeted)?;
        if !self.config.rooms {
            return Err(ErrorCode::RoomsOff);
        }
        let mut code = RoomCode([0; 16]);
        let is_code = URL_SAFE_NO_PAD.decode_slice(room, &mut code.0) == Ok(code.0.len());
        let room = self.rooms.get_mut(&code).filter(|room| is_code && room.members.len() < room.size);
        let room = room.ok_or(ErrorCode::NoRoom)?;
        let members = room.members.clone();
        room.members.push(from);
        if let Some(own) = self.client_mut(from) {
            own.room = Some(code);
        }
        for member in members {
            self.open_session(from, member, Vec::new(), self.config.room_exposure, now);
        }
        Ok(())
    }

    /// Takes a client out of its room, if it has one; the last to leave takes the room along.
    pub(crate) fn leave_room(&mut self, client: ClientId) {
        let Some(code) = self.client_mut(client).and_then(|own| own.room.take()) else { return };
        let room = self.rooms.get_mut(&code).expect("a member's room is open");
        room.members.retain(|member| *member != client);
        if room.members.is_empty() {
            self.rooms.swap_remove(&code);
        }
    }
}

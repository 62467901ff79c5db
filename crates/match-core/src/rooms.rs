//! Rooms: a code that two people share, and who is inside.
//!
//! A room lives until its last member leaves. An unknown code and a full room get the same answer, so that
//! codes cannot be probed for.

use std::hash::BuildHasher;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use indexmap::IndexMap;
use rand_chacha::rand_core::Rng as _;
use siphasher::sip::SipHasher13;

use crate::Now;
use crate::connection::{ConnectionId, State};
use crate::ids::RoomCode;
use crate::matcher::Matcher;
use crate::message::{ErrorCode, ServerMessage};

/// The open rooms.
pub(crate) type Rooms = IndexMap<RoomCode, Vec<ConnectionId>, KeyedHasher>;

/// A hasher whose key is an argument.
#[derive(Clone)]
pub(crate) struct KeyedHasher(pub(crate) [u8; 16]);

impl BuildHasher for KeyedHasher {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_key(&self.0)
    }
}

impl Matcher {
    /// Makes a room and puts the connection into it.
    pub(crate) fn handle_open(
        &mut self,
        from: ConnectionId,
        size: Option<u8>,
        now: Now,
    ) -> Result<(), ErrorCode> {
        self.expect_state(from, &[State::Greeted])?;
        if !self.config.rooms {
            return Err(ErrorCode::RoomsOff);
        }
        if size.is_some_and(|size| !(2..=self.config.room_size).contains(&size)) {
            return Err(ErrorCode::BadMessage);
        }
        if self.rooms.len() >= self.config.limits.rooms_max {
            return Err(ErrorCode::ServerFull);
        }
        let mut code = RoomCode([0; 16]);
        self.random.fill_bytes(&mut code.0);
        self.rooms.insert(code, vec![from]);
        if let Some(own) = self.connection_mut(from) {
            own.room = Some(code);
        }
        self.enter(from, State::InRoom, now);
        self.send(from, ServerMessage::Room { code });
        Ok(())
    }

    /// Puts the connection into a room; the member who was there gets the newcomer as caller.
    pub(crate) fn handle_join(&mut self, from: ConnectionId, room: &str, now: Now) -> Result<(), ErrorCode> {
        self.expect_state(from, &[State::Greeted])?;
        if !self.config.rooms {
            return Err(ErrorCode::RoomsOff);
        }
        let size_max = usize::from(self.config.room_size);
        let mut code = RoomCode([0; 16]);
        let is_code = URL_SAFE_NO_PAD.decode_slice(room, &mut code.0) == Ok(code.0.len());
        let members = self.rooms.get_mut(&code).filter(|members| is_code && members.len() < size_max);
        let members = members.ok_or(ErrorCode::NoRoom)?;
        let member = *members.first().expect("a room without members is removed");
        members.push(from);
        if let Some(own) = self.connection_mut(from) {
            own.room = Some(code);
        }
        self.open_session(from, member, Vec::new(), self.config.room_exposure, now);
        Ok(())
    }

    /// Takes a connection out of its room, if it has one; the last to leave takes the room along.
    pub(crate) fn leave_room(&mut self, connection: ConnectionId) {
        let Some(code) = self.connection_mut(connection).and_then(|own| own.room.take()) else { return };
        let members = self.rooms.get_mut(&code).expect("a member's room is open");
        members.retain(|member| *member != connection);
        if members.is_empty() {
            self.rooms.swap_remove(&code);
        }
    }
}

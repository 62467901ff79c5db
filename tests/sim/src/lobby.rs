//! Where people meet: the matcher, and what the appliance does between it and the relay. Not the transports
//! in front of it.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use match_core::{Config, ConnectionId, Inbound, Matcher, Now, Output};
use serde_json::{Value, json};
use turn_core::{Credential, SessionId, Side};

use crate::world::World;

/// A matcher that lives in a world's time. What it decides is carried out at once.
pub struct Lobby {
    matcher: Matcher,
    mailboxes: BTreeMap<ConnectionId, Mailbox>,
}

impl Lobby {
    /// An empty lobby whose sessions last for so many seconds.
    pub fn new(seed: u8, session_ttl_s: u64) -> Self {
        let config = Config { session_ttl_s, ..Config::default() };
        Self { matcher: Matcher::new(config, [seed; 32]), mailboxes: BTreeMap::new() }
    }

    /// Somebody opens the page.
    ///
    /// # Panics
    /// Where the matcher is full.
    pub fn enter(&mut self, world: &mut World) -> ConnectionId {
        let visitor = self.matcher.handle_opened(None, clock(world)).expect("a matcher with room");
        self.mailboxes.insert(visitor, Mailbox::default());
        self.say(world, visitor, &json!({"t": "hello", "v": 1}));
        visitor
    }

    /// Somebody says something in the signaling protocol.
    pub fn say(&mut self, world: &mut World, visitor: ConnectionId, message: &Value) {
        self.matcher.handle_message(visitor, Inbound::parse(&message.to_string()), clock(world));
        self.carry_out(world);
    }

    /// Somebody tells their partner a relayed address, as an ICE candidate.
    ///
    /// # Panics
    /// Where they have no partner.
    pub fn tell_candidate(&mut self, world: &mut World, visitor: ConnectionId, relayed: SocketAddr) {
        let (ip, port) = (relayed.ip(), relayed.port());
        let candidate =
            format!("candidate:1 1 udp 41885439 {ip} {port} typ relay raddr 198.18.0.1 rport 4242");
        let body = json!({"cand": [{"candidate": candidate, "sdpMid": "0", "sdpMLineIndex": 0}]});
        let session = &self.mailboxes[&visitor].session.as_ref().expect("a session")["session"];
        let message = json!({"t": "plain", "session": session, "n": 1, "body": body});
        self.say(world, visitor, &message);
    }

    /// Does what has become due in the matcher.
    pub fn handle_deadline(&mut self, world: &mut World) {
        self.matcher.handle_deadline(clock(world));
        self.carry_out(world);
    }

    /// Takes the credential that came with a match.
    pub fn credential(&mut self, visitor: ConnectionId) -> Option<Credential> {
        self.mailboxes.get_mut(&visitor)?.credential.take()
    }

    /// Takes the oldest candidate that a partner told, and where it leads.
    pub fn poll_candidate(&mut self, visitor: ConnectionId) -> Option<SocketAddr> {
        loop {
            let message = self.mailboxes.get_mut(&visitor)?.messages.pop_front()?;
            let Some(text) = message["body"]["cand"][0]["candidate"].as_str() else { continue };
            let fields: Vec<&str> = text.split(' ').collect();
            return Some(SocketAddr::new(fields[4].parse().ok()?, fields[5].parse().ok()?));
        }
    }

    fn carry_out(&mut self, world: &mut World) {
        while let Some(output) = self.matcher.poll_output() {
            match output {
                Output::Send { to, message } => self.deliver(to, &message.to_json()),
                Output::Forward { to, frame } => self.deliver(to, frame.as_str()),
                Output::Matched(matched) => {
                    let side = match matched.side {
                        match_core::Side::A => Side::A,
                        match_core::Side::B => Side::B,
                    };
                    let session = SessionId(matched.session.0);
                    let credential = world.mint(session, side, matched.ends_unix_s);
                    let to = matched.to;
                    self.deliver(to, &matched.into_message(Vec::new()).to_json());
                    let mailbox = self.mailboxes.entry(to).or_default();
                    mailbox.session = mailbox.messages.back().cloned();
                    mailbox.credential = Some(credential);
                }
                Output::SessionEnded { session } => world.end(SessionId(session.0)),
                Output::AskRelay(question) => {
                    self.matcher.handle_relaying(&question, false, clock(world));
                }
                Output::UseToken(question) => self.matcher.handle_token(&question, true, clock(world)),
                Output::Close { to, .. } => {
                    self.mailboxes.remove(&to);
                }
            }
        }
    }

    fn deliver(&mut self, to: ConnectionId, text: &str) {
        let message = serde_json::from_str(text).expect("the matcher writes JSON");
        self.mailboxes.entry(to).or_default().messages.push_back(message);
    }
}

/// What has come for one visitor.
#[derive(Default)]
struct Mailbox {
    messages: VecDeque<Value>,
    /// The `matched` frame.
    session: Option<Value>,
    /// What its ICE servers would carry.
    credential: Option<Credential>,
}

fn clock(world: &World) -> Now {
    let now = world.clock();
    Now { mono: now.mono, unix_s: now.unix_s }
}

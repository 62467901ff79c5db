//! A TURN client without sockets: it asks, authenticates, repeats and hears. Not ICE, and it refreshes
//! nothing by itself, so that a test says what lives and what runs out. RFC 8489 §6, §9.2.5, RFC 8656.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use stun_wire::{
    AttributeType, ChannelData, ChannelNumber, Class, FirstByte, Message, MessageWriter, Method,
    PasswordAlgorithms, TransactionId, decode_xor_address, write_channel_data_header,
};
use turn_core::{Credential, PeerAddr};

use crate::random::Random;
use crate::request::{Request, Signature};
use crate::transaction::{Due, Timer};

/// One client on one local port.
///
/// Start requests with [`Client::request`] or send data, take [`Client::poll_datagram`] until it is empty,
/// hand in what arrives and call [`Client::handle_timeout`] at [`Client::next_deadline`].
pub struct Client {
    username: Vec<u8>,
    password: Vec<u8>,
    /// Realm and nonce, once the server has told them.
    signature: Option<Signature>,
    transactions: Vec<Transaction>,
    answers: BTreeMap<Ticket, Result<Granted, Failure>>,
    tickets: Ticket,
    outbox: VecDeque<Vec<u8>>,
    inbox: VecDeque<Heard>,
    relayed: Option<SocketAddr>,
    mapped: Option<SocketAddr>,
    pub(crate) is_on_stream: bool,
    random: Random,
}

impl Client {
    /// A client that holds a credential and has not spoken yet.
    pub fn new(credential: &Credential, random: Random) -> Self {
        Self {
            username: credential.username.clone().into_bytes(),
            password: credential.password.clone().into_bytes(),
            signature: None,
            transactions: Vec::new(),
            answers: BTreeMap::new(),
            tickets: 0,
            outbox: VecDeque::new(),
            inbox: VecDeque::new(),
            relayed: None,
            mapped: None,
            is_on_stream: false,
            random,
        }
    }

    /// The same client on another port: it knows what it knew, and what the server told it may be
    /// worth nothing there.
    pub fn elsewhere(&self, random: Random) -> Self {
        let mut client = Self::new(&Credential { username: String::new(), password: String::new() }, random);
        client.username.clone_from(&self.username);
        client.password.clone_from(&self.password);
        client.signature.clone_from(&self.signature);
        client
    }

    /// Starts a request; its answer is found by the ticket. The first of all goes out unsigned, as RFC 8489
    /// §9.2.3 has it, and is repeated with a signature when the challenge comes.
    pub fn request(&mut self, now: Duration, request: Request) -> Ticket {
        self.tickets += 1;
        let ticket = self.tickets;
        self.transmit(now, ticket, request, 0);
        ticket
    }

    /// Sends data in a Send indication.
    pub fn send(&mut self, peer: SocketAddr, payload: &[u8]) {
        let mut out = Vec::new();
        MessageWriter::new(&mut out, Class::Indication, Method::SEND, self.transaction_id())
            .xor_address(AttributeType::XOR_PEER_ADDRESS, peer)
            .attribute(AttributeType::DATA, payload);
        self.outbox.push_back(out);
    }

    /// Sends data in a Send indication with DONT-FRAGMENT.
    pub fn send_unfragmented(&mut self, peer: SocketAddr, payload: &[u8]) {
        let mut out = Vec::new();
        MessageWriter::new(&mut out, Class::Indication, Method::SEND, self.transaction_id())
            .xor_address(AttributeType::XOR_PEER_ADDRESS, peer)
            .attribute(AttributeType::DATA, payload)
            .attribute(AttributeType::DONT_FRAGMENT, &[]);
        self.outbox.push_back(out);
    }

    /// Sends data on a channel.
    ///
    /// # Panics
    /// Where the number is none that RFC 8656 §12 allows, or the payload fits no datagram.
    pub fn send_channel(&mut self, number: u16, payload: &[u8]) {
        let number = ChannelNumber::new(number).expect("a channel number of the range");
        let bytes = u16::try_from(payload.len()).expect("a payload that fits a datagram");
        let mut out = Vec::new();
        write_channel_data_header(&mut out, number, bytes);
        out.extend_from_slice(payload);
        self.outbox.push_back(out);
    }

    /// A datagram arrived. What is no answer to an open request and no data is ignored.
    pub fn handle_datagram(&mut self, now: Duration, datagram: &[u8]) {
        if FirstByte::of(datagram) == FirstByte::ChannelData {
            if let Some(data) = ChannelData::parse(datagram) {
                self.inbox.push_back(Heard::channel(data.number.number(), data.data));
            }
            return;
        }
        let Ok(message) = Message::parse(datagram) else { return };
        match (message.class(), message.method()) {
            (Class::Indication, Method::DATA) => self.inbox.extend(read_data(&message)),
            (Class::Indication, Method::CONNECTION_ATTEMPT) => self.inbox.extend(read_attempt(&message)),
            (Class::Success | Class::Error, _) => self.take_answer(now, &message, datagram),
            _ => {}
        }
    }

    /// Repeats what was not answered, and gives up what was repeated often enough.
    pub fn handle_timeout(&mut self, now: Duration) {
        let mut at = 0;
        while at < self.transactions.len() {
            match self.transactions[at].timer.handle_timeout(now) {
                Some(Due::GiveUp) => {
                    let ticket = self.transactions.remove(at).ticket;
                    self.answers.insert(ticket, Err(Failure::TimedOut));
                    continue;
                }
                Some(Due::SendAgain) => self.outbox.push_back(self.transactions[at].datagram.clone()),
                None => {}
            }
            at += 1;
        }
    }

    /// The next datagram for the server.
    pub fn poll_datagram(&mut self) -> Option<Vec<u8>> {
        self.outbox.pop_front()
    }

    /// Takes the answer to a request, once it is there.
    pub fn answer(&mut self, ticket: Ticket) -> Option<Result<Granted, Failure>> {
        self.answers.remove(&ticket)
    }

    /// Takes the next payload that reached this client.
    pub fn poll_heard(&mut self) -> Option<Heard> {
        self.inbox.pop_front()
    }

    /// A fresh transaction identifier.
    pub fn transaction_id(&mut self) -> TransactionId {
        TransactionId(self.random.bytes())
    }

    /// When [`Client::handle_timeout`] is due.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.transactions.iter().map(|transaction| transaction.timer.next_deadline()).min()
    }

    /// The relayed address that the last Allocate brought.
    pub const fn relayed(&self) -> Option<SocketAddr> {
        self.relayed
    }

    /// This client's address as the server sees it, once it has an allocation.
    pub const fn mapped(&self) -> Option<SocketAddr> {
        self.mapped
    }

    /// How this client signs at this moment, once it has been challenged.
    pub const fn signature(&self) -> Option<&Signature> {
        self.signature.as_ref()
    }

    fn transmit(&mut self, now: Duration, ticket: Ticket, request: Request, challenges: u8) {
        let id = self.transaction_id();
        let datagram = request.write(id, self.signature.as_ref());
        self.outbox.push_back(datagram.clone());
        let signed = self.signature.clone();
        let timer = if self.is_on_stream { Timer::start_on_stream(now) } else { Timer::start(now) };
        self.transactions.push(Transaction { id, ticket, request, signed, datagram, timer, challenges });
    }

    fn take_answer(&mut self, now: Duration, message: &Message<'_>, datagram: &[u8]) {
        let id = message.transaction_id();
        let Some(at) = self.transactions.iter().position(|transaction| transaction.id == id) else { return };
        if !self.transactions[at].trusts(message) {
            return;
        }
        let Transaction { ticket, request, challenges, .. } = self.transactions.remove(at);
        let answer = match code_of(message) {
            Some(401 | 438) if challenges < CHALLENGES_MAX && self.take_challenge(message) => {
                self.transmit(now, ticket, request, challenges + 1);
                return;
            }
            Some(code) => Err(Failure::Code(code)),
            None => {
                let granted = Granted(datagram.to_vec());
                if message.method() == Method::ALLOCATE {
                    self.relayed = granted.relayed();
                    self.mapped = granted.mapped();
                }
                Ok(granted)
            }
        };
        self.answers.insert(ticket, answer);
    }

    /// Takes realm and nonce from a 401 or 438; `false` where they bring nothing new, so that repeating is
    /// vain.
    fn take_challenge(&mut self, message: &Message<'_>) -> bool {
        let (Some(realm), Some(nonce)) =
            (message.find(AttributeType::REALM), message.find(AttributeType::NONCE))
        else {
            return false;
        };
        //= RFC 8489 §9.2.5: "The client MUST NOT perform this retry if it is not changing the USERNAME,
        //= USERHASH, REALM, or its associated password from the previous attempt"
        if code_of(message) == Some(401) && self.signature.as_ref().is_some_and(|it| it.realm == realm) {
            return false;
        }
        //= RFC 8489 §9.2.5: "the request MUST contain a PASSWORD-ALGORITHM attribute with the first algorithm
        //= supported on the list"
        let told = message.find(AttributeType::PASSWORD_ALGORITHMS);
        let algorithms =
            told.and_then(|told| Some((told.to_vec(), PasswordAlgorithms::new(told).flatten().next()?)));
        self.signature = Some(Signature {
            algorithms,
            username: self.username.clone(),
            password: self.password.clone(),
            realm: realm.to_vec(),
            nonce: nonce.to_vec(),
        });
        true
    }
}

/// Names a request of one client.
pub type Ticket = u64;

/// Why a request was not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The server's error code.
    Code(u16),
    /// No answer to any of the repetitions.
    TimedOut,
}

/// A success response.
#[derive(Clone, PartialEq, Eq)]
pub struct Granted(Vec<u8>);

impl Granted {
    /// The message.
    ///
    /// # Panics
    /// Never: it was parsed before it got here.
    pub fn message(&self) -> Message<'_> {
        Message::parse(&self.0).expect("parsed before")
    }

    /// XOR-RELAYED-ADDRESS
    pub fn relayed(&self) -> Option<SocketAddr> {
        self.address(AttributeType::XOR_RELAYED_ADDRESS)
    }

    /// All XOR-RELAYED-ADDRESSes.
    pub fn all_relayed(&self) -> Vec<SocketAddr> {
        let message = self.message();
        let relayed = message.attributes().filter(|it| it.kind == AttributeType::XOR_RELAYED_ADDRESS);
        relayed.filter_map(|it| decode_xor_address(it.value, message.transaction_id()).ok()).collect()
    }

    /// XOR-MAPPED-ADDRESS
    pub fn mapped(&self) -> Option<SocketAddr> {
        self.address(AttributeType::XOR_MAPPED_ADDRESS)
    }

    /// RESERVATION-TOKEN
    pub fn reservation(&self) -> Option<Vec<u8>> {
        self.message().find(AttributeType::RESERVATION_TOKEN).map(<[u8]>::to_vec)
    }

    /// CONNECTION-ID
    pub fn connection(&self) -> Option<Vec<u8>> {
        self.message().find(AttributeType::CONNECTION_ID).map(<[u8]>::to_vec)
    }

    /// MOBILITY-TICKET
    pub fn ticket(&self) -> Option<Vec<u8>> {
        self.message().find(AttributeType::MOBILITY_TICKET).map(<[u8]>::to_vec)
    }

    /// LIFETIME in seconds.
    pub fn lifetime_s(&self) -> Option<u32> {
        let value = self.message().find(AttributeType::LIFETIME)?.try_into().ok()?;
        Some(u32::from_be_bytes(value))
    }

    fn address(&self, kind: AttributeType) -> Option<SocketAddr> {
        let message = self.message();
        decode_xor_address(message.find(kind)?, message.transaction_id()).ok()
    }
}

/// A payload that reached a client, and in what clothes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// As ChannelData with this number.
    Channel(u16, Vec<u8>),
    /// In a Data indication that names this peer.
    Data(PeerAddr, Vec<u8>),
    /// No payload: a peer has connected, and this CONNECTION-ID names its connection.
    Attempt(PeerAddr, Vec<u8>),
}

impl Heard {
    /// `payload` on a channel.
    pub fn channel(number: u16, payload: &[u8]) -> Self {
        Self::Channel(number, payload.to_vec())
    }

    /// `payload` in a Data indication.
    pub fn data(from: SocketAddr, payload: &[u8]) -> Self {
        Self::Data(PeerAddr(from), payload.to_vec())
    }
}

/// The error code of an error response.
pub(crate) fn code_of(message: &Message<'_>) -> Option<u16> {
    match message.find(AttributeType::ERROR_CODE)? {
        [_, _, class, number, ..] => Some(u16::from(*class) * 100 + u16::from(*number)),
        _ => None,
    }
}

/// A request that waits for its answer.
struct Transaction {
    id: TransactionId,
    ticket: Ticket,
    request: Request,
    signed: Option<Signature>,
    datagram: Vec<u8>,
    timer: Timer,
    challenges: u8,
}

impl Transaction {
    /// Whether an answer is the server's: a signed request is granted by a signed answer, or anybody could
    /// grant it.
    fn trusts(&self, answer: &Message<'_>) -> bool {
        match &self.signed {
            Some(signature) if answer.class() == Class::Success || answer.has_integrity() => {
                answer.verify_integrity(&signature.key())
            }
            _ => true,
        }
    }
}

fn read_attempt(message: &Message<'_>) -> Option<Heard> {
    let from = message.find(AttributeType::XOR_PEER_ADDRESS)?;
    let from = decode_xor_address(from, message.transaction_id()).ok()?;
    Some(Heard::Attempt(PeerAddr(from), message.find(AttributeType::CONNECTION_ID)?.to_vec()))
}

fn read_data(message: &Message<'_>) -> Option<Heard> {
    let from = message.find(AttributeType::XOR_PEER_ADDRESS)?;
    let from = decode_xor_address(from, message.transaction_id()).ok()?;
    Some(Heard::data(from, message.find(AttributeType::DATA)?))
}

/// How often one request is signed anew: for the first challenge and for a nonce that went stale meanwhile.
const CHALLENGES_MAX: u8 = 2;

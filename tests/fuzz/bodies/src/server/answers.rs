//! What the servers say, and what holds of it: verdicts, events, answers. Not what made them say it.
//! RFC 8656; relay.md §3.

use sim::{RELAY_V4, RELAY_V6};
use stun_wire::{AttributeType, ChannelData, Class, Message, Method, decode_xor_address};
use turn_core::{Event, FiveTuple, Framing, Hop, Verdict, WorkerId};

use super::setting::{NAMED_MAX, RELAYED_MAX, UNPROVED_BYTES_MAX};
use super::{Letter, Stage};

impl Stage {
    pub(super) fn hear_client(&mut self, client: usize, datagram: &[u8], signed: bool) {
        let tuple = self.clients[client].tuple;
        let worker = client % 2;
        let mut reply = Vec::new();
        // The server of NAT discovery answers with padding as long as the request.
        self.binding_bytes_max = UNPROVED_BYTES_MAX.max(datagram.len());
        let verdict = self.servers[worker].handle_client(self.now, tuple, datagram, &mut reply);
        let hop = check_verdict(&verdict, datagram, &reply);
        self.take_events(worker);
        if let Some(Hop::Peer { port, .. }) = hop {
            assert!(self.sockets.contains_key(&port), "payloads leave from open sockets only");
        }
        if !reply.is_empty() {
            let request = Message::parse(datagram).expect("only a message is answered");
            assert_eq!(request.class(), Class::Request);
            let may_be_long = signed || request.method() == Method::BINDING;
            assert!(may_be_long || reply.len() <= UNPROVED_BYTES_MAX, "{} bytes", reply.len());
            self.read_answer(tuple, &reply, Some(&request));
        }
    }

    pub(super) fn take_events(&mut self, worker: usize) {
        while let Some(event) = self.servers[worker].poll_event() {
            match event {
                Event::Send { to, message } => self.read_answer(to, &message, None),
                Event::OpenRelay { port, .. } => {
                    self.will_open(worker, port);
                }
                Event::Listen { port, .. } => {
                    self.will_open(worker, port);
                    self.listening.insert(port);
                }
                Event::Connect { port, id, .. } => {
                    assert!(self.listening.contains(&port) && self.sockets.contains_key(&port));
                    let new = self.connections.insert(id, (worker, port)).is_none();
                    assert!(new, "a connection's name is its own");
                }
                Event::Join { client, id, message, .. } => {
                    assert!(client.listener.is_stream() && self.connections.contains_key(&id));
                    self.read_answer(client, &message, None);
                }
                Event::CloseConnection { id } => {
                    assert!(self.connections.remove(&id).is_some(), "it was there");
                }
                Event::CloseRelay { port } => {
                    self.listening.remove(&port);
                    self.connections.retain(|_, (_, of)| *of != port);
                    let was_opening = self.opening.iter().position(|(it, _)| *it == port);
                    was_opening.map(|at| self.opening.swap_remove(at));
                    self.sockets.remove(&port);
                }
                Event::Released { .. } => {}
                Event::Tell { worker: to, notice } => self.post(worker, to, Letter::Notice(notice)),
                Event::HandOver { worker: to, handover } => {
                    for port in handover.relay_ports() {
                        assert_eq!(self.sockets.remove(&port), Some(worker), "who has it hands it over");
                    }
                    self.post(worker, to, Letter::Handover(handover));
                }
                Event::PassOn { worker: to, tuple, datagram } => {
                    self.post(worker, to, Letter::Datagram(tuple, datagram));
                }
            }
        }
    }

    fn will_open(&mut self, worker: usize, port: u16) {
        // Who has a token gets the number where it comes with it.
        let is_its = self.worker_of(port) == worker || self.reserved.contains(&port);
        assert!(is_its, "a port belongs to the worker that opens it");
        self.opening.push((port, worker));
    }

    fn post(&mut self, from: usize, to: WorkerId, letter: Letter) {
        let to = usize::from(to.0);
        assert_ne!(to, from, "a worker tells itself nothing by others");
        // Who is not on the stage hears nothing.
        if let Some(letters) = self.letters.get_mut(to) {
            letters.push_back(letter);
        }
    }

    /// Checks an answer and remembers what a client would.
    pub(super) fn read_answer(&mut self, to: FiveTuple, answer: &[u8], request: Option<&Message<'_>>) {
        let answer = Message::parse(answer).expect("what is sent is a message");
        match (answer.class(), answer.method()) {
            (Class::Success | Class::Error, method) => {
                let is_short = answer.length() <= self.binding_bytes_max;
                assert!(method != Method::BINDING || is_short, "nobody proves anything to Binding");
            }
            (Class::Indication, Method::CONNECTION_ATTEMPT) => {}
            (Class::Indication, Method::DATA) => {
                let has = |kind| answer.find(kind).is_some();
                assert!(has(AttributeType::ICMP) && !has(AttributeType::DATA), "payloads are verdicts");
            }
            _ => panic!("a client asks, and is asked nothing"),
        }
        if let Some(id) = answer.find(AttributeType::CONNECTION_ID) {
            self.named.push_front(id.to_vec());
            self.named.truncate(NAMED_MAX);
        }
        if let Some(request) = request {
            assert_eq!(answer.method(), request.method());
            assert_eq!(answer.transaction_id(), request.transaction_id());
        }
        if let Some(nonce) = answer.find(AttributeType::NONCE) {
            let client = self.clients.iter_mut().find(|it| it.tuple == to).expect("one of ours");
            client.nonce = nonce.to_vec();
        }
        let told = [
            (AttributeType::MOBILITY_TICKET, &mut self.tickets),
            (AttributeType::RESERVATION_TOKEN, &mut self.tokens),
        ];
        for (kind, newest) in told {
            if let Some(value) = answer.find(kind) {
                newest.rotate_right(1);
                newest[0] = value.to_vec();
            }
        }
        if let Some(value) = answer.find(AttributeType::XOR_RELAYED_ADDRESS) {
            let address = decode_xor_address(value, answer.transaction_id()).expect("a whole address");
            assert!([RELAY_V4, RELAY_V6].contains(&address.ip()) && address.port() >= 1024);
            if answer.find(AttributeType::RESERVATION_TOKEN).is_some() {
                self.reserved.insert(address.port() + 1);
            }
            self.relayed.push_front(address);
            self.relayed.truncate(RELAYED_MAX);
        }
    }
}

/// What holds of every verdict; where the payload goes, if it goes on.
pub(super) fn check_verdict(verdict: &Verdict<'_>, datagram: &[u8], reply: &[u8]) -> Option<Hop> {
    assert_eq!(matches!(verdict, Verdict::Reply), !reply.is_empty(), "a reply, and only a reply, has bytes");
    let Verdict::Forward { hop, payload } = verdict else { return None };
    let (whole, part) = (datagram.as_ptr_range(), payload.as_ptr_range());
    assert!(whole.start <= part.start && part.end <= whole.end, "a payload is a part of its datagram");
    if let Hop::Client { framing, .. } = hop {
        let mut out = Vec::new();
        framing.write(payload, &mut out);
        let carried = match framing {
            Framing::Channel(_) => ChannelData::parse(&out).map(|it| it.data),
            Framing::Data { .. } => Message::parse(&out).ok().and_then(|it| it.find(AttributeType::DATA)),
        };
        assert_eq!(carried, Some(*payload), "a frame carries its payload whole");
    }
    Some(*hop)
}

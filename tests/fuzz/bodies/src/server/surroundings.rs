//! What happens around the servers: peers, sockets, letters between workers, ended sessions, ICMP errors,
//! drain. Not what clients send. RFC 6062 §5, RFC 8656 §11.5.

use std::net::SocketAddr;

use sim::RELAY_V6;
use turn_core::{ConnectionId, IcmpError, Notice, PeerAddr, RelayedAddr, SessionId};

use super::answers::check_verdict;
use super::setting::UNPROVED_BYTES_MAX;
use super::{Letter, Stage};
use crate::input::Tape;

impl Stage {
    /// What the rest of the appliance may do at any time.
    pub(super) fn meddle(&mut self, tape: &mut Tape<'_>) {
        let what = tape.byte();
        match what % 4 {
            _ if what >= 192 => self.meddle_with_tcp(tape),
            _ if what >= 128 => self.meddle_with_network(what, tape),
            0 => {
                let until = self.now.unix_s + u64::from(tape.u16());
                let session = SessionId([tape.byte() % 3; 16]);
                for worker in 0..2 {
                    self.servers[worker].handle_session_ended(self.now, session, until);
                    self.take_events(worker);
                }
            }
            1 => {
                let address = RelayedAddr(self.peer(tape));
                let worker = self.worker_of(address.0.port());
                self.servers[worker].handle_notice(self.now, Notice::GiveWay(address));
                self.take_events(worker);
            }
            // A notice may be lost.
            2 => {
                let letters = &mut self.letters[usize::from(tape.byte() % 2)];
                letters.pop_front_if(|letter| match letter {
                    Letter::Notice(notice) => notice.may_be_lost(),
                    Letter::Handover(_) => false,
                    Letter::Datagram(..) => true,
                });
            }
            _ => {
                let port = tape.u16();
                let worker = self.worker_of(port);
                let is_opening = self.opening.iter().any(|(it, _)| *it == port);
                if !is_opening && !self.sockets.contains_key(&port) {
                    self.servers[worker].handle_relay_opened(self.now, port, tape.byte().is_multiple_of(2));
                    self.take_events(worker);
                }
            }
        }
    }

    /// ICMP errors come, a connection of TCP or DTLS breaks, the appliance is about to end.
    fn meddle_with_network(&mut self, what: u8, tape: &mut Tape<'_>) {
        match what % 8 {
            0..=4 => {
                let (which, kind) = (usize::from(tape.byte()), tape.byte() % 16);
                let peer = PeerAddr(self.peer(tape));
                let error = IcmpError { kind, code: tape.byte(), mtu: tape.u16().into() };
                // Errors are read from sockets of UDP.
                let mut sockets = self.sockets.iter().filter(|(port, _)| !self.listening.contains(port));
                let Some((&port, &worker)) = sockets.nth(which % 4) else { return };
                self.servers[worker].handle_icmp(self.now, port, peer, error);
                self.take_events(worker);
            }
            5 | 6 => {
                let client = self.client(tape);
                self.servers[client % 2].handle_client_gone(self.now, self.clients[client].tuple);
                self.take_events(client % 2);
            }
            _ => {
                // One family has somewhere else to go.
                let alternate = SocketAddr::new(RELAY_V6, 3479);
                self.servers.iter_mut().for_each(|server| server.handle_drain(&[alternate]));
            }
        }
    }

    /// Peers accept, refuse, connect and leave.
    fn meddle_with_tcp(&mut self, tape: &mut Tape<'_>) {
        let choice = tape.byte();
        if choice < 64 {
            let ports: Vec<u16> = self.listening.iter().copied().chain([tape.u16()]).collect();
            let port = tape.pick(&ports);
            let (worker, peer) = (self.holder_of(port), PeerAddr(self.peer(tape)));
            // Nobody connects to an address that is not bound yet.
            if self.opening.iter().any(|(it, _)| *it == port) {
                return;
            }
            if let Some(id) = self.servers[worker].handle_peer_connected(self.now, port, peer) {
                assert!(self.listening.contains(&port), "who does not listen accepts nobody");
                assert!(self.connections.insert(id, (worker, port)).is_none());
            }
            return self.take_events(worker);
        }
        if choice >= 240 {
            let client = self.clients.len() - 1 - usize::from(choice % 2);
            let worker = client % 2;
            self.servers[worker].handle_client_gone(self.now, self.clients[client].tuple);
            return self.take_events(worker);
        }
        let ids: Vec<ConnectionId> = self.connections.keys().copied().collect();
        let Some(id) = ids.get(usize::from(choice) % ids.len().max(1)).copied() else { return };
        let (worker, _) = self.connections[&id];
        let now = self.now;
        match tape.byte() % 4 {
            0 | 1 => self.servers[worker].handle_connected(now, id, true),
            2 => {
                self.servers[worker].handle_connected(now, id, false);
                self.servers[worker].handle_connection_closed(now, id);
                self.connections.remove(&id);
            }
            _ => {
                self.servers[worker].handle_connection_closed(now, id);
                self.connections.remove(&id);
            }
        }
        self.take_events(worker);
    }

    pub(super) fn hear_peer(&mut self, tape: &mut Tape<'_>) {
        let any = tape.u16();
        let open = self.sockets.keys().copied().filter(|port| !self.listening.contains(port));
        let open: Vec<u16> = open.chain([any]).collect();
        let port = tape.pick(&open);
        let peer = PeerAddr(self.peer(tape));
        let length = usize::from(tape.byte() % 64);
        let payload = tape.bytes(length);
        let worker = self.holder_of(port);
        let verdict = self.servers[worker].handle_peer(self.now, port, peer, payload);
        if check_verdict(&verdict, payload, &[]).is_some() {
            assert!(self.sockets.contains_key(&port), "payloads arrive at open sockets only");
        }
        self.take_events(worker);
    }

    pub(super) fn deliver(&mut self, worker: usize) {
        match self.letters[worker].pop_front() {
            None => return,
            Some(Letter::Notice(notice)) => self.servers[worker].handle_notice(self.now, notice),
            Some(Letter::Handover(handover)) => {
                self.sockets.extend(handover.relay_ports().map(|port| (port, worker)));
                self.servers[worker].handle_handover(self.now, handover);
            }
            Some(Letter::Datagram(tuple, datagram)) => {
                let mut reply = Vec::new();
                self.binding_bytes_max = UNPROVED_BYTES_MAX.max(datagram.len());
                let server = &mut self.servers[worker];
                let verdict = server.handle_passed_on(self.now, tuple, &datagram, &mut reply);
                check_verdict(&verdict, &datagram, &reply);
                if !reply.is_empty() {
                    self.read_answer(tuple, &reply, None);
                }
            }
        }
        self.take_events(worker);
    }

    pub(super) fn open(&mut self, which: usize, works: bool) {
        if self.opening.is_empty() {
            return;
        }
        let (port, worker) = self.opening.swap_remove(which % self.opening.len());
        if works {
            assert!(self.sockets.insert(port, worker).is_none(), "no port is opened twice");
        } else {
            self.listening.remove(&port);
        }
        self.servers[worker].handle_relay_opened(self.now, port, works);
        self.take_events(worker);
    }
}

//! TCP allocations: connections from a relayed address to peers, and from peers to it, each bound to a
//! connection of the client. What they carry never comes here. RFC 6062 §5.

use std::time::Duration;

use stun_wire::{AttributeType, Class, ErrorCode, MessageWriter, Method, TransactionId};

use super::authenticate::Request;
use super::{Answered, Server};
use crate::address::{FiveTuple, PeerAddr};
use crate::allocation::RelaySocket;
use crate::bandwidth::Toll;
use crate::config::Now;
use crate::connections::{Beginner, Connection, ConnectionId, Stage};
use crate::counters::DropReason;
use crate::limits::CONNECTION_WAIT;
use crate::memory::connections_max;
use crate::policy::{PeerPolicy, PeerVerdict};
use crate::route::{Binding, Notice};
use crate::verdict::Event;

impl Server {
    /// The connection of [`Event::Connect`] is there, or cannot be had.
    pub fn handle_connected(&mut self, now: Now, id: ConnectionId, connected: bool) {
        let Some((slot, stage)) = self.stage_of(id) else { return };
        let Stage::Connecting { id: asked, .. } = stage else { return };
        if connected {
            self.enter_stage(slot, id, Stage::Pending { until: now.mono + CONNECTION_WAIT });
            //= RFC 6062 §5.2: "The server MUST include the CONNECTION-ID attribute in the Connect success
            //= response"
            self.answer_connect(slot, asked, Class::Success, |writer| {
                writer.u32(AttributeType::CONNECTION_ID, id.number());
            });
        } else {
            //= RFC 6062 §5.2: "If the connection attempt fails or times out, the server MUST return a 447
            //= (Connection Timeout or Failure) error"
            self.fail_to_connect(slot, id, asked, ErrorCode::ConnectionTimeoutOrFailure);
        }
        self.settle(now.mono);
    }

    /// A peer has connected to the relayed address with this port. `None`: its connection is to be closed at
    /// once.
    pub fn handle_peer_connected(&mut self, now: Now, port: u16, peer: PeerAddr) -> Option<ConnectionId> {
        match self.admit_peer(now.mono, port, peer) {
            Ok(id) => {
                self.settle(now.mono);
                Some(id)
            }
            Err(reason) => {
                self.counters.drops[reason as usize] += 1;
                None
            }
        }
    }

    /// A connection is over, at either end.
    pub fn handle_connection_closed(&mut self, now: Now, id: ConnectionId) {
        if let Some(&slot) = self.connections.get(&id) {
            self.forget_connection(slot, id);
        }
        self.settle(now.mono);
    }

    /// Whether a request for a TCP allocation may be granted.
    ///
    /// # Errors
    /// 442 for who may not have one, 400 where the request did not come by TCP or asks for what only
    /// datagrams have, 405 for a ticket: a connection does not move.
    pub(super) fn admit_tcp(&self, request: &Request<'_>) -> Result<(), ErrorCode> {
        if !self.credentials.may_relay_tcp(request.identity) {
            return Err(ErrorCode::UnsupportedTransportProtocol);
        }
        //= RFC 6062 §5.1: "If the client connection transport is not TCP or TLS, the server MUST reject the
        //= request with a 400 (Bad Request) error"
        //= RFC 6062 §5.1: "If the request contains the DONT-FRAGMENT, EVEN-PORT, or RESERVATION-TOKEN
        //= attribute, the server MUST reject the request with a 400 (Bad Request) error"
        let has = |kind| request.message.find(kind).is_some();
        if !request.tuple.listener.is_stream()
            || has(AttributeType::DONT_FRAGMENT)
            || has(AttributeType::EVEN_PORT)
            || has(AttributeType::RESERVATION_TOKEN)
        {
            return Err(ErrorCode::BadRequest);
        }
        if has(AttributeType::MOBILITY_TICKET) {
            return Err(ErrorCode::MobilityForbidden);
        }
        Ok(())
    }

    pub(super) fn connect(&mut self, now: Duration, request: &Request<'_>) -> Result<Answered, ErrorCode> {
        //= RFC 6062 §5.2: "If the request is received on a TCP connection for which no allocation exists, the
        //= server MUST return a 437 (Allocation Mismatch) error"
        let slots = self.slots_of(request)?;
        let allocation = &self.allocations[slots.first()];
        if allocation.tcp.is_none() {
            return Err(ErrorCode::AllocationMismatch);
        }
        //= RFC 6062 §5.2: "If the request does not contain an XOR-PEER-ADDRESS attribute, or if such
        //= attribute is invalid, the server MUST return a 400 (Bad Request) error"
        let &[(slot, peer)] = &self.peers_of(slots, request.message)?[..] else {
            return Err(ErrorCode::BadRequest);
        };
        if peer.0.port() == 0 {
            return Err(ErrorCode::BadRequest);
        }
        let allocation = &mut self.allocations[slot];
        allocation.hear(now);
        let tcp = allocation.tcp.as_ref().expect("both families relay the same");
        //= RFC 6062 §5.2: "If the server is currently processing a Connect request for this allocation with
        //= the same XOR-PEER-ADDRESS, it MUST return a 446 (Connection Already Exists) error. If the server
        //= has already successfully processed a Connect request for this allocation with the same
        //= XOR-PEER-ADDRESS, and the resulting client and peer data connections are either pending or active,
        //= it MUST return a 446 (Connection Already Exists) error"
        if tcp.has_peer(peer) {
            return Err(ErrorCode::ConnectionAlreadyExists);
        }
        let (has_room, is_open) = (tcp.has_room(), allocation.relay == RelaySocket::Open);
        //= RFC 6062 §5.2: "If the new connection is forbidden by local policy, the server MUST reject the
        //= request with a 403 (Forbidden) error"
        if !self.may_connect(slot, peer) {
            return Err(ErrorCode::Forbidden);
        }
        if !has_room || !is_open || self.has_no_room() {
            return Err(ErrorCode::InsufficientCapacity);
        }
        //= RFC 6062 §5.2: "The timeout value MUST be at least 30 seconds"
        let until = now + CONNECTION_WAIT;
        let stage = Stage::Connecting { id: request.message.transaction_id(), until };
        let id = self.begin_connection(slot, peer, Beginner::Client, stage, now);
        let port = self.allocations[slot].relayed.0.port();
        self.events.push_back(Event::Connect { port, id, peer });
        Ok(Answered::Later)
    }

    pub(super) fn connection_bind(&mut self, request: &Request<'_>) -> Result<Answered, ErrorCode> {
        let connection = request
            .message
            .find(AttributeType::CONNECTION_ID)
            .and_then(ConnectionId::from_attribute)
            .ok_or(ErrorCode::BadRequest)?;
        //= RFC 6062 §5.4: "If the client connection transport is not TCP or TLS, the server MUST return a 400
        //= (Bad Request) error"
        // And what carries bytes from here on is not what controls an allocation.
        let tuple = request.tuple;
        if !tuple.listener.is_stream() || self.by_tuple.contains_key(&tuple) {
            return Err(ErrorCode::BadRequest);
        }
        let (identity, key, id) = (request.identity, request.key.clone(), request.message.transaction_id());
        let binding = Binding { connection, tuple, identity, key, id };
        self.tell(connection.worker(self.workers), Notice::Bind(Box::new(binding)));
        Ok(Answered::Later)
    }

    /// A client wants a connection that should be here.
    pub(super) fn take_binding(&mut self, binding: &Binding) {
        let Binding { connection, tuple, identity, ref key, id } = *binding;
        let found = self.stage_of(connection).filter(|(slot, stage)| {
            self.allocations[*slot].identity == identity && matches!(stage, Stage::Pending { .. })
        });
        let Some((slot, _)) = found else {
            //= RFC 6062 §5.4: "If the request does not contain the CONNECTION-ID attribute, or if this
            //= attribute does not refer to an existing pending connection, the server MUST return a 400 (Bad
            //= Request) error"
            return self.refuse_binding(binding, ErrorCode::BadRequest);
        };
        self.enter_stage(slot, connection, Stage::Bound);
        let mut message = Vec::new();
        MessageWriter::new(&mut message, Class::Success, Method::CONNECTION_BIND, id).integrity(key);
        self.counters.successes += 1;
        self.counters.connections_bound += 1;
        let toll = Toll { bandwidth: self.bandwidth.clone(), meter: self.allocations[slot].meter.clone() };
        self.events.push_back(Event::Join { client: tuple, id: connection, message, toll });
    }

    pub(super) fn refuse_binding(&mut self, binding: &Binding, code: ErrorCode) {
        let mut message = Vec::new();
        MessageWriter::new(&mut message, Class::Error, Method::CONNECTION_BIND, binding.id)
            .error_code(code)
            .integrity(&binding.key);
        self.events.push_back(Event::Send { to: binding.tuple, message });
        self.counters.errors += 1;
    }

    /// Ends the connections that nobody took in time.
    pub(super) fn lapse_connections(&mut self, now: Duration) {
        while let Some(id) = self.waits.due(now) {
            let (slot, stage) = self.stage_of(id).expect("what waits is there");
            self.events.push_back(Event::CloseConnection { id });
            match stage {
                Stage::Connecting { id: asked, .. } => {
                    self.fail_to_connect(slot, id, asked, ErrorCode::ConnectionTimeoutOrFailure);
                }
                //= RFC 6062 §5.2, §5.3: "If no ConnectionBind request associated with this peer data
                //= connection is received after 30 seconds, the peer data connection MUST be closed"
                Stage::Pending { .. } | Stage::Bound => self.forget_connection(slot, id),
            }
        }
    }

    /// The allocation in `slot` ends: its connections are closed with its relayed address.
    pub(super) fn forget_connections(&mut self, slot: usize) {
        let Some(tcp) = &self.allocations[slot].tcp else { return };
        let (ids, relayed) = (tcp.iter().map(|it| it.id).collect::<Vec<_>>(), self.allocations[slot].relayed);
        for id in ids {
            self.forget_connection(slot, id);
        }
        self.directory().listening().swap_remove(&relayed);
    }

    /// Whether this worker has as many connections as it may.
    fn has_no_room(&self) -> bool {
        self.connections.len() >= connections_max(usize::from(self.workers))
    }

    /// Whether the client of the allocation in `slot` may connect to a peer.
    fn may_connect(&self, slot: usize, peer: PeerAddr) -> bool {
        match self.judge(slot, peer) {
            PeerVerdict::Refused => false,
            PeerVerdict::Outside | PeerVerdict::RelayedOrOutside => true,
            // Datagrams would go by a route or nowhere; a connection would reach whoever listens there.
            PeerVerdict::Relayed => self.directory().listening().contains(&peer.as_relayed()),
        }
    }

    /// Whether a peer may connect to an allocation here. Another client's connection comes from an address of
    /// ours.
    fn may_come(&self, peer: PeerAddr) -> bool {
        let is_of_client_here = || {
            let is_open = self.addresses.allows_permission(PeerPolicy::Public, peer.0.ip(), true);
            is_open && self.directory().listening().contains(&peer.as_relayed())
        };
        self.addresses.may_connect_from(peer.0.ip()) || is_of_client_here()
    }

    /// Ends the connections of the allocation in `slot` that the rules do not admit any more.
    pub(super) fn review_connections(&mut self, slot: usize) {
        let connections = self.allocations[slot].tcp.iter().flat_map(|tcp| tcp.iter());
        let is_refused = |connection: &&Connection| match connection.begun_by {
            Beginner::Client => !self.may_connect(slot, connection.peer),
            Beginner::Peer => !self.may_come(connection.peer),
        };
        let refused: Vec<_> = connections.filter(is_refused).map(|it| (it.id, it.stage)).collect();
        for (id, stage) in refused {
            self.events.push_back(Event::CloseConnection { id });
            match stage {
                Stage::Connecting { id: asked, .. } => {
                    self.fail_to_connect(slot, id, asked, ErrorCode::Forbidden);
                }
                Stage::Pending { .. } | Stage::Bound => self.forget_connection(slot, id),
            }
        }
    }

    /// Tells the client of a peer that has connected.
    ///
    /// # Errors
    /// Why it is told nothing.
    fn admit_peer(&mut self, now: Duration, port: u16, peer: PeerAddr) -> Result<ConnectionId, DropReason> {
        let &slot = self.by_port.get(&port).ok_or(DropReason::NoAllocation)?;
        let allocation = &self.allocations[slot];
        let tcp = allocation.tcp.as_ref().ok_or(DropReason::NoAllocation)?;
        //= RFC 6062 §5.3: "If no permission for this peer has been installed for this allocation, the server
        //= MUST close the connection with the peer immediately after it has been accepted"
        if allocation.permitted_until(peer.0.ip(), now).is_none() {
            return Err(DropReason::NoPermission);
        }
        if !self.may_come(peer) {
            return Err(DropReason::PeerRefused);
        }
        if !tcp.has_room_for_peers() || self.has_no_room() {
            return Err(DropReason::TooManyConnections);
        }
        let stage = Stage::Pending { until: now + CONNECTION_WAIT };
        let id = self.begin_connection(slot, peer, Beginner::Peer, stage, now);
        let mut message = Vec::new();
        let transaction = TransactionId(self.random.bytes());
        //= RFC 6062 §5.3: "The indication MUST include an XOR-PEER-ADDRESS attribute containing the peer's
        //= transport address, as well as a CONNECTION-ID attribute uniquely identifying the peer data
        //= connection"
        MessageWriter::new(&mut message, Class::Indication, Method::CONNECTION_ATTEMPT, transaction)
            .u32(AttributeType::CONNECTION_ID, id.number())
            .xor_address(AttributeType::XOR_PEER_ADDRESS, peer.0);
        self.events.push_back(Event::Send { to: self.allocations[slot].tuple, message });
        Ok(id)
    }

    fn begin_connection(
        &mut self,
        slot: usize,
        peer: PeerAddr,
        begun_by: Beginner,
        stage: Stage,
        since: Duration,
    ) -> ConnectionId {
        let id = loop {
            let random = u32::from_be_bytes(self.random.bytes());
            let id = ConnectionId::new(random, self.worker, self.workers);
            if !self.connections.contains_key(&id) {
                break id;
            }
        };
        let connection = Connection { id, peer, begun_by, since, stage };
        if let Some(until) = connection.ends() {
            self.waits.insert(until, id);
        }
        let tcp = self.allocations[slot].tcp.as_mut();
        tcp.expect("only an allocation of TCP has connections").add(connection);
        self.connections.insert(id, slot);
        self.connection_births.insert(since, id);
        self.counters.connections += 1;
        id
    }

    fn forget_connection(&mut self, slot: usize, id: ConnectionId) {
        let tcp = self.allocations[slot].tcp.as_mut();
        if let Some(connection) = tcp.and_then(|tcp| tcp.remove(id)) {
            self.connection_births.remove(connection.since, id);
            if let Some(until) = connection.ends() {
                self.waits.remove(until, id);
            }
        }
        self.connections.swap_remove(&id);
        self.counters.connections -= 1;
    }

    /// The allocation of a connection, and how far it has come.
    fn stage_of(&mut self, id: ConnectionId) -> Option<(usize, Stage)> {
        let &slot = self.connections.get(&id)?;
        let connection = self.allocations[slot].tcp.as_mut()?.find(id)?;
        Some((slot, connection.stage))
    }

    fn enter_stage(&mut self, slot: usize, id: ConnectionId, stage: Stage) {
        let tcp = self.allocations[slot].tcp.as_mut();
        let connection = tcp.and_then(|tcp| tcp.find(id)).expect("a connection that was just looked at");
        if let Some(until) = connection.ends() {
            self.waits.remove(until, id);
        }
        connection.stage = stage;
        if let Some(until) = connection.ends() {
            self.waits.insert(until, id);
        }
    }

    fn fail_to_connect(&mut self, slot: usize, id: ConnectionId, asked: TransactionId, why: ErrorCode) {
        self.forget_connection(slot, id);
        self.answer_connect(slot, asked, Class::Error, |writer| {
            writer.error_code(why);
        });
    }

    fn answer_connect(
        &mut self,
        slot: usize,
        asked: TransactionId,
        class: Class,
        fill: impl FnOnce(&mut MessageWriter<'_>),
    ) {
        let allocation = &self.allocations[slot];
        let to: FiveTuple = allocation.tuple;
        let mut message = Vec::new();
        let mut writer = MessageWriter::new(&mut message, class, Method::CONNECT, asked);
        fill(&mut writer);
        writer.integrity(&allocation.key);
        self.events.push_back(Event::Send { to, message });
        match class {
            Class::Success => self.counters.successes += 1,
            _ => self.counters.errors += 1,
        }
    }
}

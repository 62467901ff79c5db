//! What clients send: requests with any attributes, signed or not, indications and channel data. Not what is
//! checked about the answers. RFC 8656, RFC 6062, RFC 5780, RFC 8016.

use sim::{Request, Signature};
use stun_wire::{AttributeType, Class, Method, TransactionId};
use turn_core::Credential;

use super::Stage;
use super::setting::NAMED_MAX;
use crate::input::Tape;

impl Stage {
    /// A request with any attributes, signed or not.
    pub(super) fn request(&mut self, tape: &mut Tape<'_>) {
        let client = self.client(tape);
        let method = tape.pick(&[
            Method::ALLOCATE,
            Method::REFRESH,
            Method::CREATE_PERMISSION,
            Method::CHANNEL_BIND,
            Method::BINDING,
        ]);
        let how = tape.byte();
        let mut request = Request::bare(method);
        match (method, how & 64) {
            (Method::ALLOCATE, 0) => request = Request::allocate(),
            (Method::BINDING, 0) => request = self.request_of_tcp(tape),
            _ => {}
        }
        for _ in 0..how % 8 {
            request = self.attribute(request, tape);
        }
        let signature = (how & 128 == 0).then(|| {
            let Credential { username, password } = tape.pick(&self.credentials.each_ref());
            Signature {
                username: username.clone().into_bytes(),
                password: password.clone().into_bytes(),
                realm: self.realm.clone().into_bytes(),
                nonce: self.clients[client].nonce.clone(),
                algorithms: None,
            }
        });
        let datagram = request.write(TransactionId([tape.byte(); 12]), signature.as_ref());
        self.hear_client(client, &datagram, signature.is_some());
    }

    /// What is asked for where TCP is relayed.
    fn request_of_tcp(&self, tape: &mut Tape<'_>) -> Request {
        match tape.byte() {
            0..64 => Request::allocate_tcp(),
            64..160 => Request::connect(self.peer(tape)),
            which => match self.named.get(usize::from(which) % NAMED_MAX) {
                Some(id) => Request::bind_connection(id),
                None => Request::bind_connection(&tape.array::<4>()),
            },
        }
    }

    fn attribute(&self, request: Request, tape: &mut Tape<'_>) -> Request {
        let which = tape.byte();
        match which % 12 {
            _ if which >= 192 => self.later_attribute(request, which, tape),
            0..=2 => request.peer(self.peer(tape)),
            3 => request.with(AttributeType::CHANNEL_NUMBER, &[0x40, tape.byte() % 4, 0, 0]),
            4 => request.with(AttributeType::CHANNEL_NUMBER, &tape.array::<4>()),
            5 => request.lifetime(u32::from(tape.u16()) * u32::from(tape.byte() % 2)),
            6 => request.family(tape.byte() % 4),
            7 => request.with(AttributeType::EVEN_PORT, &[tape.byte()]),
            8 => {
                let length = usize::from(tape.byte() % 32);
                request.with(AttributeType::DATA, tape.bytes(length))
            }
            9 => request.ticket(&[]),
            10 => request.ticket(tape.pick(&self.tickets.each_ref().map(Vec::as_slice))),
            _ => {
                let length = usize::from(tape.byte() % 32);
                request.with(AttributeType(tape.u16() & 0x803F), tape.bytes(length))
            }
        }
    }

    /// Reservations, both families and NAT discovery.
    fn later_attribute(&self, request: Request, which: u8, tape: &mut Tape<'_>) -> Request {
        match which % 8 {
            0 | 1 => {
                let token = tape.pick(&self.tokens.each_ref().map(Vec::as_slice));
                request.with(AttributeType::RESERVATION_TOKEN, token)
            }
            2 => request.with(AttributeType::EVEN_PORT, &[0x80]),
            3 | 4 => request.both_families(),
            5 => request.with(AttributeType::CHANGE_REQUEST, &[0, 0, 0, tape.byte()]),
            6 => request.with(AttributeType::RESPONSE_PORT, &tape.array::<2>()),
            _ => {
                let length = usize::from(tape.byte());
                request.with(AttributeType::PADDING, tape.bytes(length))
            }
        }
    }

    pub(super) fn send_indication(&mut self, tape: &mut Tape<'_>) {
        let client = self.client(tape);
        let mut request = Request::bare(Method::SEND).peer(self.peer(tape));
        for _ in 0..tape.byte() % 4 {
            request = self.attribute(request, tape);
        }
        let datagram = request.write_as(Class::Indication, TransactionId([tape.byte(); 12]), None);
        self.hear_client(client, &datagram, false);
    }

    pub(super) fn channel_data(&mut self, tape: &mut Tape<'_>) {
        let client = self.client(tape);
        let length = tape.byte() % 64;
        let mut datagram = vec![0x40, tape.byte() % 4, 0, length];
        datagram.extend(tape.bytes(usize::from(length)));
        self.hear_client(client, &datagram, false);
    }
}

//! Row 60: an answer is the same whatever was in the buffer that it is written into, to strangers and to
//! those who have proved who they are.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sim::{PeerPolicy, RELAY_PORT, RELAY_V4, Request, Setup, Signature};
use stun_wire::{AttributeType, Message, Method, TransactionId};
use turn_core::{
    AllocationLimits, BandwidthLimits, ClientAddr, Directory, FiveTuple, ListenerId, LocalIp, Now, Server,
    Verdict, WorkerId,
};

#[test]
fn row_60_nothing_of_the_buffer_gets_into_an_answer() {
    let answers = [0x00, 0xAA].map(Asking::all);
    assert!(answers[0].len() > 10);
    assert_eq!(answers[0], answers[1]);
}

/// A server and its only client.
struct Asking {
    server: Server,
    fill: u8,
    asked: u8,
    nonce: Vec<u8>,
    answers: Vec<Vec<u8>>,
}

impl Asking {
    /// The answers to requests of every kind and outcome, written where there are bytes of this value.
    fn all(fill: u8) -> Vec<Vec<u8>> {
        let users = vec![("user", PeerPolicy::Appliance)];
        let config = Setup { workers: 1, users, ..Setup::new(1) }.config(WorkerId(0));
        let limits = AllocationLimits { per_side: 0, per_prefix: 0, total: 0 };
        let directory = Directory::new(limits, BandwidthLimits::default(), (1, 2));
        let server = Server::new(config, Arc::new(Mutex::new(directory)), [9; 32]);
        let mut asking = Self { server, fill, asked: 0, nonce: Vec::new(), answers: Vec::new() };
        let [ours, outside] = [(RELAY_V4, 5000), ([9, 9, 9, 9].into(), 5000)].map(Into::into);
        asking.ask(&Request::bare(Method::BINDING), None);
        asking.ask(&Request::bare(Method::BINDING).with(AttributeType(0x7000), b"odd"), None);
        asking.ask(&Request::allocate(), None);
        asking.ask(&Request::refresh(600), Some("a wrong password"));
        for request in [
            Request::refresh(600),
            Request::allocate().with(AttributeType(0x7000), b"odd"),
            Request::allocate().family(2),
            Request::refresh(600).family(1),
            Request::permit(&[ours]),
            Request::permit(&[outside]),
            Request::bind(0x4000, ours),
            Request::bind(0x4000, (RELAY_V4, RELAY_PORT).into()),
            Request::bind(0x1000, ours),
            Request::allocate(),
            Request::refresh(0),
            Request::allocate().ticket(&[]),
        ] {
            asking.ask(&request, Some("the password of user"));
        }
        asking.answers
    }

    fn ask(&mut self, request: &Request, password: Option<&str>) {
        self.asked += 1;
        let signature = password.map(|password| Signature {
            username: b"user".to_vec(),
            password: password.into(),
            realm: b"ginnel".to_vec(),
            nonce: self.nonce.clone(),
            algorithms: None,
        });
        let request = request.write(TransactionId([self.asked; 12]), signature.as_ref());
        let tuple = FiveTuple {
            client: ClientAddr("198.18.0.1:5000".parse().expect("an address")),
            local: LocalIp(RELAY_V4),
            listener: ListenerId(0),
        };
        let now = Now { mono: Duration::from_secs(1), unix_s: 1 };
        let mut reply = vec![self.fill; 2048];
        reply.clear();
        assert!(matches!(self.server.handle_client(now, tuple, &request, &mut reply), Verdict::Reply));
        let nonce = Message::parse(&reply).expect("a message").find(AttributeType::NONCE).map(<[u8]>::to_vec);
        self.nonce = nonce.unwrap_or_else(|| std::mem::take(&mut self.nonce));
        self.answers.push(reply);
    }
}

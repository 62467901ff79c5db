//! DTLS as a worker runs it: any sequence of hellos, cookies, pieces, records and times from strangers, and
//! one client that does as it should. Not the cryptography. RFC 6347.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use dimpl::crypto::rust_crypto;
use dimpl::{DtlsCertificate, Output};
use relay_plane::Clock;
use relay_plane::dtls::{Associations, Dtls, Fate};
use relay_plane::web::Caps;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;
use turn_core::{ClientAddr, FiveTuple, ListenerId, LocalIp};

use crate::input::Tape;

/// Does to a worker's DTLS what the bytes say, then lets everything run out.
///
/// # Panics
/// Where it panics, exceeds a bound, sends a stranger more than it got, takes anybody's words for a client's,
/// lets strangers end what a client has, or keeps anything in the end.
pub fn dtls(data: &[u8]) {
    let mut tape = Tape::new(data);
    let mut stage = Stage::new();
    for _ in 0..STEPS_MAX {
        let Some(choice) = tape.next() else { break };
        stage.step(choice, &mut tape);
        assert!(stage.dtls.counters().open <= CAPS.open as u64);
    }
    stage.close();
}

/// One worker, and who speaks to it.
struct Stage {
    dtls: Dtls,
    clock: Clock,
    now: Duration,
    /// The first is honest.
    tuples: [FiveTuple; 4],
    /// The cookies that they were told last.
    cookies: [Vec<u8>; 4],
    honest: Option<Honest>,
    /// Whether the handshake of the honest client is over, and its association is not.
    is_open: bool,
    /// Whether it has an allocation.
    holds: bool,
}

impl Stage {
    fn new() -> Self {
        let clock = Clock::start();
        let certificate = Arc::new(|| Arc::clone(&CERTIFIED));
        let dtls = Dtls::new(certificate, Arc::new(Associations::new(CAPS)), clock);
        Self {
            dtls: dtls.expect("the system has randomness"),
            clock,
            now: Duration::from_secs(1),
            // Three of one network.
            tuples: [[1, 1], [1, 2], [1, 3], [2, 1]].map(tuple),
            cookies: Default::default(),
            honest: None,
            is_open: false,
            holds: false,
        }
    }

    fn step(&mut self, choice: u8, tape: &mut Tape<'_>) {
        let at = usize::from(choice >> 3) % self.tuples.len();
        match choice & 7 {
            0 => {
                let count = tape.u16() % 300;
                self.hear_stranger(at, tape.bytes(count.into()));
            }
            1 => self.hear_stranger(at, &hello(tape.byte() & 3, &[])),
            2 => self.show_cookie(at, tape),
            3 => {
                let kind = tape.pick(&[20, 21, 22, 22, 23, 25, 26, 63]);
                let mut record = vec![kind, 0xFE, tape.pick(&[0xFD, 0xFF]), 0, tape.byte() & 3];
                record.extend_from_slice(&tape.array::<6>());
                self.hear_stranger(at, &with_body(record, tape));
            }
            4 => {
                let mut message = vec![tape.pick(&[1, 2, 11, 14, 15, 16, 20, 0]), 0, tape.byte() & 15];
                message.extend_from_slice(&[tape.byte(), 0, tape.byte() & 7, 0, tape.byte() & 15]);
                message.extend_from_slice(&[tape.byte(), 0]);
                let message = with_body(message, tape);
                let mut record = vec![22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, tape.byte(), tape.byte()];
                record.extend_from_slice(&(message.len() as u16).to_be_bytes());
                record.extend_from_slice(&message);
                self.hear_stranger(at, &record);
            }
            5 => self.pass(tape.pick(&[1, 10, 100, 500, 1_000, 5_000, 10_000, 31_000])),
            6 => self.talk(tape.byte()),
            _ => self.change(tape.byte()),
        }
    }

    /// A datagram that shows nothing, of whoever says that it is this client.
    fn hear_stranger(&mut self, at: usize, datagram: &[u8]) {
        let before = self.dtls.counters();
        let fate = self.hear(at, datagram);
        let after = self.dtls.counters();
        assert!(after.open <= before.open && after.accepted == before.accepted, "there was no cookie");
        assert!(at != HONEST || !self.is_open || fate == Fate::Lives, "a stranger ended it");
        if after.asked + after.refused > before.asked + before.refused {
            self.is_answered_with_less(datagram);
        }
    }

    /// A hello with a cookie, which may be another client's, and may be changed.
    fn show_cookie(&mut self, at: usize, tape: &mut Tape<'_>) {
        let cookie = self.cookies[usize::from(tape.byte()) % self.cookies.len()].clone();
        let mut hello = hello(tape.byte() & 3, &cookie);
        for _ in 0..tape.byte() & 3 {
            let place = usize::from(tape.u16()) % hello.len();
            hello[place] ^= tape.byte();
        }
        let before = self.dtls.counters();
        let fate = self.hear(at, &hello);
        let after = self.dtls.counters();
        let may_begin = u64::from(!cookie.is_empty());
        assert!(after.open <= before.open + may_begin && after.accepted == before.accepted);
        if after.asked + after.refused > before.asked + before.refused {
            self.is_answered_with_less(&hello);
        }
        // With the cookie that was told to its own address it has begun anew.
        self.is_open &= at != HONEST || fate == Fate::Lives;
    }

    fn hear(&mut self, at: usize, datagram: &[u8]) -> Fate {
        let fate = self.dtls.handle_datagram(self.now, &self.tuples[at], datagram);
        assert!(self.dtls.taken.messages.iter().next().is_none(), "nobody has said that");
        for record in self.dtls.taken.records.iter() {
            if record[0] == 22 && record.get(13) == Some(&VERIFY_REQUEST) {
                self.cookies[at] = record[28..].to_vec();
            }
        }
        fate
    }

    /// The honest client and the server say what they have to say; some of it is lost.
    fn talk(&mut self, lost: u8) {
        let at = self.clock.at(self.now);
        let mut honest = self.honest.take().unwrap_or_else(|| Honest::new(at));
        for round in 0..8 {
            let before = self.dtls.counters().accepted;
            for datagram in honest.poll() {
                if lost >> round & 1 == 0 {
                    self.hear(HONEST, &datagram);
                    let records = self.dtls.taken.records.iter().map(<[u8]>::to_vec);
                    records.collect::<Vec<_>>().iter().for_each(|record| honest.take(record));
                }
            }
            self.is_open |= self.dtls.counters().accepted > before;
        }
        if self.is_open && honest.is_connected {
            for datagram in honest.say(b"hello") {
                let fate = self.dtls.handle_datagram(self.now, &self.tuples[HONEST], &datagram);
                assert!(
                    fate == Fate::Lives && self.dtls.taken.messages.iter().eq([b"hello"]),
                    "it was not heard"
                );
            }
        }
        // One that has given up begins anew the next time.
        self.honest = honest.keep_time(at).then_some(honest);
    }

    /// An allocation begins or ends, a client forgets its keys, or somebody is sent away.
    fn change(&mut self, how: u8) {
        match how & 3 {
            0 => self.holds = true,
            1 => {
                self.holds = false;
                self.dtls.handle_released(self.now, &self.tuples[HONEST]);
            }
            2 => self.honest = None,
            _ => {
                let closed = self.dtls.close_one();
                self.is_open &= closed != Some(self.tuples[HONEST]);
            }
        }
        if self.honest.is_none() {
            // The next one on its address makes a handshake of its own.
            self.is_open = false;
        }
    }

    /// Time passes, and what is due is done.
    fn pass(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        while let Some(due) = self.dtls.next_deadline().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            let holder = self.tuples[HONEST];
            let done = self.dtls.handle_deadline(self.now, |tuple| self.holds && *tuple == holder);
            match done {
                Some((tuple, fate)) => self.is_open &= tuple != holder || fate == Fate::Lives,
                // Only a second's counts were forgotten.
                None => assert!(
                    self.dtls.next_deadline().is_none_or(|next| next > self.now),
                    "something was due, and still is"
                ),
            }
        }
        self.now = until;
    }

    /// Whoever stays without an allocation is gone in the end.
    fn close(&mut self) {
        self.holds = false;
        self.dtls.handle_released(self.now, &self.tuples[HONEST]);
        self.pass(31_000);
        assert_eq!((self.dtls.counters().open, self.dtls.next_deadline()), (0, None));
    }

    fn is_answered_with_less(&self, datagram: &[u8]) {
        let sent: usize = self.dtls.taken.records.iter().map(<[u8]>::len).sum();
        assert!(sent <= datagram.len(), "{sent} bytes for {}", datagram.len());
    }
}

/// A client as the library has it.
struct Honest {
    dtls: dimpl::Dtls,
    is_connected: bool,
}

impl Honest {
    fn new(now: Instant) -> Self {
        let config = dimpl::Config::builder().with_crypto_provider(rust_crypto::default_provider()).build();
        let config = Arc::new(config.expect("a configuration of the library's own"));
        let mut dtls = dimpl::Dtls::new_12(config, CLIENT.clone(), now);
        dtls.set_active(true);
        let mut honest = Self { dtls, is_connected: false };
        honest.keep_time(now);
        honest
    }

    /// Whether it goes on.
    fn keep_time(&mut self, now: Instant) -> bool {
        self.dtls.handle_timeout(now).is_ok()
    }

    fn take(&mut self, record: &[u8]) {
        // What it thinks of the server's records is not looked at.
        let _ = self.dtls.handle_packet(record);
    }

    fn say(&mut self, message: &[u8]) -> Vec<Vec<u8>> {
        match self.dtls.send_application_data(message) {
            Ok(_) => self.poll(),
            Err(_) => Vec::new(),
        }
    }

    fn poll(&mut self) -> Vec<Vec<u8>> {
        let (mut out, mut datagrams) = (vec![0; 20_000], Vec::new());
        loop {
            match self.dtls.poll_output(&mut out) {
                Output::Packet(datagram) => datagrams.push(datagram.to_vec()),
                Output::Connected => self.is_connected = true,
                Output::Timeout(_) => return datagrams,
                _ => {}
            }
        }
    }
}

/// That of a library, with this in its random number and this cookie.
fn hello(random: u8, cookie: &[u8]) -> Vec<u8> {
    let mut hello = HELLO.clone();
    hello[BODY + 2] = random;
    let at = BODY + 2 + 32;
    let at = at + 1 + usize::from(hello[at]);
    if !cookie.is_empty() {
        hello[at] = cookie.len() as u8;
        hello.splice(at + 1..=at, cookie.iter().copied());
        (hello[10], hello[18]) = (1, 1);
    }
    let length = (hello.len() - BODY) as u16;
    hello[11..13].copy_from_slice(&(length + 12).to_be_bytes());
    hello[15..17].copy_from_slice(&length.to_be_bytes());
    hello[23..25].copy_from_slice(&length.to_be_bytes());
    hello
}

/// A header's last field, the length, and so many bytes.
fn with_body(mut header: Vec<u8>, tape: &mut Tape<'_>) -> Vec<u8> {
    let count = tape.byte();
    let body = tape.bytes(count.into());
    header.extend_from_slice(&(body.len() as u16).to_be_bytes());
    header.extend_from_slice(body);
    header
}

fn tuple([network, host]: [u8; 2]) -> FiveTuple {
    let client = ClientAddr(([198, 18, network, host], 5000).into());
    FiveTuple { client, local: LocalIp([192, 0, 2, 1].into()), listener: ListenerId::dtls(0) }
}

fn made() -> DtlsCertificate {
    let made = rcgen::generate_simple_self_signed(Vec::new()).expect("the system has randomness");
    DtlsCertificate { certificate: made.cert.der().to_vec(), private_key: made.signing_key.serialize_der() }
}

static CERTIFIED: LazyLock<Arc<CertifiedKey>> = LazyLock::new(|| {
    let DtlsCertificate { certificate, private_key } = made();
    let key = PrivateKeyDer::Pkcs8(private_key.into());
    let provider = rustls::crypto::ring::default_provider();
    Arc::new(CertifiedKey::from_der(vec![certificate.into()], key, &provider).expect("just made"))
});

static CLIENT: LazyLock<DtlsCertificate> = LazyLock::new(made);

static HELLO: LazyLock<Vec<u8>> = LazyLock::new(|| Honest::new(Instant::now()).poll().remove(0));

/// Two of the network that has three fit, and one more.
const CAPS: Caps = Caps { open: 3, open_per_prefix: 2, handshakes: 2, handshakes_per_prefix: 2 };
/// Which of the clients that is.
const HONEST: usize = 0;
const STEPS_MAX: usize = 64;
/// Where the body of a datagram's first message begins.
const BODY: usize = 13 + 12;
const VERIFY_REQUEST: u8 = 3;

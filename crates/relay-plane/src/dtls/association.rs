//! One client's DTLS, as the library runs it: records in, messages and records out. Not who may have one.
//! RFC 6347.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use dimpl::crypto::Dtls12CipherSuite;
use dimpl::{Config, Dtls, DtlsCertificate, Error, Output};
use rustls::sign::CertifiedKey;

use super::hello::ClientHello;
use super::provider;
use crate::limits::{
    DTLS_DATAGRAM_BYTES_MAX, DTLS_FIRST_WAIT, DTLS_HANDSHAKE_DATAGRAMS_MAX, DTLS_MESSAGE_BYTES_MAX,
    DTLS_RECORD_BYTES_MAX, HANDSHAKE_MS_MAX,
};

/// What all associations have in common.
pub(super) struct Library {
    chacha: Arc<Config>,
    aes: Arc<Config>,
}

impl Library {
    pub(super) fn new() -> Self {
        use Dtls12CipherSuite as Suite;
        Self {
            chacha: config(&[Suite::ECDHE_ECDSA_CHACHA20_POLY1305_SHA256]),
            aes: config(&[Suite::ECDHE_ECDSA_AES256_GCM_SHA384, Suite::ECDHE_ECDSA_AES128_GCM_SHA256]),
        }
    }

    /// Begins an association with a client whose cookie is good; nothing if we have no suite in common, or
    /// the certificate's key is of a kind that DTLS cannot use.
    pub(super) fn begin(
        &self,
        now: Instant,
        hello: &ClientHello<'_>,
        cookie: [u8; 32],
        certified: &CertifiedKey,
    ) -> Option<Association> {
        let knows = |suite: Dtls12CipherSuite| hello.offers(suite.as_u16());
        // Its nonces are record numbers, so none comes twice; those of AES are random, as the library has it.
        let config = if knows(Dtls12CipherSuite::ECDHE_ECDSA_CHACHA20_POLY1305_SHA256) {
            &self.chacha
        } else if knows(Dtls12CipherSuite::ECDHE_ECDSA_AES256_GCM_SHA384)
            || knows(Dtls12CipherSuite::ECDHE_ECDSA_AES128_GCM_SHA256)
        {
            &self.aes
        } else {
            return None;
        };
        provider::scheme(&*certified.key)?;
        let begin = || {
            let certificate =
                DtlsCertificate { certificate: certified.cert.first()?.to_vec(), private_key: Vec::new() };
            let mut dtls = Dtls::new_12(Arc::clone(config), certificate, now);
            dtls.handle_timeout(now).ok()?;
            // The library counts messages from the first, for which the client has had its answer.
            dtls.handle_packet(&hello.before_the_cookie()).ok()?;
            poll(&mut dtls, &mut Taken::default());
            dtls.handle_packet(hello.datagram()).ok()?;
            Some(Association(Mutex::new(dtls)))
        };
        provider::with(Arc::clone(&certified.key), cookie, begin)
    }
}

/// The state of one client's DTLS. Its worker reads and keeps time; any worker may send.
pub(crate) struct Association(Mutex<Dtls>);

impl Association {
    /// Takes a datagram in, and leaves in `taken` what comes of it.
    ///
    /// # Errors
    /// The association is over.
    pub(super) fn read(&self, now: Instant, datagram: &[u8], taken: &mut Taken) -> Result<(), Error> {
        let mut dtls = self.lock();
        dtls.handle_timeout(now)?;
        dtls.handle_packet(datagram)?;
        poll(&mut dtls, taken);
        Ok(())
    }

    /// Does what is due: sends a flight again, or gives up.
    ///
    /// # Errors
    /// The association is over.
    pub(super) fn wait(&self, now: Instant, taken: &mut Taken) -> Result<(), Error> {
        let mut dtls = self.lock();
        dtls.handle_timeout(now)?;
        poll(&mut dtls, taken);
        Ok(())
    }

    /// Encrypts one message.
    ///
    /// # Errors
    /// There is no record for it.
    pub(crate) fn seal(&self, message: &[u8], taken: &mut Taken) -> Result<(), Unsealed> {
        if message.len() > DTLS_MESSAGE_BYTES_MAX {
            return Err(Unsealed::TooLong);
        }
        let mut dtls = self.lock();
        dtls.send_application_data(message).map_err(|_| Unsealed::Over)?;
        poll(&mut dtls, taken);
        Ok(())
    }

    /// Says good-bye.
    pub(super) fn close(&self, taken: &mut Taken) {
        let mut dtls = self.lock();
        if dtls.close().is_ok() {
            poll(&mut dtls, taken);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Dtls> {
        self.0.lock().expect("nobody panics while holding an association")
    }
}

/// Why a message was not encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unsealed {
    /// It does not fit a record.
    TooLong,
    /// The association is over.
    Over,
}

/// What came of it.
#[derive(Default)]
pub struct Taken {
    /// Datagrams for the client.
    pub records: Pieces,
    /// What the client said.
    pub messages: Pieces,
    /// Whether the handshake has just been finished.
    pub(super) is_open: bool,
    /// Whether the client said good-bye.
    pub(super) is_closed: bool,
    /// When the library wants [`Association::wait`].
    pub(super) due: Option<Instant>,
    scratch: Vec<u8>,
}

impl Taken {
    /// Forgets everything but the memory.
    pub(crate) fn clear(&mut self) {
        self.records.clear();
        self.messages.clear();
        (self.is_open, self.is_closed, self.due) = (false, false, None);
    }
}

/// Byte strings in one piece of memory that is used again and again.
#[derive(Default)]
pub struct Pieces {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Pieces {
    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }

    pub(super) fn push(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
        self.ends.push(self.bytes.len());
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

/// Takes all that the library has.
fn poll(dtls: &mut Dtls, taken: &mut Taken) {
    taken.scratch.resize(DTLS_RECORD_BYTES_MAX, 0);
    loop {
        match dtls.poll_output(&mut taken.scratch) {
            Output::Packet(record) => taken.records.push(record),
            Output::ApplicationData(message) => taken.messages.push(message),
            Output::Connected => taken.is_open = true,
            Output::CloseNotify => taken.is_closed = true,
            Output::BufferTooSmall { needed } => taken.scratch.resize(needed, 0),
            Output::Timeout(due) => {
                taken.due = Some(due);
                return;
            }
            // Certificates of clients and keys for SRTP, neither of which is asked for.
            _ => {}
        }
    }
}

fn config(suites: &[Dtls12CipherSuite]) -> Arc<Config> {
    let config = Config::builder()
        .with_crypto_provider(provider::ring_provider())
        .dtls12_cipher_suites(suites)
        .require_client_certificate(false)
        .use_server_cookie(true)
        .mtu(DTLS_DATAGRAM_BYTES_MAX)
        .max_queue_rx(DTLS_HANDSHAKE_DATAGRAMS_MAX)
        .flight_start_rto(DTLS_FIRST_WAIT)
        .handshake_timeout(std::time::Duration::from_millis(HANDSHAKE_MS_MAX))
        .build();
    Arc::new(config.expect("the library has found the provider to be right in the tests"))
}

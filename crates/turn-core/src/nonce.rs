//! Nonces that the server need not remember: a time and a keyed MAC over it and the client's 5-tuple.
//! Not integrity. RFC 8489 §9.2, RFC 8656 §5.

use std::hash::{Hash as _, Hasher as _};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use siphasher::sip128::{Hasher128 as _, SipHasher24};

use crate::address::FiveTuple;
use crate::limits::NONCE_LIFETIME;

/// Makes and checks nonces under one key.
pub(crate) struct Nonces {
    key: [u8; 16],
}

impl Nonces {
    pub(crate) const fn new(key: [u8; 16]) -> Self {
        Self { key }
    }

    /// The nonce of this moment for this client.
    pub(crate) fn issue(&self, mono: Duration, tuple: &FiveTuple) -> [u8; NONCE_BYTES] {
        self.at_tick(tick(mono), tuple)
    }

    /// Whether `nonce` was issued to this client within the last [`NONCE_LIFETIME`]. Costs one short MAC.
    pub(crate) fn accepts(&self, nonce: &[u8], mono: Duration, tuple: &FiveTuple) -> bool {
        let mut raw = [0; 12];
        if nonce.len() != NONCE_BYTES || URL_SAFE_NO_PAD.decode_slice(nonce, &mut raw) != Ok(raw.len()) {
            return false;
        }
        let issued = u16::from_be_bytes([raw[0], raw[1]]);
        let age = u64::from(tick(mono).wrapping_sub(issued));
        // A nonce is no secret and its MAC is bound to this sender: where two differ tells nobody anything,
        // but comparing all of it costs the same.
        let expected = self.at_tick(issued, tuple);
        let differences = expected.iter().zip(nonce).fold(0, |sum, (a, b)| sum | (a ^ b));
        differences == 0 && age <= NONCE_LIFETIME.as_secs() / TICK_S
    }

    fn at_tick(&self, tick: u16, tuple: &FiveTuple) -> [u8; NONCE_BYTES] {
        let mut mac = SipHasher24::new_with_key(&self.key);
        mac.write_u16(tick);
        tuple.hash(&mut mac);
        let mac = mac.finish128().as_bytes();
        let mut raw = [0; 12];
        raw[..2].copy_from_slice(&tick.to_be_bytes());
        raw[2..].copy_from_slice(&mac[..10]);
        let mut nonce = [0; NONCE_BYTES];
        URL_SAFE_NO_PAD.encode_slice(raw, &mut nonce).expect("12 bytes make 16 characters");
        nonce
    }
}

/// The lowest 16 bits of the time in ticks.
const fn tick(mono: Duration) -> u16 {
    (mono.as_secs() / TICK_S) as u16
}

/// Characters of a nonce: 2 bytes of time and 10 of MAC in base64url.
pub(crate) const NONCE_BYTES: usize = 16;

/// Seconds that share a nonce. Two bytes of them wrap after six days, when the 5-tuple, the key and
/// the client's own clock would all have to agree once more.
pub(crate) const TICK_S: u64 = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{ClientAddr, ListenerId, LocalIp};

    fn tuple(client: &str) -> FiveTuple {
        FiveTuple {
            client: ClientAddr(client.parse().unwrap()),
            local: LocalIp("192.0.2.1".parse().unwrap()),
            listener: ListenerId(0),
        }
    }

    #[test]
    fn row_33_a_nonce_serves_one_client_only() {
        let nonces = Nonces::new([7; 16]);
        let now = Duration::from_secs(1000);
        let nonce = nonces.issue(now, &tuple("198.51.100.7:5000"));
        assert!(nonces.accepts(&nonce, now, &tuple("198.51.100.7:5000")));
        assert!(!nonces.accepts(&nonce, now, &tuple("198.51.100.7:5001")));
        assert!(!nonces.accepts(&nonce, now, &tuple("198.51.100.8:5000")));
        assert!(!Nonces::new([8; 16]).accepts(&nonce, now, &tuple("198.51.100.7:5000")));
    }

    #[test]
    fn row_34_old_future_flipped_and_misshapen_nonces_are_refused() {
        let nonces = Nonces::new([7; 16]);
        let client = tuple("198.51.100.7:5000");
        let now = Duration::from_secs(100_000);
        let nonce = nonces.issue(now, &client);
        assert!(nonces.accepts(&nonce, now + NONCE_LIFETIME, &client));
        assert!(!nonces.accepts(&nonce, now + NONCE_LIFETIME + Duration::from_secs(TICK_S), &client));
        assert!(!nonces.accepts(&nonce, now - Duration::from_secs(TICK_S), &client));
        for at in 0..NONCE_BYTES {
            let mut flipped = nonce;
            flipped[at] ^= 1;
            assert!(!nonces.accepts(&flipped, now, &client), "byte {at}");
        }
        for length in [0, 1, 15, 17, 127, 128, 763] {
            assert!(!nonces.accepts(&vec![b'A'; length], now, &client), "{length} bytes");
        }
    }
}

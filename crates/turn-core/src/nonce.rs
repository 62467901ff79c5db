//! Nonces that the server need not remember: a time and a keyed MAC over it and the client's 5-tuple.
//! Not integrity. RFC 8489 §9.2, RFC 8656 §5.

use std::hash::{Hash as _, Hasher as _};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use siphasher::sip128::{Hasher128 as _, SipHasher24};

use crate::address::FiveTuple;
use crate::algorithms::Algorithms;
use crate::limits::NONCE_LIFETIME;

/// Makes and checks nonces under one key.
pub(crate) struct Nonces {
    key: [u8; 16],
    form: &'static Form,
}

impl Nonces {
    /// The nonces tell these features, so that nobody on the way can hide one unnoticed, RFC 8489 §9.2.1.
    pub(crate) const fn new(key: [u8; 16], features: Features) -> Self {
        let form = match (features.password_algorithms, features.username_anonymity) {
            (false, false) => &PLAIN,
            (true, false) => &ALGORITHMS,
            (false, true) => &ANONYMITY,
            (true, true) => &BOTH,
        };
        Self { key, form }
    }

    /// The nonce of this moment for this client.
    pub(crate) fn issue(&self, mono: Duration, tuple: &FiveTuple) -> Nonce {
        self.at_tick(mono.as_secs() / TICK_S, tuple)
    }

    /// How long each is.
    pub(crate) const fn nonce_bytes(&self) -> usize {
        self.form.nonce_bytes
    }

    /// Whether `nonce` was issued to this client within the last [`NONCE_LIFETIME`]. Costs one short MAC.
    pub(crate) fn accepts(&self, nonce: &[u8], mono: Duration, tuple: &FiveTuple) -> bool {
        let mut raw = [0; RAW_BYTES_MAX];
        let Some(body) = nonce.strip_prefix(self.form.cookie) else { return false };
        if nonce.len() != self.form.nonce_bytes
            || URL_SAFE_NO_PAD.decode_slice(body, &mut raw) != Ok(self.form.raw_bytes)
        {
            return false;
        }
        let now = mono.as_secs() / TICK_S;
        let age = u64::from((now as u16).wrapping_sub(u16::from_be_bytes([raw[0], raw[1]])));
        // The only tick of late that ends in these 16 bits; an older one that does has another MAC.
        let Some(issued) = now.checked_sub(age) else { return false };
        // A nonce is no secret and its MAC is bound to this sender: where two differ tells nobody anything,
        // but comparing all of it costs the same.
        let expected = self.at_tick(issued, tuple);
        let differences = expected.as_bytes().iter().zip(nonce).fold(0, |sum, (a, b)| sum | (a ^ b));
        differences == 0 && age <= NONCE_LIFETIME.as_secs() / TICK_S
    }

    fn at_tick(&self, tick: u64, tuple: &FiveTuple) -> Nonce {
        let mut mac = SipHasher24::new_with_key(&self.key);
        mac.write_u64(tick);
        tuple.hash(&mut mac);
        let mac = mac.finish128().as_bytes();
        let Form { cookie, raw_bytes, nonce_bytes } = *self.form;
        let mut raw = [0; RAW_BYTES_MAX];
        raw[..2].copy_from_slice(&(tick as u16).to_be_bytes());
        raw[2..raw_bytes].copy_from_slice(&mac[..raw_bytes - 2]);
        let mut text = [0; NONCE_BYTES_MAX];
        text[..cookie.len()].copy_from_slice(cookie);
        URL_SAFE_NO_PAD
            .encode_slice(&raw[..raw_bytes], &mut text[cookie.len()..nonce_bytes])
            .expect("a form's sizes belong together");
        Nonce { text, length: nonce_bytes }
    }
}

/// The security features of RFC 8489 §18.1.
#[derive(Clone, Copy)]
pub(crate) struct Features {
    /// Challenges come with PASSWORD-ALGORITHMS.
    pub(crate) password_algorithms: bool,
    /// Clients that know USERHASH are to send it in place of USERNAME.
    pub(crate) username_anonymity: bool,
}

impl Features {
    /// Those of a server that offers these algorithms.
    pub(crate) fn of(algorithms: &Algorithms, username_anonymity: bool) -> Self {
        Self { password_algorithms: algorithms.value().is_some(), username_anonymity }
    }
}

/// What stands in a NONCE attribute.
#[derive(Clone, Copy)]
pub(crate) struct Nonce {
    text: [u8; NONCE_BYTES_MAX],
    length: usize,
}

impl Nonce {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text[..self.length]
    }
}

/// How a nonce is laid out: perhaps a cookie, then time and MAC in base64url.
struct Form {
    cookie: &'static [u8],
    /// 2 bytes of time, the rest MAC.
    raw_bytes: usize,
    nonce_bytes: usize,
}

impl Form {
    /// The nonce cookie, RFC 8489 §9.2, and in base64 the 24 security feature bits: "password algorithms" is
    /// bit 0 and the rightmost as erratum 6290 has it, "username anonymity" is bit 1.
    const fn with_cookie(cookie: &'static [u8; 13]) -> Self {
        Self { cookie, raw_bytes: 8, nonce_bytes: NONCE_BYTES_MAX }
    }
}

/// 16 characters: an answer with it and a realm of six letters has 60 bytes.
static PLAIN: Form = Form { cookie: b"", raw_bytes: 12, nonce_bytes: 16 };

/// 24 characters: an answer with it, the list of algorithms and the same realm has 80 bytes. 48 bits of MAC
/// are left, each guess at which is a packet.
static ALGORITHMS: Form = Form::with_cookie(b"obMatJos2AAAB");
static ANONYMITY: Form = Form::with_cookie(b"obMatJos2AAAC");
static BOTH: Form = Form::with_cookie(b"obMatJos2AAAD");

const RAW_BYTES_MAX: usize = 12;

const NONCE_BYTES_MAX: usize = 24;

/// Seconds that share a nonce. Of their number two bytes are sent and all is in the MAC: what was recorded is
/// no good again when the two bytes are, after six days.
pub(crate) const TICK_S: u64 = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{ClientAddr, ListenerId, LocalIp};

    const ALL: [Features; 4] =
        [features(false, false), features(true, false), features(false, true), features(true, true)];

    const fn features(password_algorithms: bool, username_anonymity: bool) -> Features {
        Features { password_algorithms, username_anonymity }
    }

    fn tuple(client: &str) -> FiveTuple {
        FiveTuple {
            client: ClientAddr(client.parse().unwrap()),
            local: LocalIp("192.0.2.1".parse().unwrap()),
            listener: ListenerId(0),
        }
    }

    #[test]
    fn row_33_a_nonce_serves_one_client_only() {
        for features in ALL {
            let nonces = Nonces::new([7; 16], features);
            let now = Duration::from_secs(1000);
            let nonce = nonces.issue(now, &tuple("198.51.100.7:5000"));
            let accepts = |nonces: &Nonces, from: &str| nonces.accepts(nonce.as_bytes(), now, &tuple(from));
            assert!(accepts(&nonces, "198.51.100.7:5000"));
            assert!(!accepts(&nonces, "198.51.100.7:5001"));
            assert!(!accepts(&nonces, "198.51.100.8:5000"));
            assert!(!accepts(&Nonces::new([8; 16], features), "198.51.100.7:5000"));
        }
    }

    #[test]
    fn row_34_old_future_flipped_and_misshapen_nonces_are_refused() {
        for features in ALL {
            let nonces = Nonces::new([7; 16], features);
            let client = tuple("198.51.100.7:5000");
            let now = Duration::from_secs(100_000);
            let nonce = nonces.issue(now, &client);
            let accepts = |at: Duration| nonces.accepts(nonce.as_bytes(), at, &client);
            assert!(accepts(now + NONCE_LIFETIME));
            assert!(!accepts(now + NONCE_LIFETIME + Duration::from_secs(TICK_S)));
            assert!(!accepts(now - Duration::from_secs(TICK_S)));
            for at in 0..nonce.as_bytes().len() {
                let mut flipped = nonce.as_bytes().to_vec();
                flipped[at] ^= 1;
                assert!(!nonces.accepts(&flipped, now, &client), "byte {at}");
            }
            // Two equal changes do not hide each other.
            for (one, other, bits) in equal_changes(nonce.as_bytes().len()) {
                let mut flipped = nonce.as_bytes().to_vec();
                flipped[one] ^= bits;
                flipped[other] ^= bits;
                assert!(!nonces.accepts(&flipped, now, &client), "{bits:#x} at {one} and {other}");
            }
            for length in [0, 1, 13, 15, 16, 17, 24, 127, 128, 763] {
                assert!(!nonces.accepts(&vec![b'A'; length], now, &client), "{length} bytes");
            }
        }
    }

    #[test]
    fn rows_35_and_102_a_nonce_is_not_good_again_when_its_two_bytes_wrap() {
        let (client, wrap) = (tuple("198.51.100.7:5000"), Duration::from_secs(TICK_S << 16));
        for features in ALL {
            let nonces = Nonces::new([7; 16], features);
            for issued in
                [Duration::ZERO, NONCE_LIFETIME, Duration::from_secs(100_003), 3 * wrap - NONCE_LIFETIME]
            {
                let nonce = nonces.issue(issued, &client);
                let accepts = |at: Duration| nonces.accepts(nonce.as_bytes(), at, &client);
                assert!(accepts(issued) && accepts(issued + NONCE_LIFETIME));
                for wraps in (1..=1_000).chain([1 << 16, u32::MAX]) {
                    for late in [Duration::ZERO, NONCE_LIFETIME / 2, NONCE_LIFETIME] {
                        assert!(!accepts(issued + wraps * wrap + late), "{wraps} wraps and {late:?} later");
                    }
                }
            }
        }
    }

    /// Every pair of places, and every change of seven bits.
    fn equal_changes(length: usize) -> impl Iterator<Item = (usize, usize, u8)> {
        let pairs = (0..length).flat_map(move |one| (0..one).map(move |other| (one, other)));
        pairs.flat_map(|(one, other)| (1..0x80).map(move |bits| (one, other, bits)))
    }

    #[test]
    fn row_30_a_nonce_without_its_cookie_or_with_other_bits_is_refused() {
        let client = tuple("198.51.100.7:5000");
        let now = Duration::from_secs(1000);
        let plain = Nonces::new([7; 16], ALL[0]);
        for (features, own) in ALL[1..].iter().zip([b"AAAB", b"AAAC", b"AAAD"]) {
            let nonces = Nonces::new([7; 16], *features);
            let nonce = nonces.issue(now, &client).as_bytes().to_vec();
            assert_eq!(nonce[..13], *[b"obMatJos2", &own[..]].concat());
            assert!(!nonces.accepts(&nonce[13..], now, &client));
            for bits in [b"AAAA", b"AAAB", b"AAAC", b"AAAD", b"gAAA", b"////"] {
                let altered = [&nonce[..9], bits, &nonce[13..]].concat();
                assert_eq!(nonces.accepts(&altered, now, &client), bits == own, "{bits:?}");
            }
            assert!(!plain.accepts(&nonce, now, &client));
            assert!(!nonces.accepts(plain.issue(now, &client).as_bytes(), now, &client));
        }
    }

    #[test]
    fn all_nonces_are_as_long_as_is_told() {
        for features in ALL {
            let nonces = Nonces::new([7; 16], features);
            for s in [0, 1_000, 1 << 40] {
                let nonce = nonces.issue(Duration::from_secs(s), &tuple("198.51.100.7:5000"));
                assert_eq!(nonce.as_bytes().len(), nonces.nonce_bytes());
            }
        }
    }
}

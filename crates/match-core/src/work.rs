//! Proof of work: asked for when clients come faster than usual, from one place or in all, and harder the
//! faster they come.
//!
//! It keeps nothing of what it asked: the seed carries its own end and difficulty, and a code that only this
//! process can make. A proof is good for the connection it was asked of.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::limits::{CHALLENGE_S, NONCE_BYTES_MAX, WORK_BITS_MAX, WORK_BITS_MIN, WorkLimits};
use crate::records::Level;

/// What is needed to ask for work and to check it.
pub(crate) struct Work {
    key: [u8; 32],
    total: Level,
}

/// A client's answer to a challenge.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Proof {
    #[cfg_attr(test, schemars(length(max = SEED_BYTES * 2)))]
    pub(crate) seed: String,
    #[cfg_attr(test, schemars(length(max = NONCE_BYTES_MAX)))]
    pub(crate) nonce: String,
}

/// What is asked.
pub(crate) struct Challenge {
    pub(crate) bits: u8,
    pub(crate) seed: String,
    pub(crate) until: u64,
}

impl Work {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { key, total: Level::default() }
    }

    /// How hard the way in is for one more client: 0 is free. `place_milli`: how fast clients come from where
    /// this one comes from; `is_suspect`: whether that place always has to work.
    pub(crate) fn difficulty(
        &mut self,
        place_milli: u64,
        is_suspect: bool,
        limits: &WorkLimits,
        now: Duration,
    ) -> u8 {
        let total = self.total.add(u64::from(limits.total_per_s) * 1000, now);
        let of_total = bits(total, limits.total_burst);
        let of_place = bits(place_milli, limits.place_burst);
        let least = if is_suspect { WORK_BITS_MIN + 2 } else { 0 };
        of_total.max(of_place).max(least).max(limits.bits_min.min(WORK_BITS_MAX))
    }

    /// A challenge for one connection.
    pub(crate) fn challenge(&self, bits: u8, connection: u64, unix_s: u64) -> Challenge {
        let until = unix_s + CHALLENGE_S;
        let mut seed = [0; SEED_BYTES];
        seed[..8].copy_from_slice(&until.to_be_bytes());
        seed[8] = bits;
        let code = self.code(until, bits, connection);
        seed[9..].copy_from_slice(&code);
        Challenge { bits, seed: URL_SAFE_NO_PAD.encode(seed), until }
    }

    /// Whether a proof answers a challenge of ours to this connection, in time.
    pub(crate) fn accepts(&self, proof: &Proof, connection: u64, unix_s: u64) -> bool {
        let mut seed = [0; SEED_BYTES];
        if URL_SAFE_NO_PAD.decode_slice(&proof.seed, &mut seed) != Ok(SEED_BYTES) {
            return false;
        }
        let until = u64::from_be_bytes(seed[..8].try_into().expect("eight bytes"));
        let bits = seed[8];
        until >= unix_s
            && self.mac(until, bits, connection).verify_truncated_left(&seed[9..]).is_ok()
            && is_worked(proof, bits)
    }

    fn code(&self, until: u64, bits: u8, connection: u64) -> [u8; CODE_BYTES] {
        let full = self.mac(until, bits, connection).finalize().into_bytes();
        let mut code = [0; CODE_BYTES];
        code.copy_from_slice(&full[..CODE_BYTES]);
        code
    }

    fn mac(&self, until: u64, bits: u8, connection: u64) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(&until.to_be_bytes());
        mac.update(&[bits]);
        mac.update(&connection.to_be_bytes());
        mac
    }
}

impl Proof {
    /// Whether its parts have sizes that can be right.
    pub(crate) fn is_bounded(&self) -> bool {
        self.seed.len() <= SEED_BYTES * 2 && self.nonce.len() <= NONCE_BYTES_MAX
    }
}

/// SHA-256 of seed, a full stop and nonce begins with so many zero bits.
fn is_worked(proof: &Proof, bits: u8) -> bool {
    let hash =
        Sha256::new().chain_update(&proof.seed).chain_update(".").chain_update(&proof.nonce).finalize();
    let first = u64::from_be_bytes(hash[..8].try_into().expect("a hash has 32 bytes"));
    first.leading_zeros() >= u32::from(bits)
}

/// Each doubling beyond what is free costs twice the work.
fn bits(level_milli: u64, free: u32) -> u8 {
    let free = u64::from(free.max(1)) * 1000;
    match level_milli / free {
        0 => 0,
        times => (WORK_BITS_MIN + times.ilog2() as u8).min(WORK_BITS_MAX),
    }
}

const CODE_BYTES: usize = 16;
const SEED_BYTES: usize = 8 + 1 + CODE_BYTES;

#[cfg(test)]
mod tests {
    use super::*;

    fn solve(challenge: &Challenge) -> Proof {
        let proofs = (0_u64..).map(|i| Proof { seed: challenge.seed.clone(), nonce: i.to_string() });
        proofs.into_iter().find(|proof| is_worked(proof, challenge.bits)).unwrap()
    }

    #[test]
    fn a_proof_is_good_for_its_connection_and_time() {
        let work = Work::new([1; 32]);
        let challenge = work.challenge(10, 7, 1000);
        let proof = solve(&challenge);
        assert!(work.accepts(&proof, 7, 1000) && work.accepts(&proof, 7, 1000 + CHALLENGE_S));
        assert!(!work.accepts(&proof, 8, 1000) && !work.accepts(&proof, 7, 1001 + CHALLENGE_S));
        assert!(!Work::new([2; 32]).accepts(&proof, 7, 1000));
        let lazy = Proof { nonce: "x".into(), seed: proof.seed.clone() };
        assert!(is_worked(&lazy, 10) || !work.accepts(&lazy, 7, 1000));
        for seed in ["", "AAAA", &"A".repeat(34)] {
            assert!(!work.accepts(&Proof { seed: seed.into(), nonce: proof.nonce.clone() }, 7, 1000));
        }
    }

    #[test]
    fn the_easier_seed_of_ones_own_is_not_taken() {
        let work = Work::new([1; 32]);
        let mut seed = URL_SAFE_NO_PAD.decode(work.challenge(20, 7, 1000).seed).unwrap();
        seed[8] = 0;
        let proof = Proof { seed: URL_SAFE_NO_PAD.encode(seed), nonce: "0".into() };
        assert!(!work.accepts(&proof, 7, 1000));
    }

    #[test]
    fn difficulty_rises_with_the_rate_and_falls_with_time() {
        let limits =
            WorkLimits { total_per_s: 10, total_burst: 100, place_per_s: 1, place_burst: 10, bits_min: 0 };
        let mut work = Work::new([1; 32]);
        let mut difficulty = |at| work.difficulty(1000, false, &limits, Duration::from_secs(at));
        let rising: Vec<u8> = (0..1000).map(|_| difficulty(0)).collect();
        assert!(rising.is_sorted() && rising[0] == 0 && rising[98] == 0);
        assert_eq!((rising[99], rising[999]), (WORK_BITS_MIN, WORK_BITS_MIN + 3));
        assert_eq!(difficulty(1000), 0);
        assert_eq!(work.difficulty(40_000, false, &limits, Duration::from_secs(1000)), WORK_BITS_MIN + 2);
        assert_eq!(work.difficulty(0, true, &limits, Duration::from_secs(1000)), WORK_BITS_MIN + 2);
        assert_eq!(bits(u64::MAX, 1), WORK_BITS_MAX);
        let limits = WorkLimits { bits_min: 5, ..limits };
        assert_eq!(work.difficulty(0, false, &limits, Duration::from_secs(2000)), 5);
    }

    #[test]
    fn the_example_of_the_document_is_a_proof() {
        let proof = Proof { seed: "AAAAAGlVkwAMAAECAwQFBgcICQoLDA0ODw".into(), nonce: NONCE.into() };
        assert!(is_worked(&proof, 12) && !is_worked(&proof, 40));
    }

    /// Found by counting up from 0.
    const NONCE: &str = "1335";
}

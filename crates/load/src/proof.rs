//! Proof of work, which a server asks for when clients come faster than usual: `docs/protocol.md`, "The way
//! in".

use sha2::{Digest as _, Sha256};

/// A nonce such that SHA-256 of `seed.nonce` begins with so many zero bits.
pub(crate) fn solve(seed: &str, bits: u8) -> String {
    let mut begun = Sha256::new();
    begun.update(seed);
    begun.update(".");
    let works = |nonce: &String| {
        let hash = begun.clone().chain_update(nonce).finalize();
        let head = u64::from_be_bytes(hash[..8].try_into().expect("a hash has 32 bytes"));
        head.leading_zeros() >= u32::from(bits)
    };
    (0_u64..).map(|n| n.to_string()).find(works).expect("hashes are as good as random")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_document_is_found() {
        assert_eq!(solve("AAAAAGlVkwAMAAECAwQFBgcICQoLDA0ODw", 12), "1335");
    }
}

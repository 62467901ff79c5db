//! Sizes of everything that is exchanged. None of them can be configured: both sides must have the same.

pub(crate) const SESSION_BYTES: usize = 16;
pub(crate) const LINK_SECRET_BYTES: usize = 16;

pub(crate) const HASH_BYTES: usize = 32;
pub(crate) const NONCE_BYTES: usize = 32;
/// SEC 1 §2.3.3, uncompressed.
pub(crate) const PUBLIC_KEY_BYTES: usize = 65;
pub(crate) const SHARE_BYTES: usize = PUBLIC_KEY_BYTES + NONCE_BYTES;

pub(crate) const KEY_BYTES: usize = 32;
pub(crate) const SAS_BYTES: usize = 3;
pub(crate) const COUNTER_BYTES: usize = 8;
pub(crate) const TAG_BYTES: usize = 16;

/// What a plaintext is padded to.
pub(crate) const PADDED_BYTES: [usize; 3] = [1024, 8192, 16_384];

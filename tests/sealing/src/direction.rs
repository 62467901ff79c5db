//! One direction's key and counter: AES-256-GCM, a counter used once, and the next one only.

use aes_gcm::aead::{Aead, Nonce, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};

use crate::limits::{COUNTER_BYTES, KEY_BYTES, PADDED_BYTES, SESSION_BYTES, TAG_BYTES};
use crate::padding;
use crate::sealing::SealError;
use crate::{Role, SessionId};

pub(crate) struct Direction {
    cipher: Aes256Gcm,
    session: SessionId,
    label: &'static [u8; 3],
    /// Of the last message.
    counter: u64,
}

impl Direction {
    /// What `from` sends.
    pub(crate) fn new(from: Role, session: SessionId, key: &[u8; KEY_BYTES]) -> Self {
        let label = match from {
            Role::Caller => b"r2e",
            Role::Callee => b"e2r",
        };
        Self { cipher: Aes256Gcm::new(key.into()), session, label, counter: 0 }
    }

    pub(crate) fn seal(&mut self, text: &[u8]) -> Result<Vec<u8>, SealError> {
        let plain = padding::pad(text)?;
        self.counter += 1;
        let counter = self.counter.to_be_bytes();
        let aad = self.aad(&counter);
        let sealed = self
            .cipher
            .encrypt(&nonce(&counter), Payload { msg: &plain, aad: &aad })
            .expect("AES-GCM takes messages of 16 KiB");
        Ok([&counter[..], &sealed].concat())
    }

    pub(crate) fn open(&mut self, bytes: &[u8]) -> Result<Vec<u8>, SealError> {
        let (counter, sealed) = bytes.split_first_chunk().ok_or(SealError::OutOfOrder)?;
        if !PADDED_BYTES.iter().any(|size| sealed.len() == size + TAG_BYTES) {
            return Err(SealError::OutOfOrder);
        }
        if u64::from_be_bytes(*counter) != self.counter + 1 {
            return Err(SealError::BadCounter);
        }
        let aad = self.aad(counter);
        let padded = self
            .cipher
            .decrypt(&nonce(counter), Payload { msg: sealed, aad: &aad })
            .map_err(|_| SealError::Altered)?;
        self.counter += 1;
        Ok(padding::unpad(&padded)?.to_vec())
    }

    pub(crate) fn has_opened(&self) -> bool {
        self.counter > 0
    }

    fn aad(&self, counter: &[u8; COUNTER_BYTES]) -> [u8; SESSION_BYTES + 3 + COUNTER_BYTES] {
        let mut aad = [0; SESSION_BYTES + 3 + COUNTER_BYTES];
        aad[..SESSION_BYTES].copy_from_slice(&self.session);
        aad[SESSION_BYTES..SESSION_BYTES + 3].copy_from_slice(self.label);
        aad[SESSION_BYTES + 3..].copy_from_slice(counter);
        aad
    }
}

fn nonce(counter: &[u8; COUNTER_BYTES]) -> Nonce<Aes256Gcm> {
    let mut nonce = Nonce::<Aes256Gcm>::default();
    nonce[4..].copy_from_slice(counter);
    nonce
}

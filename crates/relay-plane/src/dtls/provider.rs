//! The cryptography that the DTLS library asks for, from ring and from the key that rustls holds.
//!
//! Three suites of DTLS 1.2, all with ephemeral keys and ECDSA. The one of DTLS 1.3 is there because the
//! library does not start without one. RFC 5289, RFC 7905.

use std::cell::RefCell;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use dimpl::crypto::{
    Aad, ActiveKeyExchange, Buf, Cipher, CryptoProvider, Dtls12CipherSuite, Dtls13CipherSuite, HashAlgorithm,
    HashContext, HashProvider, HmacProvider, KeyProvider, NamedGroup, Nonce, SecureRandom,
    SignatureAlgorithm, SignatureVerifier, SigningKey, SupportedDtls12CipherSuite,
    SupportedDtls13CipherSuite, SupportedKxGroup, TmpBuf,
};
use dimpl::{CryptoError, CryptoOperation};
use ring::aead::{AES_128_GCM, AES_256_GCM, CHACHA20_POLY1305, LessSafeKey, UnboundKey, quic};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::{digest, hmac};
use rustls::SignatureScheme;

/// All of it.
pub(super) fn ring_provider() -> CryptoProvider {
    CryptoProvider {
        kx_groups: &[&Group::X25519, &Group::P256],
        signature_verification: &Ring,
        key_provider: &Ring,
        secure_random: &Ring,
        hash_provider: &Ring,
        hmac_provider: &Ring,
        cipher_suites: const { &[&CHACHA20, &AES_256, &AES_128] },
        dtls13_cipher_suites: const { &[&CHACHA20] },
    }
}

/// The scheme by which a key can sign for DTLS; none if it is not on P-256 or P-384.
pub(super) fn scheme(key: &dyn rustls::sign::SigningKey) -> Option<SignatureScheme> {
    key.choose_scheme(&SCHEMES).map(|signer| signer.scheme())
}

/// Runs `begin` so that the association it begins signs with `key` and takes `cookie` for good.
///
/// The library wants its key as bytes, and makes and checks cookies by a secret of its own. Our keys stay
/// where they are, and whoever comes here has shown a good cookie; so it gets both by this way.
pub(super) fn with<R>(
    key: Arc<dyn rustls::sign::SigningKey>,
    cookie: [u8; 32],
    begin: impl FnOnce() -> R,
) -> R {
    BEGINNING.set(Some((key, cookie)));
    let begun = begin();
    BEGINNING.set(None);
    begun
}

#[derive(Debug)]
struct Ring;

impl KeyProvider for Ring {
    fn load_private_key(&self, _bytes: &[u8]) -> Result<Box<dyn SigningKey>, CryptoError> {
        let key = BEGINNING.with_borrow(|beginning| beginning.as_ref().map(|(key, _)| Arc::clone(key)));
        let key = key.ok_or(CryptoError::InvalidPrivateKey)?;
        let scheme = scheme(&*key).ok_or(CryptoError::InvalidPrivateKey)?;
        Ok(Box::new(Signing { key: AssertUnwindSafe(key), scheme }))
    }
}

impl HmacProvider for Ring {
    // Only cookies are made by this function, and all else by the other.
    fn hmac_sha256(&self, key: &[u8], data: &[u8]) -> Result<[u8; 32], CryptoError> {
        if let Some(cookie) = BEGINNING.with_borrow(|it| it.as_ref().map(|(_, cookie)| *cookie)) {
            return Ok(cookie);
        }
        let mut tag = [0; 32];
        self.hmac(HashAlgorithm::SHA256, key, data, &mut tag)?;
        Ok(tag)
    }

    fn hmac(
        &self,
        hash: HashAlgorithm,
        key: &[u8],
        data: &[u8],
        out: &mut [u8],
    ) -> Result<usize, CryptoError> {
        let algorithm = match hash {
            HashAlgorithm::SHA256 => hmac::HMAC_SHA256,
            HashAlgorithm::SHA384 => hmac::HMAC_SHA384,
            other => return Err(CryptoError::UnsupportedHmacHash(other)),
        };
        let tag = hmac::sign(&hmac::Key::new(algorithm, key), data);
        let place = out.get_mut(..tag.as_ref().len()).ok_or(failed(CryptoOperation::ComputeHmac))?;
        place.copy_from_slice(tag.as_ref());
        Ok(place.len())
    }
}

impl HashProvider for Ring {
    fn create_hash(&self, algorithm: HashAlgorithm) -> Box<dyn HashContext> {
        let algorithm = match algorithm {
            HashAlgorithm::SHA384 => &digest::SHA384,
            // The suites have no third.
            _ => &digest::SHA256,
        };
        Box::new(Hash(digest::Context::new(algorithm)))
    }
}

impl SecureRandom for Ring {
    fn fill(&self, out: &mut [u8]) -> Result<(), CryptoError> {
        SystemRandom::new().fill(out).map_err(|_| failed(CryptoOperation::FillRandom))
    }
}

impl SignatureVerifier for Ring {
    // No client is asked for a certificate; the library tries this when it starts.
    fn verify_signature(
        &self,
        certificate: &[u8],
        data: &[u8],
        signature: &[u8],
        hash: HashAlgorithm,
        algorithm: SignatureAlgorithm,
    ) -> Result<(), CryptoError> {
        let by = match hash {
            HashAlgorithm::SHA256 => webpki::ring::ECDSA_P256_SHA256,
            _ => webpki::ring::ECDSA_P384_SHA384,
        };
        let certificate = certificate.into();
        let certificate =
            webpki::EndEntityCert::try_from(&certificate).map_err(|_| CryptoError::CertificateParseFailed)?;
        let verified = certificate.verify_signature(by, data, signature);
        verified.map_err(|_| CryptoError::UnsupportedSignatureAlgorithm(algorithm))
    }
}

/// A key of rustls.
struct Signing {
    key: AssertUnwindSafe<Arc<dyn rustls::sign::SigningKey>>,
    scheme: SignatureScheme,
}

impl SigningKey for Signing {
    fn sign(&mut self, data: &[u8], hash: HashAlgorithm, out: &mut Buf) -> Result<(), CryptoError> {
        if hash != self.hash_algorithm() {
            return Err(failed(CryptoOperation::Sign));
        }
        let signer = self.key.choose_scheme(&[self.scheme]).ok_or(failed(CryptoOperation::Sign))?;
        let signature = signer.sign(data).map_err(|_| failed(CryptoOperation::Sign))?;
        out.clear();
        out.extend_from_slice(&signature);
        Ok(())
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }

    fn hash_algorithm(&self) -> HashAlgorithm {
        self.supported_hash_algorithms()[0]
    }

    fn supported_hash_algorithms(&self) -> &[HashAlgorithm] {
        match self.scheme {
            SignatureScheme::ECDSA_NISTP384_SHA384 => &[HashAlgorithm::SHA384],
            _ => &[HashAlgorithm::SHA256],
        }
    }
}

impl fmt::Debug for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signing")
    }
}

struct Hash(digest::Context);

impl HashContext for Hash {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn clone_and_finalize(&self, out: &mut Buf) {
        out.clear();
        out.extend_from_slice(self.0.clone().finish().as_ref());
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash")
    }
}

#[derive(Debug, Clone, Copy)]
enum Group {
    X25519,
    P256,
}

impl SupportedKxGroup for Group {
    fn name(&self) -> NamedGroup {
        match self {
            Self::X25519 => NamedGroup::X25519,
            Self::P256 => NamedGroup::Secp256r1,
        }
    }

    fn start_exchange(&self, mut public: Buf) -> Result<Box<dyn ActiveKeyExchange>, CryptoError> {
        let algorithm = match self {
            Self::X25519 => &X25519,
            Self::P256 => &ECDH_P256,
        };
        let private = EphemeralPrivateKey::generate(algorithm, &SystemRandom::new())
            .map_err(|_| failed(CryptoOperation::GenerateEphemeralKey))?;
        let computed = private.compute_public_key();
        let computed = computed.map_err(|_| failed(CryptoOperation::ComputePublicKey))?;
        public.clear();
        public.extend_from_slice(computed.as_ref());
        Ok(Box::new(Exchange { group: *self, private, public }))
    }
}

struct Exchange {
    group: Group,
    private: EphemeralPrivateKey,
    public: Buf,
}

impl ActiveKeyExchange for Exchange {
    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn complete(self: Box<Self>, theirs: &[u8], out: &mut Buf) -> Result<(), CryptoError> {
        let theirs = UnparsedPublicKey::new(self.private.algorithm(), theirs);
        let agreed = agree_ephemeral(self.private, &theirs, |secret| {
            out.clear();
            out.extend_from_slice(secret);
        });
        agreed.map_err(|_| CryptoError::InvalidPublicKey(self.group.name()))
    }

    fn group(&self) -> NamedGroup {
        self.group.name()
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exchange")
    }
}

/// A suite: what it is called, and how it encrypts.
#[derive(Debug)]
struct Suite {
    name: Dtls12CipherSuite,
    hash: HashAlgorithm,
    encryption: &'static ring::aead::Algorithm,
    /// Bytes of the nonce that both sides derive, and of the rest, which each record carries.
    nonce_bytes: (usize, usize),
}

impl Suite {
    fn cipher(&self, key: &[u8]) -> Result<Box<dyn Cipher>, CryptoError> {
        let key = UnboundKey::new(self.encryption, key);
        Ok(Box::new(Key(LessSafeKey::new(key.map_err(|_| failed(CryptoOperation::CreateCipher))?))))
    }
}

impl SupportedDtls12CipherSuite for Suite {
    fn suite(&self) -> Dtls12CipherSuite {
        self.name
    }

    fn hash_algorithm(&self) -> HashAlgorithm {
        self.hash
    }

    fn key_lengths(&self) -> (usize, usize, usize) {
        (0, self.encryption.key_len(), self.nonce_bytes.0)
    }

    fn explicit_nonce_len(&self) -> usize {
        self.nonce_bytes.1
    }

    fn tag_len(&self) -> usize {
        self.encryption.tag_len()
    }

    fn create_cipher(&self, key: &[u8]) -> Result<Box<dyn Cipher>, CryptoError> {
        self.cipher(key)
    }
}

impl SupportedDtls13CipherSuite for Suite {
    fn suite(&self) -> Dtls13CipherSuite {
        Dtls13CipherSuite::CHACHA20_POLY1305_SHA256
    }

    fn hash_algorithm(&self) -> HashAlgorithm {
        self.hash
    }

    fn key_len(&self) -> usize {
        self.encryption.key_len()
    }

    fn iv_len(&self) -> usize {
        self.encryption.nonce_len()
    }

    fn tag_len(&self) -> usize {
        self.encryption.tag_len()
    }

    fn create_cipher(&self, key: &[u8]) -> Result<Box<dyn Cipher>, CryptoError> {
        self.cipher(key)
    }

    fn encrypt_sn(&self, key: &[u8], sample: &[u8; 16]) -> [u8; 16] {
        let mut mask = [0; 16];
        let key = quic::HeaderProtectionKey::new(&quic::CHACHA20, key);
        if let Ok(made) = key.and_then(|key| key.new_mask(sample)) {
            mask[..made.len()].copy_from_slice(&made);
        }
        mask
    }
}

struct Key(LessSafeKey);

impl Cipher for Key {
    fn encrypt(&mut self, plaintext: &mut Buf, aad: Aad, nonce: Nonce) -> Result<(), CryptoError> {
        let (nonce, aad) = (ring::aead::Nonce::assume_unique_for_key(nonce.0), ring::aead::Aad::from(&*aad));
        let sealed = self.0.seal_in_place_append_tag(nonce, aad, plaintext);
        sealed.map_err(|_| failed(CryptoOperation::Encrypt))
    }

    fn decrypt(&mut self, ciphertext: &mut TmpBuf<'_>, aad: Aad, nonce: Nonce) -> Result<(), CryptoError> {
        let (nonce, aad) = (ring::aead::Nonce::assume_unique_for_key(nonce.0), ring::aead::Aad::from(&*aad));
        let opened = self.0.open_in_place(nonce, aad, ciphertext.as_mut());
        let length = opened.map_err(|_| failed(CryptoOperation::Decrypt))?.len();
        ciphertext.truncate(length);
        Ok(())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

const fn failed(operation: CryptoOperation) -> CryptoError {
    CryptoError::OperationFailed(operation)
}

thread_local! {
    /// The key and the cookie of the association that begins on this thread.
    static BEGINNING: RefCell<Option<Beginning>> = const { RefCell::new(None) };
}

type Beginning = (Arc<dyn rustls::sign::SigningKey>, [u8; 32]);

const SCHEMES: [SignatureScheme; 2] =
    [SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::ECDSA_NISTP384_SHA384];

static CHACHA20: Suite = Suite {
    name: Dtls12CipherSuite::ECDHE_ECDSA_CHACHA20_POLY1305_SHA256,
    hash: HashAlgorithm::SHA256,
    encryption: &CHACHA20_POLY1305,
    nonce_bytes: (12, 0),
};

static AES_256: Suite = Suite {
    name: Dtls12CipherSuite::ECDHE_ECDSA_AES256_GCM_SHA384,
    hash: HashAlgorithm::SHA384,
    encryption: &AES_256_GCM,
    nonce_bytes: (4, 8),
};

static AES_128: Suite = Suite {
    name: Dtls12CipherSuite::ECDHE_ECDSA_AES128_GCM_SHA256,
    hash: HashAlgorithm::SHA256,
    encryption: &AES_128_GCM,
    nonce_bytes: (4, 8),
};

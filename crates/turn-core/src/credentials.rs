//! Who may use the relay: the two sides of a matched session, users from the configuration, and holders of
//! shared-secret credentials.
//! Not nonces, nor what a user may then do. RFC 8489 §9.2.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use stun_wire::{IntegrityKey, PasswordAlgorithm, userhash};
use zeroize::ZeroizeOnDrop;

use crate::policy::PeerPolicy;
use crate::shared_secret::{SharedSecret, expiry_of};

/// A pairing made by the matcher: 16 random bytes that say nothing about anybody.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub [u8; 16]);

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId[..]")
    }
}

/// One of a session's two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Written `a` in user names.
    A,
    /// Written `b` in user names.
    B,
}

impl Side {
    /// The partner's side.
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    const fn letter(self) -> char {
        match self {
            Self::A => 'a',
            Self::B => 'b',
        }
    }
}

/// The key that matcher and relay share in one process: what the one mints the other recognises, so that
/// opening a session tells the relay nothing.
#[derive(Clone, ZeroizeOnDrop)]
pub struct SessionKey([u8; 32]);

impl SessionKey {
    /// A key from 32 random bytes.
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The user name and password for one side, valid until `expires_unix_s`.
    pub fn mint(&self, session: SessionId, side: Side, expires_unix_s: u64) -> Credential {
        let session = URL_SAFE_NO_PAD.encode(session.0);
        let username = format!("{expires_unix_s}:{session}.{}", side.letter());
        let password = self.password(username.as_bytes());
        Credential { username, password }
    }

    fn password(&self, username: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(username);
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }
}

/// A user name and its password, for the client's `RTCIceServer`. Does not print.
pub struct Credential {
    /// `expiry:session.side`, or for other software `expiry:anything` or `expiry`.
    pub username: String,
    /// A MAC of the user name in base64.
    pub password: String,
}

/// A user from the configuration. Its password is kept as the keys derived from it, its name as a hash.
#[derive(Clone)]
pub struct StaticUser {
    userhash: [u8; 32],
    md5: IntegrityKey,
    sha256: IntegrityKey,
    peers: PeerPolicy,
    tcp: bool,
}

impl StaticUser {
    /// A user of `realm`, whose allocations follow `peers`.
    pub fn new(name: &str, realm: &str, password: &str, peers: PeerPolicy) -> Self {
        let (name, realm, password) = (name.as_bytes(), realm.as_bytes(), password.as_bytes());
        let key = |algorithm| IntegrityKey::long_term(algorithm, name, realm, password);
        let (md5, sha256) = (key(PasswordAlgorithm::Md5), key(PasswordAlgorithm::Sha256));
        Self { userhash: userhash(name, realm), md5, sha256, peers, tcp: false }
    }

    /// The same user, who may relay TCP too, RFC 6062. It means nothing unless its peers are `public`.
    pub const fn with_tcp(mut self) -> Self {
        self.tcp = true;
        self
    }

    const fn key(&self, algorithm: PasswordAlgorithm) -> &IntegrityKey {
        match algorithm {
            PasswordAlgorithm::Md5 => &self.md5,
            PasswordAlgorithm::Sha256 => &self.sha256,
        }
    }
}

/// Who a request says it is from, as it stands in the message.
#[derive(Clone, Copy)]
pub(crate) enum Claim<'m> {
    /// USERNAME
    Name(&'m [u8]),
    /// USERHASH
    Hash(&'m [u8; 32]),
}

/// Whom a user name stands for. Two requests with the same user name have the same identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Identity {
    /// A side of a session; its credential ends at this Unix time, exclusive.
    Session { session: SessionId, side: Side, expires_unix_s: u64 },
    /// The user at this place of the configuration.
    User(u16),
    /// The holder of a shared-secret credential of this name; it makes allocations until this Unix time,
    /// exclusive.
    Shared { name: NameDigest, expires_unix_s: u64 },
}

/// What is kept of a name that other software made up: enough to tell it from all others.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct NameDigest([u8; 16]);

impl fmt::Debug for NameDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NameDigest[..]")
    }
}

impl Identity {
    /// The side of a session that it counts for.
    pub(crate) const fn side(self) -> Option<(SessionId, Side)> {
        match self {
            Self::Session { session, side, .. } => Some((session, side)),
            Self::User(_) | Self::Shared { .. } => None,
        }
    }
}

/// All that may authenticate.
pub(crate) struct Credentials {
    realm: String,
    session_key: SessionKey,
    session_peers: PeerPolicy,
    shared_secrets: Vec<SharedSecret>,
    users: Vec<StaticUser>,
    /// Whether all may relay TCP whose peers are `public`.
    tcp: bool,
    user_by_hash: BTreeMap<[u8; 32], u16>,
    /// In the place of users who are not there, and kept as they are.
    nobody: StaticUser,
}

impl Credentials {
    /// `random` makes the key that unknown names are checked against.
    pub(crate) fn new(
        realm: String,
        session_key: SessionKey,
        session_peers: PeerPolicy,
        shared_secrets: Vec<SharedSecret>,
        users: Vec<StaticUser>,
        tcp: bool,
        random: [u8; 16],
    ) -> Self {
        let user_by_hash = (0..).zip(&users).map(|(index, user)| (user.userhash, index)).collect();
        let password = URL_SAFE_NO_PAD.encode(random);
        let nobody = StaticUser::new("", &realm, &password, session_peers);
        Self { realm, session_key, session_peers, shared_secrets, users, tcp, user_by_hash, nobody }
    }

    /// Takes other shared secrets in the place of those it has.
    pub(crate) fn replace_shared_secrets(&mut self, secrets: &[SharedSecret]) {
        self.shared_secrets = secrets.to_vec();
    }

    pub(crate) fn realm(&self) -> &str {
        &self.realm
    }

    /// Whom a request claims to be from, without any proof yet.
    ///
    /// Static users are found by hash either way, so that the time it takes tells nothing about their names.
    /// The others are found by name only: the relay does not hear of them before they come. A name that could
    /// be several things is the first of: a session's, a static user's, a shared secret's.
    pub(crate) fn identify(&self, claim: Claim<'_>) -> Option<Identity> {
        let hash = match claim {
            Claim::Name(username) => {
                if let Some(identity) = parse_session_name(username) {
                    return Some(identity);
                }
                userhash(username, self.realm.as_bytes())
            }
            Claim::Hash(hash) => *hash,
        };
        // Read before it is known whether it matters: a user's name takes as long as nobody's.
        let expires_unix_s = match claim {
            Claim::Name(username) => expiry_of(username).filter(|_| !self.shared_secrets.is_empty()),
            Claim::Hash(_) => None,
        };
        if let Some(index) = self.user_by_hash.get(&hash) {
            return Some(Identity::User(*index));
        }
        let expires_unix_s = expires_unix_s?;
        let name = NameDigest(*hash.first_chunk().expect("a hash of 32 bytes"));
        Some(Identity::Shared { name, expires_unix_s })
    }

    /// The key that proves a claim: the one that `fits`, which says whether a key verifies the message.
    ///
    /// An unknown name is tried with a key that nobody has, so that it is answered like a wrong password, and
    /// as late.
    pub(crate) fn prove(
        &self,
        identity: Option<Identity>,
        claim: Claim<'_>,
        algorithm: PasswordAlgorithm,
        fits: impl Fn(&IntegrityKey) -> bool,
    ) -> Option<IntegrityKey> {
        let derive = |username: &[u8], password: &str| {
            IntegrityKey::long_term(algorithm, username, self.realm.as_bytes(), password.as_bytes())
        };
        let key = match (identity, claim) {
            (Some(Identity::Session { .. }), Claim::Name(username)) => {
                derive(username, &self.session_key.password(username))
            }
            (Some(Identity::User(index)), _) => self.users[usize::from(index)].key(algorithm).clone(),
            (Some(Identity::Shared { .. }), Claim::Name(username)) => {
                let mut keys =
                    self.shared_secrets.iter().map(|secret| derive(username, &secret.password(username)));
                return keys.find(fits);
            }
            // Only a name is ever a session's or a shared secret's.
            (Some(_), Claim::Hash(_)) | (None, _) => self.nobody.key(algorithm).clone(),
        };
        fits(&key).then_some(key)
    }

    /// Where the allocations of an identity may send.
    pub(crate) fn peers(&self, identity: Identity) -> PeerPolicy {
        match identity {
            Identity::Session { .. } => self.session_peers,
            Identity::User(index) => self.users[usize::from(index)].peers,
            Identity::Shared { .. } => PeerPolicy::Public,
        }
    }

    /// Whether an identity may have TCP allocations.
    pub(crate) fn may_relay_tcp(&self, identity: Identity) -> bool {
        let is_told = match identity {
            Identity::User(index) => self.users[usize::from(index)].tcp,
            Identity::Session { .. } | Identity::Shared { .. } => false,
        };
        (self.tcp || is_told) && self.peers(identity) == PeerPolicy::Public
    }

    /// Whether anybody may; the methods of TCP allocations do not exist otherwise.
    pub(crate) fn relay_tcp(&self) -> bool {
        self.tcp || self.users.iter().any(|user| user.tcp)
    }
}

/// Whether a user name is of the form that the matcher's have.
pub(crate) fn is_session_name(username: &[u8]) -> bool {
    parse_session_name(username).is_some()
}

/// Reads `expiry:session.side`. Only the form that [`SessionKey::mint`] writes is one: no sign, no leading
/// zero, no other alphabet, so that an identity has one user name.
fn parse_session_name(username: &[u8]) -> Option<Identity> {
    let text = std::str::from_utf8(username).ok()?;
    let (expires, rest) = text.split_once(':')?;
    if expires.starts_with(['0', '+']) {
        return None;
    }
    let expires_unix_s = expires.parse().ok()?;
    let (session, side) = rest.split_once('.')?;
    let side = match side {
        "a" => Side::A,
        "b" => Side::B,
        _ => return None,
    };
    let mut id = [0; 16];
    if session.len() != 22 || URL_SAFE_NO_PAD.decode_slice(session, &mut id) != Ok(id.len()) {
        return None;
    }
    Some(Identity::Session { session: SessionId(id), side, expires_unix_s })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        let user = StaticUser::new("user", "ginnel", "password", PeerPolicy::Public);
        let secrets = vec![SharedSecret::new(b"old"), SharedSecret::new(b"new")];
        let (key, peers) = (SessionKey::new([1; 32]), PeerPolicy::Partner);
        Credentials::new("ginnel".into(), key, peers, secrets, vec![user], false, [2; 16])
    }

    /// The key that proves a user name by whatever password it has here.
    fn key(username: &[u8], algorithm: PasswordAlgorithm) -> Option<IntegrityKey> {
        let claim = Claim::Name(username);
        credentials().prove(credentials().identify(claim), claim, algorithm, |_| true)
    }

    #[test]
    fn a_password_is_its_names_and_its_keys_alone() {
        let mint = |key, session, side, until| {
            SessionKey::new([key; 32]).mint(SessionId([session; 16]), side, until).password
        };
        let minted = mint(1, 1, Side::A, 5000);
        assert_eq!(minted.len(), 43, "256 bits in base64url");
        assert_eq!(minted, mint(1, 1, Side::A, 5000));
        let others = [
            mint(2, 1, Side::A, 5000),
            mint(1, 2, Side::A, 5000),
            mint(1, 1, Side::B, 5000),
            mint(1, 1, Side::A, 5001),
        ];
        assert!(!others.contains(&minted));
    }

    #[test]
    fn what_is_minted_is_recognised() {
        for (side, algorithm) in [(Side::A, PasswordAlgorithm::Md5), (Side::B, PasswordAlgorithm::Sha256)] {
            let minted = SessionKey::new([1; 32]).mint(SessionId([0xFE; 16]), side, 1_900_000_000);
            let username = minted.username.as_bytes();
            let expected =
                Identity::Session { session: SessionId([0xFE; 16]), side, expires_unix_s: 1_900_000_000 };
            assert_eq!(credentials().identify(Claim::Name(username)), Some(expected));
            let same = IntegrityKey::long_term(algorithm, username, b"ginnel", minted.password.as_bytes());
            assert!(key(username, algorithm).unwrap().matches(&same));
        }
    }

    #[test]
    fn static_users_are_found_by_name_and_by_hash() {
        let hash = userhash(b"user", b"ginnel");
        assert_eq!(credentials().identify(Claim::Name(b"user")), Some(Identity::User(0)));
        assert_eq!(credentials().identify(Claim::Hash(&hash)), Some(Identity::User(0)));
        assert_eq!(credentials().identify(Claim::Hash(&userhash(b"user", b"other"))), None);
    }

    #[test]
    fn row_37_only_the_minted_form_is_a_session_name() {
        let good = "1900000000:AAAAAAAAAAAAAAAAAAAAAA.a";
        assert!(parse_session_name(good.as_bytes()).is_some());
        for bad in [
            "-1:AAAAAAAAAAAAAAAAAAAAAA.a",
            "+1:AAAAAAAAAAAAAAAAAAAAAA.a",
            "01:AAAAAAAAAAAAAAAAAAAAAA.a",
            "0:AAAAAAAAAAAAAAAAAAAAAA.a",
            "0x10:AAAAAAAAAAAAAAAAAAAAAA.a",
            "99999999999999999999:AAAAAAAAAAAAAAAAAAAAAA.a",
            "19:19:AAAAAAAAAAAAAAAAAAAAAA.a",
            "1900000000:AAAAAAAAAAAAAAAAAAAAAA.c",
            "1900000000:AAAAAAAAAAAAAAAAAAAAAA.",
            "1900000000:AAAAAAAAAAAAAAAAAAAAAB.a",
            "1900000000:AAAAAAAAAAAAAAAAAAAAA.a",
            "1900000000:AAAAAAAAAAAAAAAAAAAAAA==.a",
            "1900000000",
            ":",
            "",
            "1900000000\0:AAAAAAAAAAAAAAAAAAAAAA.a",
        ] {
            assert!(parse_session_name(bad.as_bytes()).is_none(), "{bad:?}");
        }
        assert!(parse_session_name(b"\xFF\xFE").is_none());
    }

    #[test]
    fn a_name_is_one_thing_only() {
        let identify = |name: &str| credentials().identify(Claim::Name(name.as_bytes()));
        // With the side's letter it is a session's, and only the session key proves it.
        let session = "1900000000:AAAAAAAAAAAAAAAAAAAAAA.a";
        assert!(matches!(identify(session), Some(Identity::Session { .. })));
        let proved = key(session.as_bytes(), PasswordAlgorithm::Md5).unwrap();
        for secret in [b"old", b"new"] {
            let password = SharedSecret::new(secret).password(session.as_bytes());
            let claimed = IntegrityKey::long_term_md5(session.as_bytes(), b"ginnel", password.as_bytes());
            assert!(!proved.matches(&claimed));
        }
        for name in ["1900000000:AAAAAAAAAAAAAAAAAAAAAA.c", "1900000000:user", "1900000000"] {
            let identity = identify(name).unwrap();
            assert!(matches!(identity, Identity::Shared { expires_unix_s: 1_900_000_000, .. }), "{name}");
            assert_eq!(credentials().peers(identity), PeerPolicy::Public);
        }
        assert_ne!(identify("1900000000:a"), identify("1900000000:b"));
        assert_eq!(identify("user:1900000000"), None);
    }

    #[test]
    fn row_42_either_of_two_secrets_proves_a_name() {
        let username = b"1900000000:alice";
        let claim = Claim::Name(username);
        let credentials = credentials();
        let proves = |secret: &[u8]| {
            let password = SharedSecret::new(secret).password(username);
            let key = IntegrityKey::long_term_md5(username, b"ginnel", password.as_bytes());
            let identity = credentials.identify(claim);
            credentials.prove(identity, claim, PasswordAlgorithm::Md5, |it| it.matches(&key)).is_some()
        };
        assert!(proves(b"old") && proves(b"new") && !proves(b"other"));
    }

    #[test]
    fn an_unknown_name_gets_a_key_that_nobody_has() {
        assert_eq!(credentials().identify(Claim::Name(b"nobody")), None);
        let (known, unknown) =
            (key(b"user", PasswordAlgorithm::Md5).unwrap(), key(b"nobody", PasswordAlgorithm::Md5).unwrap());
        let guess = IntegrityKey::long_term_md5(b"nobody", b"ginnel", b"password");
        assert!(!unknown.matches(&known) && !unknown.matches(&guess));
    }

    #[test]
    fn only_a_sessions_name_has_a_side() {
        let (session, side) = (SessionId([3; 16]), Side::B);
        let of_session = Identity::Session { session, side, expires_unix_s: 5000 };
        assert_eq!(of_session.side(), Some((session, side)));
        assert_eq!(Identity::User(0).side(), None);
        assert_eq!(credentials().realm(), "ginnel");
    }

    #[test]
    fn a_secret_that_was_replaced_proves_nothing() {
        let username = b"1900000000:somebody";
        let claim = Claim::Name(username);
        let mut credentials = credentials();
        let proves = |credentials: &Credentials, secret: &[u8]| {
            let password = SharedSecret::new(secret).password(username);
            let own = IntegrityKey::long_term(
                PasswordAlgorithm::Md5,
                username,
                credentials.realm().as_bytes(),
                password.as_bytes(),
            );
            let identity = credentials.identify(claim);
            credentials.prove(identity, claim, PasswordAlgorithm::Md5, |key| key.matches(&own)).is_some()
        };
        assert_eq!([&b"old"[..], b"new", b"newer"].map(|it| proves(&credentials, it)), [true, true, false]);
        credentials.replace_shared_secrets(&[SharedSecret::new(b"new"), SharedSecret::new(b"newer")]);
        assert_eq!([&b"old"[..], b"new", b"newer"].map(|it| proves(&credentials, it)), [false, true, true]);
    }

    #[test]
    fn tcp_is_for_public_peers_of_those_who_may() {
        let (session, side) = (SessionId([3; 16]), Side::A);
        let of_session = Identity::Session { session, side, expires_unix_s: 5000 };
        let of_secret = Identity::Shared { name: NameDigest([0; 16]), expires_unix_s: 5000 };
        let all = [of_session, Identity::User(0), Identity::User(1), of_secret];
        let make = |for_all, told: PeerPolicy, of_sessions| {
            let told = StaticUser::new("told", "ginnel", "password", told).with_tcp();
            let other = StaticUser::new("other", "ginnel", "password", PeerPolicy::Public);
            let key = SessionKey::new([1; 32]);
            Credentials::new("ginnel".into(), key, of_sessions, vec![], vec![told, other], for_all, [2; 16])
        };
        for (for_all, told, of_sessions, expected) in [
            (false, PeerPolicy::Public, PeerPolicy::Public, [false, true, false, false]),
            (false, PeerPolicy::Appliance, PeerPolicy::Public, [false; 4]),
            (true, PeerPolicy::Public, PeerPolicy::Public, [true; 4]),
            (true, PeerPolicy::Appliance, PeerPolicy::Partner, [false, false, true, true]),
        ] {
            let credentials = make(for_all, told, of_sessions);
            assert_eq!(all.map(|it| credentials.may_relay_tcp(it)), expected);
            assert!(credentials.relay_tcp());
        }
        assert!(!credentials().relay_tcp(), "for nobody");
        let for_all = |tcp| {
            let key = SessionKey::new([1; 32]);
            Credentials::new("ginnel".into(), key, PeerPolicy::Partner, vec![], vec![], tcp, [2; 16])
        };
        assert_eq!([true, false].map(|tcp| for_all(tcp).relay_tcp()), [true, false]);
    }

    #[test]
    fn names_are_not_printed_and_that_there_is_one_is() {
        assert_eq!(format!("{:?}", SessionId([3; 16])), "SessionId[..]");
        assert_eq!(format!("{:?}", NameDigest([3; 16])), "NameDigest[..]");
    }
}

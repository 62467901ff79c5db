//! The cookies by which a client proves that it receives at the address it sends from, kept by nobody.
//! RFC 6347 §4.2.1.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use ring::hmac::{HMAC_SHA256, Key, sign, verify};
use turn_core::FiveTuple;

use crate::limits::DTLS_COOKIE_AGE_MAX;

/// A cookie is a MAC over the 5-tuple and the client's random number. Its key changes, and the one before it
/// counts as long again.
pub(super) struct Cookies {
    current: Key,
    previous: Key,
    turned: Duration,
}

impl Cookies {
    /// # Errors
    /// The system has no randomness.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { current: fresh()?, previous: fresh()?, turned: Duration::ZERO })
    }

    /// The cookie for a client, good for at least [`DTLS_COOKIE_AGE_MAX`].
    pub(super) fn make(&mut self, now: Duration, tuple: &FiveTuple, random: &[u8; 32]) -> [u8; 32] {
        self.turn(now);
        let tag = sign(&self.current, &content(tuple, random));
        tag.as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    /// The cookie, if we have given it to this client lately.
    pub(super) fn proved(
        &mut self,
        now: Duration,
        tuple: &FiveTuple,
        random: &[u8; 32],
        cookie: &[u8],
    ) -> Option<[u8; 32]> {
        let cookie: [u8; 32] = cookie.try_into().ok()?;
        self.turn(now);
        let content = content(tuple, random);
        let is_ours = |key| verify(key, &content, &cookie).is_ok();
        (is_ours(&self.current) || is_ours(&self.previous)).then_some(cookie)
    }

    fn turn(&mut self, now: Duration) {
        let age = now.saturating_sub(self.turned);
        if age < DTLS_COOKIE_AGE_MAX {
            return;
        }
        // Without randomness the keys stay for another time; there was some to start with.
        if let Ok(key) = fresh() {
            self.previous = std::mem::replace(&mut self.current, key);
            self.turned = now;
        }
        if age >= 2 * DTLS_COOKIE_AGE_MAX
            && let Ok(key) = fresh()
        {
            self.previous = key;
        }
    }
}

fn fresh() -> io::Result<Key> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(Key::new(HMAC_SHA256, &bytes))
}

/// All of it is of fixed length, so that no two clients have the same.
fn content(tuple: &FiveTuple, random: &[u8; 32]) -> Vec<u8> {
    let mut content = random.to_vec();
    for ip in [tuple.client.0.ip(), tuple.local.0] {
        let ip = match ip {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        content.extend_from_slice(&ip.octets());
    }
    content.extend_from_slice(&tuple.client.0.port().to_be_bytes());
    content.push(tuple.listener.0);
    content
}

#[cfg(test)]
mod tests {
    use turn_core::{ClientAddr, ListenerId, LocalIp};

    use super::*;

    fn tuple(client: &str, local: &str, place: u8) -> FiveTuple {
        FiveTuple {
            client: ClientAddr(client.parse().unwrap()),
            local: LocalIp(local.parse().unwrap()),
            listener: ListenerId::dtls(place),
        }
    }

    #[test]
    fn a_cookie_is_good_for_its_client_only() {
        let mut cookies = Cookies::new().unwrap();
        let client = tuple("192.0.2.1:5000", "198.51.100.1", 0);
        let cookie = cookies.make(Duration::ZERO, &client, &[1; 32]);
        let mut proves = |of: &FiveTuple, random, cookie: &[u8]| {
            cookies.proved(Duration::ZERO, of, &[random; 32], cookie).is_some()
        };
        assert!(proves(&client, 1, &cookie));
        assert!(!proves(&client, 2, &cookie));
        for other in [
            tuple("192.0.2.2:5000", "198.51.100.1", 0),
            tuple("192.0.2.1:5001", "198.51.100.1", 0),
            tuple("192.0.2.1:5000", "198.51.100.2", 0),
            tuple("192.0.2.1:5000", "198.51.100.1", 1),
            tuple("[::192.0.2.1]:5000", "198.51.100.1", 0),
        ] {
            assert!(!proves(&other, 1, &cookie));
        }
        assert!(!proves(&client, 1, &cookie[..31]));
        assert!(!proves(&client, 1, &[]));
    }

    #[test]
    fn a_cookie_is_good_for_a_while() {
        let mut cookies = Cookies::new().unwrap();
        let client = tuple("192.0.2.1:5000", "198.51.100.1", 0);
        let second = Duration::from_secs(1);
        let late = DTLS_COOKIE_AGE_MAX - second;
        let cookie = cookies.make(late, &client, &[1; 32]);
        let mut proves = |now| cookies.proved(now, &client, &[1; 32], &cookie).is_some();
        assert!(proves(late));
        assert!(proves(late + DTLS_COOKIE_AGE_MAX));
        assert!(!proves(late + 2 * DTLS_COOKIE_AGE_MAX));
        let cookie = cookies.make(Duration::from_secs(1_000), &client, &[1; 32]);
        assert!(cookies.proved(Duration::from_secs(2_000), &client, &[1; 32], &cookie).is_none());
    }
}

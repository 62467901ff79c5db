//! Which numbers nobody may be given: those that wait for the holder of a token, and those that rest.
//! Not those in use. RFC 8656 §7.2, relay.md §1.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::holding::Identity;

/// Numbers that are not in use and not to be had.
#[derive(Default)]
pub(super) struct Numbers {
    kept: BTreeMap<Vec<u8>, Kept>,
    resting: BTreeMap<u16, Duration>,
}

impl Numbers {
    /// An address is kept for whoever brings this token.
    pub(super) fn keep(&mut self, token: Vec<u8>, owner: Identity, relayed: SocketAddr, now: Duration) {
        let until = now + HALF_A_MINUTE;
        self.kept.insert(token, Kept { owner, relayed, until, is_redeemed: false });
    }

    /// The address that a token stands for, if it is this one's; it does so once.
    pub(super) fn redeem(&mut self, token: &[u8], owner: Identity) -> Option<SocketAddr> {
        let kept = self.kept.get_mut(token).filter(|kept| kept.owner == owner && !kept.is_redeemed)?;
        kept.is_redeemed = true;
        Some(kept.relayed)
    }

    /// A number is not in use any more.
    pub(super) fn rest(&mut self, port: u16, now: Duration) {
        self.resting.insert(port, now + A_MINUTE);
    }

    /// Forgets tokens that nobody brought in time.
    pub(super) fn lapse(&mut self, now: Duration) {
        self.forget(|kept| kept.until <= now, now);
    }

    /// Forgets the tokens of a session.
    pub(super) fn end_session(&mut self, session: u8, now: Duration) {
        self.forget(|kept| kept.owner.session == session && !kept.is_redeemed, now);
    }

    /// Whether somebody may be given this number.
    pub(super) fn may_be_given(&self, port: u16, now: Duration) -> bool {
        let is_kept = self.kept.values().any(|kept| kept.relayed.port() == port && !kept.is_redeemed);
        !is_kept && self.resting.get(&port).is_none_or(|until| *until <= now)
    }

    /// Whether there is no token that could lapse.
    pub(super) fn is_quiet(&self) -> bool {
        self.kept.is_empty()
    }

    /// Tokens that are worth something to somebody, and to whom.
    pub(super) fn tokens(&self) -> impl Iterator<Item = (&[u8], Identity)> {
        let live = self.kept.iter().filter(|(_, kept)| !kept.is_redeemed);
        live.map(|(token, kept)| (token.as_slice(), kept.owner))
    }

    /// When the tokens lapse.
    pub(super) fn edges(&self) -> impl Iterator<Item = Duration> {
        self.kept.values().map(|kept| kept.until)
    }

    fn forget(&mut self, is_over: impl Fn(&Kept) -> bool, now: Duration) {
        for (_, kept) in self.kept.extract_if(.., |_, kept| is_over(kept)) {
            if !kept.is_redeemed {
                self.resting.insert(kept.relayed.port(), now.min(kept.until) + A_MINUTE);
            }
        }
    }
}

/// An address that waits for its token.
struct Kept {
    owner: Identity,
    relayed: SocketAddr,
    until: Duration,
    /// So long as it could have lapsed the relay remembers it all the same.
    is_redeemed: bool,
}

/// RFC 8656 §7.2: at least so long.
const HALF_A_MINUTE: Duration = Duration::from_secs(30);

/// Late packets of its last holder must not reach the next one.
const A_MINUTE: Duration = Duration::from_secs(60);

//! One session's sealing: the exchange of keys, then sealed messages, each in its turn. Any step out of order
//! and any message that does not open is the end; nothing is repaired or skipped.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::direction::Direction;
use crate::handshake::{self, PublicShare, Secrets, Share};
use crate::limits::{HASH_BYTES, KEY_BYTES, SAS_BYTES};
use crate::signs::{self, Sign};
use crate::{LinkSecret, Role, SessionId};

/// One side of one session.
///
/// The caller calls [`begin`](Self::begin) and sends what it returns. Then both give every message of the
/// partner to [`receive`](Self::receive), in the order of arrival, and send what a [`Step::Send`] holds; from
/// [`is_ready`](Self::is_ready) on, [`seal`](Self::seal) works. After the first error all further calls fail.
pub struct Sealing {
    role: Role,
    session: SessionId,
    link: Option<LinkSecret>,
    own: Share,
    state: State,
}

impl Sealing {
    /// A side that has exchanged nothing yet. `link` is what an invite link holds besides the room's code,
    /// where both came by one; it goes into the keys, so that nobody without it can open a message.
    #[must_use]
    pub fn new(role: Role, session: SessionId, link: Option<LinkSecret>, own: Share) -> Self {
        let state = match role {
            Role::Caller => State::Begin,
            Role::Callee => State::Commit,
        };
        Self { role, session, link, own, state }
    }

    /// The caller's first message.
    ///
    /// # Errors
    /// [`SealError::OutOfOrder`] for the callee, and the second time.
    pub fn begin(&mut self) -> Result<Vec<u8>, SealError> {
        if !matches!(self.state, State::Begin) {
            self.state = State::Over;
            return Err(SealError::OutOfOrder);
        }
        let commit = handshake::commit_to(&self.session, self.own.public());
        self.state = State::Key { commit };
        Ok(commit.to_vec())
    }

    /// Takes the partner's next message.
    ///
    /// # Errors
    /// Any of [`SealError`]; the session is to be ended.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Step, SealError> {
        let (state, step) = match std::mem::replace(&mut self.state, State::Over) {
            State::Commit => {
                let commit = bytes.try_into().map_err(|_| SealError::OutOfOrder)?;
                (State::Key { commit }, Step::Send(self.own.public().emit()))
            }
            State::Key { commit } => self.accept_key(&commit, bytes)?,
            State::Sealed(mut keys) => {
                let text = keys.into.open(bytes)?;
                (State::Sealed(keys), Step::Opened(text))
            }
            State::Begin | State::Over => return Err(SealError::OutOfOrder),
        };
        self.state = state;
        Ok(step)
    }

    /// Seals a message, once: keep what comes out for sending it again.
    ///
    /// # Errors
    /// [`SealError::OutOfOrder`] while there are no keys, [`SealError::TooLarge`] above 16,382 bytes.
    pub fn seal(&mut self, text: &[u8]) -> Result<Vec<u8>, SealError> {
        match &mut self.state {
            State::Sealed(keys) => keys.out.seal(text),
            _ => Err(SealError::OutOfOrder),
        }
    }

    /// Have keys been agreed on?
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self.state, State::Sealed(_))
    }

    /// The short authentication string; `None` before a sealed message was opened.
    #[must_use]
    pub fn signs(&self) -> Option<[&'static Sign; 4]> {
        match &self.state {
            State::Sealed(keys) if keys.into.has_opened() => Some(signs::of(keys.sas)),
            _ => None,
        }
    }

    /// What a side shows over the data channel: that the keys of its call are those of this sealing. `None`
    /// while there are no keys.
    #[must_use]
    pub fn proof_of(&self, role: Role) -> Option<[u8; HASH_BYTES]> {
        let State::Sealed(keys) = &self.state else { return None };
        let mac = Hmac::<Sha256>::new_from_slice(&*keys.bind).expect("HMAC takes keys of any length");
        Some(mac.chain_update(role.name()).finalize().into_bytes().into())
    }

    fn accept_key(&self, commit: &[u8; HASH_BYTES], bytes: &[u8]) -> Result<(State, Step), SealError> {
        let partner = PublicShare::parse(bytes)?;
        let (caller, callee) = match self.role {
            Role::Caller => (self.own.public(), &partner),
            Role::Callee => (&partner, self.own.public()),
        };
        if !bool::from(handshake::commit_to(&self.session, caller).ct_eq(commit)) {
            return Err(SealError::BrokenPromise);
        }
        let transcript = handshake::transcript(&self.session, commit, caller, callee);
        let secrets = self.own.agree(&partner, &transcript, self.link.as_ref())?;
        let step = match self.role {
            Role::Caller => Step::Send(self.own.public().emit()),
            Role::Callee => Step::Ready,
        };
        Ok((State::Sealed(Box::new(Keys::new(self.role, self.session, secrets))), step))
    }
}

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// It was part of the exchange; this goes to the partner.
    Send(Vec<u8>),
    /// It was the last part of the exchange.
    Ready,
    /// The partner sealed this.
    Opened(Vec<u8>),
}

/// Why a session must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It does not open: it, or the exchange of keys, was altered, or the partner's link is another one.
    #[error("a message was altered on its way, or is not the partner's")]
    Altered,
    /// The counter is not the next one.
    #[error("a message is missing, or came twice")]
    BadCounter,
    /// The partner's public key is not a point of the curve.
    #[error("a key is not valid")]
    BadKey,
    /// The caller's key is not the one it had committed to.
    #[error("a key is not the one that was promised")]
    BrokenPromise,
    /// It opens, and its padding is wrong.
    #[error("a message is malformed")]
    Malformed,
    /// It is not the message that comes at this point.
    #[error("a message came out of order")]
    OutOfOrder,
    /// It fits into none of the sizes.
    #[error("a message is too large to be sealed")]
    TooLarge,
}

enum State {
    /// The caller has not begun.
    Begin,
    /// The callee waits for the commitment.
    Commit,
    /// The partner's share comes next.
    Key { commit: [u8; HASH_BYTES] },
    /// Keys are there, and only sealed messages come.
    Sealed(Box<Keys>),
    /// Something was wrong.
    Over,
}

struct Keys {
    out: Direction,
    into: Direction,
    sas: [u8; SAS_BYTES],
    bind: Zeroizing<[u8; KEY_BYTES]>,
}

impl Keys {
    fn new(role: Role, session: SessionId, secrets: Secrets) -> Self {
        let r2e = Direction::new(Role::Caller, session, &secrets.r2e);
        let e2r = Direction::new(Role::Callee, session, &secrets.e2r);
        let (out, into) = match role {
            Role::Caller => (r2e, e2r),
            Role::Callee => (e2r, r2e),
        };
        Self { out, into, sas: secrets.sas, bind: secrets.bind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(role: Role, link: Option<LinkSecret>) -> Sealing {
        let seed = if role == Role::Caller { 1 } else { 2 };
        Sealing::new(role, [7; 16], link, Share::new(&[seed; 32], [seed; 32]).unwrap())
    }

    fn sent(step: Step) -> Vec<u8> {
        match step {
            Step::Send(bytes) => bytes,
            other => panic!("nothing to send: {other:?}"),
        }
    }

    fn agreed(link: [Option<LinkSecret>; 2]) -> (Sealing, Sealing) {
        exchanged(side(Role::Caller, link[0]), side(Role::Callee, link[1]))
    }

    fn exchanged(mut caller: Sealing, mut callee: Sealing) -> (Sealing, Sealing) {
        let key = sent(callee.receive(&caller.begin().unwrap()).unwrap());
        let key = sent(caller.receive(&key).unwrap());
        assert_eq!(callee.receive(&key), Ok(Step::Ready));
        (caller, callee)
    }

    #[test]
    fn the_string_is_there_after_a_sealed_message_and_the_same() {
        let (mut caller, mut callee) = agreed([None, None]);
        assert_eq!((caller.signs(), callee.signs()), (None, None));
        let hello = caller.seal(b"hello").unwrap();
        assert_eq!(callee.receive(&hello), Ok(Step::Opened(b"hello".to_vec())));
        assert_eq!(caller.signs(), None);
        let answer = callee.seal(b"").unwrap();
        assert_eq!(caller.receive(&answer), Ok(Step::Opened(Vec::new())));
        assert_eq!(caller.signs().unwrap(), callee.signs().unwrap());
        assert_eq!(caller.proof_of(Role::Callee), callee.proof_of(Role::Callee));
        assert_ne!(caller.proof_of(Role::Callee), caller.proof_of(Role::Caller));
    }

    #[test]
    fn row_158_a_server_with_keys_of_its_own_makes_the_strings_differ() {
        let between =
            |role, seed| Sealing::new(role, [7; 16], None, Share::new(&[seed; 32], [seed; 32]).unwrap());
        let (mut caller, mut as_callee) = exchanged(side(Role::Caller, None), between(Role::Callee, 3));
        let (mut as_caller, mut callee) = exchanged(between(Role::Caller, 4), side(Role::Callee, None));
        // What it passes on is opened by both, and yet they see different strings.
        assert!(caller.receive(&as_callee.seal(b"x").unwrap()).is_ok());
        assert!(callee.receive(&as_caller.seal(b"x").unwrap()).is_ok());
        assert_ne!(caller.signs().unwrap(), callee.signs().unwrap());
        for role in [Role::Caller, Role::Callee] {
            assert_ne!(caller.proof_of(role), callee.proof_of(role));
        }
    }

    #[test]
    fn only_who_has_the_link_opens() {
        for link in [[Some([1; 16]), None], [None, Some([1; 16])], [Some([1; 16]), Some([2; 16])]] {
            let (mut caller, mut callee) = agreed(link);
            assert_eq!(callee.receive(&caller.seal(b"x").unwrap()), Err(SealError::Altered));
            assert!(callee.seal(b"x").is_err(), "it is over");
        }
        let (mut caller, mut callee) = agreed([Some([1; 16]); 2]);
        assert!(callee.receive(&caller.seal(b"x").unwrap()).is_ok());
    }

    #[test]
    fn a_message_opens_once_in_its_turn_and_unaltered() {
        type Send = fn(Vec<u8>, Vec<u8>) -> (Vec<u8>, SealError);
        let cases: [Send; 5] = [
            |first, _| (first, SealError::BadCounter),
            |_, mut second| {
                second[40] ^= 1;
                (second, SealError::Altered)
            },
            |_, mut second| {
                second.pop();
                (second, SealError::OutOfOrder)
            },
            |_, mut second| {
                second[7] = 3;
                (second, SealError::BadCounter)
            },
            |_, _| (vec![0; 32], SealError::OutOfOrder),
        ];
        for case in cases {
            let (mut caller, mut callee) = agreed([None, None]);
            let (first, second) = (caller.seal(b"1").unwrap(), caller.seal(b"2").unwrap());
            assert!(callee.receive(&first).is_ok());
            let (bytes, error) = case(first, second);
            assert_eq!(callee.receive(&bytes), Err(error));
            assert!(!callee.is_ready());
        }
        let (mut caller, _) = agreed([None, None]);
        let own = caller.seal(b"1").unwrap();
        assert_eq!(caller.receive(&own), Err(SealError::Altered), "one's own words come back");
    }

    #[test]
    fn a_step_out_of_order_ends_the_exchange() {
        let share = side(Role::Callee, None).own.public().emit();
        let mut callee = side(Role::Callee, None);
        assert_eq!(callee.begin(), Err(SealError::OutOfOrder));
        assert_eq!(callee.receive(&[0; 32]), Err(SealError::OutOfOrder), "it is over");

        assert_eq!(side(Role::Callee, None).receive(&share), Err(SealError::OutOfOrder));
        assert_eq!(side(Role::Caller, None).receive(&share), Err(SealError::OutOfOrder));

        let mut caller = side(Role::Caller, None);
        caller.begin().unwrap();
        assert_eq!(caller.seal(b""), Err(SealError::OutOfOrder));
        let mut bent = share.clone();
        bent[64] ^= 1;
        assert_eq!(caller.receive(&bent), Err(SealError::BadKey));

        let mut callee = side(Role::Callee, None);
        callee.receive(&[0; 32]).unwrap();
        assert_eq!(callee.receive(&share), Err(SealError::BrokenPromise));
    }
}

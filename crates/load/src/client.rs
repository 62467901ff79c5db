//! One client of `ginnel.1`: it comes in, work included, then says and hears. It keeps count of a session's
//! payloads; what to do with them is the caller's.

use std::time::Duration;

use tokio::time::timeout;

use crate::LoadError;
use crate::limits::{GREETING_S_MAX, WORK_BITS_MAX};
use crate::message::{Heard, Limits, Proof, Role, Said};
use crate::messages::Talker;
use crate::proof;
use crate::target::Target;
use crate::wire::Wire;

/// A greeted client. It leaves when it is dropped.
pub struct Client {
    wire: Wire,
    limits: Limits,
    /// The session it is in, and how much it has sent and heard there.
    session: Option<Session>,
}

struct Session {
    id: String,
    role: Role,
    sent: u64,
    heard: u64,
}

impl Client {
    /// Connects as the `index`th of many, says `hello` and does the work that is asked for.
    ///
    /// # Errors
    /// Nobody is there, or there is no way in.
    pub async fn connect(target: &Target, index: usize) -> Result<Self, LoadError> {
        let greeting = Self::greet(target, index);
        let late = |_| LoadError::Late("being greeted", GREETING_S_MAX);
        timeout(Duration::from_secs(GREETING_S_MAX), greeting).await.map_err(late)?
    }

    /// Says something.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn say(&mut self, said: &Said<'_>) -> Result<(), LoadError> {
        let text = serde_json::to_string(said).expect("messages are plain structures");
        self.wire.send(text).await
    }

    /// Sends the partner the next payload: base64url without padding.
    ///
    /// # Errors
    /// There is no partner, or the connection is gone.
    pub async fn seal(&mut self, body: &str) -> Result<(), LoadError> {
        let session = self.session.as_mut().ok_or(LoadError::Protocol("no session"))?;
        session.sent += 1;
        let said = Said::Seal { session: &session.id, n: session.sent, body };
        let text = serde_json::to_string(&said).expect("messages are plain structures");
        self.wire.send(text).await
    }

    /// The next message. May be dropped and called again without losing any.
    ///
    /// # Errors
    /// The connection is gone, or a payload came out of turn.
    pub async fn hear(&mut self) -> Result<Heard, LoadError> {
        let heard = hear(&mut self.wire).await?;
        match &heard {
            Heard::Matched { session, role } => {
                self.session = Some(Session { id: session.clone(), role: *role, sent: 0, heard: 0 });
            }
            Heard::Gone { session } if self.session.as_ref().is_some_and(|own| own.id == *session) => {
                self.session = None;
            }
            Heard::Seal { session, n, .. } => {
                if let Some(own) = self.session.as_mut().filter(|own| own.id == *session) {
                    own.heard += 1;
                    if own.heard != *n {
                        return Err(LoadError::Protocol("a payload out of turn"));
                    }
                }
            }
            _ => {}
        }
        Ok(heard)
    }

    /// What the server asks its clients to keep to.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Its role in its session, if it is in one.
    pub fn role(&self) -> Option<Role> {
        self.session.as_ref().map(|session| session.role)
    }

    async fn greet(target: &Target, index: usize) -> Result<Self, LoadError> {
        let mut wire = Wire::open(target, "/signal", Some("ginnel.1"), index).await?;
        let mut work: Option<(String, String)> = None;
        loop {
            let proof = work.as_ref().map(|(seed, nonce)| Proof { seed, nonce });
            let hello = Said::Hello { v: 1, proof };
            wire.send(serde_json::to_string(&hello).expect("messages are plain structures")).await?;
            match hear(&mut wire).await? {
                Heard::Welcome { limits } => return Ok(Self { wire, limits, session: None }),
                Heard::Challenge { bits, seed } if bits <= WORK_BITS_MAX => {
                    // Not on a thread that others wait for.
                    let asked = seed.clone();
                    let solving = tokio::task::spawn_blocking(move || proof::solve(&asked, bits));
                    let nonce = solving.await.expect("hashing does not panic");
                    work = Some((seed, nonce));
                }
                Heard::Challenge { .. } => {
                    let text = "it asks for more work than a load can do: wait, or come slower".to_owned();
                    return Err(LoadError::Refused { code: "challenge".to_owned(), text });
                }
                Heard::Error { code, text } => return Err(LoadError::Refused { code, text }),
                _ => return Err(LoadError::Protocol("no answer to hello")),
            }
        }
    }
}

impl Talker for Client {
    async fn send(&mut self, body: String) -> Result<(), LoadError> {
        self.seal(&body).await
    }

    async fn receive(&mut self) -> Result<String, LoadError> {
        loop {
            match self.hear().await? {
                Heard::Seal { body, .. } => return Ok(body),
                Heard::Error { code, text } => return Err(LoadError::Refused { code, text }),
                Heard::Gone { .. } => return Err(LoadError::Closed(": the partner is gone".to_owned())),
                _ => {}
            }
        }
    }
}

async fn hear(wire: &mut Wire) -> Result<Heard, LoadError> {
    let text = wire.receive().await?;
    serde_json::from_str(&text).map_err(|_| LoadError::Protocol("a message of another form"))
}

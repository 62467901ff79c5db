//! A client of each of the signaling servers, no more than it takes to be idle and to send payloads.

use load::{Client, Heard, LoadError, Media, Said, Talker, Target, Want, Wire};
use serde_json::{Value, json};

use crate::signal::Kind;

/// One client.
pub(crate) enum Member {
    /// `ginnel.1`.
    Ginnel(Box<Client>),
    /// PeerJS: whom to write to is in each message.
    Peer { wire: Wire, partner: String },
    /// Matchbox: as well, by an id of the server's.
    Matchbox { wire: Wire, id: String, partner: String },
}

impl Member {
    /// One that has no partner.
    pub(crate) async fn alone(kind: Kind, target: &Target, index: usize) -> Result<Self, LoadError> {
        match kind {
            Kind::Ginnel => Ok(Self::Ginnel(Box::new(Client::connect(target, index).await?))),
            Kind::Peer => Self::peer(target, index, String::new()).await,
            Kind::Matchbox => Self::matchbox(target, index, index).await,
        }
    }

    /// The `index`th two, who are partners.
    pub(crate) async fn pair(kind: Kind, target: &Target, index: usize) -> Result<[Self; 2], LoadError> {
        let (first, second) = (2 * index, 2 * index + 1);
        match kind {
            Kind::Ginnel => Self::ginnel_pair(target, index).await,
            Kind::Peer => Ok([
                Self::peer(target, first, peer_id(second)).await?,
                Self::peer(target, second, peer_id(first)).await?,
            ]),
            Kind::Matchbox => {
                let mut pair = [
                    Self::matchbox(target, index, first).await?,
                    Self::matchbox(target, index, second).await?,
                ];
                if let [
                    Self::Matchbox { id: a, partner: of_a, .. },
                    Self::Matchbox { id: b, partner: of_b, .. },
                ] = &mut pair
                {
                    of_a.clone_from(b);
                    of_b.clone_from(a);
                }
                Ok(pair)
            }
        }
    }

    /// Two who look for a tag that nobody else has.
    async fn ginnel_pair(target: &Target, index: usize) -> Result<[Self; 2], LoadError> {
        let tag = format!("pair {index}");
        let want = Want { media: Media::Text, tags: &[&tag], langs: &[] };
        let mut pair =
            [Client::connect(target, 2 * index).await?, Client::connect(target, 2 * index + 1).await?];
        for client in &mut pair {
            client.say(&Said::Find { want }).await?;
        }
        for client in &mut pair {
            loop {
                match client.hear().await? {
                    Heard::Matched { .. } => break,
                    Heard::Error { code, text } => return Err(LoadError::Refused { code, text }),
                    _ => {}
                }
            }
        }
        Ok(pair.map(|client| Self::Ginnel(Box::new(client))))
    }

    async fn peer(target: &Target, index: usize, partner: String) -> Result<Self, LoadError> {
        let path = format!("/peerjs?key=peerjs&token=t&id={}", peer_id(index));
        let mut wire = Wire::open(target, &path, None, index).await?;
        let opened = parse(&wire.receive().await?)?;
        if opened["type"] == "OPEN" { Ok(Self::Peer { wire, partner }) } else { Err(ODD) }
    }

    async fn matchbox(target: &Target, room: usize, index: usize) -> Result<Self, LoadError> {
        let mut wire = Wire::open(target, &format!("/room{room}"), None, index).await?;
        let assigned = parse(&wire.receive().await?)?;
        let id = assigned["IdAssigned"].as_str().ok_or(ODD)?.to_owned();
        Ok(Self::Matchbox { wire, id, partner: String::new() })
    }
}

impl Talker for Member {
    async fn send(&mut self, body: String) -> Result<(), LoadError> {
        match self {
            Self::Ginnel(client) => client.send(body).await,
            Self::Peer { wire, partner } => {
                wire.send(json!({"type": "CANDIDATE", "dst": partner, "payload": body}).to_string()).await
            }
            Self::Matchbox { wire, partner, .. } => {
                wire.send(json!({"Signal": {"receiver": partner, "data": body}}).to_string()).await
            }
        }
    }

    async fn receive(&mut self) -> Result<String, LoadError> {
        loop {
            let mut message = match self {
                Self::Ginnel(client) => return client.receive().await,
                Self::Peer { wire, .. } | Self::Matchbox { wire, .. } => parse(&wire.receive().await?)?,
            };
            let body = match self {
                Self::Matchbox { .. } => message["Signal"]["data"].take(),
                _ => message["payload"].take(),
            };
            // Anything else is news of others.
            if let Value::String(body) = body {
                return Ok(body);
            }
        }
    }
}

fn peer_id(index: usize) -> String {
    format!("client{index}")
}

fn parse(text: &str) -> Result<Value, LoadError> {
    serde_json::from_str(text).map_err(|_| ODD)
}

const ODD: LoadError = LoadError::Protocol("another server's message of another form");

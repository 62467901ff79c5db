//! Who is let in where not everybody is: who has a token of the operator's, or one that the operator's
//! identity provider signed.
//!
//! When a token is asked for is `match-core`'s.

mod jwt;
mod keeper;
mod keys;
mod provider;
#[cfg(test)]
mod tests;
mod tokens;
mod url;

use std::sync::Arc;
use std::time::Duration;

use signal_plane::Doorkeeper;

use crate::metrics::AdmissionNumbers;
use crate::settings;
pub(crate) use keys::KeySet;

use jwt::Judge;
use keeper::Keeper;
use tokens::Tokens;

/// The way in, as the settings have it.
pub(crate) enum Admission {
    /// Everybody.
    Open,
    /// Who has a token of the operator's.
    Tokens(Arc<Tokens>),
    /// Who has a token that the operator's identity provider signed.
    Jwt { judge: Arc<Judge>, keeper: Keeper },
}

impl Admission {
    /// Call it inside a tokio runtime.
    pub(crate) fn start(settings: &settings::Admission) -> Self {
        match settings {
            settings::Admission::Open => Self::Open,
            settings::Admission::Tokens(tokens) => Self::Tokens(Arc::new(Tokens::new(tokens))),
            settings::Admission::Jwt(jwt) => {
                let judge = Arc::new(Judge::new(jwt));
                let keeper = Keeper::start(&jwt.keys, Arc::clone(&judge));
                Self::Jwt { judge, keeper }
            }
        }
    }

    /// Looks at the keys now, and returns when what was found is in use; what is wrong is in the log.
    pub(crate) async fn reload(&self) {
        if let Self::Jwt { keeper, .. } = self {
            keeper.reload().await;
        }
    }

    /// Who judges what people bring.
    pub(crate) fn doorkeeper(&self) -> Doorkeeper {
        match self {
            Self::Open => Doorkeeper::default(),
            Self::Tokens(tokens) => Doorkeeper::new(Arc::<Tokens>::clone(tokens)),
            Self::Jwt { judge, .. } => Doorkeeper::new(Arc::<Judge>::clone(judge)),
        }
    }

    /// How many tokens of the operator's are known that have not been used up.
    pub(crate) fn unused(&self) -> usize {
        if let Self::Tokens(tokens) = self { tokens.unused() } else { 0 }
    }

    /// How many single-use tokens have been used up, and how long ago the first was.
    pub(crate) fn used_up(&self) -> (usize, Option<Duration>) {
        if let Self::Tokens(tokens) = self { tokens.used_up() } else { (0, None) }
    }

    /// The numbers of now; nothing where no keys are needed.
    pub(crate) fn numbers(&self) -> Option<AdmissionNumbers> {
        if let Self::Jwt { judge, .. } = self { Some(judge.numbers()) } else { None }
    }
}

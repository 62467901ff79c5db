//! What people ask for in an Allocate, and what they may expect of it. Not whether they get it. RFC 8656 §7.

use std::net::SocketAddr;

/// What an Allocate asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// One of this family, 1 or 2.
    One(u8),
    /// One of each.
    Both,
    /// One with an even port.
    Even,
    /// The same, and the next port for later.
    Pair,
    /// The port that this token stands for.
    Token(Vec<u8>),
}

impl Wish {
    pub(super) const fn family(&self) -> u8 {
        if let Self::One(family) = self { *family } else { 1 }
    }

    pub(super) const fn is_even(&self) -> bool {
        matches!(self, Self::Even | Self::Pair)
    }
}

/// What is to be expected of an Allocate that is granted.
pub struct Prospect {
    pub(super) seat: usize,
    pub(super) families: Vec<u8>,
    pub(super) exactly: Option<SocketAddr>,
    pub(super) is_even: bool,
}

//! Which allocations a 5-tuple has: one, or one of each family. Not the allocations themselves.
//! RFC 8656 §7.2.

/// The places of the allocations of one 5-tuple. Each family's is an allocation of its own, with its own
/// relayed address, lifetime, permissions and channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slots {
    first: usize,
    second: Option<usize>,
}

impl Slots {
    pub(crate) const fn one(first: usize) -> Self {
        Self { first, second: None }
    }

    /// These and one more.
    pub(crate) fn and(self, slot: usize) -> Self {
        assert!(self.second.is_none(), "there are two families");
        Self { second: Some(slot), ..self }
    }

    /// What is left without one of them.
    pub(crate) fn without(self, slot: usize) -> Option<Self> {
        match (self.first == slot, self.second) {
            (true, second) => second.map(Self::one),
            (false, _) => Some(Self::one(self.first)),
        }
    }

    /// The one that is there in any case.
    pub(crate) const fn first(self) -> usize {
        self.first
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        std::iter::once(self.first).chain(self.second)
    }
}

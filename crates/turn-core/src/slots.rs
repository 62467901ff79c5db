//! Which allocations a 5-tuple has: one, or one of each family. Not the allocations themselves.
//! RFC 8656 §7.2.

/// The places of the allocations of one 5-tuple. Each family's is an allocation of its own, with its own
/// relayed address, lifetime, permissions and channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slots {
    first: u32,
    /// [`NONE`] where there is one.
    second: u32,
}

impl Slots {
    pub(crate) fn one(first: usize) -> Self {
        Self { first: narrow(first), second: NONE }
    }

    /// These and one more.
    pub(crate) fn and(self, slot: usize) -> Self {
        assert!(self.second == NONE, "there are two families");
        Self { second: narrow(slot), ..self }
    }

    /// What is left without one of them.
    pub(crate) fn without(self, slot: usize) -> Option<Self> {
        match (self.first() == slot, self.second()) {
            (true, second) => second.map(Self::one),
            (false, _) => Some(Self::one(self.first())),
        }
    }

    /// The one that is there in any case.
    pub(crate) const fn first(self) -> usize {
        self.first as usize
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        std::iter::once(self.first()).chain(self.second())
    }

    fn second(self) -> Option<usize> {
        (self.second != NONE).then_some(self.second as usize)
    }
}

fn narrow(slot: usize) -> u32 {
    u32::try_from(slot).expect("there are fewer allocations than ports")
}

const NONE: u32 = u32::MAX;

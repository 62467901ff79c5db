//! The associations of all workers, so that any of them can send to any client, and their number bounded.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use turn_core::FiveTuple;

use super::association::Association;
use crate::births::Present;
use crate::places::{Place, Places};
use crate::web::Caps;

/// One for the relay. Its lock is held for a look-up, and packets of other transports never meet it.
pub struct Associations {
    by_tuple: RwLock<HashMap<FiveTuple, Arc<Association>>>,
    open: Arc<Places>,
    handshaking: Arc<Places>,
}

/// What one association holds.
pub(super) struct Admitted {
    _open: Place,
    /// Until its handshake is over.
    pub(super) handshaking: Option<Place>,
}

impl Associations {
    /// None yet.
    pub fn new(caps: Caps) -> Self {
        Self {
            by_tuple: RwLock::default(),
            open: Places::new(caps.open, caps.open_per_prefix),
            handshaking: Places::new(caps.handshakes, caps.handshakes_per_prefix),
        }
    }

    /// Those that are there, and of them those whose handshake is under way.
    pub(crate) fn present(&self) -> (Present, Present) {
        (self.open.taken(), self.handshaking.taken())
    }

    /// The association of a 5-tuple, while it lives.
    pub(crate) fn find(&self, tuple: &FiveTuple) -> Option<Arc<Association>> {
        let by_tuple = self.by_tuple.read().expect("nobody panics while holding the associations");
        by_tuple.get(tuple).cloned()
    }

    /// Places for one more client, if it may begin.
    pub(super) fn admit(&self, tuple: &FiveTuple) -> Option<Admitted> {
        let address = Some(tuple.client.0.ip());
        let open = self.open.take(address).ok()?;
        let handshaking = self.handshaking.take(address).ok()?;
        Some(Admitted { _open: open, handshaking: Some(handshaking) })
    }

    /// Enters an association that begins its handshake. The one that had the 5-tuple was taken out before.
    pub(super) fn enter(&self, tuple: FiveTuple, association: Arc<Association>) {
        let mut by_tuple = self.by_tuple.write().expect("nobody panics while holding the associations");
        by_tuple.insert(tuple, association);
    }

    /// Takes one out.
    pub(super) fn leave(&self, tuple: &FiveTuple) {
        let mut by_tuple = self.by_tuple.write().expect("nobody panics while holding the associations");
        by_tuple.remove(tuple);
    }
}

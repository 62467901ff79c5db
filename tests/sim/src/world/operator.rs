//! What happens to a running relay that no client does: its operator, its machine and the matcher.

use std::net::{IpAddr, SocketAddr};

use turn_core::{AddressRange, Rules, SessionId, SharedSecret};

use super::World;

impl World {
    /// Replaces the secrets that are shared with other software.
    pub fn replace_secrets(&mut self, secrets: &[&str]) {
        let secrets: Vec<_> = secrets.iter().map(|secret| SharedSecret::new(secret.as_bytes())).collect();
        self.relay.replace_secrets(&secrets);
    }

    /// Replaces the operator's rules about addresses.
    pub fn replace_rules(&mut self, allow: &[AddressRange], deny: &[AddressRange]) {
        let rules = Rules { allow: allow.to_vec(), deny: deny.to_vec(), ..Rules::default() };
        let now = self.clock();
        self.relay.replace_rules(now, &rules);
        self.drive(self.now);
    }

    /// Gives the relay's machine other addresses.
    pub fn replace_own_ips(&mut self, own_ips: &[IpAddr]) {
        let now = self.clock();
        self.relay.replace_own_ips(now, own_ips);
        self.drive(self.now);
    }

    /// Lets the relay turn newcomers away.
    pub fn drain(&mut self, alternates: &[SocketAddr]) {
        self.relay.drain(alternates);
    }

    /// Ends a session on all workers, as the matcher does when one of the two leaves.
    pub fn end_session(&mut self, session: u8) {
        self.end(SessionId([session; 16]));
    }

    /// The same by the session's whole name.
    pub fn end(&mut self, session: SessionId) {
        let now = self.clock();
        self.relay.end_session(now, session, now.unix_s + 86_400);
        self.drive(self.now);
    }
}

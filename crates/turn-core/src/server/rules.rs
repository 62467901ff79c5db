//! New rules about addresses while the server runs: what they close stops at once, in both directions, and
//! what they open can be asked for. Not what the rules mean, which `policy` says. Design: relay.md §1.

use std::net::IpAddr;
use std::time::Duration;

use super::Server;
use crate::config::Now;
use crate::policy::{PeerVerdict, Rules};

impl Server {
    /// From here on these are the operator's rules. Permissions, channels, routes and TCP connections that
    /// they do not admit end now.
    pub fn handle_rules(&mut self, now: Now, rules: &Rules) {
        self.addresses.rules.clone_from(rules);
        self.review_all(now.mono);
    }

    /// From here on these are the addresses of this machine and those it is known by outside, the one that is
    /// told first in front. What reaches one of them as if it were somebody else's ends now.
    pub fn handle_own_ips(&mut self, now: Now, own_ips: &[IpAddr]) {
        self.addresses.own_ips = own_ips.to_vec();
        self.review_all(now.mono);
    }

    /// Ends what the allocation in `slot` has with addresses that are closed to it.
    pub(super) fn review(&mut self, slot: usize, now: Duration) {
        let policy = self.allocations[slot].peers;
        self.by_tuple.forget_way(&self.allocations[slot].tuple);
        for at in self.allocations[slot].places() {
            let (peer, before) = (self.allocations[slot].at(at).peer, self.allocations[slot].at(at).via);
            let after = match self.judge(slot, peer) {
                // It offered itself, and its number is none that this client could have named.
                PeerVerdict::Refused
                    if before == PeerVerdict::Relayed
                        && self.addresses.allows_permission(policy, peer.0.ip(), true) =>
                {
                    before
                }
                after => after,
            };
            if after == before {
                continue;
            }
            if after == PeerVerdict::Refused && before.goes_by_route() {
                self.close_route(slot, at, now);
            }
            self.allocations[slot].reroute(at, after, now);
        }
        let addresses = &self.addresses;
        self.allocations[slot].keep_permissions(|ip| addresses.allows_permission(policy, ip, true));
        self.review_connections(slot);
    }

    fn review_all(&mut self, now: Duration) {
        let slots: Vec<usize> = self.allocations.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            self.review(slot, now);
        }
        self.settle(now);
    }
}

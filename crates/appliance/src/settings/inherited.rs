//! Sockets of the service manager in place of what `[listen]` says: the one that has opened them knows their
//! addresses.

use std::net::SocketAddr;

use super::draft::{Draft, Item, Place, Value};
use super::problem::Problem;

/// Puts the addresses of the sockets into the keys that they are named after.
pub(super) fn read(draft: &mut Draft, sockets: &[(String, SocketAddr)], notices: &mut Vec<String>) {
    for name in NAMES {
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for (_, address) in sockets.iter().filter(|(other, _)| other == name) {
            // A socket of TCP and one of UDP have the same address.
            if !addresses.contains(address) {
                addresses.push(*address);
            }
        }
        if !addresses.is_empty() {
            let key = format!("listen.{name}");
            let item = |address: &SocketAddr| Item::new(Value::Text(address.to_string()), Place::Inherited);
            let entries = addresses.iter().map(item).collect();
            draft.replace(&key, Item::new(Value::List(entries), Place::Inherited));
            notices.push(format!("{key} is what the service manager has opened"));
        }
    }
    for (name, address) in sockets.iter().filter(|(name, _)| !NAMES.contains(&name.as_str())) {
        let port = address.port();
        draft.problems.push(Problem {
            file: None,
            line: None,
            variable: Some("LISTEN_FDNAMES".to_owned()),
            key: None,
            wrong: format!(
                "calls the socket for port {port} {name:?}, and no key of [listen] that takes one"
            ),
            right: format!("set FileDescriptorName= of its unit to one of {}", NAMES.join(", ")),
        });
    }
}

/// Keys of `[listen]`.
const NAMES: [&str; 5] = ["turn", "turns", "web", "http", "local"];

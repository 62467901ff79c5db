//! The memory that relay and signaling may need, against the memory that this process may have.
//!
//! What counts is `relay-plane`'s and `signal-plane`'s; here is what the machine and the settings say.
//! Design: relay.md §5.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::path::{Path, PathBuf};

pub use relay_plane::memory::Kernel;
use relay_plane::memory::{CONNECTION_BYTES_MAX, Load, WorstCase};
use rustix::net::sockopt;
use rustix::process::{Resource, getrlimit};
use rustix::system::sysinfo;
use signal_plane::memory as of_signal;

use crate::limits::{
    MESSAGES_BYTES_MAX, MESSAGES_BYTES_MIN, SIGNAL_CONNECTIONS_MIN, TURN_CONNECTIONS_MIN,
    WEB_CONNECTIONS_MAX, WEB_CONNECTIONS_PER_PREFIX_MAX, WEB_HANDSHAKES_MAX,
};
use crate::settings::{Listen, Relay};

/// What the machine has for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The smallest of the machine's memory, the limits of our control groups and our own, in bytes; `None`:
    /// no bound.
    pub allowed: Option<usize>,
    /// What the kernel grants to sockets.
    pub kernel: Kernel,
}

/// The worst case, and what bounds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// What the relay takes when every limit is reached.
    pub worst: WorstCase,
    /// What the signaling takes then.
    pub signaling: of_signal::WorstCase,
    /// What may be had, in bytes, if it is known.
    pub allowed: Option<usize>,
    /// The connections that each TCP listener takes at once: fewer on a small machine.
    pub connections: usize,
    /// Of those the ones of one prefix.
    pub connections_per_prefix: usize,
    /// The connections that the signaling takes at once, likewise.
    pub signal_connections: usize,
    /// What may wait for all of them together, in bytes, and as much again for clients that may come back.
    pub messages_bytes: usize,
    load: Load,
    kernel: Kernel,
}

/// What is dealt out by the machine's size.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Shares {
    connections: usize,
    signal_connections: usize,
    messages_bytes: usize,
}

impl Machine {
    /// This one. A service is often shown a `/proc` of processes alone (`ProcSubset=pid`), so what the kernel
    /// tells otherwise is not read there.
    pub fn here() -> Self {
        let text = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        let of_machine = total();
        let (receive_bytes_max, send_bytes_max) = granted().unwrap_or((usize::MAX, usize::MAX));
        let udp_bytes_max = udp_bytes(&text(Path::new("/proc/sys/net/ipv4/udp_mem")))
            .unwrap_or(of_machine / UDP_PARTS.1 * UDP_PARTS.0);
        let kernel = Kernel { receive_bytes_max, send_bytes_max, udp_bytes_max };
        let groups = group_files(&text(Path::new("/proc/self/cgroup")));
        let of_groups = groups.iter().filter_map(|file| text(file).trim().parse().ok());
        let of_process = getrlimit(Resource::As).current.and_then(|bytes| usize::try_from(bytes).ok());
        let allowed = of_groups.chain(of_process).fold(of_machine, usize::min);
        Self { allowed: Some(allowed), kernel }
    }
}

impl Memory {
    /// What these settings need on that machine, with as many connections as there is memory for.
    /// `inherited`: sockets that are open already.
    pub(crate) fn of(
        relay: &Relay,
        listen: &Listen,
        workers: usize,
        inherited: usize,
        machine: &Machine,
    ) -> Self {
        let mut shares = Shares::of(listen, machine);
        loop {
            let memory = Self::with(shares, relay, listen, workers, inherited, machine);
            let fewer = shares.halved();
            if !memory.is_short() || fewer == shares {
                return memory;
            }
            shares = fewer;
        }
    }

    fn with(
        shares: Shares,
        relay: &Relay,
        listen: &Listen,
        workers: usize,
        inherited: usize,
        machine: &Machine,
    ) -> Self {
        let Shares { connections, signal_connections, messages_bytes } = shares;
        let (listeners, handshaking) = (stream_listeners(listen), 3);
        let discovery = 4 * relay.discovery.len();
        let load = Load {
            workers,
            listeners: listen.turn.len() + listen.turns.len() + listen.web.len() + discovery,
            shared_with_quic: listen.web.len(),
            allocations: relay.limits.allocations.map_or(0, |most| most as usize),
            relay_ports: if relay.reaches_outside() { relay.ports.len() } else { 0 },
            tcp_allocations: relay.tcp_allocations || relay.users.iter().any(|user| user.tcp),
            connections: connections * listeners,
            handshakes: handshaking * WEB_HANDSHAKES_MAX.min(connections),
            tcp: relay.tcp_allocations || relay.users.iter().any(|user| user.tcp),
            inherited,
        };
        let (limits, of_matcher) = signal_limits(signal_connections, messages_bytes);
        Self {
            worst: WorstCase::of(&load, &machine.kernel),
            signaling: of_signal::WorstCase::of(&limits, &of_matcher, listen.web.len()),
            allowed: machine.allowed,
            connections,
            connections_per_prefix: WEB_CONNECTIONS_PER_PREFIX_MAX.min(connections / 2),
            signal_connections,
            messages_bytes,
            load,
            kernel: machine.kernel,
        }
    }

    /// The signaling's limits and the matcher's for which there is memory.
    pub(crate) fn signal_limits(&self) -> (signal_plane::Limits, match_core::Limits) {
        signal_limits(self.signal_connections, self.messages_bytes)
    }

    /// What all of it takes when every limit is reached, in bytes.
    pub const fn total(&self) -> usize {
        self.worst.total() + self.signaling.total()
    }

    /// Whether there may not be enough.
    pub fn is_short(&self) -> bool {
        self.allowed.is_some_and(|allowed| self.total() > allowed)
    }

    /// The most allocations for which there is enough; `None` where there is not even for one.
    pub fn allocations_that_fit(&self) -> Option<usize> {
        let fits = |allocations| {
            let load = Load { allocations, ..self.load };
            let worst = WorstCase::of(&load, &self.kernel).total() + self.signaling.total();
            self.allowed.is_none_or(|allowed| worst <= allowed)
        };
        let (mut fit, mut too_many) = (0, turn_core::memory::ALLOCATIONS_MAX + 1);
        while too_many - fit > 1 {
            let middle = fit.midpoint(too_many);
            if fits(middle) { fit = middle } else { too_many = middle }
        }
        (fit > 0).then_some(fit)
    }

    /// The worst case and its parts in a sentence, in millions of bytes.
    pub fn sentence(&self) -> String {
        let WorstCase { workers, allocations, relay_sockets, connections, peers } = self.worst;
        let of = self.allowed.map(|allowed| format!(", of {} it may have", mb(allowed)));
        let signaling = self.signaling;
        format!(
            "Relay and signaling need at most {} MB of memory{}. The relay: {} for workers, {} for \
             allocations, {} for their sockets, {} for {} connections, {} for those with peers. \
             The signaling: {} for {} connections, {} for the matcher, {} for messages that wait.",
            mb(self.total()),
            of.unwrap_or_default(),
            mb(workers),
            mb(allocations),
            mb(relay_sockets),
            mb(connections),
            self.load.connections,
            mb(peers),
            mb(signaling.connections),
            self.signal_connections,
            mb(signaling.matcher),
            mb(signaling.outbound),
        )
    }

    /// The same as a JSON object.
    pub fn to_json(&self) -> serde_json::Value {
        let WorstCase { workers, allocations, relay_sockets, connections, peers } = self.worst;
        serde_json::json!({
            "total": self.total(),
            "allowed": self.allowed,
            "workers": workers,
            "allocations": allocations,
            "relay_sockets": relay_sockets,
            "connections": connections,
            "peers": peers,
            "signal_connections": self.signaling.connections,
            "matcher": self.signaling.matcher,
            "messages": self.signaling.outbound,
        })
    }
}

impl Shares {
    /// A quarter of the memory is for the relay's connections, another for the signaling's; what they do not
    /// fill the others may.
    fn of(listen: &Listen, machine: &Machine) -> Self {
        let allowed = machine.allowed.unwrap_or(usize::MAX);
        let share = allowed / 4 / CONNECTION_BYTES_MAX / stream_listeners(listen).max(1);
        // A fourth of those that are there may have lost their connection and come back.
        let of_signal = of_signal::CONNECTION_BYTES_MAX + match_core::memory::CLIENT_BYTES_MAX / 4 * 5;
        let most = signal_plane::Limits::default().connections_max;
        Self {
            connections: share.clamp(TURN_CONNECTIONS_MIN, WEB_CONNECTIONS_MAX),
            signal_connections: (allowed / 4 / of_signal).clamp(SIGNAL_CONNECTIONS_MIN, most),
            messages_bytes: (allowed / 64).clamp(MESSAGES_BYTES_MIN, MESSAGES_BYTES_MAX),
        }
    }

    /// Half of them, but not fewer than anybody has.
    fn halved(self) -> Self {
        Self {
            connections: (self.connections / 2).max(TURN_CONNECTIONS_MIN),
            signal_connections: (self.signal_connections / 2).max(SIGNAL_CONNECTIONS_MIN),
            messages_bytes: (self.messages_bytes / 2).max(MESSAGES_BYTES_MIN),
        }
    }
}

/// The listeners of TCP; all of DTLS has as many associations as one of them has connections, and is one
/// more.
fn stream_listeners(listen: &Listen) -> usize {
    let groups = [&listen.turn, &listen.turns, &listen.web];
    let has_dtls = !listen.turns.is_empty() || !listen.web.is_empty();
    groups.into_iter().filter(|it| !it.is_empty()).count() + usize::from(has_dtls)
}

fn signal_limits(connections: usize, messages_bytes: usize) -> (signal_plane::Limits, match_core::Limits) {
    let (limits, of_matcher) = (signal_plane::Limits::default(), match_core::Limits::default());
    let signal = signal_plane::Limits {
        connections_max: connections,
        connections_per_prefix_max: limits.connections_per_prefix_max.min(connections / 2),
        outbound_total_bytes_max: messages_bytes,
        ..limits
    };
    let matcher = match_core::Limits {
        connections_max: connections,
        lost_max: connections / 4,
        held_total_bytes_max: messages_bytes,
        ..of_matcher
    };
    (signal, matcher)
}

/// Millions of bytes, rounded up.
pub(crate) const fn mb(bytes: usize) -> usize {
    bytes.div_ceil(1_000_000)
}

/// The machine's memory.
fn total() -> usize {
    let said = sysinfo();
    usize::try_from(said.totalram).unwrap_or(usize::MAX).saturating_mul(said.mem_unit as usize)
}

/// The bytes that the kernel grants a socket which asks for all there is, to receive into and to send from.
/// Where a socket cannot be had there is no bound but what is asked for.
fn granted() -> io::Result<(usize, usize)> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
        .or_else(|_no_ipv4| UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)))?;
    sockopt::set_socket_recv_buffer_size(&socket, i32::MAX as usize)?;
    sockopt::set_socket_send_buffer_size(&socket, i32::MAX as usize)?;
    // socket(7): it tells twice what it grants.
    Ok((sockopt::socket_recv_buffer_size(&socket)? / 2, sockopt::socket_send_buffer_size(&socket)? / 2))
}

/// The last number of `udp_mem`, which is in pages.
fn udp_bytes(udp_mem: &str) -> Option<usize> {
    let pages: usize = udp_mem.split_whitespace().nth(2)?.parse().ok()?;
    Some(pages.saturating_mul(rustix::param::page_size()))
}

/// The files that may hold limits of the control groups that `/proc/self/cgroup` names, those of the groups
/// around them too. Inside a container the names may be those outside; then the root's limit is ours.
fn group_files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|it| it == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let path = Path::new(path.trim_start_matches('/'));
        files.extend(path.ancestors().map(|group| Path::new(root).join(group).join(file)));
    }
    files
}

/// What of its memory the kernel lets UDP have if nobody set `udp_mem`: udp(7) leaves it to the kernel, which
/// takes this many parts of so many.
const UDP_PARTS: (usize, usize) = (3, 16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_machine_says_is_understood() {
        assert_eq!(udp_bytes("571788\t762384\t1143576\n"), Some(1_143_576 * rustix::param::page_size()));
        assert_eq!(udp_bytes(""), None);
        let files = group_files("4:cpu,memory:/a/b\n3:cpuset:/\n0::/user.slice\n");
        let expected = [
            "/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/user.slice/memory.max",
            "/sys/fs/cgroup/memory.max",
        ];
        assert_eq!(files, expected.map(PathBuf::from));
        let here = Machine::here();
        assert!(here.allowed.is_some_and(|bytes| bytes > 64 << 20), "{here:?}");
        let said = fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap();
        assert_eq!(here.kernel.receive_bytes_max.to_string(), said.trim());
        assert!(here.kernel.udp_bytes_max < usize::MAX);
    }
}

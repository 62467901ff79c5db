//! What an idle allocation costs in CPU time and in memory, server beside server. Not its traffic. Memory is
//! the same on every machine: a goal that is missed is a failure.
//!
//! Every client lives in a network of its own, so no limit per network is met, and its socket is closed once
//! it holds its allocation: an idle client sends nothing.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;

use crate::client::{self, TurnClient};
use crate::server::{self, Kind, Programs, Server};
use crate::wire::Transport;

#[derive(Parser)]
pub(crate) struct Options {
    /// What to measure; give it several times.
    #[arg(long = "server", value_enum, default_values = ["coturn", "ginnel", "ginnel-public"])]
    servers: Vec<Kind>,
    /// Allocations that are measured, after a tenth as many that warm the server up.
    #[arg(long, default_value_t = 5_000)]
    count: u32,
    /// The program to measure as `ginnel`.
    #[arg(long, default_value = "target/release/ginnel")]
    ginnel: PathBuf,
    /// The program to measure as `coturn`.
    #[arg(long, default_value = "turnserver")]
    turnserver: PathBuf,
}

/// Measures each server and prints a line for each.
///
/// # Errors
/// A program is missing, a server refused, or an allocation takes more memory than it may.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let programs = Programs { ginnel: options.ginnel.clone(), turnserver: options.turnserver.clone() };
    programs.check(&options.servers)?;
    server::pin_driver()?;
    crate::say("server         allocations  channels  CPU us each  bytes each  seconds")?;
    let mut missed = Vec::new();
    for kind in &options.servers {
        let cost = measure(*kind, &programs, options.count).map_err(|e| format!("{}: {e}", kind.name()))?;
        let count = f64::from(options.count);
        crate::say(&format!(
            "{:<14} {:>11} {:>9} {:>12.1} {:>11.0} {:>8.1}",
            kind.name(),
            options.count,
            if binds_channels(*kind) { 1 } else { 0 },
            cost.cpu.as_secs_f64() * 1e6 / count,
            cost.bytes as f64 / count,
            cost.took.as_secs_f64()
        ))?;
        missed.extend(complaint(*kind, cost.bytes, options.count));
    }
    if missed.is_empty() { Ok(()) } else { Err(missed.join("; ")) }
}

/// What to say where the allocations of a server took more than they may.
fn complaint(kind: Kind, bytes: u64, count: u32) -> Option<String> {
    let most = goal_bytes(kind)?;
    let each = bytes / u64::from(count.max(1));
    let name = kind.name();
    (each > most).then(|| format!("{name}: an allocation takes {each} bytes, and may take {most}"))
}

/// What an idle allocation may take besides the kernel's socket: a closed one with a channel, and one with a
/// relay socket.
const fn goal_bytes(kind: Kind) -> Option<u64> {
    match kind {
        Kind::Ginnel => Some(1_536),
        Kind::GinnelPublic => Some(4_096),
        _ => None,
    }
}

struct Cost {
    cpu: Duration,
    bytes: u64,
    took: Duration,
}

fn measure(kind: Kind, programs: &Programs, count: u32) -> Result<Cost, String> {
    let server = Server::start(kind, Transport::Udp, programs, &[])?;
    let warm_up = count / 10;
    let warmed = allocate(&server, kind, 0..warm_up).map_err(|complaint| server.explain(&complaint));
    warmed?;
    let (cpu, bytes) = (server.cpu_time()?, server.resident_bytes()?);
    let began = Instant::now();
    allocate(&server, kind, warm_up..warm_up + count).map_err(|complaint| server.explain(&complaint))?;
    let took = began.elapsed();
    Ok(Cost {
        cpu: server.cpu_time()?.saturating_sub(cpu),
        bytes: server.resident_bytes()?.saturating_sub(bytes),
        took,
    })
}

/// One allocation for each, and a channel to the one before where a peer within the appliance is allowed.
fn allocate(server: &Server, kind: Kind, clients: std::ops::Range<u32>) -> Result<(), String> {
    let mut previous = None;
    for n in clients {
        let socket = client::socket_in_network(n)?;
        socket.connect(server.address()).map_err(|e| format!("connect: {e}"))?;
        let client = TurnClient::allocate(&socket, server::USER, server::PASSWORD)?;
        if binds_channels(kind) {
            client.bind_channel(previous.unwrap_or(client.relayed))?;
        }
        previous = Some(client.relayed);
    }
    Ok(())
}

const fn binds_channels(kind: Kind) -> bool {
    !matches!(kind, Kind::GinnelPublic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_that_is_missed_is_told_with_both_numbers() {
        assert_eq!(complaint(Kind::Ginnel, 1_536 * 500, 500), None);
        let told = complaint(Kind::Ginnel, 1_537 * 500, 500);
        assert_eq!(told.as_deref(), Some("ginnel: an allocation takes 1537 bytes, and may take 1536"));
        assert_eq!(complaint(Kind::GinnelPublic, 4_096 * 500, 500), None);
        assert!(complaint(Kind::GinnelPublic, 4_097 * 500, 500).is_some());
        assert_eq!(complaint(Kind::Coturn, u64::MAX, 500), None);
    }
}

//! What an idle allocation costs in CPU time and in memory, server beside server. Not its traffic.
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
/// A program is missing, or a server refused.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let programs = Programs { ginnel: options.ginnel.clone(), turnserver: options.turnserver.clone() };
    programs.check(&options.servers)?;
    server::pin_driver()?;
    crate::say("server         allocations  channels  CPU us each  bytes each  seconds")?;
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
    }
    Ok(())
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

//! Measures what a relay costs: CPU time per packet beside a bare forwarder, CPU and memory per allocation
//! beside coturn, memory after a flood of strangers, the time per packet with few and with many allocations.
//!
//! It measures and asserts no times: machines differ, and the ratio between rows of one table is the result.

mod allocations;
mod client;
mod flood;
mod forwarder;
mod load;
mod lookup;
mod server;
mod table;

use std::io::Write;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::load::Plan;
use crate::server::{Kind, Programs, Server};
use crate::table::{Sample, Table};

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Forward { port, client_ports } => forwarder::run(port, &client_ports),
        Command::Relay(options) => relay(&options),
        Command::Allocations(options) => allocations::run(&options),
        Command::Flood(options) => flood::run(&options),
        Command::Lookup(options) => lookup::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // The message is all there is to say if even stderr is gone.
            let _ = writeln!(std::io::stderr(), "bench: {message}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Parser)]
#[command(about = "Side-by-side measurements")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// CPU per relayed packet, relay to relay: pairs of clients on loopback.
    Relay(Options),
    /// CPU and memory per idle allocation.
    Allocations(allocations::Options),
    /// Memory that strangers leave behind.
    Flood(flood::Options),
    /// The core's time per packet with few and with many allocations; no sockets.
    Lookup(lookup::Options),
    /// The bare forwarder itself: one receive, one send, nothing else.
    #[command(hide = true)]
    Forward { port: u16, client_ports: Vec<u16> },
}

#[derive(Parser)]
struct Options {
    /// What to measure; give it several times. The bare forwarder is always measured.
    #[arg(long = "server", value_enum, default_values = ["coturn", "ginnel"])]
    servers: Vec<Kind>,
    /// How often each server is measured; the servers take turns.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// How long one measurement lasts.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Packets a second, all clients together; below what the slowest server can carry.
    #[arg(long, default_value_t = 20_000)]
    rate: u32,
    /// How many clients there are; neighbours are partners.
    #[arg(long, default_value_t = 50)]
    clients: usize,
    /// Packets sent at once, from as many clients.
    #[arg(long, default_value_t = 20)]
    burst: u32,
    /// The program to measure as `ginnel`.
    #[arg(long, default_value = "target/release/ginnel")]
    ginnel: PathBuf,
    /// The program to measure as `coturn`.
    #[arg(long, default_value = "turnserver")]
    turnserver: PathBuf,
}

fn relay(options: &Options) -> Result<(), String> {
    let mut kinds = vec![Kind::Bare];
    kinds.extend(options.servers.iter().copied().filter(|kind| *kind != Kind::Bare));
    let programs = Programs { ginnel: options.ginnel.clone(), turnserver: options.turnserver.clone() };
    programs.check(&kinds)?;
    if options.clients < 2 || !options.clients.is_multiple_of(2) {
        return Err("--clients is an even number: neighbours are partners".to_owned());
    }
    server::pin_driver()?;
    let plan = Plan::new(options.rate, options.burst, Duration::from_secs(options.seconds))?;
    let mut table = Table::new(&kinds);
    for round in 1..=options.rounds {
        for kind in &kinds {
            let sample = measure(*kind, &programs, &plan, options.clients)
                .map_err(|e| format!("{}: {e}", kind.name()))?;
            say(&format!("round {round}: {} {}", kind.name(), sample))?;
            table.add(*kind, sample);
        }
    }
    say(&format!("\n{table}"))
}

fn measure(kind: Kind, programs: &Programs, plan: &Plan, clients: usize) -> Result<Sample, String> {
    let sockets: Vec<UdpSocket> = (0..clients).map(|_| client::socket()).collect::<Result<_, _>>()?;
    let ports: Vec<u16> = sockets.iter().map(client::port).collect::<Result<_, _>>()?;
    let server = Server::start(kind, programs, &ports)?;
    for socket in &sockets {
        socket.connect(server.address()).map_err(|e| format!("connect: {e}"))?;
    }
    let datagrams = match kind {
        Kind::Bare => client::set_up_bare(&sockets),
        Kind::Coturn | Kind::Ginnel | Kind::GinnelPublic => {
            client::set_up_turn(&sockets, server::USER, server::PASSWORD)
        }
    };
    let datagrams = datagrams.map_err(|complaint| server.explain(&complaint))?;
    load::run(&sockets, &datagrams, &plan.warm_up())?;
    let before = server.cpu_time()?;
    let counted = load::run(&sockets, &datagrams, plan)?;
    let spent = server.cpu_time()?.saturating_sub(before);
    Sample::new(spent, counted)
}

pub(crate) fn say(line: &str) -> Result<(), String> {
    writeln!(std::io::stdout(), "{line}").map_err(|e| format!("stdout: {e}"))
}

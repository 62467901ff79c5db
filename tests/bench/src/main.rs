//! Measures what a relay costs: CPU time per packet beside a bare forwarder, CPU and memory per allocation
//! beside coturn, memory after a flood of strangers, the time per packet with few and with many allocations,
//! what the time of a refusal tells; what signaling costs beside other servers; who notices a flood of it.
//!
//! It asserts no times, only memory: machines differ, and the ratio between rows of one table is the result.

mod allocations;
mod busy;
mod call;
mod client;
mod crowd;
mod flood;
mod forwarder;
mod hostile;
mod load;
mod lookup;
mod matching;
mod server;
mod signal;
mod signal_client;
mod table;
mod timing;
mod wire;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::load::Plan;
use crate::server::{Kind, Programs, Server};
use crate::table::{Sample, Table};
use crate::wire::{Transport, Wire};

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Forward { port, client_ports } => forwarder::run(port, &client_ports),
        Command::Relay(options) => relay(&options),
        Command::Allocations(options) => allocations::run(&options),
        Command::Flood(options) => flood::run(&options),
        Command::Lookup(options) => lookup::run(&options),
        Command::Timing(options) => timing::run(&options),
        Command::Matching(options) => matching::run(&options),
        Command::Signal(options) => signal::run(&options),
        Command::Hostile(options) => hostile::run(&options),
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
    /// Whether the time of a refusal tells why it was refused; no sockets.
    Timing(timing::Options),
    /// The matcher's time per match with few and with many who wait, alone and behind sockets.
    Matching(matching::Options),
    /// Memory per idle signaling connection and CPU per relayed message, beside other servers.
    Signal(signal::Options),
    /// What others notice of clients that flood the signaling.
    Hostile(hostile::Options),
    /// The bare forwarder itself: one receive, one send, nothing else.
    #[command(hide = true)]
    Forward { port: u16, client_ports: Vec<u16> },
}

#[derive(Parser)]
struct Options {
    /// What to measure; give it several times. The bare forwarder is always measured.
    #[arg(long = "server", value_enum, default_values = ["coturn", "ginnel"])]
    servers: Vec<Kind>,
    /// What is between clients and servers; the bare forwarder has UDP, whatever it is.
    #[arg(long, value_enum, default_value = "udp")]
    transport: Transport,
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
            let sample =
                measure(*kind, &programs, &plan, options).map_err(|e| format!("{}: {e}", kind.name()))?;
            say(&format!("round {round}: {} {}", kind.name(), sample))?;
            table.add(*kind, sample);
        }
    }
    say(&format!("\n{table}"))
}

fn measure(kind: Kind, programs: &Programs, plan: &Plan, options: &Options) -> Result<Sample, String> {
    let (server, sockets, datagrams);
    if kind == Kind::Bare {
        let bare = (0..options.clients).map(|_| client::socket()).collect::<Result<Vec<_>, _>>()?;
        let ports: Vec<u16> = bare.iter().map(client::port).collect::<Result<_, _>>()?;
        server = Server::start(kind, Transport::Udp, programs, &ports)?;
        for socket in &bare {
            socket.connect(server.address()).map_err(|e| format!("connect: {e}"))?;
        }
        datagrams = client::set_up_bare(&bare);
        sockets = bare.into_iter().map(Wire::Udp).collect::<Vec<_>>();
    } else {
        server = Server::start(kind, options.transport, programs, &[])?;
        let connect = |_| Wire::connect(options.transport, server.address(), server.certificate());
        let connected = (0..options.clients).map(connect).collect::<Result<_, _>>();
        sockets = connected.map_err(|complaint| server.explain(&complaint))?;
        datagrams = client::set_up_turn(&sockets, server::USER, server::PASSWORD);
    }
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

//! What an idle connection and a relayed message cost, beside the signaling servers of other projects: the
//! same load on each, one after the other in each round. It judges nothing else about them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use load::{Exchange, Idle, LoadError, Server as Asked, Target, exchange, open_many};
use tokio::runtime::{Builder, Runtime};

use crate::busy::Busy;
use crate::server::{self, Server};
use crate::signal_client::Member;
use crate::table::{median, sorted};

#[derive(Parser)]
pub(crate) struct Options {
    /// What to measure; give it several times.
    #[arg(long = "server", value_enum, default_values = ["ginnel", "peer", "matchbox"])]
    servers: Vec<Kind>,
    /// How often each server is measured; the servers take turns.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Idle connections.
    #[arg(long, default_value_t = 1_000)]
    connections: usize,
    /// Pairs that send each other messages.
    #[arg(long, default_value_t = 250)]
    pairs: usize,
    /// Messages a second of each client; ginnel allows its clients 20.
    #[arg(long, default_value_t = 18)]
    rate: u32,
    /// Characters of a message's payload.
    #[arg(long, default_value_t = 2_000)]
    bytes: usize,
    /// How long messages are relayed in a round.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Processes that want the server's core all the time, as on a machine that is short of processors.
    #[arg(long, default_value_t = 0)]
    beside: usize,
    /// The program to measure as `ginnel`.
    #[arg(long, default_value = "target/release/ginnel")]
    ginnel: PathBuf,
    /// The program to measure as `peer`: the npm package's.
    #[arg(long, default_value = "tests/bench/node/node_modules/.bin/peerjs")]
    peerjs: PathBuf,
    /// The program to measure as `matchbox`.
    #[arg(long, default_value = "target/tools/bin/matchbox_server")]
    matchbox: PathBuf,
}

/// A signaling server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// This project.
    Ginnel,
    /// PeerServer, of npm's `peer`.
    Peer,
    /// `matchbox_server` of crates.io.
    Matchbox,
}

/// One round of one server.
struct Sample {
    idle_bytes: f64,
    messages_per_cpu_s: f64,
    messages_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    lost: u64,
}

/// Measures each server in turn and prints a table.
///
/// # Errors
/// A program is missing, or a server refused.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    options.check()?;
    server::pin_driver()?;
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|e| format!("threads: {e}"))?;
    let mut rows: Vec<(Kind, Vec<Sample>)> = options.servers.iter().map(|kind| (*kind, Vec::new())).collect();
    for round in 1..=options.rounds {
        for (kind, samples) in &mut rows {
            let name = kind.name();
            let sample = measure(&runtime, *kind, options).map_err(|e| format!("{name}: {e}"))?;
            let (bytes, cost) = (sample.idle_bytes, sample.messages_per_cpu_s);
            crate::say(&format!(
                "round {round}: {name} {bytes:.0} bytes, {cost:.0} messages per CPU second"
            ))?;
            samples.push(sample);
        }
    }
    print(&rows)
}

fn measure(runtime: &Runtime, kind: Kind, options: &Options) -> Result<Sample, String> {
    // Fresh for each: what messages leave behind is no idle connection's.
    let server = kind.start(options)?;
    let idle = runtime.block_on(idle(kind, &server, options.connections));
    let idle = idle.map_err(|e| server.explain(&e.to_string()))?;
    drop(server);
    let server = kind.start(options)?;
    let busy = Busy::start(options.beside)?;
    let relayed = runtime.block_on(relay(kind, &server, options));
    let relayed = relayed.map_err(|e| server.explain(&e.to_string()))?;
    drop(busy);
    Ok(Sample {
        idle_bytes: idle.bytes_each.map_or(f64::NAN, |bytes| bytes as f64),
        messages_per_cpu_s: relayed.relayed_per_cpu_s.unwrap_or(f64::NAN),
        messages_per_s: relayed.relayed_per_s,
        p50_ms: relayed.latency.p50_ms,
        p99_ms: relayed.latency.p99_ms,
        lost: relayed.lost + relayed.out_of_order + idle.lost as u64,
    })
}

async fn idle(kind: Kind, server: &Server, count: usize) -> Result<Idle, LoadError> {
    let target = target(server).await?;
    Idle::measure(&asked(server), count, |index| Member::alone(kind, &target, index)).await
}

async fn relay(kind: Kind, server: &Server, options: &Options) -> Result<load::Exchanged, LoadError> {
    let target = target(server).await?;
    let pairs = open_many(0..options.pairs, |index| Member::pair(kind, &target, index)).await?;
    let plan = |seconds| Exchange {
        per_s: options.rate.into(),
        body_bytes: options.bytes,
        lasting: Duration::from_secs(seconds),
    };
    exchange(pairs.into_iter().flatten().collect(), &asked(server), plan(options.seconds)).await
}

async fn target(server: &Server) -> Result<Target, LoadError> {
    Target::resolve(&format!("ws://{}", server.address())).await
}

fn asked(server: &Server) -> Asked {
    Asked { process: Some(server.process()), metrics: None }
}

fn print(rows: &[(Kind, Vec<Sample>)]) -> Result<(), String> {
    crate::say("\nserver    bytes idle  x first  messages per CPU s  x first  per s  p50 ms  p99 ms  lost")?;
    let Some((_, first)) = rows.first() else { return Ok(()) };
    for (kind, samples) in rows {
        let of = |value: fn(&Sample) -> f64| median(&sorted(samples.iter().map(value)));
        let ratio = |value: fn(&Sample) -> f64| {
            median(&sorted(samples.iter().zip(first).map(|(own, first)| value(own) / value(first))))
        };
        crate::say(&format!(
            "{:<9} {:>10.0} {:>8.2} {:>19.0} {:>8.2} {:>6.0} {:>7.2} {:>7.2} {:>5}",
            kind.name(),
            of(|sample| sample.idle_bytes),
            ratio(|sample| sample.idle_bytes),
            of(|sample| sample.messages_per_cpu_s),
            ratio(|sample| sample.messages_per_cpu_s),
            of(|sample| sample.messages_per_s),
            of(|sample| sample.p50_ms),
            of(|sample| sample.p99_ms),
            samples.iter().map(|sample| sample.lost).sum::<u64>(),
        ))?;
    }
    Ok(())
}

impl Options {
    /// Says what is missing before the first round, not in the middle of it.
    fn check(&self) -> Result<(), String> {
        for kind in &self.servers {
            let (program, remedy) = match kind {
                Kind::Ginnel => (&self.ginnel, "build it: cargo build --release -p ginnel; or give --ginnel"),
                Kind::Peer => (&self.peerjs, "install it: cd tests/bench/node && npm ci; or give --peerjs"),
                Kind::Matchbox => (
                    &self.matchbox,
                    "install it: cargo install matchbox_server --root target/tools; or give --matchbox",
                ),
            };
            let mut command = Command::new(program);
            let runs = command.arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status();
            runs.map_err(|e| format!("{}: {e}; {remedy}", program.display()))?;
        }
        Ok(())
    }
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ginnel => "ginnel",
            Self::Peer => "peer",
            Self::Matchbox => "matchbox",
        }
    }

    fn start(self, options: &Options) -> Result<Server, String> {
        if self == Self::Ginnel {
            return start_ginnel(&options.ginnel);
        }
        let server = Server::launch(|command, _, port| {
            if self == Self::Peer {
                command.arg(&options.peerjs).args(["--host", "127.0.0.1", "--port", &port.to_string()]);
                command.args(["--concurrent_limit", "100000"]);
            } else {
                // It logs each message otherwise.
                command.env("RUST_LOG", "error");
                command.arg(&options.matchbox).arg(format!("127.0.0.1:{port}"));
            }
            Ok(())
        })?;
        server.wait_for_tcp()?;
        Ok(server)
    }
}

/// This project's server, its signaling alone.
pub(crate) fn start_ginnel(program: &Path) -> Result<Server, String> {
    let server = Server::launch(|command, folder, port| {
        let file = server::write(folder, &format!("{port}.toml"), &ginnel_configuration(port)?)?;
        command.arg(program).arg("serve").arg("--config").arg(file);
        Ok(())
    })?;
    server.wait_for_tcp()?;
    Ok(server)
}

fn ginnel_configuration(port: u16) -> Result<String, String> {
    let (turn, admin) = (server::free_port()?, server::free_port()?);
    Ok(format!(
        "version = 1\n\
         [listen]\nturn = [\"127.0.0.1:{turn}\"]\nturns = []\nweb = []\n\
         local = [\"127.0.0.1:{port}\"]\nadmin = \"127.0.0.1:{admin}\"\n\
         [server]\nworkers = 1\n"
    ))
}

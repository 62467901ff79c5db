//! `ginnel load`: a server of one's own under load, and what it costs.
//!
//! What is done to the server is the crate `load`'s business.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use load::{LoadError, Measurement, Plan, Process, Server, Target};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::exit::{self, FAILED};
use crate::serve::raise_descriptor_limit;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Put load on the signaling: idle connections, matches, times to match, relayed messages.
    ///
    /// Start the server, then for instance:
    ///
    ///   ginnel load signal --pid $(pidof ginnel)
    ///
    /// Every measurement has clients of its own, which meet each other and nobody else for as long as there
    /// are enough of them; do not load a server that people use. The clients keep to the message budget that
    /// the server tells them and do the work that it asks newcomers for, so no limit has to be lifted;
    /// opening thousands of connections takes longer for it. On a loopback target, clients come from many
    /// addresses of 127.0.0.0/8, each below the limit per address; elsewhere the server's limit per address
    /// holds. `listen.local` has no such limit. Certificates are not checked, and nothing secret is sent.
    #[command(after_help = exit::HELP)]
    Signal(Signal),
}

#[derive(Args)]
pub(crate) struct Signal {
    /// The server: ws:// (WebSocket), wss:// (over TLS) or quic:// with host and port.
    #[arg(long, value_name = "URL", default_value = "ws://127.0.0.1:8080")]
    target: String,
    /// The target is not this machine, and you may load it.
    #[arg(long)]
    allow_remote: bool,
    /// What to measure; give it several times. Without it, everything.
    #[arg(long = "only", value_enum, value_name = "WHAT")]
    only: Vec<What>,
    /// Idle connections.
    #[arg(long, default_value_t = 1_000)]
    connections: usize,
    /// Clients that find and leave.
    #[arg(long, default_value_t = 1_000)]
    clients: usize,
    /// Arrivals a second, one after the other.
    #[arg(long, value_name = "RATE,...", value_delimiter = ',', default_values_t = [100, 1_000, 4_000])]
    rates: Vec<u32>,
    /// Pairs that send each other messages.
    #[arg(long, default_value_t = 250)]
    pairs: usize,
    /// Messages a second of each client; without it, nine tenths of what the server allows.
    #[arg(long, value_name = "RATE")]
    messages_per_s: Option<u32>,
    /// Characters of a message's payload.
    #[arg(long, default_value_t = 2_000)]
    bytes: usize,
    /// How long each measurement lasts, in seconds; idle connections take as long as it takes to open them.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// The server's process on this machine, for its memory and CPU time.
    #[arg(long)]
    pid: Option<u32>,
    /// The server's metrics, for its memory, like http://127.0.0.1:9641/metrics.
    #[arg(long, value_name = "URL", conflicts_with = "pid")]
    metrics: Option<String>,
    /// Print JSON when all is measured.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// Memory per idle connection.
    Idle,
    /// Matches a second.
    Matches,
    /// Time to match at each of the rates.
    Times,
    /// Relayed messages a second.
    Messages,
}

pub(crate) fn run(command: &Command) -> ExitCode {
    let Command::Signal(options) = command;
    raise_descriptor_limit();
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            return exit::fail(FAILED, format_args!("cannot start threads: {error}; raise the limit"));
        }
    };
    match runtime.block_on(signal(options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ LoadError::Asked(_)) => exit::fail(exit::USAGE, error),
        Err(error) => exit::fail(FAILED, error),
    }
}

async fn signal(options: &Signal) -> Result<(), LoadError> {
    let plan = options.plan()?;
    plan.check()?;
    let target = Target::resolve(&options.target).await?;
    if !target.is_loopback() && !options.allow_remote {
        let text = "the target is not this machine; if you may load it, add --allow-remote";
        return Err(LoadError::Asked(text.to_owned()));
    }
    let report = plan.run(&target, |part| {
        if !options.json {
            exit::print(part);
        }
    });
    let report = report.await?;
    if options.json {
        exit::print(json!(report));
    }
    Ok(())
}

impl Signal {
    fn plan(&self) -> Result<Plan, LoadError> {
        let all = [What::Idle, What::Matches, What::Times, What::Messages];
        let chosen = if self.only.is_empty() { &all[..] } else { &self.only };
        let metrics = self.metrics.as_deref().map(str::parse).transpose();
        let metrics = metrics.map_err(|error| LoadError::Asked(format!("--metrics is no URL: {error}")))?;
        Ok(Plan {
            measurements: chosen.iter().map(|what| what.measurement()).collect(),
            connections: self.connections,
            clients: self.clients,
            rates: self.rates.clone(),
            pairs: self.pairs,
            messages_per_s: self.messages_per_s,
            body_bytes: self.bytes,
            seconds: self.seconds,
            server: Server { process: self.pid.map(Process::of), metrics },
        })
    }
}

impl What {
    fn measurement(self) -> Measurement {
        match self {
            Self::Idle => Measurement::Idle,
            Self::Matches => Measurement::Matches,
            Self::Times => Measurement::Times,
            Self::Messages => Measurement::Messages,
        }
    }
}

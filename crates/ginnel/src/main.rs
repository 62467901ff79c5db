//! The `ginnel` command: arguments in, text and exit codes out.
//!
//! What the commands do is `appliance`'s business.

mod config;
mod credentials;
mod exit;
mod load;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// A private chat stack in one binary: matcher, STUN and TURN relay, web client.
///
/// `ginnel serve` needs no configuration: it prints the address of the page, which works on this machine.
#[derive(Parser)]
#[command(version, after_help = exit::HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the appliance until SIGTERM or Ctrl-C; a second one stops it at once.
    ///
    /// SIGHUP takes over relay.allow, relay.deny and relay.nat64 as they are then in the configuration, and
    /// files of certificates and secrets that were replaced, which otherwise takes a few seconds.
    ///
    /// Every key of the configuration can be overridden by a variable GINNEL_SECTION_KEY, as GINNEL_LOG_LEVEL
    /// does log.level; `ginnel config default` prints them all.
    #[command(after_help = exit::HELP)]
    Serve {
        /// Configuration file; without one, the defaults and the environment hold.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Mint a time-limited TURN credential for other software from the shared secret.
    #[command(after_help = exit::HELP)]
    Credentials {
        /// Configuration file that names the secret's file.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// What the user name has behind its time; without it, the time is all of the name.
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        /// How long it lets its holder in, like 90s, 30m, 1h or 7d.
        #[arg(long, value_name = "TIME", default_value = "1h", value_parser = credentials::parse_time)]
        ttl: Duration,
        /// Print JSON, as `RTCIceServer` wants it.
        #[arg(long)]
        json: bool,
    },
    /// Put load on a server of your own and measure what it costs.
    #[command(subcommand, after_help = exit::HELP)]
    Load(load::Command),
    /// Check, print and explain the configuration.
    #[command(subcommand, after_help = exit::HELP)]
    Config(config::Command),
}

fn main() -> ExitCode {
    // Files of secrets are read into memory: a crash leaves no core of it, and only root may look into it.
    // The kernel refuses this to nobody.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    match Arguments::parse().command {
        Command::Serve { config } => serve::run(config.as_deref()),
        Command::Config(command) => config::run(&command),
        Command::Load(command) => load::run(&command),
        Command::Credentials { config, user, ttl, json } => {
            credentials::run(config.as_deref(), user.as_deref(), ttl, json)
        }
    }
}

//! The `ginnel` command: arguments in, text and exit codes out.
//!
//! What the commands do is `appliance`'s business.

mod config;
mod exit;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    /// Every key of the configuration can be overridden by a variable GINNEL_SECTION_KEY, as GINNEL_LOG_LEVEL
    /// does log.level; `ginnel config default` prints them all.
    #[command(after_help = exit::HELP)]
    Serve {
        /// Configuration file; without one, the defaults and the environment hold.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Check, print and explain the configuration.
    #[command(subcommand, after_help = exit::HELP)]
    Config(config::Command),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve { config } => serve::run(config.as_deref()),
        Command::Config(command) => config::run(&command),
    }
}

//! The `ginnel` command: arguments in, text and exit codes out.
//!
//! What the commands do is `appliance`'s business.

mod config;
mod exit;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A private chat stack in one binary: matcher, STUN and TURN relay, web client.
#[derive(Parser)]
#[command(version, after_help = exit::HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check, print and explain the configuration.
    #[command(subcommand)]
    Config(config::Command),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Config(command) => config::run(&command),
    }
}

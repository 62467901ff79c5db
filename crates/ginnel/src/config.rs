//! `ginnel config`: check a file, print the default one, show the effective one.
//!
//! It starts nothing and listens on nothing.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use appliance::settings::{Environment, Problem, Problems, Settings, default_file};
use clap::Subcommand;
use serde_json::json;

use crate::exit::{self, CONFIGURATION};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Say whether a file, with the environment, is a valid configuration; tell all problems at once.
    ///
    /// Files that it names are read too; addresses are not tried.
    #[command(after_help = exit::HELP)]
    Check {
        /// The file.
        file: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the default configuration as a commented file, to start one's own from.
    Default,
    /// Print the effective configuration and where each value comes from; secrets are never in it.
    Show {
        /// Configuration file; without one, the defaults and the environment hold.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(command: &Command) -> ExitCode {
    match command {
        Command::Check { file, json } => check(file, *json),
        Command::Default => {
            exit::print(default_file().trim_end());
            ExitCode::SUCCESS
        }
        Command::Show { config, json } => show(config.as_deref(), *json),
    }
}

fn check(file: &Path, json: bool) -> ExitCode {
    let result = Settings::load(Some(file), &Environment::of_process());
    match result {
        Ok(settings) if json => {
            let memory = settings.memory.to_json();
            exit::print(json!({ "ok": true, "problems": [], "notices": settings.notices, "memory": memory }))
        }
        Ok(settings) => {
            settings.notices.iter().for_each(|notice| exit::print(format_args!("note: {notice}")));
            exit::print(settings.memory.sentence());
            exit::print(format_args!("{}: ok", file.display()));
        }
        Err(problems) => return refuse(&problems, json),
    }
    ExitCode::SUCCESS
}

fn show(file: Option<&Path>, json: bool) -> ExitCode {
    match Settings::load(file, &Environment::of_process()) {
        Ok(settings) if json => exit::print(format_args!("{:#}", settings.to_json())),
        Ok(settings) => exit::print(settings.to_toml().trim_end()),
        Err(problems) => return refuse(&problems, json),
    }
    ExitCode::SUCCESS
}

fn refuse(problems: &Problems, json: bool) -> ExitCode {
    if json {
        let list: Vec<_> = problems.0.iter().map(Problem::to_json).collect();
        exit::print(json!({ "ok": false, "problems": list, "notices": [] }));
        ExitCode::from(CONFIGURATION)
    } else {
        exit::fail(CONFIGURATION, problems)
    }
}

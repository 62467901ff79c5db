//! `ginnel serve`: settings, start, a few lines for the operator, and the stop.
//!
//! What runs is `appliance`'s business.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use appliance::logs::Logs;
use appliance::settings::{Environment, Problems, Settings};
use appliance::{Appliance, ServiceManager, Sockets, StartError};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::{self, CONFIGURATION, FAILED, INTERRUPTED, LISTEN};

pub(crate) fn run(file: Option<&Path>) -> ExitCode {
    let sockets = match Sockets::of_process() {
        Ok(sockets) => sockets,
        Err(error) => return exit::fail(LISTEN, error),
    };
    let environment = Environment::of_process().with(&sockets);
    let read = || Settings::load(file, &environment);
    let settings = match read() {
        Ok(settings) => settings,
        Err(problems) => {
            let advice = "ginnel config default prints a valid file with comments";
            return exit::fail(CONFIGURATION, format_args!("{problems}\n{advice}"));
        }
    };
    raise_descriptor_limit();
    let started = Logs::start(&settings.log).and_then(|logs| Ok((logs, Runtime::new()?)));
    let (_logs, runtime) = match started {
        Ok(started) => started,
        Err(error) => {
            return exit::fail(FAILED, format_args!("cannot start threads: {error}; raise the limit"));
        }
    };
    let code = runtime.block_on(serve(&settings, sockets, read));
    // Tasks that are still there belong to connections that outlived the graceful stop.
    runtime.shutdown_background();
    code
}

/// `read` reads the settings anew.
async fn serve(
    settings: &Settings,
    sockets: Sockets,
    read: impl Fn() -> Result<Settings, Problems>,
) -> ExitCode {
    // Before anything listens, so that no signal finds the process without a handler.
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => return exit::fail(FAILED, format_args!("cannot handle signals: {error}")),
    };
    let mut appliance = match Appliance::start(settings, sockets) {
        Ok(appliance) => appliance,
        Err(error @ StartError::Listen(_)) => return exit::fail(LISTEN, error),
        Err(error) => return exit::fail(FAILED, error),
    };
    announce(settings, &appliance);
    let manager = Arc::new(ServiceManager::of_process());
    let (alive, pulse) = (Arc::clone(&manager), appliance.pulse());
    tokio::spawn(async move { alive.keep_alive(pulse).await });
    manager.ready();
    loop {
        tokio::select! {
            asked = signals.next() => match asked {
                Asked::Reload => manager.reloading(),
                Asked::Stop => break,
            },
            () = appliance.failed() => return exit::fail(FAILED, HALF_ALIVE),
        }
        let settings = read();
        tokio::select! {
            () = appliance.reload(settings.as_ref()) => manager.ready(),
            () = signals.stop() => break,
        }
    }
    let drain = Duration::from_secs(settings.server.drain_s.into());
    manager.stopping(drain + Duration::from_millis(STOP_MS_MAX + STOP_MARGIN_MS));
    if !drain.is_zero() {
        tracing::info!(seconds_max = settings.server.drain_s, "draining");
        appliance.close().await;
        tokio::select! {
            emptied = tokio::time::timeout(drain, appliance.emptied()) => {
                tracing::info!(whole = emptied.is_ok(), "drained");
            }
            () = appliance.failed() => return exit::fail(FAILED, HALF_ALIVE),
            () = signals.stop() => tracing::info!("asked again, the rest is not waited for"),
        }
    }
    tracing::info!("stopping");
    tokio::select! {
        stopped = tokio::time::timeout(Duration::from_millis(STOP_MS_MAX), appliance.stop()) => {
            if stopped.is_err() {
                tracing::warn!("the graceful stop took too long and was cut short");
            }
            tracing::info!("stopped");
            ExitCode::SUCCESS
        }
        () = signals.stop() => ExitCode::from(INTERRUPTED),
    }
}

/// Tells the operator what runs, in words that hold no address.
fn announce(settings: &Settings, appliance: &Appliance) {
    let mut text = format!("ginnel {}\n", env!("CARGO_PKG_VERSION"));
    let width = appliance.listening().iter().map(|at| at.key.len()).max().unwrap_or_default() + 1;
    for at in appliance.listening() {
        let port = format!("{}/{}", at.port, at.transport);
        text.push_str(&format!("  {:<width$} {:<22} port {port:<10} of {}\n", at.key, at.service, at.class));
    }
    for notice in &settings.notices {
        text.push_str(&format!("Note: {notice}.\n"));
    }
    text.push_str(&settings.relay.openness());
    text.push_str(&format!("\n{}", settings.memory.sentence()));
    if let Some(page) = appliance.page() {
        text.push_str(&format!("\nOpen {page}"));
    }
    exit::print(text);
    tracing::info!(listeners = appliance.listening().len(), "started");
}

/// Each connection and relay socket is a descriptor, and shells commonly allow 1,024 where the system would
/// allow many more. What cannot be raised stays: a listener that runs out waits for one.
pub(crate) fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// What a signal asks for.
enum Asked {
    Reload,
    Stop,
}

/// The signals that ask for something.
struct Signals {
    hang_up: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            hang_up: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.hang_up.recv() => Asked::Reload,
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
        }
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Said when a part of the system has ended by itself.
const HALF_ALIVE: &str = "a thread of the relay has ended, the log says why; ginnel ends with it, because it \
                          would not hear some of the people any more: start it again";

/// What the graceful stop may take before the process ends anyway; service managers wait 10 s or more.
const STOP_MS_MAX: u64 = 8_000;

/// What a loaded machine may take besides until the process is gone.
const STOP_MARGIN_MS: u64 = 2_000;

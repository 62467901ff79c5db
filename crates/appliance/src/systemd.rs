//! What a service manager is told: ready, reloading, stopping, alive; sd_notify(3) of systemd.
//!
//! Nothing depends on its being heard: without a manager, or with one that has gone, it is silent.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The service manager that started this process, if one did that wants to be told.
pub struct ServiceManager {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The one that the environment names (`$NOTIFY_SOCKET`, `$WATCHDOG_USEC`).
    pub fn of_process() -> Self {
        let variable = |name| std::env::var(name).ok();
        let socket = variable("NOTIFY_SOCKET").and_then(|name| connect(&name).ok());
        let number = |name| variable(name)?.parse::<u64>().ok();
        // The variable is inherited; it may mean a parent.
        let is_for_us = number("WATCHDOG_PID").is_none_or(|id| id == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|usec| is_for_us && *usec > 0);
        Self { socket, watchdog: watchdog.map(Duration::from_micros) }
    }

    /// Everything listens, or what was to be reloaded is.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// A reload has begun; [`Self::ready`] ends it.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let usec = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={usec}"));
    }

    /// The stop has begun.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Tells as often as it is asked for that this process still runs its tasks; ends only where nobody asks.
    pub async fn keep_alive(&self) {
        let Some(deadline) = self.watchdog else { return };
        // sd_watchdog_enabled(3) recommends half the time.
        let mut interval = tokio::time::interval(deadline / 2);
        loop {
            interval.tick().await;
            self.tell("WATCHDOG=1");
        }
    }

    fn tell(&self, state: &str) {
        if let Some(socket) = &self.socket {
            // A manager that does not listen will find out by itself.
            let _ = socket.send(state.as_bytes());
        }
    }
}

fn connect(name: &str) -> io::Result<UnixDatagram> {
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

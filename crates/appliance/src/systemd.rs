//! What a service manager is told: ready, reloading, stopping, alive; sd_notify(3) of systemd.
//!
//! Nothing depends on its being heard: without a manager, or with one that has gone, it is silent.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::limits::NEWS_S_MAX;

/// The service manager that started this process, if one did that wants to be told.
pub struct ServiceManager {
    /// What it must hear: where its queue is full (ten datagrams, by Linux's default), this waits.
    news: Option<UnixDatagram>,
    /// Signs of life: where the queue is full there are enough of them.
    signs: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The one that the environment names (`$NOTIFY_SOCKET`, `$WATCHDOG_USEC`).
    pub fn of_process() -> Self {
        let variable = |name| std::env::var(name).ok();
        let number = |name| variable(name)?.parse::<u64>().ok();
        // The variable is inherited; it may mean a parent.
        let is_for_us = number("WATCHDOG_PID").is_none_or(|id| id == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|usec| is_for_us && *usec > 0);
        Self::named(variable("NOTIFY_SOCKET").as_deref(), watchdog.map(Duration::from_micros))
    }

    fn named(socket: Option<&str>, watchdog: Option<Duration>) -> Self {
        let connected = || socket.and_then(|name| connect(name).ok());
        let patient = |it: &UnixDatagram| it.set_write_timeout(Some(Duration::from_secs(NEWS_S_MAX))).is_ok();
        let hasty = |it: &UnixDatagram| it.set_nonblocking(true).is_ok();
        Self { news: connected().filter(patient), signs: connected().filter(hasty), watchdog }
    }

    /// Everything listens, or what was to be reloaded is.
    pub fn ready(&self) {
        tell(self.news.as_ref(), "READY=1");
    }

    /// A reload has begun; [`Self::ready`] ends it.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let usec = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        tell(self.news.as_ref(), &format!("RELOADING=1\nMONOTONIC_USEC={usec}"));
    }

    /// The stop has begun and may take so long, whatever the unit's `TimeoutStopSec=` says.
    pub fn stopping(&self, most: Duration) {
        tell(self.news.as_ref(), &format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={}", most.as_micros()));
    }

    /// Tells as often as it is asked for that this process still runs its tasks, while `is_alive` says that
    /// the rest of it does too; ends only where nobody asks.
    pub async fn keep_alive(&self, is_alive: impl Fn() -> bool) {
        let Some(deadline) = self.watchdog else { return };
        // sd_watchdog_enabled(3) recommends half the time: once may fail.
        let mut interval = tokio::time::interval(deadline / 4);
        loop {
            interval.tick().await;
            if is_alive() {
                tell(self.signs.as_ref(), "WATCHDOG=1");
            }
        }
    }
}

fn tell(socket: Option<&UnixDatagram>, state: &str) {
    if let Some(socket) = socket {
        // A manager that does not listen will find out by itself.
        let _ = socket.send(state.as_bytes());
    }
}

fn connect(name: &str) -> io::Result<UnixDatagram> {
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn the_watchdog_is_fed_by_what_is_alive_only() {
        let (socket, manager) = UnixDatagram::pair().unwrap();
        manager.set_nonblocking(true).unwrap();
        let watchdog = Some(Duration::from_millis(4));
        let service = ServiceManager { news: None, signs: Some(socket), watchdog };
        let asked = AtomicUsize::new(0);
        let feeding = service.keep_alive(|| asked.fetch_add(1, Ordering::Relaxed) < 3);
        assert!(tokio::time::timeout(Duration::from_millis(200), feeding).await.is_err(), "it goes on");
        assert!(asked.load(Ordering::Relaxed) > 3);
        let mut buffer = [0; 32];
        for _ in 0..3 {
            let length = manager.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"WATCHDOG=1");
        }
        assert!(manager.recv(&mut buffer).is_err());
    }

    #[test]
    fn news_wait_for_the_room_that_signs_of_life_take() {
        let name = format!("ginnel-systemd-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        manager.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let service = ServiceManager::named(Some(&format!("@{name}")), None);
        let signs = service.signs.as_ref().unwrap();
        let mut waiting = 0;
        while signs.send(b"WATCHDOG=1").is_ok() {
            waiting += 1;
        }
        std::thread::scope(|scope| {
            scope.spawn(|| service.stopping(Duration::from_secs(1)));
            let mut buffer = [0; 64];
            for _ in 0..waiting {
                let length = manager.recv(&mut buffer).unwrap();
                assert_eq!(&buffer[..length], b"WATCHDOG=1");
            }
            let length = manager.recv(&mut buffer).unwrap();
            assert!(buffer[..length].starts_with(b"STOPPING=1"));
        });
    }
}

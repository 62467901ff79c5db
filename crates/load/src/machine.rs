//! How busy the machine is, by the kernel's own account of all processors.
//!
//! It says nothing of who keeps it busy.

use std::fs;

/// Time of all processors so far, in the kernel's ticks.
#[derive(Clone, Copy)]
pub(crate) struct Ticks {
    busy: u64,
    all: u64,
}

impl Ticks {
    /// Of now; `None` where the kernel does not tell.
    pub(crate) fn now() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// The share of the time from an earlier moment to this one in which they were busy.
    pub(crate) fn busy_since(self, before: Self) -> f64 {
        let all = self.all.saturating_sub(before.all).max(1);
        self.busy.saturating_sub(before.busy) as f64 / all as f64
    }

    /// The first line: user, nice, system, idle, iowait, irq, softirq, steal; what guests took is in user.
    fn parse(text: &str) -> Option<Self> {
        let line = text.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> = line.split_whitespace().take(8).map_while(|word| word.parse().ok()).collect();
        let all: u64 = ticks.iter().sum();
        let idle = ticks.get(3)? + ticks.get(4)?;
        Some(Self { busy: all - idle, all })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_and_waiting_for_a_disk_are_not_busy() {
        let before = Ticks::parse("cpu  100 0 100 800 0 0 0 0 50 0\ncpu0 1 1 1 1").unwrap();
        let after = Ticks::parse("cpu  110 5 110 860 10 0 3 2 50 0\n").unwrap();
        assert_eq!((before.busy, before.all), (200, 1000));
        assert!((after.busy_since(before) - 0.3).abs() < 1e-9);
        assert!(Ticks::parse("").is_none() && Ticks::parse("cpu  1 2").is_none());
        assert!(Ticks::now().is_some());
    }
}

//! What the server spends: memory and CPU time by its process, or memory by its `/metrics`.

use std::fs;
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

use crate::LoadError;
use crate::limits::METRICS_BYTES_MAX;

/// Whom to ask; nobody, if neither is given.
#[derive(Clone, Default)]
pub struct Server {
    /// Its process, if it is on this machine.
    pub process: Option<Process>,
    /// The URL of its metrics, over plain HTTP.
    pub metrics: Option<Url>,
}

/// A process of this machine.
#[derive(Clone, Copy, Debug)]
pub struct Process(u32);

/// What was spent up to a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Usage {
    /// Resident memory, in bytes.
    pub resident_bytes: Option<u64>,
    /// User and system time of all threads.
    pub cpu: Option<Duration>,
    /// How long its threads were ready to run and others had the processors.
    pub waited: Option<Duration>,
    /// How often one of them was given a processor.
    pub turns: Option<u64>,
}

impl Server {
    /// What it has spent up to now.
    ///
    /// # Errors
    /// It cannot be asked.
    pub async fn usage(&self) -> Result<Usage, LoadError> {
        if let Some(process) = self.process {
            let (bytes, scheduled) = (process.resident_bytes(), process.scheduled());
            let complain = LoadError::Numbers;
            let [cpu, waited, turns] = scheduled.map_err(complain)?;
            return Ok(Usage {
                resident_bytes: Some(bytes.map_err(complain)?),
                cpu: Some(Duration::from_nanos(cpu)),
                waited: Some(Duration::from_nanos(waited)),
                turns: Some(turns),
            });
        }
        let Some(url) = &self.metrics else { return Ok(Usage::default()) };
        let text = fetch(url).await.map_err(|error| LoadError::Numbers(error.to_string()))?;
        let found = text.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
        let bytes = found.and_then(|number| number.trim().parse::<f64>().ok());
        let missing = || LoadError::Numbers("no process_resident_memory_bytes there".to_owned());
        Ok(Usage { resident_bytes: Some(bytes.ok_or_else(missing)? as u64), ..Usage::default() })
    }
}

impl Process {
    /// The process with this number.
    pub const fn of(pid: u32) -> Self {
        Self(pid)
    }

    /// Memory that is its own and resident, in bytes.
    ///
    /// # Errors
    /// It has ended.
    pub fn resident_bytes(self) -> Result<u64, String> {
        let path = format!("/proc/{}/status", self.0);
        let text = fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib =
            line.and_then(|rest| rest.split_whitespace().next()).and_then(|word| word.parse::<u64>().ok());
        kib.map(|kib| kib * 1024).ok_or_else(|| format!("{path}: no RssAnon"))
    }

    /// User and system time of all its threads so far, by the scheduler's own account.
    ///
    /// # Errors
    /// It has ended, or the kernel keeps no account.
    pub fn cpu_time(self) -> Result<Duration, String> {
        self.scheduled().map(|[cpu, ..]| Duration::from_nanos(cpu))
    }

    /// Of all its threads so far: nanoseconds on a processor, nanoseconds of waiting for one, and turns.
    fn scheduled(self) -> Result<[u64; 3], String> {
        let tasks = format!("/proc/{}/task", self.0);
        let mut total = [0; 3];
        for task in fs::read_dir(&tasks).map_err(|e| format!("{tasks}: {e}"))? {
            let path = task.map_err(|e| format!("{tasks}: {e}"))?.path().join("schedstat");
            let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            let mut numbers = text.split_whitespace().map(str::parse::<u64>);
            for sum in &mut total {
                let number = numbers.next().and_then(Result::ok);
                *sum += number.ok_or_else(|| format!("{}: no number", path.display()))?;
            }
        }
        Ok(total)
    }
}

impl Usage {
    /// The CPU time from an earlier moment to this one.
    pub(crate) fn cpu_since(&self, before: &Self) -> Option<Duration> {
        Some(self.cpu?.saturating_sub(before.cpu?))
    }

    /// From an earlier moment to this one: how long a thread that was ready waited for a processor, on
    /// average.
    pub(crate) fn waited_since(&self, before: &Self) -> Option<Duration> {
        let turns = self.turns?.saturating_sub(before.turns?).max(1);
        let waited = self.waited?.saturating_sub(before.waited?);
        Some(Duration::from_nanos(waited.as_nanos() as u64 / turns))
    }
}

/// A GET whose answer ends with the connection.
async fn fetch(url: &Url) -> std::io::Result<String> {
    let host = url.host_str().unwrap_or_default();
    let mut stream = TcpStream::connect((host, url.port_or_known_default().unwrap_or(80))).await?;
    let request = format!("GET {} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n", url.path());
    stream.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    stream.take(METRICS_BYTES_MAX).read_to_string(&mut text).await?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_process_has_memory_and_time() {
        let own = Process::of(std::process::id());
        assert!(own.resident_bytes().unwrap() > 0 && own.cpu_time().unwrap() > Duration::ZERO);
    }
}

//! Logs to standard error: which events, in which form, and that writing them never holds anything up.
//!
//! Only our crates' events are admitted, because libraries trace whole messages and destinations. A line is
//! queued and written by a thread of its own: a closed pipe, a full disk or a reader that stopped reading
//! costs log lines, never packets.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

use crate::limits::{LOG_FLUSH_MS_MAX, LOG_QUEUE_LINES_MAX};
use crate::settings::{Format, Log};

/// The running log; dropping it waits a moment for the lines that are queued.
pub struct Logs {
    queue: SyncSender<Entry>,
}

impl Logs {
    /// Starts the log of this process; every later event goes through it.
    ///
    /// # Errors
    ///
    /// The writing thread could not be started.
    pub fn start(settings: &Log) -> io::Result<Self> {
        let (queue, entries) = sync_channel(LOG_QUEUE_LINES_MAX);
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_entries(&entries, &mut io::stderr()))?;
        let json = match settings.format {
            Format::Json => true,
            Format::Text => false,
            Format::Auto => !io::stderr().is_terminal(),
        };
        let subscriber = subscriber(settings, json, Lines(queue.clone()));
        // It fails only where a subscriber was set before, as in a test that starts two logs; that one stays.
        let _ = tracing::subscriber::set_global_default(subscriber);
        Ok(Self { queue })
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        let (done, waiting) = sync_channel(1);
        if self.queue.try_send(Entry::End(done)).is_ok() {
            let _ = waiting.recv_timeout(Duration::from_millis(LOG_FLUSH_MS_MAX));
        }
    }
}

/// Log lines that were lost because the queue was full, since the start of the process.
pub(crate) fn lines_lost() -> u64 {
    LINES_LOST.load(Ordering::Relaxed)
}

enum Entry {
    Line(Vec<u8>),
    /// All before it is written.
    End(SyncSender<()>),
}

/// Hands each formatted event to the queue.
struct Lines(SyncSender<Entry>);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl Write for &Lines {
    /// Takes the whole event, which the formatter writes in one piece.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.0.try_send(Entry::Line(line.to_vec())).is_err() {
            LINES_LOST.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn subscriber(settings: &Log, json: bool, lines: Lines) -> Box<dyn Subscriber + Send + Sync> {
    let level = settings.level;
    let admitted = filter_fn(move |event| *event.level() <= level && is_ours(event.target()));
    let layer = tracing_subscriber::fmt::layer().with_writer(lines).log_internal_errors(false);
    let layer = if json { layer.json().boxed() } else { layer.with_ansi(io::stderr().is_terminal()).boxed() };
    Box::new(tracing_subscriber::registry().with(layer.with_filter(admitted.with_max_level_hint(level))))
}

/// Whether a target is one of our crates or a module of one; a crate of theirs may start with our name.
fn is_ours(target: &str) -> bool {
    OUR_CRATES.contains(&target.split("::").next().unwrap_or(target))
}

fn write_entries(entries: &Receiver<Entry>, out: &mut impl Write) {
    for entry in entries {
        match entry {
            // There is nowhere left to tell that the log cannot be written.
            Entry::Line(line) => drop(out.write_all(&line)),
            Entry::End(done) => {
                let _ = out.flush();
                let _ = done.try_send(());
            }
        }
    }
}

static LINES_LOST: AtomicU64 = AtomicU64::new(0);

/// The crates whose events are admitted: all of ours that may log.
const OUR_CRATES: &[&str] =
    &["appliance", "ginnel", "match_core", "relay_plane", "signal_plane", "turn_core"];

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::level_filters::LevelFilter;

    fn logged(json: bool, events: impl FnOnce()) -> String {
        let (queue, entries) = sync_channel(8);
        let log = Log { level: LevelFilter::TRACE, format: Format::Auto };
        tracing::subscriber::with_default(subscriber(&log, json, Lines(queue)), events);
        let mut text = Vec::new();
        write_entries(&entries, &mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn libraries_are_not_admitted_at_any_level() {
        let text = logged(false, || {
            tracing::error!(target: "hyper::proto", "theirs");
            tracing::error!(target: "appliance_of_theirs", "theirs");
            tracing::trace!(target: "relay_plane::web", "ours");
        });
        assert!(text.contains("ours") && !text.contains("theirs"), "{text}");
    }

    #[test]
    fn a_field_cannot_forge_a_line_or_a_colour() {
        let text = logged(true, || tracing::warn!(path = "a\nb\u{1b}[2J", "event"));
        assert_eq!(text.lines().count(), 1);
        assert!(!text.contains('\u{1b}'));
        let text = logged(false, || tracing::warn!(path = ?"a\nb\u{1b}[2J", "event"));
        assert_eq!(text.lines().count(), 1, "{text}");
    }

    #[test]
    fn a_full_queue_and_a_broken_pipe_lose_lines_and_nothing_else() {
        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        let (queue, entries) = sync_channel(1);
        let before = lines_lost();
        let lines = Lines(queue);
        (&lines).write_all(b"kept").unwrap();
        (&lines).write_all(b"lost").unwrap();
        assert!(lines_lost() > before);
        drop(lines);
        write_entries(&entries, &mut Broken);
    }
}

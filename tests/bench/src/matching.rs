//! The matcher's time per match with few and with many who wait: alone, and behind sockets.

use std::time::{Duration, Instant};

use clap::Parser;
use match_core::{Config, ConnectionId, Inbound, Matcher, Now, Output};
use tokio::runtime::Builder;

use crate::crowd;

#[derive(Parser)]
pub(crate) struct Options {
    /// How many wait.
    #[arg(long, value_delimiter = ',', default_values_t = [100, 1_000, 10_000, 100_000])]
    waiting: Vec<usize>,
    /// How many wait behind sockets: each takes two descriptors.
    #[arg(long, value_delimiter = ',', default_values_t = [100, 1_000, 8_000])]
    connected: Vec<usize>,
    /// Matches of a round.
    #[arg(long, default_value_t = 2_000)]
    matches: u32,
    /// Rounds, in which all take turns; the fastest of each counts.
    #[arg(long, default_value_t = 50)]
    rounds: u32,
}

/// Measures each size of the crowd and prints a line for each.
///
/// # Errors
/// Standard output is closed, or no descriptors are left.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let mut crowds: Vec<_> = options.waiting.iter().map(|n| (*n, Crowded::new(*n), Duration::MAX)).collect();
    for round in 0..=options.rounds {
        for (_, crowd, fastest) in &mut crowds {
            let began = Instant::now();
            crowd.meet(options.matches);
            // The first round fills the caches.
            *fastest = if round == 0 { Duration::MAX } else { began.elapsed().min(*fastest) };
        }
    }
    crate::say("waiting   ns per match   x of the first   matches a second")?;
    let mut first = None;
    for (waiting, _, fastest) in &crowds {
        let each = fastest.as_secs_f64() * 1e9 / f64::from(options.matches);
        let ratio = each / *first.get_or_insert(each);
        crate::say(&format!("{waiting:>7}   {each:>12.0}   {ratio:>14.2}   {:>16.0}", 1e9 / each))?;
    }
    crate::say("\nconnected   to match: p50 us   p99 us")?;
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|e| format!("threads: {e}"))?;
    for connected in &options.connected {
        let matches = options.matches as usize;
        let times = runtime.block_on(crowd::measure(*connected, matches)).map_err(|e| e.to_string())?;
        crate::say(&format!("{connected:>9}   {:>16.0}   {:>6.0}", times.p50_ms * 1e3, times.p99_ms * 1e3))?;
    }
    Ok(())
}

/// A matcher with many who fit nobody, and a few who fit each other.
struct Crowded {
    matcher: Matcher,
    pairs: Vec<[ConnectionId; 2]>,
    next: usize,
}

impl Crowded {
    fn new(waiting: usize) -> Self {
        let mut config = Config::default();
        config.limits.connections_max = waiting + 2 * PAIRS;
        config.limits.waiting_max = waiting + 2;
        config.limits.work.total_burst = u32::MAX;
        let mut own = Self { matcher: Matcher::new(config, [1; 32]), pairs: Vec::new(), next: 0 };
        for n in 0..waiting {
            let client = own.greeted();
            // A language of one's own, and tags that everybody has.
            let find =
                format!(r#"{{"t":"find","want":{{"media":"text","langs":["x{n}"],"tags":["music"]}}}}"#);
            own.say(client, &find);
        }
        own.pairs = (0..PAIRS).map(|_| [own.greeted(), own.greeted()]).collect();
        own
    }

    /// So many matches: from the two `find` to the end of the session, the messages written as text.
    fn meet(&mut self, matches: u32) {
        for _ in 0..matches {
            let pair = self.pairs[self.next % PAIRS];
            // With another one each time round: two who met do not meet again so soon.
            let other = self.pairs[(self.next + self.next / PAIRS) % PAIRS][1];
            self.next += 1;
            self.say(pair[0], FIND);
            self.say(other, FIND);
            self.say(other, r#"{"t":"leave"}"#);
        }
    }

    fn greeted(&mut self) -> ConnectionId {
        let client =
            self.matcher.handle_opened(None, NOW).unwrap_or_else(|| unreachable!("there is room for all"));
        self.say(client, r#"{"t":"hello","v":1}"#);
        client
    }

    fn say(&mut self, client: ConnectionId, text: &str) {
        self.matcher.handle_message(client, Inbound::parse(text), NOW);
        while let Some(output) = self.matcher.poll_output() {
            let text = match output {
                Output::Send { message, .. } => message.to_json(),
                Output::Matched(matched) => matched.into_message(Vec::new()).to_json(),
                _ => String::new(),
            };
            std::hint::black_box(text);
        }
    }
}

/// More than a client remembers of its partners.
const PAIRS: usize = 64;
const NOW: Now = Now { mono: Duration::from_secs(1), unix_s: 0 };
const FIND: &str = r#"{"t":"find","want":{"media":"text","langs":["en","de"],"tags":["music","chess"]}}"#;

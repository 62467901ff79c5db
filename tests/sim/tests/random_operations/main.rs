//! Row 86: random people do random things, and the relay does what the model says, whatever the number of
//! workers, however long their notices take and wherever the people go. In the end nothing is left.
//!
//! `SIM_SEEDS` says how many seeds are run, `SIM_SEED` runs one and tells its story.

#![allow(clippy::print_stdout, reason = "a failing seed says how to repeat it, and tells its story")]

mod choices;
mod story;

use std::sync::atomic::{AtomicU64, Ordering};

use story::{Story, Sums};

#[test]
fn row_86_the_relay_does_what_the_model_says() {
    if let Some(seed) = number_from_environment("SIM_SEED") {
        Story::begin(seed, true).tell();
        return;
    }
    let seeds = number_from_environment("SIM_SEEDS").unwrap_or(SEEDS);
    let threads = std::thread::available_parallelism().map_or(1, |it| it.get() as u64);
    let next = AtomicU64::new(0);
    let sums = std::thread::scope(|scope| {
        let tell = || {
            let mut sums = Sums::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds {
                    return sums;
                }
                sums.add(Story::begin(seed, false).tell());
            }
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(tell)).collect();
        let mut sums = Sums::default();
        for thread in threads {
            sums.add(thread.join().expect("a seed failed; above is how to repeat it"));
        }
        sums
    });
    println!("{seeds} seeds: {sums:?}");
    // Stories in which this does not happen would prove nothing.
    let Sums { heard, moved, moved_and_heard, redeemed, refused, outside, closed, displaced, lost } = sums;
    assert!(heard > 5 * seeds, "too little was heard");
    assert!(moved > seeds && moved_and_heard > seeds / 2, "too few moved");
    assert!(redeemed > seeds / 4, "too few tokens were redeemed");
    assert!(refused > 5 * seeds, "too little was refused");
    assert!(outside > seeds, "too little went outside");
    assert!(closed > seeds / 8, "new rules ended too little");
    assert!(displaced > seeds, "too few gave way");
    assert!(lost > seeds / 20, "too little was lost");
}

fn number_from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}

/// What an unoptimised build manages in a few seconds.
const SEEDS: u64 = 100;

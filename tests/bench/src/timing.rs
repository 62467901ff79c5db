//! Whether the time of a refusal tells a stranger something: refusals of two kinds in random order, and
//! Welch's t of their times. Without sockets, so that a difference a network would hide shows too.

use std::net::SocketAddr;
use std::time::Instant;

use clap::Parser;
use sim::{Outcome, Random, Request, Setup, Signature, World};
use stun_wire::{AttributeType, Message, TransactionId};

#[derive(Parser)]
pub(crate) struct Options {
    /// Refusals of each kind.
    #[arg(long, default_value_t = 100_000)]
    count: u32,
    /// How often the two kinds of each comparison are measured anew.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
}

/// Measures and prints both distributions of each comparison. By chance alone |t| is above 4.5 once in some
/// hundred thousand rounds; on a machine that does other things too, one round says little and all of them
/// with the same sign much.
///
/// # Errors
/// The server does not refuse.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let comparisons: [(&str, Kinds); 4] = [
        ("wrong password of a user, and nobody's name", names),
        ("nobody's names, of the same length", nobodies),
        ("first and last byte of the integrity wrong", bytes),
        ("twice the same", same),
    ];
    crate::say(
        "ns per refusal                                        median  median     mean     mean       t",
    )?;
    for (title, kinds) in comparisons {
        for _ in 0..options.rounds {
            let [mut one, mut other] = measure(kinds, options.count)?;
            let t = welch(&one, &other);
            let (means, medians) = ([mean(&one), mean(&other)], [median(&mut one), median(&mut other)]);
            crate::say(&format!(
                "{title:<50} {:>9.0} {:>7.0} {:>8.1} {:>8.1} {t:>7.2}",
                medians[0], medians[1], means[0], means[1]
            ))?;
        }
    }
    Ok(())
}

/// Makes the two datagrams whose refusals are compared, from a signature with a good nonce.
type Kinds = fn(&Signature) -> [Vec<u8>; 2];

fn names(known: &Signature) -> [Vec<u8>; 2] {
    ["user", "nopy"].map(|name| guess(known, name))
}

fn nobodies(known: &Signature) -> [Vec<u8>; 2] {
    ["nopy", "nobo"].map(|name| guess(known, name))
}

fn same(known: &Signature) -> [Vec<u8>; 2] {
    ["user", "user"].map(|name| guess(known, name))
}

fn bytes(known: &Signature) -> [Vec<u8>; 2] {
    [20, 1].map(|place| {
        let mut datagram = Request::allocate().write(ID, Some(known));
        let at = datagram.len() - place;
        datagram[at] ^= 1;
        datagram
    })
}

fn guess(known: &Signature, name: &str) -> Vec<u8> {
    let wrong = Signature { username: name.into(), password: b"guess".to_vec(), ..known.clone() };
    Request::allocate().write(ID, Some(&wrong))
}

fn measure(kinds: Kinds, count: u32) -> Result<[Vec<f64>; 2], String> {
    let mut world = World::with(Setup::new(1));
    let mut random = Random::new(7);
    let from: SocketAddr = "20.0.0.1:5000".parse().map_err(|e| format!("{e}"))?;
    let mut times = [const { Vec::new() }; 2];
    let mut datagrams = None;
    for n in 0.. {
        // The nonce and the budget for guesses last for some refusals only.
        if n % REFUSALS_PER_NONCE == 0 {
            world.pass(std::time::Duration::from_secs(10));
            datagrams = Some(kinds(&acquainted(&mut world, from)?));
        }
        let kind = random.below(2) as usize;
        let datagram = &datagrams.as_ref().ok_or("no datagrams")?[kind];
        let began = Instant::now();
        let outcome = world.knock(from, datagram);
        let elapsed = began.elapsed();
        if outcome.code() != Some(401) {
            return Err("a guess was not refused".to_owned());
        }
        times[kind].push(elapsed.as_nanos() as f64);
        if times.iter().all(|times| times.len() >= count as usize) {
            break;
        }
    }
    Ok(times)
}

fn acquainted(world: &mut World, from: SocketAddr) -> Result<Signature, String> {
    let Outcome::Reply(challenge) = world.knock(from, &Request::allocate().write(ID, None)) else {
        return Err("no challenge".to_owned());
    };
    let challenge = Message::parse(&challenge).map_err(|e| format!("{e:?}"))?;
    let nonce = challenge.find(AttributeType::NONCE).ok_or("no nonce")?.to_vec();
    Ok(Signature {
        username: b"user".to_vec(),
        password: b"password".to_vec(),
        realm: b"ginnel".to_vec(),
        nonce,
        algorithms: None,
    })
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn mean(times: &[f64]) -> f64 {
    times.iter().sum::<f64>() / times.len() as f64
}

/// Welch's t of the faster nine tenths of both, cut at one time for both: interruptions say nothing.
fn welch(one: &[f64], other: &[f64]) -> f64 {
    let mut both = [one, other].concat();
    both.sort_by(f64::total_cmp);
    let most = both[both.len() / 10 * 9];
    let cut = |times: &[f64]| times.iter().copied().filter(|time| *time <= most).collect::<Vec<f64>>();
    let (one, other) = (cut(one), cut(other));
    let (difference, error) = (mean(&one) - mean(&other), (squared(&one) + squared(&other)).sqrt());
    difference / error
}

/// The squared standard error of the mean.
fn squared(times: &[f64]) -> f64 {
    let (mean, count) = (mean(times), times.len() as f64);
    times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0) / count
}

/// Fewer guesses than one address has at once from one worker.
const REFUSALS_PER_NONCE: u32 = 8;
const ID: TransactionId = TransactionId([1; 12]);

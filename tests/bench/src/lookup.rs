//! The core's time per packet with 10 to 10,000 allocations, in this process and without sockets: whether a
//! look-up stays one hash. Not the kernel's share.
//!
//! With ten clients talking among however many, only the look-up can grow; with all talking, the nearest
//! cache no longer holds what is looked up, and it matters how many datagrams of one client come at a time.
//! What the memory itself asks for is shown by a walk over as many records that nothing is looked up in.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Parser;
use sim::{RELAY_V4, Request, Setup, Signature};
use stun_wire::{AttributeType, Message, TransactionId, decode_xor_address};
use turn_core::{
    AllocationLimits, BandwidthLimits, ClientAddr, Directory, FiveTuple, ListenerId, LocalIp, Now,
    PeerPolicy, Server, StaticUser, Verdict, WorkerId,
};

#[derive(Parser)]
pub(crate) struct Options {
    /// Packets in one measurement.
    #[arg(long, default_value_t = 2_000_000)]
    packets: u32,
    /// How often each number of allocations is measured; they take turns and the fastest counts.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Datagrams that a client sends at a time, in the middle column: a frame of video is some.
    #[arg(long, default_value_t = 4)]
    burst: usize,
}

/// Measures and prints nanoseconds per packet, and the ratio to the smallest number.
///
/// # Errors
/// The server refused what it should grant.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let mut stages = Vec::new();
    for count in COUNTS {
        stages.push((Stage::new(count)?, [f64::INFINITY; 4]));
    }
    for _ in 0..options.rounds {
        for (stage, fastest) in &mut stages {
            let all = stage.clients.len();
            for (column, (talking, burst)) in
                [(COUNTS[0], 1), (all, options.burst), (all, 1)].into_iter().enumerate()
            {
                let ns = stage.measure(options.packets, talking, burst)?;
                fastest[column] = fastest[column].min(ns);
            }
            fastest[3] = fastest[3].min(stage.walk(options.packets));
        }
    }
    let burst = options.burst;
    crate::say("             ns per packet                                 x of 10 allocations")?;
    crate::say(&format!(
        "allocations  {:>10} {:>10} {:>10} {:>10}   {0:>10} {1:>10} {2:>10}",
        "ten talk",
        format!("all, by {burst}"),
        "all, by 1",
        "bare walk"
    ))?;
    let first = stages[0].1;
    for (stage, fastest) in &stages {
        let [ten, bursts, single, walk] = *fastest;
        let ratio = |column: usize| fastest[column] / first[column];
        crate::say(&format!(
            "{:>11}  {ten:>10.1} {bursts:>10.1} {single:>10.1} {walk:>10.1}   {:>10.2} {:>10.2} {:>10.2}",
            stage.clients.len(),
            ratio(0),
            ratio(1),
            ratio(2)
        ))?;
    }
    Ok(())
}

/// A server with so many clients, neighbours bound to each other.
struct Stage {
    server: Server,
    clients: Vec<FiveTuple>,
    state: u32,
}

impl Stage {
    fn new(count: usize) -> Result<Self, String> {
        let mut config = Setup { workers: 1, ..Setup::new(1) }.config(WorkerId(0));
        config.users = vec![StaticUser::new("bench", &config.realm, "pass", PeerPolicy::Appliance)];
        let realm = config.realm.clone().into_bytes();
        let limits = AllocationLimits { per_side: 0, per_prefix: 0, total: 0 };
        let directory = Arc::new(Mutex::new(Directory::new(limits, BandwidthLimits::default(), (1, 2))));
        let mut stage = Self {
            server: Server::new(config, directory, [7; 32]),
            clients: (0..count).map(client).collect(),
            state: 1,
        };
        let mut relayed = Vec::new();
        let mut signatures = Vec::new();
        for n in 0..count {
            let challenge = stage.ask(n, &Request::allocate(), None)?;
            let challenge = Message::parse(&challenge).map_err(|e| format!("{e:?}"))?;
            let nonce = challenge.find(AttributeType::NONCE).ok_or("no nonce")?.to_vec();
            let signature = Signature {
                username: b"bench".to_vec(),
                password: b"pass".to_vec(),
                realm: realm.clone(),
                nonce,
                algorithms: None,
            };
            let granted = stage.ask(n, &Request::allocate(), Some(&signature))?;
            let granted = Message::parse(&granted).map_err(|e| format!("{e:?}"))?;
            let value = granted.find(AttributeType::XOR_RELAYED_ADDRESS).ok_or("not granted")?;
            relayed.push(decode_xor_address(value, ID).map_err(|e| format!("{e:?}"))?);
            signatures.push(signature);
        }
        for n in 0..count {
            stage.ask(n, &Request::bind(0x4000, relayed[n ^ 1]), Some(&signatures[n]))?;
        }
        Ok(stage)
    }

    /// Nanoseconds per packet of the first so many clients, in no order, so many packets of one at a time.
    ///
    /// Who sends is chosen before the clock starts, a batch at a time, into memory that stays warm: as the
    /// kernel writes the sources of a batch of datagrams into the same buffers every time.
    fn measure(&mut self, packets: u32, talking: usize, burst: usize) -> Result<f64, String> {
        let mut datagram = vec![0x40, 0, 0, 200];
        datagram.resize(204, 0x80);
        let mut reply = Vec::new();
        let mut sources = [self.clients[0]; BATCH];
        let (mut sent, mut left, mut at) = (0, 0, 0);
        let mut elapsed = Duration::ZERO;
        while sent < packets {
            for source in &mut sources {
                if left == 0 {
                    (at, left) = (self.pick(talking), burst);
                }
                left -= 1;
                *source = self.clients[at];
            }
            let began = Instant::now();
            self.server.foresee(sources.iter().copied());
            for source in sources {
                let verdict = self.server.handle_client(NOW, source, &datagram, &mut reply);
                if !matches!(black_box(verdict), Verdict::Forward { .. }) {
                    return Err("a packet was not forwarded".to_owned());
                }
            }
            elapsed += began.elapsed();
            sent += BATCH as u32;
        }
        Ok(elapsed.as_nanos() as f64 / f64::from(sent))
    }

    /// Nanoseconds for reading one record of [`RECORD_BYTES`] after the other, of as many as there are
    /// clients, in the order in which [`Stage::measure`] has them send by one.
    fn walk(&mut self, packets: u32) -> f64 {
        let mut records = vec![[1_u64; RECORD_BYTES / 8]; self.clients.len()];
        let mut picked = [0; BATCH];
        let (mut read, mut sum, mut elapsed) = (0, 0, Duration::ZERO);
        while read < packets {
            picked.fill_with(|| self.pick(self.clients.len()));
            let began = Instant::now();
            for at in picked {
                // A word of each cache line.
                sum += records[at].iter().step_by(8).sum::<u64>();
            }
            elapsed += began.elapsed();
            records[picked[0]][0] = black_box(sum) & 1;
            read += BATCH as u32;
        }
        elapsed.as_nanos() as f64 / f64::from(read)
    }

    fn pick(&mut self, talking: usize) -> usize {
        self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((u64::from(self.state) * talking as u64) >> 32) as usize
    }

    fn ask(&mut self, n: usize, request: &Request, signature: Option<&Signature>) -> Result<Vec<u8>, String> {
        let mut reply = Vec::new();
        let datagram = request.write(ID, signature);
        match self.server.handle_client(NOW, self.clients[n], &datagram, &mut reply) {
            Verdict::Reply => Ok(reply),
            _ => Err("a request was not answered".to_owned()),
        }
    }
}

fn client(n: usize) -> FiveTuple {
    let ip = Ipv4Addr::from_bits(0x0B00_0000 + n as u32);
    FiveTuple {
        client: ClientAddr(SocketAddr::from((ip, 20_000))),
        local: LocalIp(RELAY_V4),
        listener: ListenerId(0),
    }
}

const COUNTS: [usize; 4] = [10, 100, 1_000, 10_000];
/// What the server keeps of a client for its packets: a hash, a 5-tuple, a way.
const RECORD_BYTES: usize = 128;
/// Datagrams that a worker receives at a time.
const BATCH: usize = 32;
const NOW: Now = Now { mono: Duration::from_secs(1000), unix_s: 1_800_000_000 };
const ID: TransactionId = TransactionId([1; 12]);

//! The core's time per packet with 10 to 10,000 allocations, in this process and without sockets: whether a
//! look-up stays one hash. Not the kernel's share.
//!
//! With ten clients talking among however many, only the look-up can grow; with all talking, the caches no
//! longer hold what is looked up.

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
}

/// Measures and prints nanoseconds per packet, and the ratio to the smallest number.
///
/// # Errors
/// The server refused what it should grant.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let mut stages = Vec::new();
    for count in COUNTS {
        stages.push((Stage::new(count)?, [f64::INFINITY; 2]));
    }
    for _ in 0..options.rounds {
        for (stage, [ten, all]) in &mut stages {
            *ten = ten.min(stage.measure(options.packets, COUNTS[0])?);
            *all = all.min(stage.measure(options.packets, stage.clients.len())?);
        }
    }
    crate::say("             ns per packet of      x of 10 allocations")?;
    crate::say("allocations  ten    all clients    ten    all clients")?;
    let [first_ten, first_all] = stages[0].1;
    for (stage, [ten, all]) in &stages {
        let (count, ten_ratio, all_ratio) = (stage.clients.len(), ten / first_ten, all / first_all);
        crate::say(&format!("{count:>11} {ten:>4.0} {all:>14.0} {ten_ratio:>6.2} {all_ratio:>14.2}"))?;
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

    /// Nanoseconds per packet of the first so many clients, in no order.
    fn measure(&mut self, packets: u32, talking: usize) -> Result<f64, String> {
        let mut datagram = vec![0x40, 0, 0, 200];
        datagram.resize(204, 0x80);
        let mut reply = Vec::new();
        let began = Instant::now();
        for _ in 0..packets {
            self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = (u64::from(self.state) * talking as u64) >> 32;
            let verdict = self.server.handle_client(NOW, self.clients[at as usize], &datagram, &mut reply);
            if !matches!(black_box(verdict), Verdict::Forward { .. }) {
                return Err("a packet was not forwarded".to_owned());
            }
        }
        Ok(began.elapsed().as_nanos() as f64 / f64::from(packets))
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
const NOW: Now = Now { mono: Duration::from_secs(1000), unix_s: 1_800_000_000 };
const ID: TransactionId = TransactionId([1; 12]);

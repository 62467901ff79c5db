//! What strangers cost: what requests of several forms, each from an address that nobody used before, leave
//! behind in the server's memory and take of its time, what junk to a relayed port takes, and what a call
//! that goes on meanwhile notices of either. Memory is the same on every machine: a goal that is missed is a
//! failure.

use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use clap::Parser;

use crate::call::Call;
use crate::client;
use crate::server::{self, Kind, PASSWORD, Programs, Server, USER};
use crate::wire::Transport;

#[derive(Parser)]
pub(crate) struct Options {
    /// How many sources there are, a datagram from each.
    #[arg(long, default_value_t = 1_000_000)]
    sources: u32,
    /// The program to measure.
    #[arg(long, default_value = "target/release/ginnel")]
    ginnel: PathBuf,
}

/// Floods a server and prints what it grew by.
///
/// # Errors
/// The program is missing, it stopped answering, or it grew by more than it may.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let programs = Programs { ginnel: options.ginnel.clone(), turnserver: PathBuf::new() };
    programs.check(&[Kind::GinnelPublic])?;
    server::pin_driver()?;
    let server = Server::start(Kind::GinnelPublic, Transport::Udp, &programs, &[])?;
    let pace = client::socket()?;
    pace.connect(server.address()).map_err(|e| format!("connect: {e}"))?;
    client::wait_for(&pace).map_err(|complaint| server.explain(&complaint))?;
    // A new call each time: a flood may last longer than a permission.
    let call = || Call::new(server.address()).map_err(|complaint| server.explain(&complaint));
    let ((), before) = call()?.meanwhile(|| {
        let end = Instant::now() + BEFORE;
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            park_timeout(left);
        }
        Ok(())
    })?;
    crate::say(&format!("before: a call {before}"))?;
    let (bytes, descriptors) = (server.resident_bytes()?, server.descriptors()?);
    let began = Instant::now();
    let of_each = options.sources / FORMS.len() as u32;
    for (first, form) in (0..).step_by(of_each.max(1) as usize).zip(FORMS) {
        let flood = || {
            timed(&server, &pace, of_each, |n| {
                let n = first + n;
                let (ip, port) = (Ipv4Addr::from_bits(0x7F10_0000 + n), PORT_MIN + (n % PORTS) as u16);
                let socket = UdpSocket::bind((ip, port)).map_err(|e| format!("bind {ip}: {e}"))?;
                socket.send_to(&form_of(form, n), server.address()).map_err(|e| format!("send: {e}"))?;
                Ok(())
            })
        };
        let (cost, heard) = call()?.meanwhile(flood)?;
        crate::say(&format!("{form:?}: {cost}; a call meanwhile {heard}"))?;
    }
    let grown = server.resident_bytes()?.saturating_sub(bytes);
    let opened = server.descriptors()?.saturating_sub(descriptors);
    crate::say(&format!(
        "{} sources in {:.0} s: {grown} bytes more, {opened} descriptors more, from {bytes} bytes",
        of_each * FORMS.len() as u32,
        began.elapsed().as_secs_f64()
    ))?;
    let holder = client::socket()?;
    holder.connect(server.address()).map_err(|e| format!("connect: {e}"))?;
    let relayed = client::TurnClient::allocate(&holder, USER, PASSWORD)?.relayed;
    let stranger = client::socket()?;
    let junk = || {
        timed(&server, &pace, of_each, |n| {
            stranger.send_to(&n.to_be_bytes().repeat(300), relayed).map_err(|e| format!("send: {e}"))?;
            Ok(())
        })
    };
    let (cost, heard) = call()?.meanwhile(junk)?;
    crate::say(&format!("junk of 1200 bytes to a relayed port: {cost}; a call meanwhile {heard}"))?;
    complaint(grown).map_or(Ok(()), Err)
}

/// What to say where strangers left more behind than they may.
fn complaint(grown: u64) -> Option<String> {
    let is_missed = grown >= GOAL_BYTES;
    is_missed.then(|| format!("strangers left {grown} bytes behind, and may leave less than {GOAL_BYTES}"))
}

/// What a flood takes of the server, and how fast it came.
struct Cost {
    ns: u128,
    per_s: f64,
}

/// The server's time for one of so many datagrams, with what it takes to know that it has read them.
fn timed(
    server: &Server,
    pace: &UdpSocket,
    count: u32,
    send: impl Fn(u32) -> Result<(), String>,
) -> Result<Cost, String> {
    let (before, began) = (server.cpu_time()?, Instant::now());
    for n in 0..count {
        send(n)?;
        if n % BURST == 0 {
            // The server has read everything before it answers this; so nothing is lost in its socket.
            client::wait_for(pace)?;
        }
    }
    client::wait_for(pace)?;
    let spent = server.cpu_time()? - before;
    let ns = spent.as_nanos() / u128::from(count.max(1));
    Ok(Cost { ns, per_s: f64::from(count) / began.elapsed().as_secs_f64() })
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} ns of the server's time a packet, the call's too, at {:.0} a second",
            self.ns, self.per_s
        )
    }
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Binding,
    Allocate,
    Forged,
    ClientHello,
    Garbage,
}

/// A datagram of this form, no two alike.
fn form_of(form: Form, n: u32) -> Vec<u8> {
    let stun = |kind: u16, attributes: &[u8]| {
        let mut out = kind.to_be_bytes().to_vec();
        out.extend((attributes.len() as u16).to_be_bytes());
        out.extend([0x21, 0x12, 0xA4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0]);
        out.extend(n.to_be_bytes());
        out.extend(attributes);
        out
    };
    match form {
        Form::Binding => stun(0x0001, &[]),
        Form::Allocate => stun(0x0003, &TRANSPORT),
        Form::Forged => {
            let mut attributes = TRANSPORT.to_vec();
            attributes.extend([0, 6, 0, 4, b'u', b's', b'e', b'r', 0, 0x14, 0, 6]);
            attributes.extend(b"ginnel\0\0");
            attributes.extend([0, 0x15, 0, 16]);
            attributes.extend(format!("{n:016x}").bytes());
            attributes.extend([0, 8, 0, 20]);
            attributes.extend([n as u8; 20]);
            stun(0x0003, &attributes)
        }
        Form::ClientHello => [&[22, 0xFE, 0xFD, 0, 0][..], &n.to_be_bytes().repeat(30)].concat(),
        Form::Garbage => n.wrapping_mul(0x9E37_79B9).to_be_bytes().repeat(50),
    }
}

const FORMS: [Form; 5] = [Form::Binding, Form::Allocate, Form::Forged, Form::ClientHello, Form::Garbage];

/// REQUESTED-TRANSPORT: UDP.
const TRANSPORT: [u8; 8] = [0, 0x19, 0, 4, 17, 0, 0, 0];

const PORT_MIN: u16 = 20_000;
const PORTS: u32 = 10_007;

/// Less than this may be left of strangers, however many they are.
const GOAL_BYTES: u64 = 1_000_000;

/// How long the call is listened to before anything else happens.
const BEFORE: Duration = Duration::from_secs(3);

/// Datagrams between two waits: fewer than a socket's buffer holds.
const BURST: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_that_is_missed_is_told_with_both_numbers() {
        assert_eq!(complaint(GOAL_BYTES - 1), None);
        let told = "strangers left 1000000 bytes behind, and may leave less than 1000000";
        assert_eq!(complaint(GOAL_BYTES).as_deref(), Some(told));
    }
}

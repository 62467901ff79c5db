//! What strangers leave behind in the server's memory: requests of several forms, each from an address that
//! nobody used before. Not how fast they are refused.

use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;

use crate::client;
use crate::server::{self, Kind, Programs, Server};

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
/// The program is missing, or stopped answering.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let programs = Programs { ginnel: options.ginnel.clone(), turnserver: PathBuf::new() };
    programs.check(&[Kind::Ginnel])?;
    server::pin_driver()?;
    let server = Server::start(Kind::Ginnel, &programs, &[])?;
    let pace = client::socket()?;
    pace.connect(server.address()).map_err(|e| format!("connect: {e}"))?;
    client::wait_for(&pace).map_err(|complaint| server.explain(&complaint))?;
    let (bytes, descriptors) = (server.resident_bytes()?, server.descriptors()?);
    let began = Instant::now();
    for n in 0..options.sources {
        let ip = Ipv4Addr::from_bits(0x7F10_0000 + n);
        let port = PORT_MIN + (n % PORTS) as u16;
        let socket = UdpSocket::bind((ip, port)).map_err(|e| format!("bind {ip}: {e}"))?;
        let form = FORMS[n as usize % FORMS.len()];
        socket.send_to(&form_of(form, n), server.address()).map_err(|e| format!("send: {e}"))?;
        if n % BURST == 0 {
            // The server has read everything before it answers this; so nothing is lost in its socket.
            client::wait_for(&pace)?;
        }
    }
    client::wait_for(&pace)?;
    let grown = server.resident_bytes()?.saturating_sub(bytes);
    let opened = server.descriptors()?.saturating_sub(descriptors);
    crate::say(&format!(
        "{} sources in {:.0} s: {grown} bytes more, {opened} descriptors more, from {bytes} bytes",
        options.sources,
        began.elapsed().as_secs_f64()
    ))
}

#[derive(Clone, Copy)]
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

/// Datagrams between two waits: fewer than a socket's buffer holds.
const BURST: u32 = 64;

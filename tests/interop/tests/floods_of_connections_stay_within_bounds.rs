//! Handshakes that flood in, stall or never begin are bounded in number and time, while a call's packets go
//! on as they did; and a process without descriptors waits for some instead of burning its core.

#![allow(clippy::unwrap_used, reason = "helpers of a test")]
#![allow(clippy::print_stdout, reason = "times that are read and not judged")]

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use interop::{
    APPLIANCE_USER, Appliance, LOOPBACK, PASSWORD, PATIENCE, free_address, fresh_folder, is_closed, limited,
    wait_for,
};
use tokio::time::MissedTickBehavior;
use turn::client::{Client, ClientConfig};
use webrtc_util::Conn;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_117_a_flood_of_handshakes_does_not_touch_a_call() {
    let appliance = Appliance::start(LOOPBACK);
    let (one, other) = (client(&appliance).await, client(&appliance).await);
    let (one, other) = (one.allocate().await.unwrap(), other.allocate().await.unwrap());
    let (to_one, to_other) = (one.local_addr().unwrap(), other.local_addr().unwrap());
    other.send_to(b"open", to_one).await.unwrap();
    let before = call(&one, &other, to_other).await;
    let (quiet, over_tls) = (Talk::over_tls(&appliance).ended(), Talk::over_tls(&appliance));
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicU64::new(0));
    // Three kinds: who sends nothing, who stops in mid-hello, who says hello as fast as it can and leaves.
    let silent: Vec<_> = (0..300).filter_map(|_| connect(appliance.web, [127, 0, 1, 1]).ok()).collect();
    let halves: Vec<_> = (0..300).filter_map(|_| connect(appliance.turns, [127, 0, 2, 1]).ok()).collect();
    for mut stream in &halves {
        stream.write_all(&CLIENT_HELLO_START).unwrap();
    }
    let begun = Instant::now();
    let floods: Vec<_> = (3..6_u8)
        .map(|prefix| {
            let (stop, answered, web) = (Arc::clone(&stop), Arc::clone(&answered), appliance.web);
            thread::spawn(move || flood(web, [127, 0, prefix, 1], &stop, &answered))
        })
        .collect();
    let during = call(&one, &other, to_other).await;
    let seconds = begun.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    let hellos: u64 = floods.into_iter().map(|flood| flood.join().unwrap()).sum();
    let answered = answered.load(Ordering::Relaxed);
    println!("{:.0} hellos a second, {answered} of {hellos} answered", hellos as f64 / seconds);
    println!("a packet's way before: {}", told(&before));
    println!("a packet's way during: {}", told(&during));
    println!("over TLS before: {}", quiet.times());
    println!("over TLS during: {}", over_tls.ended().times());
    assert!(hellos > 100 && answered > 0, "{hellos} {answered}");
    assert_eq!((before.len(), during.len()), (PACKETS, PACKETS), "no packet of the call is lost");
    // Whoever stalls is closed at the deadline of five seconds, and counts for nothing afterwards.
    for stream in silent.into_iter().chain(halves) {
        assert!(is_closed(&stream));
    }
    wait_for("the flood to be over", PATIENCE, || appliance.metric("ginnel_connections") <= 1.0);
    let mut late = connect(appliance.web, [127, 0, 3, 1]).unwrap();
    assert!(hello(&mut late, PATIENCE), "{}", appliance.log());
}

#[test]
fn row_99_without_descriptors_it_waits_and_recovers() {
    let folder = fresh_folder();
    let [turns, web, local, admin] = [(); 4].map(|()| free_address(LOOPBACK));
    let configuration = format!(
        "[listen]\nturn = []\nturns = []\nweb = [\"{web}\"]\nlocal = [\"{local}\"]\nadmin = \"{admin}\"\n\
         [server]\nworkers = 1\n[relay]\nports = \"61000-65535\"\n"
    );
    let launcher = ["prlimit", "--nofile=64:64"].map(str::to_owned).to_vec();
    let appliance = Appliance::start_under(launcher, folder, &configuration, [web, turns, web, local, admin]);
    let visitors: Vec<_> = (0..200).filter_map(|_| TcpStream::connect(appliance.local).ok()).collect();
    wait_for("word of it", PATIENCE, || appliance.log().contains("cannot accept connections"));
    let (begun, spent) = (Instant::now(), appliance.cpu_time());
    // A second in which there is nothing to do but to wait for a descriptor.
    while begun.elapsed() < Duration::from_secs(1) {
        thread::park_timeout(Duration::from_millis(50));
    }
    let share = (appliance.cpu_time() - spent).as_secs_f64() / begun.elapsed().as_secs_f64();
    println!("{:.1} % of a core while there is no descriptor", 100.0 * share);
    assert!(share < 0.25, "{share}");
    drop(visitors);
    wait_for("a page", PATIENCE, || page(appliance.local).starts_with("HTTP/1.1 200"));
}

/// Two clients of coturn's that talk over TLS on the web port, where the handshakes are.
struct Talk(Child);

impl Talk {
    /// Returns once both have their allocation.
    fn over_tls(appliance: &Appliance) -> Self {
        // There is the other call, and no more: those who talked before have left.
        let allocations = || appliance.metric("ginnel_relay_allocations");
        wait_for("the other call alone", PATIENCE, || (allocations() - 2.0).abs() < 0.5);
        let child = limited("turnutils_uclient")
            .args(["-c", "-y", "-t", "-S", "-m", "2", "-n", "200", "-z", "20", "-u", APPLIANCE_USER])
            .args(["-w", PASSWORD, "-p", &appliance.web.port().to_string(), "127.0.0.1"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("turnutils_uclient; install it: apt-get install coturn");
        appliance.wait_for_metric("ginnel_relay_allocations", 4.0);
        Self(child)
    }

    /// What was said of it, once it is over and nothing was lost.
    fn ended(self) -> Said {
        let output = self.0.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("Total lost packets 0 (0.000000%)"), "{said}");
        Said(said)
    }
}

struct Said(String);

impl Said {
    /// What it measured of its packets' way there and back.
    fn times(&self) -> String {
        let times = self.0.lines().filter(|line| line.contains("round trip") || line.contains("jitter"));
        times.filter_map(|line| Some(line.split_once("Average ")?.1)).collect::<Vec<_>>().join(", ")
    }
}

async fn client(appliance: &Appliance) -> Client {
    let socket = tokio::net::UdpSocket::bind(SocketAddr::new(LOOPBACK, 0)).await.unwrap();
    // Room for all of a call: on a busy machine this process may be the one that is late.
    socket2::SockRef::from(&socket).set_recv_buffer_size(PACKETS * 4_096).unwrap();
    let config = ClientConfig {
        stun_serv_addr: appliance.turn.to_string(),
        turn_serv_addr: appliance.turn.to_string(),
        username: APPLIANCE_USER.into(),
        password: PASSWORD.into(),
        realm: "ginnel".into(),
        software: String::new(),
        rto_in_ms: 0,
        conn: Arc::new(socket),
        vnet: None,
    };
    let client = Client::new(config).await.unwrap();
    client.listen().await.unwrap();
    client
}

/// Sends as a call does, a packet every 10 ms; gives how long each was on its way.
async fn call(one: &impl Conn, other: &impl Conn, to: SocketAddr) -> Vec<Duration> {
    let start = Instant::now();
    let mut ways = Vec::new();
    let sending = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        // Who was held up does not make up for it by a burst, which buffers on the way need not hold.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for _ in 0..PACKETS {
            ticks.tick().await;
            let sent = start.elapsed().as_nanos() as u64;
            one.send_to(&[&sent.to_be_bytes()[..], &[0; 1_000]].concat(), to).await.unwrap();
        }
    };
    let receiving = async {
        let mut buffer = [0; 2_048];
        while ways.len() < PACKETS {
            let heard = tokio::time::timeout(PATIENCE, other.recv_from(&mut buffer)).await;
            let Ok(heard) = heard else { break };
            if heard.unwrap().0 == 1_008 {
                let sent = u64::from_be_bytes(buffer[..8].try_into().unwrap());
                ways.push(start.elapsed().saturating_sub(Duration::from_nanos(sent)));
            }
        }
    };
    tokio::join!(sending, receiving);
    ways
}

fn told(ways: &[Duration]) -> String {
    let mut ways = ways.to_vec();
    ways.sort_unstable();
    let at = |share: f64| ways[((ways.len() - 1) as f64 * share) as usize].as_secs_f64() * 1_000.0;
    format!("median {:.2} ms, 99 % {:.2} ms, worst {:.2} ms", at(0.5), at(0.99), at(1.0))
}

/// Says hello again and again; gives how often.
fn flood(to: SocketAddr, from: [u8; 4], stop: &AtomicBool, answered: &AtomicU64) -> u64 {
    let mut hellos = 0;
    while !stop.load(Ordering::Relaxed) {
        hellos += 1;
        if let Ok(mut stream) = connect(to, from) {
            let heard = hello(&mut stream, Duration::from_secs(2));
            answered.fetch_add(u64::from(heard), Ordering::Relaxed);
        }
    }
    hellos
}

/// Begins a handshake; whether the server answers it in time.
fn hello(stream: &mut TcpStream, patience: Duration) -> bool {
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let config = rustls::ClientConfig::builder().with_root_certificates(rustls::RootCertStore::empty());
    let config = Arc::new(config.with_no_client_auth());
    let mut tls = rustls::ClientConnection::new(config, name).unwrap();
    let mut first = Vec::new();
    tls.write_tls(&mut first).unwrap();
    stream.set_read_timeout(Some(patience)).unwrap();
    // A record of the handshake begins with 22.
    let mut answer = [0; 1];
    stream.write_all(&first).is_ok() && stream.read(&mut answer).is_ok_and(|read| read == 1) && answer == [22]
}

/// Connects from an address of loopback, so that it has a network of its own.
fn connect(to: SocketAddr, from: [u8; 4]) -> std::io::Result<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(IpAddr::from(from), 0).into())?;
    socket.connect_timeout(&to.into(), PATIENCE)?;
    Ok(socket.into())
}

fn page(at: SocketAddr) -> String {
    let mut answer = String::new();
    let Ok(mut stream) = TcpStream::connect(at) else { return answer };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let asked = stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    if asked.is_ok() {
        // One that is closed unanswered has answered nothing.
        let _ = stream.read_to_string(&mut answer);
    }
    answer
}

/// Three seconds of a call.
const PACKETS: usize = 300;

/// A record of 512 bytes is announced, and two bytes of it come.
const CLIENT_HELLO_START: [u8; 7] = [22, 3, 1, 2, 0, 1, 0];

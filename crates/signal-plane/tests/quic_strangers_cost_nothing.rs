//! Rows 134 to 136 and 141: who has proved nothing gets silence, little, or a question in return.

use std::net::UdpSocket;

use quinn::Endpoint;
use signal_plane::{Config, Limits};

use crate::common::quic::Quic;
use crate::common::{PATIENCE, Server};

/// A first packet of this version and length; all but its header is junk.
fn initial(version: u32, length: usize) -> Vec<u8> {
    let mut packet = vec![0xc3];
    packet.extend_from_slice(&version.to_be_bytes());
    packet.extend_from_slice(b"\x08destined\x08sourceid");
    packet.resize(length, 0x5a);
    packet
}

fn client() -> UdpSocket {
    client_at([127, 0, 0, 1])
}

/// At an address of loopback: each /24 of it is a network.
fn client_at(address: [u8; 4]) -> UdpSocket {
    let socket = UdpSocket::bind((std::net::IpAddr::from(address), 0)).expect("a free port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_134_and_136_silence_but_for_one_answer_to_a_long_packet_of_another_version() {
    let server = Server::start().await;
    let quic = Quic::serve(&server.signal);
    let socket = client();
    let mut packets = vec![
        initial(1, 1_199),
        initial(1, 1_200),
        initial(0x1a2a_3a4a, 1_199),
        initial(0x1a2a_3a4a, 30),
        // A version negotiation packet is never answered by another.
        initial(0, 1_200),
        vec![0x40; 20],
        vec![0x7f; 1_500],
        vec![0xff; 5],
        vec![0xc0],
    ];
    packets.extend((0..1_200).step_by(37).map(|length| initial(1, length)));
    for packet in &packets {
        socket.send_to(packet, quic.address).unwrap();
    }
    let mut last = initial(0x1a2a_3a4a, 1_200);
    last[6..14].copy_from_slice(b"the last");
    socket.send_to(&last, quic.address).unwrap();
    let mut answers = Vec::new();
    let mut buffer = [0; 2_048];
    // Loopback keeps the order, so what comes before the answer to the last packet answers another one.
    let negotiation = loop {
        let (length, _) = socket.recv_from(&mut buffer).expect("an answer to the last packet");
        if buffer[1..5] == [0; 4] {
            break buffer[..length].to_vec();
        }
        answers.push(buffer[..length].to_vec());
    };
    assert!(negotiation.windows(8).any(|window| window == b"the last"));
    assert!(negotiation.len() < 100);
    // Stateless resets: to short packets that could be a forgotten connection's, and shorter than those.
    assert!(answers.iter().all(|answer| answer.len() < 1_500 && answer[0] & 0xc0 == 0x40), "{answers:?}");
    assert!(answers.len() <= 1, "{}", answers.len());
    assert_eq!(server.signal.counters().connections, 0);
}

/// First packets of honest clients, which never hear an answer.
fn honest_first_packets(quic: &Quic, endpoint: &Endpoint, count: usize) -> Vec<Vec<u8>> {
    let sink = client();
    let at = sink.local_addr().expect("a bound socket");
    let mut buffer = [0; 2_048];
    let mut packets: Vec<Vec<u8>> = Vec::new();
    while packets.len() < count {
        let knocking = quic.knock(endpoint, at);
        // A handshake that was begun before may be tried again in between.
        loop {
            let (length, _) = sink.recv_from(&mut buffer).expect("a first packet");
            let destination = |packet: &[u8]| packet[6..14].to_vec();
            if packets.iter().all(|packet| destination(packet) != destination(&buffer)) {
                packets.push(buffer[..length].to_vec());
                break;
            }
        }
        drop(knocking);
    }
    packets
}

#[tokio::test(flavor = "multi_thread")]
async fn row_135_many_half_open_handshakes_make_newcomers_prove_their_address() {
    let server = Server::start().await;
    let quic = Quic::serve(&server.signal);
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let packets = honest_first_packets(&quic, &endpoint, 40);
    // Of several networks, of which none is conspicuous.
    let strangers: Vec<UdpSocket> = (0..40).map(|number| client_at([127, 0, number / 8, 1])).collect();
    for (packet, stranger) in packets.iter().zip(&strangers) {
        assert!(packet.len() >= 1_200);
        stranger.send_to(packet, quic.address).unwrap();
    }
    server.counts("some are asked", |counters| counters.quic.retried_total >= 8).await;
    // An honest client does as it is asked, and is in.
    let connection = quic.connect("ginnel.1").await;
    server.counts("the client is in", |counters| counters.quic.accepted_total == 1).await;
    drop(connection);
    // The strangers time out; until then each got at most three times what it sent, and the rest of a packet.
    server.counts("all are gone", |counters| counters.quic.failed_total >= 32).await;
    for (packet, stranger) in packets.iter().zip(&strangers) {
        stranger.set_nonblocking(true).unwrap();
        let mut got = 0;
        while let Ok((length, _)) = stranger.recv_from(&mut [0; 2_048]) {
            got += length;
        }
        assert!(got < 3 * packet.len() + 1_200, "{got}");
    }
}

/// Says what proves its address, and no more; whether it was asked for that proof. Its sockets are to be
/// kept: whoever got one of their ports would hear what is meant for it.
fn begin_and_stop(quic: &Quic, endpoint: &Endpoint) -> (bool, [UdpSocket; 2]) {
    let (sink, stranger) = (client(), client());
    let knocking = quic.knock(endpoint, sink.local_addr().expect("a bound socket"));
    let (mut first, mut buffer) = ([0; 2_048], [0; 2_048]);
    let (length, from) = sink.recv_from(&mut first).expect("a first packet");
    stranger.send_to(&first[..length], quic.address).expect("sent");
    let (length, _) = stranger.recv_from(&mut buffer).expect("an answer");
    // RFC 9000 §17.2.5: the long header of a Retry packet.
    let is_asked = buffer[0] & 0xf0 == 0xf0;
    if is_asked {
        sink.send_to(&buffer[..length], from).expect("sent");
        let length = loop {
            let (length, _) = sink.recv_from(&mut buffer).expect("a second packet");
            if buffer[6..14] != first[6..14] {
                break length;
            }
        };
        stranger.send_to(&buffer[..length], quic.address).expect("sent");
        stranger.recv_from(&mut buffer).expect("an answer");
    }
    drop(knocking);
    (is_asked, [sink, stranger])
}

#[tokio::test(flavor = "multi_thread")]
async fn row_116_one_network_of_half_handshakes_leaves_room_for_others() {
    let limits = Limits { request_ms_max: 60_000, ..Limits::default() };
    let server = Server::with(Config { limits, ..Config::default() }).await;
    let quic = Quic::serve(&server.signal);
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let (asked, _sockets): (Vec<bool>, Vec<_>) = (0..70).map(|_| begin_and_stop(&quic, &endpoint)).unzip();
    // A quarter of what one network may have is for those who may be anybody.
    assert!(asked.iter().enumerate().all(|(number, &is_asked)| is_asked == (number >= 16)), "{asked:?}");
    server.counts("six are over its share", |counters| counters.quic.refused_total == 6).await;
    let _other = quic.connect_from([127, 0, 1, 1]).await;
    server.counts("another network's is in", |counters| counters.quic.accepted_total == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_141_first_packets_doubled_and_broken_do_no_harm() {
    let server = Server::start().await;
    let quic = Quic::serve(&server.signal);
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let stranger = client();
    for packet in honest_first_packets(&quic, &endpoint, 4) {
        for place in (0..packet.len()).step_by(11) {
            let mut broken = packet.clone();
            broken[place] ^= 0x55;
            stranger.send_to(&broken, quic.address).unwrap();
            stranger.send_to(&packet, quic.address).unwrap();
        }
    }
    let mut client = quic.raw().await;
    client.greet().await;
}

//! A client with a ticket moves between UDP, TCP and TLS and keeps its relayed address, also where the
//! connection that it leaves has ended before. RFC 8016 §3.2.

use stun_wire::{AttributeType, Message, Method, decode_xor_address};

use crate::client::{Client, Wire};
use crate::server::{PASSWORD, Server, USER};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_each_to_each() {
    let server = Server::start();
    for from in WAYS {
        for to in WAYS {
            moves(&server, from, to, false).await;
        }
    }
    server.until(|counters| counters.turn.allocations == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_the_end_of_a_connection_is_not_the_end_of_who_has_a_ticket() {
    let server = Server::start();
    for from in [Way::Tcp, Way::Tls] {
        for to in WAYS {
            moves(&server, from, to, true).await;
        }
    }
    server.until(|counters| counters.turn.allocations == 0).await;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Udp,
    Tcp,
    Tls,
}

const WAYS: [Way; 3] = [Way::Udp, Way::Tcp, Way::Tls];

async fn wire(server: &Server, way: Way) -> Wire {
    match way {
        Way::Udp => Wire::udp(server).await,
        Way::Tcp => Wire::tcp(server).await,
        Way::Tls => Wire::tls(server).await,
    }
}

/// One in a call moves; `broken`: its connection was gone before.
async fn moves(server: &Server, from: Way, to: Way, broken: bool) {
    let (mut client, ticket) = allocate(wire(server, from).await).await;
    let mut partner = Client::allocate(Wire::udp(server).await).await;
    client.bind(partner.relayed).await;
    partner.bind(client.relayed).await;
    client.send(b"here").await;
    assert_eq!(partner.receive().await.unwrap(), b"here");
    let mut left = Some(client);
    if broken {
        left = None;
        server.until(|counters| counters.streams.open == 0).await;
    }
    let mut client = Client::challenged(wire(server, to).await, USER, PASSWORD).await;
    let answer = client.ask(Method::REFRESH, |writer| {
        writer.attribute(AttributeType::MOBILITY_TICKET, &ticket);
    });
    ticket_of(&answer.await);
    // Once it is heard there, it is served there.
    client.send(b"there").await;
    assert_eq!(partner.receive().await.unwrap(), b"there", "{from:?} {to:?}");
    partner.send(b"found").await;
    assert_eq!(client.receive().await.unwrap(), b"found", "{from:?} {to:?}");
    // The end of what it has left is nothing to it.
    drop(left);
    server.until(|counters| counters.streams.open == u64::from(to != Way::Udp)).await;
    client.send(b"still").await;
    assert_eq!(partner.receive().await.unwrap(), b"still", "{from:?} {to:?}");
    for one in [client, partner] {
        let mut one = one;
        let end = one.ask(Method::REFRESH, |writer| {
            writer.u32(AttributeType::LIFETIME, 0);
        });
        end.await;
    }
    server.until(|counters| counters.turn.allocations == 0 && counters.streams.open == 0).await;
}

/// A client with an allocation, and its ticket.
async fn allocate(wire: Wire) -> (Client, Vec<u8>) {
    let mut client = Client::challenged(wire, USER, PASSWORD).await;
    let answer = client.ask(Method::ALLOCATE, |writer| {
        writer
            .attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
            .attribute(AttributeType::MOBILITY_TICKET, &[]);
    });
    let answer = answer.await;
    let granted = Message::parse(&answer).unwrap();
    let relayed = granted.find(AttributeType::XOR_RELAYED_ADDRESS).unwrap();
    client.relayed = decode_xor_address(relayed, granted.transaction_id()).unwrap();
    (client, ticket_of(&answer))
}

fn ticket_of(answer: &[u8]) -> Vec<u8> {
    Message::parse(answer).unwrap().find(AttributeType::MOBILITY_TICKET).unwrap().to_vec()
}

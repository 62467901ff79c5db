//! Rows 70, 71, 72 and 74: who cannot be the sender is not answered, and neither is any answer.

use std::net::SocketAddr;

use sim::{DropReason, Outcome, RELAY_PORT, RELAY_V4, RELAY_V6, Request, World};
use stun_wire::{AttributeType, Class, Method, TransactionId};

const ID: TransactionId = TransactionId([1; 12]);

#[test]
fn rows_70_and_74_by_source() {
    let mut world = World::new(1);
    let mut sources: Vec<SocketAddr> = vec![(RELAY_V4, RELAY_PORT).into(), (RELAY_V6, RELAY_PORT).into()];
    let hopeless =
        ["0.0.0.0:5000", "[::]:5000", "224.0.0.1:5000", "239.255.255.250:5000", "255.255.255.255:5000"];
    sources.extend(hopeless.map(|text| text.parse::<SocketAddr>().unwrap()));
    sources.push("[ff02::1]:5000".parse().unwrap());
    let ports = [0, 7, 19, 53, 123, 161, 389, 1900, 3478, 11_211];
    sources.extend(ports.map(|port| SocketAddr::from(([198, 18, 5, 1], port))));
    for from in sources {
        for request in [Request::bare(Method::BINDING), Request::allocate()] {
            let outcome = world.knock(from, &request.write(ID, None));
            assert_eq!(outcome, Outcome::Drop(DropReason::HopelessSource), "{from}");
        }
    }
    assert!(world.relay().is_empty());
}

#[test]
fn row_71_answers_are_never_answered() {
    let mut world = World::new(2);
    let from = "198.18.5.1:5000".parse().unwrap();
    for method in [Method::BINDING, Method::ALLOCATE, Method::REFRESH, Method::DATA, Method::SEND] {
        for class in [Class::Success, Class::Error] {
            let message = Request::bare(method)
                .with(AttributeType::ERROR_CODE, &[0, 0, 4, 1])
                .with(AttributeType::REALM, b"ginnel")
                .with(AttributeType::NONCE, b"AAAAAAAAAAAAAAAA")
                .write_as(class, ID, None);
            assert_eq!(world.knock(from, &message), Outcome::Drop(DropReason::NotARequest));
        }
    }
    let data = Request::bare(Method::DATA).peer(from).with(AttributeType::DATA, b"x");
    let outcome = world.knock(from, &data.write_as(Class::Indication, ID, None));
    assert_eq!(outcome, Outcome::Drop(DropReason::NotARequest));
}

#[test]
fn row_72_what_a_relay_says_to_a_relay_ends_there() {
    let mut world = World::new(3);
    // The answer that one relay would send to another in whose name it was asked.
    for request in [Request::bare(Method::BINDING), Request::allocate()] {
        let Outcome::Reply(reply) = world.knock("198.18.5.1:5000".parse().unwrap(), &request.write(ID, None))
        else {
            panic!("a stranger is answered");
        };
        let outcome = world.knock("198.18.5.2:5000".parse().unwrap(), &reply);
        assert_eq!(outcome, Outcome::Drop(DropReason::NotARequest));
    }
}

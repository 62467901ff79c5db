//! A port that TURN shares with QUIC and DTLS: who is meant by a first byte, for strangers and for those who
//! hold an allocation. RFC 7983, RFC 9443.

use sim::{DropReason, Owner, Side, World};

#[test]
fn a_stranger_speaks_stun_dtls_or_quic() {
    let mut world = World::new(1);
    let from = "198.18.5.1:5000".parse().unwrap();
    for first in 0..=255_u8 {
        let expected = match first {
            0..=3 => Owner::Turn,
            20..=63 => Owner::Dtls,
            64..=127 | 192..=255 => Owner::Quic,
            _ => Owner::Nobody(DropReason::NotStun),
        };
        assert_eq!(world.owner(from, &[first; 20]), expected, "{first}");
    }
    assert_eq!(world.owner(from, &[]), Owner::Nobody(DropReason::NotStun));
}

#[test]
fn who_holds_an_allocation_means_its_channels_until_it_ends() {
    let mut world = World::new(2);
    let alice = world.person(1, Side::A);
    let from = world.address(alice);
    assert_eq!(world.owner(from, &[0x40, 0, 0, 0]), Owner::Quic);
    world.allocate(alice);
    for first in 64..=79 {
        assert_eq!(world.owner(from, &[first, 0, 0, 0]), Owner::Turn);
    }
    assert_eq!(world.owner(from, &[80, 0, 0, 0]), Owner::Quic);
    // The neighbour behind the same NAT holds none.
    let mut neighbour = from;
    neighbour.set_port(from.port() ^ 1);
    assert_eq!(world.owner(neighbour, &[0x40, 0, 0, 0]), Owner::Quic);
    world.end_session(1);
    assert_eq!(world.owner(from, &[0x40, 0, 0, 0]), Owner::Quic);
}

#[test]
fn nobody_hears_from_whom_nobody_should_answer() {
    let mut world = World::new(3);
    for from in ["198.18.5.1:0", "198.18.5.1:53", "0.0.0.0:5000", "224.0.0.1:5000"] {
        for datagram in [[0xc0; 1_200], [22; 1_200]] {
            let owner = world.owner(from.parse().unwrap(), &datagram);
            assert_eq!(owner, Owner::Nobody(DropReason::HopelessSource), "{from}");
        }
    }
}

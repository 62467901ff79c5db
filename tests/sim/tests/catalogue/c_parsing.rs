//! C. Parsing: what becomes of bytes that are no legal message, from strangers and from those who talk.

use std::cell::RefCell;

use sim::{ClientId, DropReason, Heard, Outcome, PeerPolicy, Request, Side, World};
use stun_wire::{AttributeType, Class, Method, TransactionId};

use self::Made::{Answered, Lost, Reaches};
use crate::people::{WAYS, holder, setup};
use crate::table;

table! { run;
    row_45_every_truncation => (0..long().len()).map(|end| {
        let reason = if end == 0 { DropReason::NotStun } else { DropReason::BadMessage };
        Case::dropped(long()[..end].to_vec(), reason)
    });
    row_46_lengths_that_disagree => LENGTHS.map(|length| {
        let mut message = long();
        message[2..4].copy_from_slice(&length.to_be_bytes());
        Case::dropped(message, DropReason::BadMessage)
    });
    row_47_attributes_past_the_end => [
        &[0x80, 0x22, 0xFF, 0xFF][..],
        &[0x80, 0x22, 0, 5, 1, 2, 3, 4],
        &[0x80, 0x22, 0, 1],
        &[0x80, 0x22],
        &[0x80, 0x22, 0, 1, 7],
        &[0x80, 0x22, 0, 0].repeat(65),
        &[0x80, 0x22, 0, 0].repeat(16_000),
    ].map(|attributes| Case::dropped(binding(attributes), DropReason::BadMessage));
    row_49_every_first_byte => (0..=255).map(|first| {
        let mut datagram = vec![0xA5; 64];
        datagram[0] = first;
        match first {
            0..=3 => Case::dropped(datagram, DropReason::BadMessage),
            64..=127 => Case::new(datagram, Lost(DropReason::NoAllocation), Lost(DropReason::BadChannelData)),
            _ => Case::dropped(datagram, DropReason::NotStun),
        }
    });
    row_49_data_of_strangers => [
        (vec![0x40, 1, 0, 1, b'x', 0, 0, 0], DropReason::ChannelUnbound),
        (send(), DropReason::NoRoute),
    ].map(|(datagram, reason)| Case::new(datagram, Lost(DropReason::NoAllocation), Lost(reason)));
    row_50_wrong_cookies => (4..8).map(|at| {
        let mut message = long();
        message[at] ^= 1;
        Case::dropped(message, DropReason::BadMessage)
    });
    row_51_fingerprints_that_are_wrong_or_not_last => [
        &[0x80, 0x28, 0, 4, 1, 2, 3, 4][..],
        &[0x80, 0x28, 0, 4, 1, 2, 3, 4, 0x80, 0x22, 0, 0],
        &[0x80, 0x28, 0, 4, 1, 2, 3, 4, 0x80, 0x28, 0, 4, 1, 2, 3, 4],
        &[0x80, 0x28, 0, 0],
    ].map(|attributes| Case::dropped(binding(attributes), DropReason::BadMessage));
    row_53_every_class_of_every_method =>
        (0..0x1000).flat_map(|number| CLASSES.map(|class| of(class, number)));
    row_58_channel_data_of_every_length => [
        (&[0x40, 0, 0, 2, b'a', b'b', 0, 0][..], Reaches(b"ab")),
        (&[0x40, 0, 0, 0], Reaches(b"")),
        (&[0x40, 0, 0, 5, b'a', b'b', 0, 0], Lost(DropReason::BadChannelData)),
        (&[0x40, 0, 0xFF, 0xFF, b'a', b'b', 0, 0], Lost(DropReason::BadChannelData)),
        (&[0x40, 0, 0], Lost(DropReason::BadChannelData)),
        (&[0x40], Lost(DropReason::BadChannelData)),
    ].map(|(datagram, made)| Case::new(datagram.to_vec(), Lost(DropReason::NoAllocation), made));
}

/// A datagram, or a frame of a stream, and what becomes of it.
struct Case {
    datagram: Vec<u8>,
    of_stranger: Made,
    of_holder: Made,
}

#[derive(Clone, Copy, Debug)]
enum Made {
    Lost(DropReason),
    Answered,
    /// This reaches the holder's partner.
    Reaches(&'static [u8]),
}

impl Case {
    const fn new(datagram: Vec<u8>, of_stranger: Made, of_holder: Made) -> Self {
        Self { datagram, of_stranger, of_holder }
    }

    const fn dropped(datagram: Vec<u8>, reason: DropReason) -> Self {
        Self::new(datagram, Lost(reason), Lost(reason))
    }
}

thread_local! {
    /// The tables are long: those who talk in them are the same for all rows.
    static TALKING: RefCell<Vec<Talking>> = RefCell::new(WAYS.map(Talking::begin).into());
}

fn run(case: &Case) {
    TALKING.with_borrow_mut(|all| {
        for talking in all {
            let strangers =
                ["198.18.99.1:5000", "[2001:db8:77::1]:5000"].map(|it| it.parse().expect("an address"));
            for stranger in strangers {
                talking.check(stranger, &case.datagram, case.of_stranger);
            }
            let holder = talking.world.address(talking.holder);
            talking.check(holder, &case.datagram, case.of_holder);
        }
    });
}

/// Two partners, the first with a channel to the second.
struct Talking {
    world: World,
    holder: ClientId,
    partner: ClientId,
}

impl Talking {
    fn begin(way: crate::people::Way) -> Self {
        let mut world = World::with(setup(1));
        let [holder, partner] =
            [Side::A, Side::B].map(|side| holder(&mut world, PeerPolicy::Partner, way, (1, side), 1));
        let [from, to] = [world.relayed(holder), world.relayed(partner)];
        world.bind(holder, 0x4000, to);
        world.bind(partner, 0x4000, from);
        world.settle();
        Self { world, holder, partner }
    }

    fn check(&mut self, from: std::net::SocketAddr, datagram: &[u8], made: Made) {
        let outcome = self.world.knock(from, datagram);
        let what = &datagram[..datagram.len().min(24)];
        let expected: &[Heard] = match made {
            Lost(reason) => {
                assert_eq!(outcome, Outcome::Drop(reason), "{what:x?}");
                &[]
            }
            Answered => {
                assert!(matches!(outcome, Outcome::Reply(_)), "{what:x?}");
                &[]
            }
            Reaches(payload) => &[Heard::channel(0x4000, payload)],
        };
        assert_eq!(self.world.heard(self.partner), expected, "{what:x?}");
        assert_eq!(self.world.relay().counters().allocations, 2);
    }
}

fn of(class: Class, number: u16) -> Case {
    let method = Method::new(number);
    let datagram = Request::bare(method).write_as(class, ID, None);
    let unproved =
        [Method::ALLOCATE, Method::REFRESH, Method::CREATE_PERMISSION, Method::CHANNEL_BIND, Method::CONNECT];
    match (class, method) {
        // RFC 7983 leaves STUN the first bytes 0 to 3, which is all methods that exist.
        _ if number >= 0x100 => Case::dropped(datagram, DropReason::NotStun),
        (Class::Request, Method::BINDING) => Case::new(datagram, Answered, Answered),
        (Class::Request, _) if unproved.contains(&method) => {
            Case::dropped(datagram, DropReason::Unauthenticated)
        }
        // It depends on the way: section D has it.
        (Class::Request, Method::CONNECTION_BIND) => Case::dropped(Vec::new(), DropReason::NotStun),
        (Class::Indication, Method::SEND) => {
            Case::new(datagram, Lost(DropReason::NoAllocation), Lost(DropReason::BadMessage))
        }
        _ => Case::dropped(datagram, DropReason::NotARequest),
    }
}

fn long() -> Vec<u8> {
    let long = Request::refresh(0).with(AttributeType::SOFTWARE, &[b'x'; 200]).write(ID, None);
    assert!(long.len() > 200);
    long
}

/// A Binding request with these bytes behind its header.
fn binding(attributes: &[u8]) -> Vec<u8> {
    let mut message = Request::bare(Method::BINDING).write(ID, None);
    message.extend(attributes);
    let length = u16::try_from(attributes.len()).expect("what fits a datagram");
    message[2..4].copy_from_slice(&length.to_be_bytes());
    message
}

fn send() -> Vec<u8> {
    let peer = crate::people::own(1, 5000);
    Request::bare(Method::SEND).peer(peer).with(AttributeType::DATA, b"x").write_as(
        Class::Indication,
        ID,
        None,
    )
}

const ID: TransactionId = TransactionId([1; 12]);

const CLASSES: [Class; 4] = [Class::Request, Class::Indication, Class::Success, Class::Error];

const LENGTHS: [u16; 9] = [0, 4, 203, 205, 0x1000, 0xFFEC, 0xFFF0, 0xFFFC, 0xFFFF];

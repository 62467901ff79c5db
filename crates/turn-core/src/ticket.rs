//! Mobility tickets: what a client shows to take its allocation along to another 5-tuple. They name
//! the relayed
//! addresses, for the server only. Not whose they are, which the allocation knows. RFC 8016 §3, §5.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::ZeroizeOnDrop;

/// The key that all workers of one appliance seal tickets with, made anew at every start: a ticket means
/// nothing to any other server, nor to this one when it comes back.
#[derive(Clone, ZeroizeOnDrop)]
pub struct TicketKey([u8; 32]);

impl TicketKey {
    /// A key from 32 random bytes.
    pub const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// A ticket for the allocations with these ports; `serial` is random and tells it from all others.
    pub(crate) fn seal(&self, serial: Serial, ports: Ports) -> [u8; TEXT_BYTES] {
        //= RFC 8016 §5: "The TURN server MUST always ensure that the ticket is authenticated and encrypted
        //= using strong cryptographic algorithms to prevent modification or eavesdropping by an attacker"
        let mut ticket = [0; TICKET_BYTES];
        ticket[..SERIAL_BYTES].copy_from_slice(&serial);
        let [first, second] = ports.map(u16::to_be_bytes);
        ticket[SERIAL_BYTES..SEALED_BYTES].copy_from_slice(&[first[0], first[1], second[0], second[1]]);
        self.mask(&mut ticket);
        let mac = self.mac(b'm', &ticket[..SEALED_BYTES]).finalize().into_bytes();
        ticket[SEALED_BYTES..].copy_from_slice(&mac[..MAC_BYTES]);
        let mut text = [0; TEXT_BYTES];
        URL_SAFE_NO_PAD.encode_slice(ticket, &mut text).expect("four letters for three bytes");
        text
    }

    /// What is in a ticket of this server; `None` for everything else.
    pub(crate) fn open(&self, value: &[u8]) -> Option<(Serial, Ports)> {
        let text = <[u8; TEXT_BYTES]>::try_from(value).ok()?;
        let mut ticket = [0; TICKET_BYTES];
        URL_SAFE_NO_PAD.decode_slice(text, &mut ticket).ok()?;
        let mac = self.mac(b'm', &ticket[..SEALED_BYTES]);
        mac.verify_truncated_left(&ticket[SEALED_BYTES..]).ok()?;
        self.mask(&mut ticket);
        let port = |at: usize| u16::from_be_bytes([ticket[at], ticket[at + 1]]);
        let serial = *ticket.first_chunk().expect("a ticket is longer than its serial");
        Some((serial, [port(SERIAL_BYTES), port(SERIAL_BYTES + 2)]))
    }

    /// Hides the ports, or shows them again.
    fn mask(&self, ticket: &mut [u8; TICKET_BYTES]) {
        let stream = self.mac(b'p', &ticket[..SERIAL_BYTES]).finalize().into_bytes();
        for (byte, mask) in ticket[SERIAL_BYTES..SEALED_BYTES].iter_mut().zip(stream) {
            *byte ^= mask;
        }
    }

    fn mac(&self, purpose: u8, bytes: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(&[purpose]);
        mac.update(bytes);
        mac
    }
}

/// Tells a ticket from all others of its server. Does not print.
pub(crate) type Serial = [u8; SERIAL_BYTES];

/// The ports of a client's relayed addresses; where it has one, the second is 0.
pub(crate) type Ports = [u16; 2];

const SERIAL_BYTES: usize = 8;

/// Serial, and the ports behind a mask.
const SEALED_BYTES: usize = SERIAL_BYTES + 4;

const MAC_BYTES: usize = 12;

const TICKET_BYTES: usize = SEALED_BYTES + MAC_BYTES;

/// In base64url: coturn's client keeps a ticket as a C string of at most 32 letters.
const TEXT_BYTES: usize = TICKET_BYTES / 3 * 4;

const _: () = assert!(TICKET_BYTES.is_multiple_of(3) && TEXT_BYTES <= 32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_43_a_ticket_opens_for_its_server_only_and_whole_only() {
        let (key, other) = (TicketKey::new([1; 32]), TicketKey::new([2; 32]));
        let ticket = key.seal([7; SERIAL_BYTES], [5000, 0]);
        assert_eq!(key.open(&ticket), Some(([7; SERIAL_BYTES], [5000, 0])));
        assert_eq!(other.open(&ticket), None);
        for bit in 0..TEXT_BYTES * 8 {
            let mut forged = ticket;
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.open(&forged), None, "bit {bit}");
        }
        for length in 0..TEXT_BYTES {
            assert_eq!(key.open(&ticket[..length]), None);
        }
        assert_eq!(key.open(&[&ticket[..], &[0]].concat()), None);
    }

    #[test]
    fn a_ticket_does_not_show_what_it_names() {
        let key = TicketKey::new([3; 32]);
        let [one, two] = [1, 2].map(|n| key.seal([n; SERIAL_BYTES], [5000, 5001]));
        let hidden = |ticket: &[u8; TEXT_BYTES]| {
            let raw = URL_SAFE_NO_PAD.decode(ticket).expect("base64url");
            raw[SERIAL_BYTES..SEALED_BYTES].to_vec()
        };
        assert!(hidden(&one) != hidden(&two) && hidden(&one) != [0x13, 0x88, 0x13, 0x89]);
    }
}

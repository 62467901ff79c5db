//! What passes before anything is kept: a ClientHello, read as far as the answer needs it, and the
//! HelloVerifyRequest or alert in reply. Not the handshake. RFC 6347 §4.2.1.

/// A ClientHello in one datagram and one record.
//= RFC 6347 §4.2.1: "The DTLS server SHOULD generate cookies in such a way that they can be verified without
//= retaining any per-client state on the server"
// So a ClientHello in pieces cannot be put together, and is not answered.
pub(super) struct ClientHello<'a> {
    datagram: &'a [u8],
    /// Whether the client can speak DTLS 1.2.
    pub(super) is_new_enough: bool,
    pub(super) random: &'a [u8; 32],
    pub(super) cookie: &'a [u8],
    suites: &'a [u8],
}

impl<'a> ClientHello<'a> {
    /// Nothing for what is no whole ClientHello.
    pub(super) fn parse(datagram: &'a [u8]) -> Option<Self> {
        let mut rest = Reader(datagram);
        let (kind, [major, minor]) = (rest.u8()?, *rest.array()?);
        let (epoch, sequence) = (rest.u16()?, rest.array::<6>()?);
        // RFC 6347 §4.2.1 lets the first record say version 1.0.
        if kind != HANDSHAKE || major != 0xFE || !matches!(minor, 0xFF | 0xFD) || epoch != 0 {
            return None;
        }
        let length = usize::from(rest.u16()?);
        let kind = rest.u8()?;
        let (whole, number) = (rest.u24()?, rest.u16()?);
        let (offset, fragment) = (rest.u24()?, rest.u24()?);
        let is_whole = offset == 0 && fragment == whole && length == rest.0.len() + MESSAGE_HEADER_BYTES;
        if kind != CLIENT_HELLO || !is_whole || whole != rest.0.len() {
            return None;
        }
        let [major, minor] = *rest.array()?;
        // Versions count downwards, and that of 1.3 stands in an extension.
        let is_new_enough = major == 0xFE && minor <= 0xFD;
        let random = rest.array()?;
        rest.of_u8()?;
        let cookie = rest.of_u8()?;
        let length = usize::from(rest.u16()?);
        let suites = rest.take(length)?;
        // A cookie answers the one verify request that there is, in the message and a record after it.
        let is_in_order = cookie.is_empty() || (number == 1 && *sequence != [0; 6]);
        is_in_order.then_some(Self { datagram, is_new_enough, random, cookie, suites })
    }

    /// Whether a datagram begins with a ClientHello that is not encrypted; it may be a bad one.
    pub(super) fn begins(datagram: &[u8]) -> bool {
        datagram.first() == Some(&HANDSHAKE)
            && datagram.get(3..5) == Some(&[0, 0])
            && datagram.get(RECORD_HEADER_BYTES) == Some(&CLIENT_HELLO)
    }

    /// As it came.
    pub(super) const fn datagram(&self) -> &'a [u8] {
        self.datagram
    }

    /// Whether the client knows a cipher suite, by its number.
    pub(super) fn offers(&self, suite: u16) -> bool {
        self.suites.chunks_exact(2).any(|offered| offered == suite.to_be_bytes())
    }

    /// The ClientHello that the client must have sent first: the same, as number 0, without the cookie.
    pub(super) fn before_the_cookie(&self) -> Vec<u8> {
        let session = RECORD_HEADER_BYTES + MESSAGE_HEADER_BYTES + 2 + 32;
        let cookie = session + 1 + usize::from(self.datagram[session]);
        let body = [&self.datagram[RECORD_HEADER_BYTES + MESSAGE_HEADER_BYTES..cookie], &[0]].concat();
        let body = [&body[..], &self.datagram[cookie + 1 + self.cookie.len()..]].concat();
        let length = u16::try_from(body.len()).expect("shorter than a datagram");
        let mut hello = record_header(HANDSHAKE, 0, length + MESSAGE_HEADER_BYTES as u16);
        message_header(&mut hello, CLIENT_HELLO, length);
        hello.extend_from_slice(&body);
        hello
    }
}

/// The answer to a ClientHello without a good cookie.
//= RFC 6347 §4.2.1: "DTLS 1.2 server implementations SHOULD use DTLS version 1.0 regardless of the version of
//= TLS that is expected to be negotiated"
pub(super) fn verify_request(cookie: &[u8; 32]) -> Vec<u8> {
    let length = 3 + cookie.len() as u16;
    let mut request = record_header(HANDSHAKE, 0, length + MESSAGE_HEADER_BYTES as u16);
    message_header(&mut request, HELLO_VERIFY_REQUEST, length);
    request.extend_from_slice(&[0xFE, 0xFF, cookie.len() as u8]);
    request.extend_from_slice(cookie);
    request
}

/// Tells a client that it and we have no version in common: it need not wait and ask again.
pub(super) fn version_alert() -> Vec<u8> {
    alert(0, PROTOCOL_VERSION)
}

/// Tells a client that has had its cookie that there is no handshake for it.
pub(super) fn handshake_alert() -> Vec<u8> {
    alert(1, HANDSHAKE_FAILURE)
}

fn alert(number: u8, description: u8) -> Vec<u8> {
    let mut alert = record_header(ALERT, number, 2);
    alert.extend_from_slice(&[FATAL, description]);
    alert
}

/// Of a record in the clear.
fn record_header(kind: u8, number: u8, length: u16) -> Vec<u8> {
    let [high, low] = length.to_be_bytes();
    vec![kind, 0xFE, 0xFF, 0, 0, 0, 0, 0, 0, 0, number, high, low]
}

/// Of the first message, whole.
fn message_header(out: &mut Vec<u8>, kind: u8, length: u16) {
    let [high, low] = length.to_be_bytes();
    out.extend_from_slice(&[kind, 0, high, low, 0, 0, 0, 0, 0, 0, high, low]);
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| *byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().copied().map(u16::from_be_bytes)
    }

    fn u24(&mut self) -> Option<usize> {
        self.array().map(|&[high, middle, low]| u32::from_be_bytes([0, high, middle, low]) as usize)
    }

    fn of_u8(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.u8()?);
        self.take(length)
    }
}

const ALERT: u8 = 21;
const FATAL: u8 = 2;
const HANDSHAKE_FAILURE: u8 = 40;
const PROTOCOL_VERSION: u8 = 70;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const HELLO_VERIFY_REQUEST: u8 = 3;
const RECORD_HEADER_BYTES: usize = 13;
const MESSAGE_HEADER_BYTES: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    /// A ClientHello with a session, this cookie, two suites, and two bytes of extensions that say none.
    fn hello(number: u8, cookie: &[u8]) -> Vec<u8> {
        let mut body = vec![0xFE, 0xFD];
        body.extend_from_slice(&[7; 32]);
        body.extend_from_slice(&[3, 1, 2, 3, cookie.len() as u8]);
        body.extend_from_slice(cookie);
        body.extend_from_slice(&[0, 4, 0xCC, 0xA9, 0xC0, 0x2B, 1, 0, 0, 0]);
        let mut hello = record_header(HANDSHAKE, number, (body.len() + MESSAGE_HEADER_BYTES) as u16);
        message_header(&mut hello, CLIENT_HELLO, body.len() as u16);
        hello[RECORD_HEADER_BYTES + 5] = number;
        hello.extend_from_slice(&body);
        hello
    }

    #[test]
    fn a_hello_is_read_and_its_first_form_found() {
        let (first, second) = (hello(0, &[]), hello(1, &[9; 32]));
        let read = ClientHello::parse(&second).unwrap();
        assert_eq!((read.random, read.cookie), (&[7; 32], &[9; 32][..]));
        assert!(read.offers(0xCCA9) && read.offers(0xC02B) && !read.offers(0xA9C0));
        assert_eq!(read.before_the_cookie(), first);
        assert_eq!(ClientHello::parse(&first).unwrap().before_the_cookie(), first);
        assert!(ClientHello::begins(&first));
    }

    #[test]
    fn what_is_cut_longer_or_in_pieces_is_none() {
        let whole = hello(1, &[9; 32]);
        for length in 0..whole.len() {
            assert!(ClientHello::parse(&whole[..length]).is_none(), "{length}");
        }
        assert!(ClientHello::parse(&[&whole[..], &[0]].concat()).is_none());
        for at in [0, 1, 2, 3, 4, RECORD_HEADER_BYTES, RECORD_HEADER_BYTES + 8] {
            let mut other = whole.clone();
            other[at] ^= 0x10;
            assert!(ClientHello::parse(&other).is_none(), "{at}");
        }
    }

    #[test]
    fn old_versions_are_known() {
        for (version, is_new_enough) in
            [([0xFE, 0xFF], false), ([0xFE, 0xFD], true), ([0xFE, 0xFC], true), ([3, 3], false)]
        {
            let mut hello = hello(0, &[]);
            hello[RECORD_HEADER_BYTES + MESSAGE_HEADER_BYTES..][..2].copy_from_slice(&version);
            assert_eq!(ClientHello::parse(&hello).unwrap().is_new_enough, is_new_enough);
        }
        assert!(version_alert().len() < verify_request(&[0; 32]).len());
    }

    #[test]
    fn a_cookie_that_nobody_can_have_given_is_none() {
        for number in [0, 2] {
            let mut other = hello(1, &[9; 32]);
            other[RECORD_HEADER_BYTES + 5] = number;
            assert!(ClientHello::parse(&other).is_none());
        }
        assert!(ClientHello::parse(&hello(0, &[9; 32])).is_none());
    }

    #[test]
    fn a_verify_request_is_shorter_than_any_hello() {
        let shortest = RECORD_HEADER_BYTES + MESSAGE_HEADER_BYTES + 2 + 32 + 1 + 1 + 2;
        assert!(verify_request(&[0; 32]).len() <= shortest + 1, "the hello's suites are at least two bytes");
        assert_eq!(verify_request(&[0; 32]).len(), 60);
    }
}

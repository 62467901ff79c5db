//! The PROXY protocol, versions 1 and 2: whose connection it is that a proxy passes on.
//!
//! Whether who connects is a proxy to be believed is the listener's to know. What a proxy tells besides the
//! client's address is read over. HAProxy, "The PROXY protocol", 2.2 and 2.3 are the numbers of its sections.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::limits::PROXY_HEADER_BYTES_MAX;

/// Reads the header, and not a byte of what follows it. Gives the client's address, or nothing where the
/// proxy speaks for itself, as it does to see whether we live.
///
/// # Errors
///
/// `InvalidData`: there is no header, or none that can be understood. Else the stream's.
pub(crate) async fn read_header(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    // No header of either version is shorter than version 2's signature.
    let mut start = [0; SIGNATURE.len()];
    stream.read_exact(&mut start).await?;
    if start == SIGNATURE {
        return read_version_2(stream).await;
    }
    if !start.starts_with(b"PROXY ") {
        return Err(invalid());
    }
    // 2.1: the line ends with CR and LF and has 107 bytes at the most. Only its end tells where it ends.
    let mut line = Vec::with_capacity(LINE_BYTES_MAX);
    line.extend_from_slice(&start);
    while !line.ends_with(b"\r\n") {
        if line.len() == LINE_BYTES_MAX {
            return Err(invalid());
        }
        line.push(stream.read_u8().await?);
    }
    let line = line.strip_suffix(b"\r\n").and_then(|line| std::str::from_utf8(line).ok());
    version_1(line.ok_or_else(invalid)?).ok_or_else(invalid)
}

async fn read_version_2(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let mut fixed = [0; 4];
    stream.read_exact(&mut fixed).await?;
    let [version_and_command, family, length @ ..] = fixed;
    let length = usize::from(u16::from_be_bytes(length));
    if length > PROXY_HEADER_BYTES_MAX {
        return Err(invalid());
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    match (version_and_command, family) {
        (LOCAL, _) | (PROXY, UNSPECIFIED) => Ok(None),
        (PROXY, TCP_OVER_IPV4) => rest.first_chunk().map(ipv4).map(Some).ok_or_else(invalid),
        (PROXY, TCP_OVER_IPV6) => rest.first_chunk().map(ipv6).map(Some).ok_or_else(invalid),
        _ => Err(invalid()),
    }
}

/// The words of a line without its end: nothing if it is none, and no address if the proxy knows none.
fn version_1(line: &str) -> Option<Option<SocketAddr>> {
    let words: Vec<_> = line.splitn(7, ' ').collect();
    let (family, source, destination, source_port, destination_port) = match words[..] {
        ["PROXY", "UNKNOWN", ..] => return Some(None),
        ["PROXY", family, source, destination, source_port, destination_port] => {
            (family, source, destination, source_port, destination_port)
        }
        _ => return None,
    };
    let address = |text: &str| match family {
        "TCP4" => text.parse().map(IpAddr::V4).ok(),
        "TCP6" => text.parse().map(IpAddr::V6).ok(),
        _ => None,
    };
    let port = |text: &str| {
        let is_plain =
            text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        text.parse::<u16>().ok().filter(|_| is_plain)
    };
    let (source, source_port) = (address(source)?, port(source_port)?);
    address(destination)?;
    port(destination_port)?;
    Some(Some(SocketAddr::new(source.to_canonical(), source_port)))
}

/// 2.2: source, destination, source port, destination port.
fn ipv4(addresses: &[u8; 12]) -> SocketAddr {
    let [a, b, c, d, _, _, _, _, high, low, _, _] = *addresses;
    SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes([high, low]))
}

fn ipv6(addresses: &[u8; 36]) -> SocketAddr {
    let (source, rest) = addresses.split_first_chunk::<16>().expect("16 of 36 bytes");
    let port = u16::from_be_bytes([rest[16], rest[17]]);
    SocketAddr::new(IpAddr::V6(Ipv6Addr::from(*source)).to_canonical(), port)
}

fn invalid() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
const LINE_BYTES_MAX: usize = 107;
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const UNSPECIFIED: u8 = 0x00;
const TCP_OVER_IPV4: u8 = 0x11;
const TCP_OVER_IPV6: u8 = 0x21;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_versions_tell_the_client_and_leave_what_follows() {
        for (header, client) in headers() {
            let bytes = [&header[..], b"what follows"].concat();
            let mut stream = &bytes[..];
            assert_eq!(read_header(&mut stream).await.unwrap(), client, "{header:?}");
            assert_eq!(stream, b"what follows");
        }
    }

    #[tokio::test]
    async fn a_header_in_any_pieces_is_the_same_and_one_cut_short_is_none() {
        for (header, client) in headers() {
            for cut in 0..header.len() {
                let (start, end) = header.split_at(cut);
                let mut whole = start.chain(end);
                assert_eq!(read_header(&mut whole).await.unwrap(), client);
                let error = read_header(&mut &start[..]).await.unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            }
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        let long = [&b"PROXY UNKNOWN "[..], &[b'a'; 120], b"\r\n"].concat();
        let v2 = |rest: &[u8]| [&SIGNATURE[..], rest].concat();
        for bytes in [
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and so on".to_vec(),
            b"PROXY TCP4 203.0.113.5 198.51.100.1 40000 443 1\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.5 198.51.100.1 40000\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.5 198.51.100.1 040000 443\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.5 198.51.100.1 +4000 443\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.5 198.51.100.1 65536 443\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.05 198.51.100.1 40000 443\r\n".to_vec(),
            b"PROXY TCP4 2001:db8::5 198.51.100.1 40000 443\r\n".to_vec(),
            b"PROXY TCP6 203.0.113.5 2001:db8::1 40000 443\r\n".to_vec(),
            b"PROXY  TCP4 203.0.113.5 198.51.100.1 40000 443\r\n".to_vec(),
            b"PROXY UDP4 203.0.113.5 198.51.100.1 40000 443\r\n".to_vec(),
            b"PROXY TCP4 \xff03.0.113.5 198.51.100.1 40000 443\r\n".to_vec(),
            b"proxy TCP4 203.0.113.5 198.51.100.1 40000 443\r\n".to_vec(),
            long,
            v2(&[0x11, 0x11, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
            v2(&[0x22, 0x11, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
            v2(&[0x21, 0x12, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
            v2(&[0x21, 0x11, 0, 11, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
            v2(&[0x21, 0x21, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
            v2(&[0x21, 0x11, 0xff, 0xff]),
        ] {
            let error = read_header(&mut &bytes[..]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn damaged_headers_have_an_outcome() {
        let mut state = 1_u64;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize
        };
        for _ in 0..20_000 {
            for (mut header, _) in headers() {
                for _ in 0..=random() % 3 {
                    let at = random() % header.len();
                    header[at] = random() as u8;
                }
                header.truncate(random() % (header.len() + 1));
                // Whatever it is, it neither panics nor waits for more than there is.
                let _ = read_header(&mut &header[..]).await;
            }
        }
    }

    fn headers() -> Vec<(Vec<u8>, Option<SocketAddr>)> {
        let v4 = Some("203.0.113.5:40000".parse().unwrap());
        let v6 = Some("[2001:db8::5]:40000".parse().unwrap());
        let v2 = |command: u8, family: u8, parts: &[&[u8]]| {
            let rest = parts.concat();
            let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
            [&SIGNATURE[..], &[command, family], &length, &rest].concat()
        };
        let ipv4: &[u8] = &[203, 0, 113, 5, 198, 51, 100, 1, 0x9c, 0x40, 1, 187];
        let source = "2001:db8::5".parse::<Ipv6Addr>().unwrap().octets();
        let mapped = "::ffff:203.0.113.5".parse::<Ipv6Addr>().unwrap().octets();
        let ports: &[u8] = &[0x9c, 0x40, 1, 187];
        let tlv: &[u8] = &[4, 0, 2, 1, 2];
        vec![
            (b"PROXY TCP4 203.0.113.5 198.51.100.1 40000 443\r\n".to_vec(), v4),
            (b"PROXY TCP6 2001:db8::5 2001:db8::1 40000 443\r\n".to_vec(), v6),
            (b"PROXY TCP6 ::ffff:203.0.113.5 2001:db8::1 40000 443\r\n".to_vec(), v4),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN 2001:db8::5 2001:db8::1 40000 443\r\n".to_vec(), None),
            (v2(PROXY, TCP_OVER_IPV4, &[ipv4]), v4),
            (v2(PROXY, TCP_OVER_IPV4, &[ipv4, tlv]), v4),
            (v2(PROXY, TCP_OVER_IPV6, &[&source, &source, ports, tlv]), v6),
            (v2(PROXY, TCP_OVER_IPV6, &[&mapped, &source, ports]), v4),
            (v2(PROXY, UNSPECIFIED, &[tlv]), None),
            (v2(LOCAL, UNSPECIFIED, &[]), None),
            (v2(LOCAL, TCP_OVER_IPV4, &[ipv4]), None),
        ]
    }
}

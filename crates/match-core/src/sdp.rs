//! The gate for a session description (RFC 8866, RFC 8829): what remains asks for encrypted media only and
//! holds no address but those of its candidates.
//!
//! It is an allow-list: an attribute it does not know is left out. It is not a validator; a browser will
//! still refuse much of what passes.

use std::hash::Hasher;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::candidate::{is_ice_chars, number, rewritten};
use crate::gate::BadPayload;
use crate::ids::SessionId;
use crate::limits::{CANDIDATES_MAX, SDP_LINE_BYTES_MAX, SDP_LINES_MAX, SDP_MEDIA_MAX};

/// A description that has been written anew.
#[derive(Default, PartialEq, Eq)]
pub(crate) struct Normalised {
    pub(crate) sdp: String,
    pub(crate) candidates: u32,
    /// Whether any candidate tells where its sender is.
    pub(crate) is_exposing: bool,
}

/// Rewrites a description, or says why it may not pass.
///
/// Stream and track names are replaced by aliases keyed with the session: a page that keeps its camera over
/// many sessions would otherwise show the same names to each partner.
pub(crate) fn normalised(sdp: &str, session: &SessionId) -> Result<Normalised, BadPayload> {
    let lines = sdp.strip_suffix("\r\n").ok_or(BadPayload::Description)?.split("\r\n");
    let out = Normalised { sdp: String::with_capacity(sdp.len()), ..Normalised::default() };
    let mut out = Normaliser { session, out, sections: Vec::new() };
    for (i, line) in lines.enumerate() {
        if i >= SDP_LINES_MAX {
            return Err(BadPayload::TooManyLines);
        }
        let printable =
            line.len() <= SDP_LINE_BYTES_MAX && line.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let Some((kind, value)) = line.split_once('=').filter(|_| printable) else {
            // A session name may hold anything; it is replaced, but not across lines.
            if line.starts_with("s=") && !line.contains(char::is_control) {
                out.line("s=-");
                continue;
            }
            return Err(BadPayload::Description);
        };
        if (i == 0) != (kind == "v") {
            return Err(BadPayload::Description);
        }
        out.handle(kind, value)?;
    }
    out.finish()
}

/// What a media section has shown so far; the first one stands for the lines before any.
#[derive(Default)]
struct Section {
    /// Port 0: rejected, or bundled into another.
    is_idle: bool,
    has_fingerprint: bool,
}

struct Normaliser<'a> {
    session: &'a SessionId,
    out: Normalised,
    sections: Vec<Section>,
}

impl Normaliser<'_> {
    fn handle(&mut self, kind: &str, value: &str) -> Result<(), BadPayload> {
        match kind {
            "v" if value == "0" => {
                self.sections.push(Section::default());
                self.line("v=0");
            }
            "o" => {
                let mut fields = value.split(' ').skip(1);
                let (id, version) = (fields.next().unwrap_or(""), fields.next().unwrap_or(""));
                if !is_digits(id) || !is_digits(version) {
                    return Err(BadPayload::Description);
                }
                self.line(&format!("o=- {id} {version} IN IP4 0.0.0.0"));
            }
            "s" => self.line("s=-"),
            "t" => self.line("t=0 0"),
            "c" => self.line("c=IN IP4 0.0.0.0"),
            "b" => {
                let (name, amount) = value.split_once(':').ok_or(BadPayload::Description)?;
                if !name.bytes().all(|byte| byte.is_ascii_alphabetic()) || !is_digits(amount) {
                    return Err(BadPayload::Description);
                }
                self.line(&format!("b={value}"));
            }
            "m" => return self.handle_media(value),
            "a" => {
                let (name, value) =
                    value.split_once(':').map_or((value, None), |(name, value)| (name, Some(value)));
                return self.handle_attribute(name, value);
            }
            "k" => return Err(BadPayload::Crypto),
            "i" | "u" | "e" | "p" | "r" | "z" => {}
            _ => return Err(BadPayload::Description),
        }
        Ok(())
    }

    fn handle_media(&mut self, value: &str) -> Result<(), BadPayload> {
        if self.sections.len() > SDP_MEDIA_MAX {
            return Err(BadPayload::TooManyLines);
        }
        let mut fields = value.splitn(4, ' ');
        let mut next = || fields.next().ok_or(BadPayload::Description);
        let (media, port, profile, formats) = (next()?, next()?, next()?, next()?);
        let formats_are_good = match (media, profile) {
            ("audio" | "video", "UDP/TLS/RTP/SAVPF") => {
                formats.split(' ').all(|format| number(format, 127).is_some())
            }
            ("application", "UDP/DTLS/SCTP") => {
                formats == "webrtc-datachannel" || number(formats, 65_535).is_some()
            }
            _ => return Err(BadPayload::Profile),
        };
        let port = number(port, 65_535).filter(|_| formats_are_good).ok_or(BadPayload::Description)?;
        self.sections.push(Section { is_idle: port == 0, has_fingerprint: false });
        let port = if port == 0 { 0 } else { 9 };
        self.line(&format!("m={media} {port} {profile} {formats}"));
        Ok(())
    }

    fn handle_attribute(&mut self, name: &str, value: Option<&str>) -> Result<(), BadPayload> {
        let given = value.unwrap_or("");
        match name {
            "crypto" | "key-mgmt" => return Err(BadPayload::Crypto),
            "candidate" => {
                let candidate = rewritten(&format!("candidate:{given}"))?;
                self.out.is_exposing |= candidate.is_exposing;
                let Some(text) = candidate.text else { return Ok(()) };
                self.out.candidates += 1;
                if self.out.candidates > CANDIDATES_MAX {
                    return Err(BadPayload::TooManyCandidates);
                }
                self.line(&format!("a={text}"));
            }
            "rtcp" => self.line("a=rtcp:9 IN IP4 0.0.0.0"),
            "fingerprint" => {
                if !is_strong_fingerprint(given) {
                    return Err(BadPayload::Fingerprint);
                }
                self.sections.last_mut().expect("v= comes first and opens one").has_fingerprint = true;
                self.line(&format!("a=fingerprint:{given}"));
            }
            "setup" if !matches!(given, "actpass" | "active" | "passive") => return Err(BadPayload::Setup),
            "ice-ufrag" if !is_ice_chars(given, 4, 256) => return Err(BadPayload::Description),
            "ice-pwd" if !is_ice_chars(given, 22, 256) => return Err(BadPayload::Description),
            "msid" => {
                let aliases: Vec<_> = given.split(' ').take(2).map(|name| self.alias(name)).collect();
                self.line(&format!("a=msid:{}", aliases.join(" ")));
            }
            "msid-semantic" => self.line("a=msid-semantic: WMS *"),
            "ssrc" => return self.handle_ssrc(given),
            "setup" | "ice-ufrag" | "ice-pwd" => self.line(&format!("a={name}:{given}")),
            _ if KEPT.binary_search(&name).is_ok() => {
                if holds_address(given) {
                    return Err(BadPayload::Address);
                }
                match value {
                    Some(value) => self.line(&format!("a={name}:{value}")),
                    None => self.line(&format!("a={name}")),
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// RFC 5576 §4.1: of a source's attributes only its names remain, as aliases.
    fn handle_ssrc(&mut self, value: &str) -> Result<(), BadPayload> {
        let (ssrc, attribute) = value.split_once(' ').ok_or(BadPayload::Description)?;
        let ssrc = number(ssrc, u32::MAX).ok_or(BadPayload::Description)?;
        if let Some((name @ ("cname" | "msid"), names)) = attribute.split_once(':') {
            let aliases: Vec<_> = names.split(' ').take(2).map(|name| self.alias(name)).collect();
            self.line(&format!("a=ssrc:{ssrc} {name}:{}", aliases.join(" ")));
        }
        Ok(())
    }

    fn line(&mut self, line: &str) {
        self.out.sdp.push_str(line);
        self.out.sdp.push_str("\r\n");
    }

    /// The same name within a session, another in the next. A lone `-` means "none" (RFC 8830 §2).
    fn alias(&self, name: &str) -> String {
        if name == "-" {
            return name.to_owned();
        }
        let mut hasher = SipHasher13::new_with_key(&self.session.0);
        hasher.write(name.as_bytes());
        URL_SAFE_NO_PAD.encode(hasher.finish128().as_bytes())
    }

    fn finish(self) -> Result<Normalised, BadPayload> {
        let [session, media @ ..] = &self.sections[..] else { return Err(BadPayload::Description) };
        if media.is_empty() {
            return Err(BadPayload::Description);
        }
        if !session.has_fingerprint && !media.iter().all(|section| section.has_fingerprint || section.is_idle)
        {
            return Err(BadPayload::Fingerprint);
        }
        Ok(self.out)
    }
}

fn is_digits(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// RFC 8122 §5, with the hashes that are still good and a value as long as its hash.
fn is_strong_fingerprint(text: &str) -> bool {
    let Some((hash, value)) = text.split_once(' ') else { return false };
    let bytes = match hash.to_ascii_lowercase().as_str() {
        "sha-256" => 32,
        "sha-384" => 48,
        "sha-512" => 64,
        _ => return false,
    };
    let pair = |pair: &str| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
    value.split(':').count() == bytes && value.split(':').all(pair)
}

/// Whether any part of a text reads as an IP address, for IPv4 also one that is glued to something or written
/// with more zeros than a parser takes.
fn holds_address(text: &str) -> bool {
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let parts: Vec<_> = text.split('.').map(str::as_bytes).collect();
    let dotted = parts.windows(4).any(|four| {
        let inner = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
        is_digit(four[0].last()) && inner(four[1]) && inner(four[2]) && is_digit(four[3].first())
    });
    if dotted {
        return true;
    }
    let separates = |c: char| !(c.is_ascii_hexdigit() || c == '.' || c == ':');
    text.split(separates).any(|part| {
        let part = part.trim_matches('.');
        part.parse::<IpAddr>().is_ok()
            || part.rsplit_once(':').is_some_and(|(host, _)| host.parse::<IpAddr>().is_ok())
    })
}

/// The attributes that pass with their value, sorted.
const KEPT: [&str; 28] = [
    "bundle-only",
    "end-of-candidates",
    "extmap",
    "extmap-allow-mixed",
    "fmtp",
    "group",
    "ice-lite",
    "ice-options",
    "inactive",
    "max-message-size",
    "maxptime",
    "mid",
    "ptime",
    "recvonly",
    "rid",
    "rtcp-fb",
    "rtcp-mux",
    "rtcp-mux-only",
    "rtcp-rsize",
    "rtcp-xr",
    "rtpmap",
    "sctp-port",
    "sctpmap",
    "sendonly",
    "sendrecv",
    "simulcast",
    "ssrc-group",
    "tls-id",
];

#[cfg(test)]
mod tests {
    use super::*;

    const FINGERPRINT: &str = "a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:\
                               00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";

    /// A short audio description; `lines` come in its media section.
    fn audio(lines: &[&str]) -> String {
        let head = ["v=0", "o=- 4611 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0"];
        let media = ["m=audio 9 UDP/TLS/RTP/SAVPF 111 0", "c=IN IP4 0.0.0.0", "a=mid:0", FINGERPRINT];
        let lines = head.iter().chain(&media).chain(lines);
        lines.flat_map(|line| [*line, "\r\n"]).collect()
    }

    fn gate(sdp: &str) -> Result<String, BadPayload> {
        normalised(sdp, &SessionId([1; 16])).map(|it| it.sdp)
    }

    #[test]
    fn a_plain_description_passes() {
        let lines =
            ["a=sendrecv", "a=rtcp-mux", "a=setup:actpass", "a=ice-ufrag:abcd", "a=rtpmap:111 opus/48000/2"];
        let given = audio(&lines);
        assert!(gate(&given) == Ok(given.replace("127.0.0.1", "0.0.0.0")));
    }

    #[test]
    fn row_152_lines_sections_and_grammar() {
        let sections = audio(&["m=audio 9 UDP/TLS/RTP/SAVPF 0"; 1000]);
        let lines = audio(&["a=sendrecv"; 1000]);
        assert!(gate(&sections) == Err(BadPayload::TooManyLines));
        assert!(gate(&lines) == Err(BadPayload::TooManyLines));
        let candidates = audio(&["a=candidate:1 1 udp 1 192.0.2.1 5000 typ relay"; 21]);
        assert!(gate(&candidates) == Err(BadPayload::TooManyCandidates));
        let long = audio(&[&format!("a=fmtp:111 {}", "x".repeat(2000))]);
        for sdp in [
            "",
            "v=0\r\n",
            "\r\n",
            &audio(&[""]),
            &audio(&["a=mid:0\nb"]),
            &audio(&["a=mid:0\r"]),
            &audio(&["a=mid:\0"]),
            &audio(&["a=mid:ä"]),
            &audio(&["v=0"]),
            &audio(&["x=0"]),
            &audio(&["o=root example.org 1"]),
            &audio(&["m=audio 99999 UDP/TLS/RTP/SAVPF 0"]),
            &audio(&["m=audio 9 UDP/TLS/RTP/SAVPF 128"]),
            &audio(&["m=audio"]),
            &audio(&["a=ice-ufrag:abc"]),
            &audio(&["a=ice-pwd:short"]),
            &audio(&["b=AS:many"]),
            audio(&[]).trim_end(),
            &audio(&[]).replace("\r\n", "\n"),
            &long,
        ] {
            assert!(gate(sdp) == Err(BadPayload::Description), "{sdp:?}");
        }
    }

    #[test]
    fn row_153_only_encrypted_media() {
        let with = |from: &str, to: &str| gate(&audio(&[]).replace(from, to));
        for profile in
            ["RTP/AVP", "RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "TCP/DTLS/SCTP", "UDP/DTLS/SCTP"]
        {
            assert!(with("UDP/TLS/RTP/SAVPF", profile) == Err(BadPayload::Profile), "{profile}");
        }
        let sdes = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x";
        assert!(gate(&audio(&[sdes])) == Err(BadPayload::Crypto));
        assert!(gate(&audio(&["k=clear:x"])) == Err(BadPayload::Crypto));
        assert!(with(FINGERPRINT, "a=sendrecv") == Err(BadPayload::Fingerprint));
        assert!(with("sha-256", "sha-1") == Err(BadPayload::Fingerprint));
        assert!(with("sha-256", "sha-512") == Err(BadPayload::Fingerprint));
        assert!(gate(&audio(&["a=fingerprint:md5 00:11"])) == Err(BadPayload::Fingerprint));
        for setup in ["holdconn", "ACTIVE", ""] {
            assert!(gate(&audio(&[&format!("a=setup:{setup}")])) == Err(BadPayload::Setup), "{setup}");
        }
    }

    #[test]
    fn a_fingerprint_may_stand_before_the_media_or_be_missing_where_nothing_flows() {
        let moved = audio(&[])
            .replace(FINGERPRINT, "a=inactive")
            .replace("t=0 0", &format!("t=0 0\r\n{FINGERPRINT}"));
        assert!(gate(&moved).is_ok());
        assert!(gate(&audio(&["m=video 0 UDP/TLS/RTP/SAVPF 96", "a=bundle-only"])).is_ok());
        assert!(
            gate(&audio(&["m=application 9 UDP/DTLS/SCTP webrtc-datachannel"]))
                == Err(BadPayload::Fingerprint)
        );
    }

    #[test]
    fn row_154_candidates_inside_a_description() {
        let given =
            "a=candidate:1 1 udp 1 192.0.2.1 5000 typ relay raddr 198.51.100.7 rport 4242 network-cost 50";
        let sdp = gate(&audio(&[given])).unwrap_or_default();
        assert!(
            sdp.ends_with("\r\na=candidate:1 1 udp 1 192.0.2.1 5000 typ relay raddr 0.0.0.0 rport 9\r\n")
        );
        let host = "a=candidate:1 1 udp 1 192.168.0.1 8000 typ host";
        for (lines, is_exposing) in [(&[given][..], false), (&[host], true), (&[given, host, given], true)] {
            let passed = normalised(&audio(lines), &SessionId([1; 16]));
            assert!(
                passed.is_ok_and(|it| it.is_exposing == is_exposing && it.candidates == lines.len() as u32)
            );
        }
    }

    #[test]
    fn row_155_a_candidate_that_leads_nowhere_good_is_left_out_of_a_description() {
        let away = "a=candidate:1 1 udp 1 192.168.0.1 80 typ host";
        let passed = normalised(&audio(&[away; 30]), &SessionId([1; 16]));
        assert!(
            passed.is_ok_and(|it| it.is_exposing && it.candidates == 0 && !it.sdp.contains("candidate:"))
        );
    }

    #[test]
    fn row_156_no_address_and_no_lasting_name_leaves() {
        let sdp = audio(&[
            "c=IN IP4 198.51.100.7",
            "a=rtcp:50000 IN IP4 198.51.100.7",
            "a=tool:libjingle",
            "i=my laptop",
            "a=x-thing:198.51.100.7",
            "a=remote-candidates:1 198.51.100.7 5",
            "a=msid:stream-a track-a",
            "a=ssrc:7 cname:stable",
            "a=ssrc:7 msid:stream-a track-a",
            "a=ssrc:7 label:track-a",
            "a=msid-semantic: WMS stream-a",
        ])
        .replace("o=- 4611", "o=mozilla...99.0 4611")
        .replace("127.0.0.1", "2001:db8::7")
        .replace("s=-", "s=Grüße")
        .replace("m=audio 9", "m=audio 50000");
        let out = gate(&sdp).unwrap_or_default();
        assert!(out.contains("\r\no=- 4611 2 IN IP4 0.0.0.0\r\ns=-\r\n") && out.contains("m=audio 9 "));
        assert!(out.contains("a=rtcp:9 IN IP4 0.0.0.0\r\n") && out.contains("a=msid-semantic: WMS *\r\n"));
        for told in
            ["198.51", "2001:db8", "50000", "libjingle", "laptop", "stream-a", "track-a", "stable", "label"]
        {
            assert!(!out.contains(told), "{told}");
        }
    }

    #[test]
    fn row_156_an_address_in_a_kept_attribute_is_refused() {
        for value in [
            "fmtp:111 x=198.51.100.7",
            "fmtp:111 a198.51.100.7",
            "fmtp:111 198.51.100.7.5b",
            "fmtp:111 198.051.100.007",
            "mid:2001:db8::7",
            "extmap:1 http://198.51.100.7/",
            "rid:[2001:db8::1]:5",
        ] {
            assert!(gate(&audio(&[&format!("a={value}")])) == Err(BadPayload::Address), "{value}");
        }
    }

    #[test]
    fn aliases_hold_within_a_session_only() {
        let sdp = audio(&["a=msid:s t", "a=ssrc:7 msid:s t", "a=ssrc:7 cname:s"]);
        let of = |id| normalised(&sdp, &SessionId([id; 16])).map(|it| it.sdp).unwrap_or_default();
        let name = |sdp: &str| sdp.split("a=msid:").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        assert_eq!(of(1), of(1));
        assert_eq!(of(1).matches(&name(&of(1))).count(), 3);
        assert_ne!(name(&of(1)), name(&of(2)));
    }

    /// The SDK checks the same file, with aliases of its own.
    #[test]
    fn the_published_vectors_hold() {
        #[derive(serde::Deserialize)]
        struct Vector {
            name: String,
            #[serde(default)]
            names: Vec<String>,
            given: Vec<String>,
            passes: Option<Vec<String>>,
        }
        let file = include_str!("../../../docs/gate-vectors.json");
        let session = SessionId([1; 16]);
        for vector in serde_json::from_str::<Vec<Vector>>(file).unwrap() {
            let passed = normalised(&(vector.given.join("\r\n") + "\r\n"), &session).ok();
            let normaliser =
                Normaliser { session: &session, out: Normalised::default(), sections: Vec::new() };
            let named = vector.passes.map(|lines| {
                vector.names.iter().fold(lines.join("\r\n") + "\r\n", |text, name| {
                    text.replace(&format!("{{{name}}}"), &normaliser.alias(name))
                })
            });
            assert_eq!(passed.map(|it| it.sdp), named, "{}", vector.name);
        }
    }

    #[test]
    fn the_kept_attributes_are_sorted() {
        assert!(KEPT.is_sorted());
    }

    /// What a browser writes for a call with sound, picture and a data channel, shortened.
    #[test]
    fn what_browsers_write_passes() {
        for (session, media) in [(CHROMIUM_SESSION, CHROMIUM_MEDIA), (FIREFOX_SESSION, FIREFOX_MEDIA)] {
            let lines = session.iter().chain(media).flat_map(|line| [*line, "\r\n"]);
            let given = lines.collect::<String>().replace("FINGERPRINT", FINGERPRINT);
            let out = gate(&given).unwrap_or_else(|reason| panic!("{reason:?}"));
            assert_eq!(out.lines().count(), given.lines().count(), "nothing a browser needs is left out");
        }
    }

    const CHROMIUM_SESSION: &[&str] = &[
        "v=0",
        "o=- 7493213871289347293 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0 1 2",
        "a=extmap-allow-mixed",
        "a=msid-semantic: WMS 1e7d0a2c-50a5-4f5c-9c5d-0f4a5b3c2d1e",
    ];
    const CHROMIUM_MEDIA: &[&str] = &[
        "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126",
        "c=IN IP4 0.0.0.0",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "a=ice-ufrag:Gq1+",
        "a=ice-pwd:0123456789abcdefABCDEF+/",
        "a=ice-options:trickle",
        "FINGERPRINT",
        "a=setup:actpass",
        "a=mid:0",
        "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        "a=sendrecv",
        "a=msid:1e7d0a2c-50a5-4f5c-9c5d-0f4a5b3c2d1e 8a9b0c1d-2e3f-4a5b-8c7d-9e0f1a2b3c4d",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        "a=rtcp-xr:rcvr-rtt=all",
        "a=rtpmap:111 opus/48000/2",
        "a=rtcp-fb:111 transport-cc",
        "a=fmtp:111 minptime=10;useinbandfec=1",
        "a=rtpmap:63 red/48000/2",
        "a=fmtp:63 111/111",
        "a=rtpmap:126 telephone-event/8000",
        "a=ssrc:2874119011 cname:Zm9vYmFyYmF6cXV4",
        "a=ssrc:2874119011 msid:1e7d0a2c-50a5-4f5c-9c5d-0f4a5b3c2d1e 8a9b0c1d-2e3f-4a5b-8c7d-9e0f1a2b3c4d",
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97 103 45 49 35",
        "c=IN IP6 ::",
        "b=AS:2000",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "FINGERPRINT",
        "a=setup:actpass",
        "a=mid:1",
        "a=extmap:13 urn:3gpp:video-orientation",
        "a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
        "a=rtcp-fb:96 ccm fir",
        "a=fmtp:97 apt=96",
        "a=fmtp:103 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f",
        "a=fmtp:45 level-idx=5;profile=0;tier=0",
        "a=fmtp:49 level-id=180;profile-id=1;tier-flag=0;tx-mode=SRST",
        "a=ssrc-group:FID 1434694 2874119012",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        "FINGERPRINT",
        "a=setup:actpass",
        "a=mid:2",
        "a=sctp-port:5000",
        "a=max-message-size:262144",
    ];
    const FIREFOX_SESSION: &[&str] = &[
        "v=0",
        "o=mozilla...THIS_IS_SDPARTA-99.0 4961273912840918271 0 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=sendrecv",
        "FINGERPRINT",
        "a=group:BUNDLE 0 1",
        "a=ice-options:trickle",
        "a=msid-semantic:WMS *",
    ];
    const FIREFOX_MEDIA: &[&str] = &[
        "m=audio 9 UDP/TLS/RTP/SAVPF 109 9 0 8 101",
        "c=IN IP4 0.0.0.0",
        "a=sendrecv",
        "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "a=extmap:2/recvonly urn:ietf:params:rtp-hdrext:csrc-audio-level",
        "a=fmtp:109 maxplaybackrate=48000;stereo=1;useinbandfec=1",
        "a=fmtp:101 0-15",
        "a=ice-pwd:e3baa26dd2fa5030d881d385f1e36cce",
        "a=ice-ufrag:58b99ead",
        "a=mid:0",
        "a=msid:{8a9b0c1d-2e3f-4a5b-8c7d-9e0f1a2b3c4d} {1e7d0a2c-50a5-4f5c-9c5d-0f4a5b3c2d1e}",
        "a=rtcp-mux",
        "a=rtpmap:109 opus/48000/2",
        "a=setup:actpass",
        "a=ssrc:1434694 cname:{0c1d8a9b-2e3f-4a5b-8c7d-9e0f1a2b3c4d}",
        "m=video 0 UDP/TLS/RTP/SAVPF 120 124",
        "c=IN IP4 0.0.0.0",
        "a=bundle-only",
        "a=fmtp:120 max-fs=12288;max-fr=60",
        "a=rtcp-fb:120 nack pli",
        "a=mid:1",
        "a=end-of-candidates",
    ];
}

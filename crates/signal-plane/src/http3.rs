//! The unidirectional streams of an HTTP/3 connection, and its error codes (RFC 9114 §6.2, §7.2, §8.1).
//!
//! Requests are `web_transport`'s. There is no dynamic table and no push: what such streams bring is thrown
//! away, within bounds.

use std::sync::{Mutex, PoisonError};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use quinn::{Connection, RecvStream, VarInt};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::oneshot;
use web_transport_proto::{Settings, SettingsError, StreamUni, VarInt as Number};

use crate::limits::{HTTP3_CONTROL_FRAMES_MAX, HTTP3_FRAME_BYTES_MAX, HTTP3_QPACK_BYTES_MAX};

/// Opens our control stream and follows all of the client's unidirectional streams until one breaks a rule;
/// returns the code with which the connection must end. `settled`: the client's settings are there.
pub(crate) async fn control(connection: &Connection, settled: oneshot::Sender<()>) -> VarInt {
    let Ok(mut ours) = connection.open_uni().await else { return NO_ERROR };
    let mut own = Settings::default();
    own.enable_webtransport(1);
    if own.write(&mut ours).await.is_err() {
        return NO_ERROR;
    }
    let seen = Mutex::new(Seen { kinds: Vec::new(), settled: Some(settled) });
    let mut streams = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = connection.accept_uni() => match accepted {
                Ok(stream) => streams.push(follow(stream, &seen)),
                Err(_gone) => return NO_ERROR,
            },
            ended = streams.next(), if !streams.is_empty() => if let Some(Some(code)) = ended {
                return code;
            },
        }
    }
}

/// Ends a connection, unless it has ended: why it did must not be overwritten.
pub(crate) fn end(connection: &Connection, code: VarInt) {
    if connection.close_reason().is_none() {
        connection.close(code, b"");
    }
}

/// What a connection may have but once.
struct Seen {
    kinds: Vec<StreamUni>,
    settled: Option<oneshot::Sender<()>>,
}

/// One stream to its end; the code, if that is the connection's end too.
async fn follow(mut stream: RecvStream, seen: &Mutex<Seen>) -> Option<VarInt> {
    let kind = StreamUni(Number::read(&mut stream).await.ok()?);
    if !matches!(kind, StreamUni::CONTROL | StreamUni::QPACK_ENCODER | StreamUni::QPACK_DECODER) {
        //= RFC 9114 §6.2.2: "if a server receives a client-initiated push stream, this MUST be treated as a
        //= connection error of type H3_STREAM_CREATION_ERROR"
        if kind == StreamUni::PUSH {
            return Some(STREAM_CREATION_ERROR);
        }
        //= RFC 9114 §6.2: "recipients of unknown stream types MUST either abort reading of the stream or
        //= discard incoming data without further processing"
        let _ = stream.stop(STREAM_CREATION_ERROR);
        return None;
    }
    {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        //= RFC 9114 §6.2.1: "receipt of a second stream claiming to be a control stream MUST be treated as
        //= a connection error of type H3_STREAM_CREATION_ERROR"
        if seen.kinds.contains(&kind) {
            return Some(STREAM_CREATION_ERROR);
        }
        seen.kinds.push(kind);
    }
    if kind != StreamUni::CONTROL {
        return Some(discard(&mut stream).await);
    }
    // The library reads the kind too.
    let mut with_kind = (&[0_u8][..]).chain(&mut stream);
    if let Err(error) = Settings::read(&mut with_kind).await {
        return Some(code_of(&error));
    }
    let settled = seen.lock().unwrap_or_else(PoisonError::into_inner).settled.take();
    // Nobody waits any more where the connection is ending.
    let _ = settled.map(|settled| settled.send(()));
    Some(after_settings(&mut stream).await)
}

/// What a client says of its dynamic table. Ours holds nothing, so there is nothing to say.
async fn discard(stream: &mut RecvStream) -> VarInt {
    let mut sink = tokio::io::sink();
    match tokio::io::copy(&mut stream.take(HTTP3_QPACK_BYTES_MAX), &mut sink).await {
        Ok(HTTP3_QPACK_BYTES_MAX) => EXCESSIVE_LOAD,
        //= RFC 9204 §4.2: "Closure of either unidirectional stream type MUST be treated as a connection
        //= error of type H3_CLOSED_CRITICAL_STREAM"
        _ => CLOSED_CRITICAL_STREAM,
    }
}

/// Reads the control stream on; returns what ends it.
async fn after_settings(stream: &mut (impl AsyncRead + Unpin)) -> VarInt {
    for _ in 0..HTTP3_CONTROL_FRAMES_MAX {
        //= RFC 9114 §6.2.1: "If either control stream is closed at any point, this MUST be treated as a
        //= connection error of type H3_CLOSED_CRITICAL_STREAM"
        let Ok(kind) = Number::read(stream).await else { return CLOSED_CRITICAL_STREAM };
        let Ok(length) = Number::read(stream).await else { return CLOSED_CRITICAL_STREAM };
        if NOT_ON_CONTROL.contains(&kind.into_inner()) {
            return FRAME_UNEXPECTED;
        }
        let length = length.into_inner();
        if length > HTTP3_FRAME_BYTES_MAX {
            return EXCESSIVE_LOAD;
        }
        let mut payload = stream.take(length);
        if !tokio::io::copy(&mut payload, &mut tokio::io::sink()).await.is_ok_and(|read| read == length) {
            return CLOSED_CRITICAL_STREAM;
        }
    }
    EXCESSIVE_LOAD
}

fn code_of(error: &SettingsError) -> VarInt {
    match error {
        //= RFC 9114 §6.2.1: "If the first frame of the control stream is any other frame type, this MUST be
        //= treated as a connection error of type H3_MISSING_SETTINGS"
        SettingsError::UnexpectedFrame(_) => MISSING_SETTINGS,
        SettingsError::FrameTooLarge => EXCESSIVE_LOAD,
        SettingsError::InvalidSize => FRAME_ERROR,
        _ => CLOSED_CRITICAL_STREAM,
    }
}

/// Frames of request and push streams, of HTTP/2, and the settings, which come once (RFC 9114 §7.2).
const NOT_ON_CONTROL: [u64; 8] = [0x0, 0x1, 0x2, 0x4, 0x5, 0x6, 0x8, 0x9];

pub(crate) const NO_ERROR: VarInt = VarInt::from_u32(0x100);
pub(crate) const STREAM_CREATION_ERROR: VarInt = VarInt::from_u32(0x103);
pub(crate) const CLOSED_CRITICAL_STREAM: VarInt = VarInt::from_u32(0x104);
pub(crate) const FRAME_UNEXPECTED: VarInt = VarInt::from_u32(0x105);
pub(crate) const FRAME_ERROR: VarInt = VarInt::from_u32(0x106);
pub(crate) const EXCESSIVE_LOAD: VarInt = VarInt::from_u32(0x107);
pub(crate) const ID_ERROR: VarInt = VarInt::from_u32(0x108);
pub(crate) const MISSING_SETTINGS: VarInt = VarInt::from_u32(0x10a);
pub(crate) const REQUEST_REJECTED: VarInt = VarInt::from_u32(0x10b);
pub(crate) const REQUEST_INCOMPLETE: VarInt = VarInt::from_u32(0x10d);
/// RFC 9204 §6.
pub(crate) const DECOMPRESSION_FAILED: VarInt = VarInt::from_u32(0x200);
/// draft-ietf-webtrans-http3 §9.5: a stream that its session does not take.
pub(crate) const STREAM_REJECTED: VarInt = VarInt::from_u32(0x3994_bd84);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn row_142_the_control_stream_ends_with_the_code_of_what_is_wrong() {
        for (bytes, code) in [
            (&b""[..], CLOSED_CRITICAL_STREAM),
            (b"\x21\x00", CLOSED_CRITICAL_STREAM),
            (b"\x21\x05ab", CLOSED_CRITICAL_STREAM),
            (b"\x04\x00", FRAME_UNEXPECTED),
            (b"\x21\x02ab\x04\x00", FRAME_UNEXPECTED),
            (b"\x00\x00", FRAME_UNEXPECTED),
            (b"\x01\x00", FRAME_UNEXPECTED),
            (b"\x21\xbf\xff\xff\xff", EXCESSIVE_LOAD),
        ] {
            assert_eq!(after_settings(&mut &*bytes).await, code, "{bytes:?}");
        }
        let flood = [0x21, 0].repeat(HTTP3_CONTROL_FRAMES_MAX + 1);
        assert_eq!(after_settings(&mut &*flood).await, EXCESSIVE_LOAD);
    }
}

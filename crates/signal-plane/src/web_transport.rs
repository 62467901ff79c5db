//! WebTransport over HTTP/3: one session on each connection, opened at `/signal` (RFC 9114, RFC 9220,
//! draft-ietf-webtrans-http3).
//!
//! No page is served here, no push, no dynamic table, and no datagram is read. The bytes of settings,
//! requests and capsules are `web_transport_proto`'s.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::StatusCode;
use hyper::http::uri::Authority;
use quinn::{Connection, RecvStream, SendStream, VarInt};
use tokio::sync::oneshot;
use web_transport_proto::{
    Capsule, ConnectError, ConnectRequest, ConnectResponse, Frame, Http3CapsuleReader, VarInt as Number,
};

use crate::counters::Refusal;
use crate::exchange;
use crate::http::{Refused, SIGNAL_PATH, check_name, check_origin};
use crate::http3;
use crate::lengths::{Farewell, Stream};
use crate::limits::{HTTP3_SORT_MS_MAX, HTTP3_TURNED_AWAY_MAX};
use crate::signal::Inner;

/// Runs an HTTP/3 connection to its end.
pub(crate) async fn run(inner: &Arc<Inner>, connection: Connection) {
    let (settled, is_settled) = oneshot::channel();
    let control = async {
        let code = http3::control(&connection, settled).await;
        http3::end(&connection, code);
        // The session sees the close, and ends in its own order.
        std::future::pending().await
    };
    tokio::select! {
        () = control => {}
        () = session(inner, &connection, is_settled) => {}
    }
}

/// From the request to the session's end.
async fn session(inner: &Arc<Inner>, connection: &Connection, is_settled: oneshot::Receiver<()>) {
    let patience = Duration::from_millis(inner.config.limits.request_ms_max);
    let opening = tokio::time::timeout(patience, open(inner, connection, is_settled));
    let opened = match opening.await {
        Ok(Ok(opened)) => opened,
        Ok(Err(code)) => return connection.close(code, b""),
        Err(_late) => {
            inner.shared.count_refusal(Refusal::Request);
            return connection.close(http3::REQUEST_INCOMPLETE, b"");
        }
    };
    let Opened { stream, host, id, request: (answers, capsules) } = opened;
    let (goodbye, heard) = oneshot::channel();
    let farewell = CloseCapsule { request: answers, heard };
    let others = async {
        tokio::select! {
            () = until_closed(capsules) => {
                // A connection that was lost says nothing, and its client may come back.
                if connection.close_reason().is_none() {
                    // It fails where the exchange has ended, which is what is asked of it.
                    let _ = goodbye.send(());
                }
            }
            code = turn_away(connection, id) => http3::end(connection, code),
        }
        // The exchange sees either, and ends in its own order.
        std::future::pending().await
    };
    let transport = Stream::new(stream, connection.clone(), farewell);
    let address = Some(connection.remote_address().ip());
    tokio::select! {
        () = others => {}
        () = exchange::run(inner, transport, host, address) => {}
    }
}

/// A session whose first stream is there.
struct Opened {
    stream: (SendStream, RecvStream),
    /// By which it was reached, without port.
    host: Box<str>,
    id: Number,
    /// The stream of the request: it lives as long as the session does.
    request: (SendStream, RecvStream),
}

/// Waits for settings, request and stream, in this order. An error is the code the connection ends with.
async fn open(
    inner: &Inner,
    connection: &Connection,
    is_settled: oneshot::Receiver<()>,
) -> Result<Opened, VarInt> {
    // Where they are wrong, the connection has been closed for it.
    is_settled.await.map_err(|_| http3::NO_ERROR)?;
    let (host, request) = loop {
        let (mut send, mut recv) = connection.accept_bi().await.map_err(|_| http3::NO_ERROR)?;
        inner.shared.requests.fetch_add(1, Ordering::Relaxed);
        let request = ConnectRequest::read(&mut recv).await;
        match request.map_err(|error| judge(&error)).and_then(|request| check(inner, &request)) {
            Ok(host) => {
                answer(&mut send, StatusCode::OK).await;
                break (host, (send, recv));
            }
            Err(Answer::Status(refused)) => {
                inner.shared.count_refusal(refused.reason);
                answer(&mut send, refused.status).await;
                let _ = send.finish();
                let _ = recv.stop(http3::NO_ERROR);
            }
            Err(Answer::Close(code)) => {
                inner.shared.count_refusal(Refusal::Request);
                return Err(code);
            }
        }
    };
    let id = Number::try_from(u64::from(VarInt::from(request.0.id()))).expect("both are 62 bits");
    loop {
        let (send, mut recv) = connection.accept_bi().await.map_err(|_| http3::NO_ERROR)?;
        match session_of(&mut recv).await {
            Some(of) if of == id => return Ok(Opened { stream: (send, recv), host, id, request }),
            Some(_) => return Err(http3::ID_ERROR),
            None => refuse_request(send, recv).await,
        }
    }
}

/// What a request that opens no session gets.
enum Answer {
    Status(Refused),
    Close(VarInt),
}

impl Answer {
    const fn refusal(status: StatusCode) -> Self {
        Self::Status(Refused { status, reason: Refusal::Request })
    }
}

impl From<Refused> for Answer {
    fn from(refused: Refused) -> Self {
        Self::Status(refused)
    }
}

/// What is wrong with a request that is none of ours.
fn judge(error: &ConnectError) -> Answer {
    match error {
        ConnectError::WrongMethod(Some(_)) => Answer::refusal(StatusCode::METHOD_NOT_ALLOWED),
        ConnectError::FieldSectionTooLarge | ConnectError::FrameTooLarge => {
            Answer::refusal(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
        }
        //= RFC 9204 §6: "QPACK_DECOMPRESSION_FAILED (0x0200)"
        ConnectError::QpackError(_) => Answer::Close(http3::DECOMPRESSION_FAILED),
        //= RFC 9114 §4.1: "Receipt of an invalid sequence of frames MUST be treated as a connection error
        //= of type H3_FRAME_UNEXPECTED"
        ConnectError::UnexpectedFrame(_) => Answer::Close(http3::FRAME_UNEXPECTED),
        ConnectError::UnexpectedEnd | ConnectError::Io(_) => Answer::Close(http3::REQUEST_INCOMPLETE),
        _ => Answer::refusal(StatusCode::BAD_REQUEST),
    }
}

/// The same conditions as for a WebSocket, in the same order.
fn check(inner: &Inner, request: &ConnectRequest) -> Result<Box<str>, Answer> {
    let host = Authority::try_from(request.url.authority()).ok();
    let Some(host) = host.filter(|host| !host.as_str().contains('@')) else {
        return Err(Answer::refusal(StatusCode::BAD_REQUEST));
    };
    check_name(inner, host.host())?;
    if request.url.path() != SIGNAL_PATH {
        return Err(Answer::refusal(StatusCode::NOT_FOUND));
    }
    check_origin(inner, &request.headers, true, &host)?;
    Ok(host.host().into())
}

async fn answer(send: &mut SendStream, status: StatusCode) {
    // Who is gone misses nothing.
    let _ = ConnectResponse::new(status).write(send).await;
}

/// One session is all there is: further requests and streams get no further, and nothing of them is kept.
async fn turn_away(connection: &Connection, id: Number) -> VarInt {
    for _ in 0..HTTP3_TURNED_AWAY_MAX {
        let Ok((mut send, mut recv)) = connection.accept_bi().await else { return http3::NO_ERROR };
        let sorting = Duration::from_millis(HTTP3_SORT_MS_MAX);
        match tokio::time::timeout(sorting, session_of(&mut recv)).await {
            Ok(None) => refuse_request(send, recv).await,
            Ok(Some(of)) if of != id => return http3::ID_ERROR,
            Ok(Some(_)) | Err(_) => {
                // They fail for streams that have ended already.
                let _ = send.reset(http3::STREAM_REJECTED);
                let _ = recv.stop(http3::STREAM_REJECTED);
            }
        }
    }
    http3::EXCESSIVE_LOAD
}

async fn refuse_request(mut send: SendStream, mut recv: RecvStream) {
    answer(&mut send, StatusCode::TOO_MANY_REQUESTS).await;
    let _ = send.finish();
    let _ = recv.stop(http3::REQUEST_REJECTED);
}

/// The session that a stream names in its first bytes; `None`: the stream is no session's.
async fn session_of(recv: &mut RecvStream) -> Option<Number> {
    let first = Number::read(recv).await.ok()?;
    if Frame(first) != Frame::WEBTRANSPORT {
        return None;
    }
    Number::read(recv).await.ok()
}

/// Returns when the client ends the session, or its stream.
async fn until_closed(request: RecvStream) {
    let mut capsules = Http3CapsuleReader::new(request);
    loop {
        match capsules.read().await {
            Ok(Some(Capsule::CloseWebTransportSession { .. }) | None) | Err(_) => return,
            Ok(Some(_)) => {}
        }
    }
}

/// Says goodbye in a capsule on the request's stream.
struct CloseCapsule {
    request: SendStream,
    /// Of the client's own goodbye.
    heard: oneshot::Receiver<()>,
}

impl Farewell for CloseCapsule {
    const NOTHING: VarInt = http3::NO_ERROR;

    async fn heard(&mut self) {
        if (&mut self.heard).await.is_err() {
            // Nobody listens for it any more: the connection is ending another way.
            std::future::pending().await
        }
    }

    async fn say(&mut self, code: u16, reason: &str) -> VarInt {
        let mut capsule = Vec::new();
        Capsule::CloseWebTransportSession { code: code.into(), reason: reason.to_owned() }
            .encode(&mut capsule);
        let mut frame = Vec::new();
        Frame::DATA.encode(&mut frame);
        Number::from_u32(capsule.len() as u32).encode(&mut frame);
        frame.append(&mut capsule);
        if self.request.write_all(&frame).await.is_ok() && self.request.finish().is_ok() {
            let _ = self.request.stopped().await;
        }
        http3::NO_ERROR
    }
}

/// The protocol's name in the handshake.
pub(crate) const ALPN: &[u8] = b"h3";

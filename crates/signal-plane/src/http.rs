//! HTTP/1.1: the page's files, and the handshake that makes a connection a WebSocket (RFC 9112, RFC 6455
//! §4.2).
//!
//! It reads no body, keeps no cookie and knows no path but `/signal` and those of the page.

use std::convert::Infallible;
use std::future::{Future as _, poll_fn, ready};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri::Authority;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::admission::Place;
use crate::counters::Refusal;
use crate::limits::{REQUEST_BYTES_MAX, REQUEST_HEADERS_MAX};
use crate::origin::is_allowed_origin;
use crate::signal::{Inner, Peer};
use crate::stream::{StrictLines, Watched, linger};
use crate::transports;

/// A connection that has become a WebSocket.
pub(crate) struct Upgraded<S> {
    pub(crate) stream: S,
    /// The host it was reached by, without port.
    pub(crate) host: Box<str>,
    /// Where the client is, if that tells one person from another.
    pub(crate) address: Option<IpAddr>,
    /// Its place among those of its prefix, if a proxy told where it is.
    pub(crate) place: Option<Place>,
}

/// A request that makes its connection a WebSocket.
struct Accepted {
    host: Box<str>,
    address: Option<IpAddr>,
    place: Option<Place>,
}

/// Answers requests until the connection ends or becomes a WebSocket.
pub(crate) async fn serve<S>(inner: &Arc<Inner>, stream: S, peer: Peer) -> Option<Upgraded<S>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let accepted: Mutex<Option<Accepted>> = Mutex::default();
    let service = service_fn(|request| {
        inner.shared.requests.fetch_add(1, Ordering::Relaxed);
        let (response, request) =
            answer(inner, peer, &request).unwrap_or_else(|refused| (refused.response(inner), None));
        *accepted.lock().unwrap_or_else(PoisonError::into_inner) = request;
        ready(Ok::<_, Infallible>(response))
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(inner.config.limits.request_ms_max))
        .max_buf_size(REQUEST_BYTES_MAX)
        .max_headers(REQUEST_HEADERS_MAX)
        .serve_connection(TokioIo::new(Watched::new(stream, StrictLines::default())), service);
    let mut stopping = inner.stopping.subscribe();
    let outcome = {
        let mut stop = pin!(stopping.wait_for(|stopping| *stopping));
        let mut is_stopping = false;
        let requests = poll_fn(|cx| {
            if !is_stopping && stop.as_mut().poll(cx).is_ready() {
                is_stopping = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            connection.poll_without_shutdown(cx)
        });
        tokio::time::timeout(Duration::from_millis(inner.config.limits.http_ms_max), requests).await
    };
    let parts = connection.into_parts();
    let mut stream = parts.io.into_inner().into_inner();
    let accepted = accepted.lock().unwrap_or_else(PoisonError::into_inner).take();
    // RFC 6455 §4.1: a client waits for the answer to its handshake. What came behind it was read as lines of
    // HTTP and could be anything by now.
    let has_waited = parts.read_buf.is_empty();
    match (outcome, accepted) {
        (Ok(Ok(())), Some(Accepted { host, address, place })) if has_waited => {
            Some(Upgraded { stream, host, address, place })
        }
        (outcome, accepted) => {
            // hyper has answered what it could not parse; the shape of it is no news.
            let is_malformed = matches!(outcome, Ok(Err(error)) if error.is_parse());
            if is_malformed || accepted.is_some() && !has_waited {
                inner.shared.count_refusal(Refusal::Request);
            }
            // The peer may be gone already, or never read: then it is given up with the stream.
            let patience = Duration::from_millis(inner.config.limits.close_ms_max);
            let _ = tokio::time::timeout(patience, linger(&mut stream)).await;
            None
        }
    }
}

/// The answer to one request, and what else is known if it makes the connection a WebSocket.
fn answer<B>(inner: &Inner, peer: Peer, request: &Request<B>) -> Result<(Page, Option<Accepted>), Refused> {
    let path = request.uri().path();
    let is_read =
        matches!(*request.method(), Method::GET) || *request.method() == Method::HEAD && path != SIGNAL_PATH;
    if !is_read {
        return Err(Refused { status: StatusCode::METHOD_NOT_ALLOWED, reason: Refusal::Request });
    }
    let host = checked_host(request)?;
    let name = host.host();
    check_name(inner, name)?;
    if let Some(port) = peer.redirect {
        if let Some(proof) = inner.config.challenges.answer(path) {
            return Ok((Response::new(Full::from(proof)), None));
        }
        return Ok((redirect(name, port, path), None));
    }
    if path == transports::PATH {
        return Ok((transports::answer(inner, peer, request.headers(), &host), None));
    }
    if path != SIGNAL_PATH {
        return Ok((page(path, request.headers()), None));
    }
    check_origin(inner, request.headers(), peer.secure, &host)?;
    let response = handshake(request)?;
    let told = if peer.proxied { inner.config.proxies.client(request.headers()) } else { None };
    let place = told.map(|address| inner.admission.enter_prefix(address)).transpose();
    let place = place.map_err(|reason| Refused { status: StatusCode::SERVICE_UNAVAILABLE, reason })?;
    Ok((response, Some(Accepted { host: name.into(), address: peer.address.or(told), place })))
}

/// The name by which we were reached must be ours.
pub(crate) fn check_name(inner: &Inner, name: &str) -> Result<(), Refused> {
    if inner.config.is_own_name(name) {
        return Ok(());
    }
    Err(Refused { status: StatusCode::MISDIRECTED_REQUEST, reason: Refusal::UnknownHost })
}

/// The page that asks for the signaling must be one that may.
pub(crate) fn check_origin(
    inner: &Inner,
    headers: &HeaderMap,
    secure: bool,
    host: &Authority,
) -> Result<(), Refused> {
    if is_allowed_origin(headers, &inner.config.origins, secure, host.as_str()) {
        return Ok(());
    }
    Err(Refused { status: StatusCode::FORBIDDEN, reason: Refusal::Origin })
}

/// The one `Host` of a request that is no more than a request of ours can be.
fn checked_host<B>(request: &Request<B>) -> Result<Authority, Refused> {
    let bad = Refused { status: StatusCode::BAD_REQUEST, reason: Refusal::Request };
    let headers = request.headers();
    let has_body = headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get_all(header::CONTENT_LENGTH).iter().any(|length| length != "0");
    let uri = request.uri();
    // No file of the page has a name that needs escaping, and none is above another.
    let is_odd = |path: &str| !path.starts_with('/') || path.contains(['%', '\\']) || path.contains("..");
    if has_body || uri.authority().is_some() || is_odd(uri.path()) {
        return Err(bad);
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(bad) };
    match Authority::try_from(host.as_bytes()) {
        Ok(host) if !host.as_str().contains('@') => Ok(host),
        _ => Err(bad),
    }
}

/// RFC 6455 §4.2; offers no extension, so none is agreed on.
fn handshake<B>(request: &Request<B>) -> Result<Page, Refused> {
    let bad = |status| Refused { status, reason: Refusal::Request };
    let headers = request.headers();
    let has_token = |name: HeaderName, token: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(token))
    };
    let is_old = request.version() < Version::HTTP_11;
    if is_old || !has_token(header::UPGRADE, "websocket") || !has_token(header::CONNECTION, "upgrade") {
        return Err(bad(StatusCode::UPGRADE_REQUIRED));
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(bad(StatusCode::UPGRADE_REQUIRED));
    }
    let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
    // 16 bytes are 24 characters of base64.
    let (Some(key), None) = (keys.next().filter(|key| key.len() == 24), keys.next()) else {
        return Err(bad(StatusCode::BAD_REQUEST));
    };
    if !has_token(header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        return Err(Refused { status: StatusCode::BAD_REQUEST, reason: Refusal::Subprotocol });
    }
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes())).expect("base64 is visible ASCII");
    let mut response = empty(StatusCode::SWITCHING_PROTOCOLS);
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    Ok(response)
}

/// The same page over HTTPS. Not permanent: the port is the configuration's of today.
fn redirect(host: &str, port: u16, path: &str) -> Page {
    let authority = if port == 443 { host.to_owned() } else { format!("{host}:{port}") };
    let mut response = empty(StatusCode::TEMPORARY_REDIRECT);
    let headers = response.headers_mut();
    HeaderValue::try_from(format!("https://{authority}{path}"))
        .map(|location| headers.insert(header::LOCATION, location))
        .expect("host and path were parsed as parts of a URL");
    secure(headers);
    response
}

/// A file of the page, or word that the browser has it, or 404.
fn page(path: &str, request: &HeaderMap) -> Page {
    let Some(asset) = web_client::asset(path) else {
        let mut response = empty(StatusCode::NOT_FOUND);
        secure(response.headers_mut());
        return response;
    };
    let etag = HeaderValue::try_from(asset.etag).ok();
    let known = etag.as_ref().and_then(|etag| etag.to_str().ok()).is_some_and(|etag| {
        let values = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        values
            .flat_map(|value| value.split(','))
            .any(|one| one.trim().trim_start_matches("W/") == etag || one == "*")
    });
    let mut response = if known {
        empty(StatusCode::NOT_MODIFIED)
    } else {
        Response::new(Full::new(Bytes::from_static(asset.body)))
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    etag.map(|etag| headers.insert(header::ETAG, etag));
    secure(headers);
    response
}

/// What keeps a page to itself.
pub(crate) fn secure(headers: &mut HeaderMap) {
    for (name, value) in SECURITY_HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
}

fn empty(status: StatusCode) -> Page {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

/// Why a request gets no more than a status; the connection ends with it.
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) reason: Refusal,
}

impl Refused {
    fn response(&self, inner: &Inner) -> Page {
        inner.shared.count_refusal(self.reason);
        let mut response = empty(self.status);
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        match self.status {
            StatusCode::METHOD_NOT_ALLOWED => {
                headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            }
            StatusCode::UPGRADE_REQUIRED => {
                headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            }
            _ => {}
        }
        response
    }
}

pub(crate) type Page = Response<Full<Bytes>>;

pub(crate) const SIGNAL_PATH: &str = "/signal";
const SUBPROTOCOL: &str = "ginnel.1";
const SECURITY_HEADERS: [(&str, &str); 8] = [
    ("content-security-policy", web_client::CONTENT_SECURITY_POLICY),
    ("cross-origin-embedder-policy", "require-corp"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(self), microphone=(self), geolocation=()"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
];

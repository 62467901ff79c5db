//! What carries text messages to a server, whole and in order: a WebSocket, or QUIC with lengths. What they
//! mean is not its business.

use futures_util::{SinkExt as _, StreamExt as _};
use quinn::{Connection, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::LoadError;
use crate::limits::{MESSAGE_BYTES_MAX, READ_BUFFER_BYTES};
use crate::target::{Scheme, Target};

/// One connection.
pub struct Wire(Kind);

enum Kind {
    WebSocket(Box<WebSocketStream<Box<dyn Stream>>>),
    Lengths(Box<Lengths>),
}

impl Wire {
    /// Opens the `index`th connection. `path` and `subprotocol` are a WebSocket's.
    ///
    /// # Errors
    /// Nobody is there, or who is there does not speak this.
    pub async fn open(
        target: &Target,
        path: &str,
        subprotocol: Option<&'static str>,
        index: usize,
    ) -> Result<Self, LoadError> {
        if target.scheme == Scheme::Quic {
            return Ok(Self(Kind::Lengths(Box::new(Lengths::open(target, index).await?))));
        }
        let tcp = connect(target, index).await.map_err(LoadError::Connect)?;
        let stream: Box<dyn Stream> = if target.scheme == Scheme::Tls {
            let connector = TlsConnector::from(target.tls.clone());
            Box::new(connector.connect(target.name.clone(), tcp).await.map_err(LoadError::Connect)?)
        } else {
            Box::new(tcp)
        };
        let refused = |error: Error| LoadError::Handshake(error.to_string());
        // The scheme is for the request's form alone; the stream is there already.
        let mut request =
            format!("ws://{}{path}", target.authority).into_client_request().map_err(refused)?;
        if let Some(name) = subprotocol {
            request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(name));
        }
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let (socket, _) = client_async_with_config(request, stream, Some(config)).await.map_err(refused)?;
        Ok(Self(Kind::WebSocket(Box::new(socket))))
    }

    /// Sends one message.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn send(&mut self, text: String) -> Result<(), LoadError> {
        match &mut self.0 {
            Kind::WebSocket(socket) => socket.send(Message::text(text)).await.map_err(gone),
            Kind::Lengths(stream) => stream.send(&text).await,
        }
    }

    /// The next message. May be dropped and called again without losing any.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn receive(&mut self) -> Result<Utf8Bytes, LoadError> {
        let socket = match &mut self.0 {
            Kind::Lengths(stream) => return stream.receive().await,
            Kind::WebSocket(socket) => socket,
        };
        loop {
            match socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text),
                // Reading on answers pings.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Binary(_))) => return Err(LoadError::Protocol("a binary frame")),
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.map_or(String::new(), |frame| format!(" with {}", frame.code));
                    return Err(LoadError::Closed(code));
                }
                Some(Err(error)) => return Err(gone(error)),
                None => return Err(LoadError::Closed(String::new())),
            }
        }
    }
}

/// A QUIC connection's first stream: each message behind four bytes of length, big-endian.
struct Lengths {
    /// Ends when dropped.
    connection: Connection,
    send: SendStream,
    recv: RecvStream,
    /// What was read of messages that are not whole.
    read: Vec<u8>,
}

impl Lengths {
    async fn open(target: &Target, index: usize) -> Result<Self, LoadError> {
        let endpoint = target.endpoint(index)?;
        let refused = |error: quinn::ConnectionError| LoadError::Handshake(error.to_string());
        let connecting = endpoint
            .connect(target.address, &target.name.to_str())
            .map_err(|error| LoadError::Asked(error.to_string()))?;
        let connection = connecting.await.map_err(refused)?;
        let (send, recv) = connection.open_bi().await.map_err(refused)?;
        Ok(Self { connection, send, recv, read: Vec::new() })
    }

    async fn send(&mut self, text: &str) -> Result<(), LoadError> {
        let frame = [&(text.len() as u32).to_be_bytes(), text.as_bytes()].concat();
        self.send.write_all(&frame).await.map_err(|_| self.ended())
    }

    async fn receive(&mut self) -> Result<Utf8Bytes, LoadError> {
        loop {
            if let Some((head, rest)) = self.read.split_first_chunk::<4>() {
                let length = u32::from_be_bytes(*head) as usize;
                if length > MESSAGE_BYTES_MAX {
                    return Err(LoadError::Protocol("a length over the limit"));
                }
                if let Some(body) = rest.get(..length) {
                    let text = String::from_utf8(body.to_vec());
                    self.read.drain(..head.len() + length);
                    return text.map(Utf8Bytes::from).map_err(|_| LoadError::Protocol("no UTF-8"));
                }
            }
            match self.recv.read_chunk(READ_BUFFER_BYTES, true).await {
                Ok(Some(chunk)) => self.read.extend_from_slice(&chunk.bytes),
                Ok(None) | Err(_) => return Err(self.ended()),
            }
        }
    }

    fn ended(&self) -> LoadError {
        let why = self.connection.close_reason().map(|reason| format!(": {reason}"));
        LoadError::Closed(why.unwrap_or_default())
    }
}

/// TCP or TLS.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

async fn connect(target: &Target, index: usize) -> std::io::Result<TcpStream> {
    let socket = if target.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(source) = target.source(index) {
        socket.bind(source)?;
    }
    let stream = socket.connect(target.address).await?;
    // A message must not wait for the acknowledgement of the one before.
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn gone(error: Error) -> LoadError {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => LoadError::Closed(String::new()),
        error => LoadError::Closed(format!(": {error}")),
    }
}

//! A real server on a loopback port, and clients to talk to it.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

pub(crate) mod quic;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use match_core::{IceServer, SessionId, Side};
use serde_json::{Value, json};
use signal_plane::{Config, Peer, Relay, Signal};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

/// How long anything may take before a test fails: a machine may be busy. Less than the half minute after
/// which whoever is silent is let go anyway.
pub(crate) const PATIENCE: Duration = Duration::from_secs(25);

pub(crate) struct Server {
    pub(crate) signal: Signal,
    pub(crate) address: SocketAddr,
    pub(crate) relay: Arc<FakeRelay>,
    /// What clients ask their kernel to hold, in bytes; 0: what it likes. Little, so that one that does not
    /// read is soon felt; whose times are measured should have more.
    pub(crate) client_buffer_bytes: u32,
    accepting: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
pub(crate) struct FakeRelay {
    pub(crate) ended: Mutex<Vec<SessionId>>,
    /// What it says of every call.
    pub(crate) is_relaying: std::sync::atomic::AtomicBool,
}

impl Relay for FakeRelay {
    fn ice_servers(&self, _: SessionId, side: Side, host: &str, ends_unix_s: u64) -> Vec<IceServer> {
        let urls = vec![format!("turn:{host}:3478")];
        vec![IceServer {
            urls,
            username: Some(format!("{ends_unix_s}:{side:?}")),
            credential: Some("x".into()),
        }]
    }

    fn is_relaying(&self, _: SessionId, _: Side) -> bool {
        self.is_relaying.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn session_ended(&self, session: SessionId) {
        self.ended.lock().unwrap().push(session);
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), config)
    }

    /// One whose kernel holds little that is to be sent, so that a client that does not read is felt at once.
    pub(crate) async fn with_small_buffers(config: Config) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        // Those that are accepted inherit it.
        socket.set_send_buffer_size(65_536).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self::on(socket.listen(1_024).unwrap(), config)
    }

    fn on(listener: TcpListener, config: Config) -> Self {
        let address = listener.local_addr().unwrap();
        let relay = Arc::new(FakeRelay::default());
        let proxies = config.proxies.clone();
        let signal = Signal::start(config, relay.clone(), [7; 32]);
        let accepting = tokio::spawn({
            let signal = signal.clone();
            async move {
                while let Ok((stream, peer)) = listener.accept().await {
                    let signal = signal.clone();
                    let proxied = proxies.is_trusted(peer.ip());
                    let address = Some(peer.ip()).filter(|_| !proxied);
                    let peer = Peer { address, secure: false, proxied, redirect: None };
                    tokio::spawn(async move { signal.serve(stream, peer).await });
                }
            }
        });
        Self { signal, address, relay, client_buffer_bytes: 4096, accepting }
    }

    /// Opens the signaling with more headers than a client needs.
    pub(crate) async fn try_open(&self, headers: &[(&'static str, &str)]) -> Result<Client, Error> {
        let mut request = format!("ws://{}/signal", self.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        let tcp = TcpSocket::new_v4().unwrap();
        if self.client_buffer_bytes > 0 {
            tcp.set_recv_buffer_size(self.client_buffer_bytes).unwrap();
        }
        let stream = tcp.connect(self.address).await.unwrap();
        let opened = timeout(PATIENCE, tokio_tungstenite::client_async(request, stream)).await.unwrap();
        opened.map(|(socket, _)| Client { socket })
    }

    pub(crate) async fn open(&self) -> Client {
        self.try_open(&[("sec-websocket-protocol", "ginnel.1")]).await.unwrap()
    }

    pub(crate) async fn greeted(&self) -> Client {
        let mut client = self.open().await;
        client.say(json!({"t": "hello", "v": 1})).await;
        assert_eq!(client.hear().await["t"], "welcome");
        client
    }

    /// Two clients in a session, the caller first, and the session.
    pub(crate) async fn pair(&self) -> (Client, Client, String) {
        let mut callee = self.greeted().await;
        callee.find("text").await;
        assert_eq!(callee.hear().await["t"], "waiting");
        let mut caller = self.greeted().await;
        caller.find("text").await;
        let matched = caller.hear_a("matched").await;
        assert_eq!(matched["role"], "caller");
        assert_eq!(callee.hear_a("matched").await["session"], matched["session"]);
        (caller, callee, matched["session"].as_str().unwrap().to_owned())
    }

    /// Sends bytes as they are and reads to the end of the connection, or as much as came.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut out = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut out)).await.expect("the connection ends").ok();
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Waits for a condition on the counters.
    pub(crate) async fn counts(&self, what: &str, condition: impl Fn(signal_plane::Counters) -> bool) {
        let wait = async {
            while !condition(self.signal.counters()) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what}: {:?}", self.signal.counters()));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<TcpStream>,
}

impl Client {
    pub(crate) async fn say(&mut self, message: Value) {
        self.text(&message.to_string()).await;
    }

    pub(crate) async fn text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub(crate) async fn find(&mut self, media: &str) {
        self.say(json!({"t": "find", "want": {"media": media}})).await;
    }

    /// The next message.
    pub(crate) async fn hear(&mut self) -> Value {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("a message in time") {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("a message, not {other:?}"),
            }
        }
    }

    /// The next message, which has this `t`.
    pub(crate) async fn hear_a(&mut self, t: &str) -> Value {
        let message = self.hear().await;
        assert_eq!(message["t"], t, "{message}");
        message
    }

    /// The next message, which is an error with this code.
    pub(crate) async fn hear_error(&mut self, code: &str) -> Value {
        let message = self.hear_a("error").await;
        assert_eq!(message["code"], code, "{message}");
        message
    }

    /// The close code, after whatever else comes.
    pub(crate) async fn hear_close(&mut self) -> u16 {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("a close in time") {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(_)) => {}
                other => panic!("a close frame, not {other:?}"),
            }
        }
    }

    /// Reads until the connection is gone, however it goes.
    pub(crate) async fn hear_the_end(&mut self) {
        let end = async { while let Some(Ok(_)) = self.socket.next().await {} };
        timeout(PATIENCE, end).await.expect("an end in time");
    }
}

/// A `plain` message.
pub(crate) fn plain(session: &str, n: u64, body: Value) -> Value {
    json!({"t": "plain", "session": session, "n": n, "body": body})
}

/// A body of one candidate that may pass; the priority tells it from others.
pub(crate) fn candidate(priority: u64) -> Value {
    let text = format!("candidate:1 1 udp {priority} 192.0.2.1 5000 typ relay raddr 0.0.0.0 rport 9");
    json!({"cand": [{"candidate": text, "sdpMid": "0", "sdpMLineIndex": 0}]})
}

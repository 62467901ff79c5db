//! The time per match through sockets with few and with many who wait. The server is the matcher's plane in
//! this process, with limits that let a crowd in and no widening, which would make the crowd meet each other.

use std::sync::Arc;
use std::time::Instant;

use load::{Client, Crowd, Heard, Latency, LoadError, Media, Said, Target, Want, open_many};
use match_core::{IceServer, SessionId, Side};
use signal_plane::{Config, Peer, Relay, Signal};
use tokio::net::TcpListener;

/// How long two wait for each other while so many wait for others: from the second `find` to its `matched`.
///
/// # Errors
/// No descriptors are left, or a client was refused.
pub(crate) async fn measure(waiting: usize, matches: usize) -> Result<Latency, LoadError> {
    let target = serve(waiting).await?;
    let mut crowd = Crowd::default();
    crowd.add(open_many(0..waiting, |index| wait(&target, index)).await?);
    let mut callers = open_many(waiting..waiting + GROUP, |index| Client::connect(&target, index)).await?;
    let range = waiting + GROUP..waiting + 2 * GROUP;
    let mut callees = open_many(range, |index| Client::connect(&target, index)).await?;
    let mut times = Vec::with_capacity(matches);
    for n in 0..matches {
        // Others each time round: two who met do not meet again so soon.
        let (caller, callee) = (&mut callers[n % GROUP], &mut callees[(n + n / GROUP) % GROUP]);
        find(callee).await?;
        while !matches!(callee.hear().await?, Heard::Waiting { .. }) {}
        let began = Instant::now();
        find(caller).await?;
        while !matches!(caller.hear().await?, Heard::Matched { .. }) {}
        times.push(began.elapsed());
        caller.say(&Said::Leave {}).await?;
        while !matches!(callee.hear().await?, Heard::Gone { .. }) {}
    }
    if crowd.lost() > 0 {
        return Err(LoadError::Closed(" on some who waited".to_owned()));
    }
    Ok(Latency::of(times))
}

/// Somebody whose language is nobody else's.
async fn wait(target: &Target, index: usize) -> Result<Client, LoadError> {
    let mut client = Client::connect(target, index).await?;
    let lang = format!("x{index}");
    let want = Want { media: Media::Text, tags: &["music"], langs: &[&lang] };
    client.say(&Said::Find { want }).await?;
    while !matches!(client.hear().await?, Heard::Waiting { .. }) {}
    Ok(client)
}

async fn find(client: &mut Client) -> Result<(), LoadError> {
    let want = Want { media: Media::Text, tags: &["music"], langs: &["en", "de"] };
    client.say(&Said::Find { want }).await
}

async fn serve(waiting: usize) -> Result<Target, LoadError> {
    let mut config = Config::default();
    let limits = &mut config.matcher.limits;
    (limits.connections_max, limits.waiting_max) = (waiting + 4 * GROUP, waiting + 4 * GROUP);
    limits.work.total_burst = u32::MAX;
    limits.work.place_burst = u32::MAX;
    limits.widen_ms = [limits.waiting_ms_max; 3];
    // The pace is the measurement's.
    (limits.messages_per_s, limits.burst_messages) = (100_000, 100_000);
    config.limits.connections_max = waiting + 4 * GROUP;
    let signal = Signal::start(config, Arc::new(NoRelay), [7; 32]);
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(LoadError::Connect)?;
    let address = listener.local_addr().map_err(LoadError::Connect)?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // As the plane's owner does: a message must not wait for the acknowledgement of the one before.
            let _ = stream.set_nodelay(true);
            let signal = signal.clone();
            let peer = Peer { address: None, secure: false, proxied: false, redirect: None };
            tokio::spawn(async move { signal.serve(stream, peer).await });
        }
    });
    Target::resolve(&format!("ws://{address}")).await
}

struct NoRelay;

impl Relay for NoRelay {
    fn ice_servers(&self, _: SessionId, _: Side, _: &str, _: u64) -> Vec<IceServer> {
        Vec::new()
    }

    fn is_relaying(&self, _: SessionId, _: Side) -> bool {
        false
    }

    fn session_ended(&self, _: SessionId) {}
}

/// More than a client remembers of its partners.
const GROUP: usize = 40;

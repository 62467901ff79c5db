//! Many connections that do nothing, and what one of them costs the server in memory.

use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::Serialize;
use tokio::task::JoinSet;

use crate::LoadError;
use crate::limits::{HANDSHAKES_MAX, SETTLE_MS};
use crate::messages::Talker;
use crate::process::Server;

/// What a crowd cost.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Idle {
    /// How many connections were measured.
    pub connections: usize,
    /// How many a second were opened, greeting and work included.
    pub opened_per_s: f64,
    /// By how much the server's resident memory grew for each; `None` where it could not be asked.
    pub bytes_each: Option<u64>,
    /// How many the server closed meanwhile.
    pub lost: usize,
}

impl Idle {
    /// Opens connections and lets them be idle. A tenth as many, 100 at least, come first and pay for what
    /// all share.
    ///
    /// # Errors
    /// A connection cannot be opened, or the server cannot be asked.
    pub async fn measure<T, F>(
        server: &Server,
        count: usize,
        open: impl Fn(usize) -> F,
    ) -> Result<Self, LoadError>
    where
        T: Talker,
        F: Future<Output = Result<T, LoadError>>,
    {
        let warm_up = (count / 10).max(100);
        let mut crowd = Crowd::default();
        crowd.add(open_many(0..warm_up, &open).await?);
        tokio::time::sleep(Duration::from_millis(SETTLE_MS)).await;
        let before = server.usage().await?;
        let began = Instant::now();
        crowd.add(open_many(warm_up..warm_up + count, &open).await?);
        let took = began.elapsed();
        tokio::time::sleep(Duration::from_millis(SETTLE_MS)).await;
        let after = server.usage().await?;
        let grown = after.resident_bytes.zip(before.resident_bytes).map(|(b, a)| b.saturating_sub(a));
        Ok(Self {
            connections: count,
            opened_per_s: count as f64 / took.as_secs_f64(),
            bytes_each: grown.map(|bytes| bytes / count.max(1) as u64),
            lost: crowd.lost(),
        })
    }
}

/// Connections that only answer what keeps them alive. They end when it is dropped.
#[derive(Default)]
pub struct Crowd {
    tasks: JoinSet<()>,
}

impl Crowd {
    /// More of them.
    pub fn add<T: Talker>(&mut self, idle: Vec<T>) {
        for mut one in idle {
            self.tasks.spawn(async move { while one.receive().await.is_ok() {} });
        }
    }

    /// How many have ended since this was asked last.
    pub fn lost(&mut self) -> usize {
        std::iter::from_fn(|| self.tasks.try_join_next()).count()
    }
}

/// Opens the connections with these numbers, a few at once; in any order.
///
/// # Errors
/// One of them could not be opened.
pub async fn open_many<T, F>(
    indices: std::ops::Range<usize>,
    open: impl Fn(usize) -> F,
) -> Result<Vec<T>, LoadError>
where
    F: Future<Output = Result<T, LoadError>>,
{
    stream::iter(indices.map(open)).buffer_unordered(HANDSHAKES_MAX).try_collect().await
}

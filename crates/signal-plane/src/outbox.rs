//! What waits to be sent on one connection: bounded in bytes, for itself and with all others together, and no
//! memory while nothing waits.
//!
//! The matcher puts in and never waits; the connection's task takes out. A channel would do the same, but
//! keeps room for dozens of messages for every connection that is idle.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use futures_util::task::AtomicWaker;
use tokio_tungstenite::tungstenite::Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::limits::MESSAGE_OVERHEAD_BYTES;
use crate::pool::Share;

/// The matcher's end. Dropped without a word it means: too slow, and that has been counted.
pub(crate) struct Outbox(Arc<Shared>);

/// The connection's end.
pub(crate) struct Inbox {
    shared: Arc<Shared>,
    /// The cost of the messages that were taken last. They are being sent, so they still count.
    under_way: usize,
}

/// What the matcher says to a connection's task.
pub(crate) enum Outgoing {
    /// A frame to send.
    Text(Bytes),
    /// The end, in order.
    Close(CloseCode, &'static str),
}

/// The message has no room beside those that wait.
pub(crate) struct Full;

struct Shared {
    waiting: Mutex<Waiting>,
    reader: AtomicWaker,
    share: Arc<Share>,
}

struct Waiting {
    messages: VecDeque<Bytes>,
    /// How many more bytes may wait.
    room: usize,
    /// After the messages: how it ends, if in order.
    end: Option<Option<(CloseCode, &'static str)>>,
}

/// Both ends; at most so many bytes may wait, which `share` is charged with.
pub(crate) fn outbox(bytes_max: usize, share: Arc<Share>) -> (Outbox, Inbox) {
    let waiting = Waiting { messages: VecDeque::new(), room: bytes_max, end: None };
    let shared = Arc::new(Shared { waiting: Mutex::new(waiting), reader: AtomicWaker::new(), share });
    (Outbox(shared.clone()), Inbox { shared, under_way: 0 })
}

impl Outbox {
    /// Adds a message.
    pub(crate) fn send(&self, text: Bytes) -> Result<(), Full> {
        let cost = cost(&text);
        // Before the reader can give it back.
        self.0.share.take(cost);
        if self.0.share.is_over() {
            // The connection ends, and its task says so.
            return Ok(());
        }
        let mut waiting = self.0.lock();
        let Some(room) = waiting.room.checked_sub(cost) else {
            self.0.share.give_back(cost);
            return Err(Full);
        };
        waiting.room = room;
        waiting.messages.push_back(text);
        drop(waiting);
        self.0.reader.wake();
        Ok(())
    }

    /// Ends it, after the messages that wait.
    pub(crate) fn close(self, code: CloseCode, reason: &'static str) {
        self.0.lock().end = Some(Some((code, reason)));
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.0.lock().end.get_or_insert(None);
        self.0.reader.wake();
    }
}

impl Inbox {
    /// The next thing to do, once the messages before have been sent; `None` after an end without a word. May
    /// be dropped and called again without losing any.
    pub(crate) async fn next(&mut self) -> Option<Outgoing> {
        poll_fn(|cx| {
            if let Poll::Ready(next) = self.take() {
                return Poll::Ready(next);
            }
            self.shared.reader.register(cx.waker());
            // It may have come just before.
            self.take()
        })
        .await
    }

    /// The next message, if one waits already, to be sent together with the one before.
    pub(crate) fn another(&mut self) -> Option<Bytes> {
        let text = self.shared.lock().pop()?;
        self.under_way += cost(&text);
        Some(text)
    }

    /// Whether nothing more will be put in.
    pub(crate) fn is_closed(&self) -> bool {
        self.shared.lock().end.is_some()
    }

    fn take(&mut self) -> Poll<Option<Outgoing>> {
        let mut waiting = self.shared.lock();
        let sent = std::mem::take(&mut self.under_way);
        if sent > 0 {
            waiting.room += sent;
            self.shared.share.give_back(sent);
        }
        if let Some(text) = waiting.pop() {
            self.under_way = cost(&text);
            return Poll::Ready(Some(Outgoing::Text(text)));
        }
        match waiting.end {
            Some(end) => Poll::Ready(end.map(|(code, reason)| Outgoing::Close(code, reason))),
            None => Poll::Pending,
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        // The matcher may take a while to hear of it.
        self.shared.share.leave();
        self.shared.lock().messages = VecDeque::new();
    }
}

impl Waiting {
    fn pop(&mut self) -> Option<Bytes> {
        let text = self.messages.pop_front();
        if self.messages.is_empty() {
            self.messages = VecDeque::new();
        }
        text
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing in between could be half done.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cost(text: &Bytes) -> usize {
    text.len() + MESSAGE_OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::Pool;

    fn both(bytes_max: usize) -> (Outbox, Inbox) {
        outbox(bytes_max, Pool::new(usize::MAX).join())
    }

    async fn text(inbox: &mut Inbox) -> Bytes {
        match inbox.next().await {
            Some(Outgoing::Text(text)) => text,
            _ => panic!("a message"),
        }
    }

    #[tokio::test]
    async fn messages_come_in_order_and_then_the_end() {
        let (outbox, mut inbox) = both(1024);
        for n in ["1", "2"] {
            assert!(outbox.send(n.into()).is_ok());
        }
        assert!(!inbox.is_closed());
        outbox.close(CloseCode::Away, "over");
        assert!(inbox.is_closed());
        assert_eq!((text(&mut inbox).await, text(&mut inbox).await), ("1".into(), "2".into()));
        assert!(matches!(inbox.next().await, Some(Outgoing::Close(CloseCode::Away, "over"))));
    }

    #[tokio::test]
    async fn what_is_being_sent_takes_its_room() {
        let (outbox, mut inbox) = both(MESSAGE_OVERHEAD_BYTES + 10);
        assert!(outbox.send(vec![0; 11].into()).is_err());
        assert!(outbox.send(vec![0; 10].into()).is_ok());
        assert!(outbox.send(Bytes::new()).is_err());
        text(&mut inbox).await;
        assert!(outbox.send(Bytes::new()).is_err() && inbox.another().is_none());
        let idle = poll_fn(|cx| Poll::Ready(std::pin::pin!(inbox.next()).poll(cx).is_pending())).await;
        assert!(idle && outbox.send(vec![0; 10].into()).is_ok());
        drop(outbox);
        text(&mut inbox).await;
        assert!(inbox.next().await.is_none());
    }

    #[tokio::test]
    async fn those_who_are_sent_together_take_their_room_together() {
        let (outbox, mut inbox) = both(2 * MESSAGE_OVERHEAD_BYTES + 2);
        for n in ["1", "2"] {
            assert!(outbox.send(n.into()).is_ok());
        }
        assert_eq!((text(&mut inbox).await, inbox.another()), ("1".into(), Some("2".into())));
        assert!(inbox.another().is_none() && outbox.send(Bytes::new()).is_err());
        let idle = poll_fn(|cx| Poll::Ready(std::pin::pin!(inbox.next()).poll(cx).is_pending())).await;
        assert!(idle && outbox.send("3".into()).is_ok() && outbox.send("4".into()).is_ok());
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let (outbox, mut inbox) = both(1024);
        let waiting = tokio::spawn(async move { (text(&mut inbox).await, inbox.next().await.is_none()) });
        tokio::task::yield_now().await;
        assert!(outbox.send("1".into()).is_ok());
        tokio::task::yield_now().await;
        drop(outbox);
        assert_eq!(waiting.await.unwrap(), ("1".into(), true));
    }

    #[tokio::test]
    async fn all_is_charged_until_it_was_sent_or_cannot_be() {
        let pool = Pool::new(10_000);
        let (outbox, mut inbox) = outbox(1_000, pool.join());
        let each = MESSAGE_OVERHEAD_BYTES + 1;
        for n in ["1", "2", "3"] {
            assert!(outbox.send(n.into()).is_ok());
        }
        assert!(outbox.send(vec![0; 1_000].into()).is_err());
        assert_eq!(pool.bytes(), 3 * each);
        text(&mut inbox).await;
        assert_eq!(pool.bytes(), 3 * each);
        text(&mut inbox).await;
        assert_eq!(pool.bytes(), 2 * each);
        drop(inbox);
        assert_eq!(pool.bytes(), 0);
        assert!(outbox.send("4".into()).is_ok());
        assert!(outbox.0.lock().messages.is_empty(), "nobody is there to send it");
        drop(outbox);
        assert_eq!(pool.bytes(), 0);
    }
}

//! What waits to be sent on all connections together: one bound in bytes.
//!
//! It refuses nothing. Where the bound is exceeded the connections with the most end, until an eighth is free
//! again; the others notice nothing.

use std::collections::BinaryHeap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use slab::Slab;

/// The bound, and everybody's share.
pub(crate) struct Pool {
    bytes_max: usize,
    /// The sum of all shares.
    bytes: AtomicUsize,
    accounts: Mutex<Slab<Arc<Account>>>,
    start: Instant,
}

/// One connection's share.
pub(crate) struct Share {
    pool: Arc<Pool>,
    key: usize,
    account: Arc<Account>,
}

#[derive(Default)]
struct Account {
    bytes: AtomicUsize,
    /// Since when there is anything in it, in milliseconds of the pool's time.
    since_ms: AtomicU64,
    is_over: AtomicBool,
    /// The connection's task.
    task: AtomicWaker,
}

impl Pool {
    pub(crate) fn new(bytes_max: usize) -> Arc<Self> {
        let (bytes, accounts, start) = (AtomicUsize::new(0), Mutex::default(), Instant::now());
        Arc::new(Self { bytes_max, bytes, accounts, start })
    }

    /// A share for one more connection; nothing is in it.
    pub(crate) fn join(self: &Arc<Self>) -> Arc<Share> {
        let account = Arc::<Account>::default();
        let key = self.lock().insert(Arc::clone(&account));
        Arc::new(Share { pool: Arc::clone(self), key, account })
    }

    /// The sum of all shares, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// For how long something has waited in the share that was not empty for the longest. It looks at
    /// everybody.
    pub(crate) fn oldest(&self) -> Option<Duration> {
        let accounts = self.lock();
        let waits = accounts.iter().filter(|(_, account)| account.bytes.load(Ordering::Relaxed) > 0);
        let since_ms = waits.map(|(_, account)| account.since_ms.load(Ordering::Relaxed)).min()?;
        Some(self.start.elapsed().saturating_sub(Duration::from_millis(since_ms)))
    }

    /// Ends those with the most. It looks at everybody, but only once for each eighth of the whole.
    fn make_room(&self) {
        let accounts = self.lock();
        if self.bytes() <= self.bytes_max {
            // Somebody else has made room meanwhile.
            return;
        }
        let sizes = accounts.iter().map(|(key, account)| (account.bytes.load(Ordering::Relaxed), key));
        let mut by_size: BinaryHeap<_> = sizes.collect();
        while self.bytes() > self.bytes_max / 8 * 7
            && let Some((1.., key)) = by_size.pop()
        {
            let account = &accounts[key];
            account.is_over.store(true, Ordering::Relaxed);
            self.give_back(account.bytes.swap(0, Ordering::Relaxed));
            account.task.wake();
        }
    }

    fn give_back(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Slab<Arc<Account>>> {
        // Nothing in between could be half done.
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Adds bytes, whoever has to end for it.
    pub(crate) fn take(&self, bytes: usize) {
        // First the whole: what is taken from it is never more than what was added.
        let before = self.pool.bytes.fetch_add(bytes, Ordering::Relaxed);
        if self.account.bytes.fetch_add(bytes, Ordering::Relaxed) == 0 {
            let since_ms = self.pool.start.elapsed().as_millis() as u64;
            self.account.since_ms.store(since_ms, Ordering::Relaxed);
        }
        if before + bytes > self.pool.bytes_max {
            self.pool.make_room();
        }
    }

    /// Gives bytes back that were taken; of one that was ended there are none left.
    pub(crate) fn give_back(&self, bytes: usize) {
        let less = |own: usize| Some(own.saturating_sub(bytes));
        let before = self.account.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        self.pool.give_back(before.unwrap_or_else(|own| own).min(bytes));
    }

    /// Gives all back, because the connection ends.
    pub(crate) fn leave(&self) {
        self.account.is_over.store(true, Ordering::Relaxed);
        self.pool.give_back(self.account.bytes.swap(0, Ordering::Relaxed));
    }

    /// Whether others need its room: the connection is to end.
    pub(crate) fn is_over(&self) -> bool {
        self.account.is_over.load(Ordering::Relaxed)
    }

    /// Returns when that is so. Only the connection's task may wait for it.
    pub(crate) async fn over(&self) {
        poll_fn(|cx| {
            if self.is_over() {
                return Poll::Ready(());
            }
            self.account.task.register(cx.waker());
            // It may have been ended just before.
            if self.is_over() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.pool.lock().remove(self.key);
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_with_the_most_end_until_an_eighth_is_free() {
        let pool = Pool::new(800);
        let shares = [(); 5].map(|()| pool.join());
        for (share, bytes) in shares.iter().zip([100, 300, 90, 210, 100]) {
            share.take(bytes);
        }
        assert!(shares.iter().all(|share| !share.is_over()) && pool.bytes() == 800);
        assert!(pool.oldest().is_some_and(|oldest| oldest <= pool.start.elapsed()));
        shares[2].take(1);
        let over: Vec<_> = shares.iter().map(|share| share.is_over()).collect();
        assert_eq!((over, pool.bytes()), (vec![false, true, false, false, false], 501));
        shares[4].take(300);
        let over: Vec<_> = shares.iter().map(|share| share.is_over()).collect();
        assert_eq!((over, pool.bytes()), (vec![false, true, false, false, true], 401));
        // What comes and goes of those who were ended does not count twice.
        for (share, bytes) in shares.iter().zip([100, 300, 91, 210, 400]) {
            share.give_back(bytes);
        }
        assert_eq!((pool.bytes(), pool.oldest()), (0, None));
    }

    #[test]
    fn what_is_left_behind_comes_back() {
        let pool = Pool::new(100);
        let share = pool.join();
        share.take(60);
        share.leave();
        assert!(share.is_over() && pool.bytes() == 0);
        share.take(70);
        drop(share);
        assert_eq!((pool.bytes(), pool.lock().len()), (0, 0));
    }

    #[test]
    fn from_many_threads_the_sum_comes_out_even() {
        let pool = Pool::new(1_000);
        std::thread::scope(|scope| {
            for thread in 0..4_usize {
                let pool = &pool;
                scope.spawn(move || {
                    for turn in 0..2_000 {
                        let share = pool.join();
                        share.take(turn % 300 + thread);
                        share.take(turn % 170);
                        share.give_back(turn % 170);
                    }
                });
            }
        });
        assert_eq!((pool.bytes(), pool.lock().len()), (0, 0));
    }

    #[tokio::test]
    async fn the_task_is_woken() {
        let pool = Pool::new(100);
        let (share, other) = (pool.join(), pool.join());
        share.take(100);
        let waiting = tokio::spawn(async move { share.over().await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        other.take(1);
        waiting.await.unwrap();
    }
}

//! Merges concurrent equal reads into one. Pages that watch repeat their reads when
//! something happens, all at the same time.
//!
//! Nobody gets stale data: a caller joins a read only if it has not begun yet. So at most one read per question is
//! running, and one more waits for all later callers. A read that nobody waits for is dropped.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};

/// The questions in progress.
#[derive(Debug)]
pub(super) struct SingleFlight<Q, A>(Arc<Mutex<HashMap<Q, Read<A>>>>)
where
    A: Clone;

impl<Q, A: Clone> Clone for SingleFlight<Q, A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Q, A: Clone> Default for SingleFlight<Q, A> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

#[derive(Debug)]
struct Read<A: Clone> {
    begun: Arc<AtomicBool>,
    /// Gone when nobody waits for it.
    answer: WeakShared<BoxFuture<'static, A>>,
}

impl<Q: Eq + Hash, A: Clone + Send + Sync + 'static> SingleFlight<Q, A> {
    /// The answer of a read that begins after this call: `read`, or another caller's for the same question.
    pub(super) fn run(
        &self,
        question: Q,
        read: impl Future<Output = A> + Send + 'static,
    ) -> Shared<BoxFuture<'static, A>> {
        let mut reads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reads.retain(|_, read| read.answer.upgrade().is_some());
        let last = reads.get(&question);
        let before = last.and_then(|read| read.answer.upgrade());
        if let (Some(read), Some(answer)) = (last, &before)
            && !read.begun.load(Ordering::Acquire)
        {
            return answer.clone();
        }
        let begun = Arc::new(AtomicBool::new(false));
        let begins = Arc::clone(&begun);
        let answer = async move {
            if let Some(before) = before {
                before.await;
            }
            begins.store(true, Ordering::Release);
            read.await
        };
        let answer = answer.boxed().shared();
        if let Some(weak) = answer.downgrade() {
            reads.insert(question, Read { begun, answer: weak });
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use super::*;

    /// Counts reads; each takes a second and returns its number.
    #[derive(Default)]
    struct Source(Arc<AtomicUsize>);

    impl Source {
        fn read(&self) -> impl Future<Output = usize> + Send + 'static {
            let count = Arc::clone(&self.0);
            async move {
                let number = count.fetch_add(1, Ordering::Relaxed) + 1;
                tokio::time::sleep(Duration::from_secs(1)).await;
                number
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_callers_share_a_read_and_later_ones_get_fresh_data() {
        let (single_flight, source) = (SingleFlight::default(), Source::default());
        let ask = |question, after| {
            let (single_flight, read) = (&single_flight, source.read());
            async move {
                tokio::time::sleep(Duration::from_millis(after)).await;
                single_flight.run(question, read).await
            }
        };
        let answers = tokio::join!(ask("a", 0), ask("a", 100), ask("b", 300), ask("a", 500), ask("a", 900));
        assert_eq!(answers, (1, 3, 2, 3, 3), "one read for all who came while the first was under way");
        assert_eq!(single_flight.run("a", source.read()).await, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn cancelled_callers_leave_no_state_and_block_nobody() {
        let (single_flight, source) = (SingleFlight::default(), Source::default());
        let gone = tokio::time::timeout(Duration::from_millis(500), single_flight.run("a", source.read()));
        let stays = single_flight.run("a", source.read());
        let (gone, stays) = tokio::join!(gone, stays);
        assert!(gone.is_err());
        assert_eq!(stays, 1, "the same read, which goes on for who is left");
        let _ = tokio::time::timeout(Duration::from_millis(500), single_flight.run("b", source.read())).await;
        single_flight.run("c", source.read()).await;
        assert_eq!(single_flight.0.lock().unwrap().values().filter(|read| read.answer.upgrade().is_some()).count(), 0);
    }
}

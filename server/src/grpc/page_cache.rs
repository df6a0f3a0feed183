//! Caches answers to reads that are repeated while nothing is committed: pages that watch, and scripts that poll.
//!
//! An answer is stored with the database's [state mark](storeplane_core::ports::Stores::state_mark), and is used only if a mark that
//! was read after the call began is equal. So nobody gets stale data, whichever server committed. Concurrent equal
//! reads are one read, and so are reads of the mark.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::single_flight::SingleFlight;

/// Maximum size of all cached answers, in bytes. Beyond it, answers are not cached.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// The approximate size of an answer.
pub(super) trait Weight {
    /// In bytes.
    fn weight(&self) -> usize;
}

/// A cache of answers. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct PageCache<Q, A, E>
where
    A: Clone,
    E: Clone,
{
    marks: SingleFlight<(), Option<Arc<str>>>,
    reads: SingleFlight<Q, Result<A, E>>,
    kept: Arc<Mutex<Kept<Q, A>>>,
}

/// All answers here were read after the mark: a different mark invalidates them.
#[derive(Debug)]
struct Kept<Q, A> {
    mark: Option<Arc<str>>,
    answers: HashMap<Q, A>,
    bytes: usize,
}

impl<Q, A: Clone, E: Clone> Default for PageCache<Q, A, E> {
    fn default() -> Self {
        let kept = Kept { mark: None, answers: HashMap::new(), bytes: 0 };
        Self { marks: SingleFlight::default(), reads: SingleFlight::default(), kept: Arc::new(Mutex::new(kept)) }
    }
}

impl<Q, A, E> PageCache<Q, A, E>
where
    Q: Clone + Eq + Hash,
    A: Clone + Weight + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    /// The current answer to `question`: the cached one if nothing was committed since it was read, otherwise that of `read`. `mark` reads the
    /// state mark; `None` means that it cannot be read, and nothing is cached.
    pub(super) async fn get(
        &self,
        question: Q,
        mark: impl Future<Output = Option<String>> + Send + 'static,
        read: impl Future<Output = Result<A, E>> + Send + 'static,
    ) -> Result<A, E> {
        let mark = self.marks.run((), async move { mark.await.map(Arc::from) }).await;
        if let Some(mark) = &mark
            && let Some(answer) = self.lock().find(mark, &question)
        {
            return Ok(answer);
        }
        let answer = self.reads.run(question.clone(), read).await?;
        if let Some(mark) = mark {
            self.lock().keep(mark, question, &answer);
        }
        Ok(answer)
    }

    fn lock(&self) -> MutexGuard<'_, Kept<Q, A>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Q: Eq + Hash, A: Clone + Weight> Kept<Q, A> {
    fn find(&self, mark: &Arc<str>, question: &Q) -> Option<A> {
        let same = self.mark.as_ref() == Some(mark);
        self.answers.get(question).filter(|_| same).cloned()
    }

    /// `answer` was read after `mark`. Which of two marks is newer is unknown; a wrong guess only costs a read.
    fn keep(&mut self, mark: Arc<str>, question: Q, answer: &A) {
        if self.mark.as_ref() != Some(&mark) {
            *self = Self { mark: Some(mark), answers: HashMap::new(), bytes: 0 };
        }
        let bytes = self.bytes + answer.weight();
        if bytes <= BYTES_MAX && self.answers.insert(question, answer.clone()).is_none() {
            self.bytes = bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    impl Weight for usize {
        fn weight(&self) -> usize {
            BYTES_MAX / 3
        }
    }

    /// A fake database: its state mark, and the number of reads.
    #[derive(Default)]
    struct Source {
        reads: Arc<AtomicUsize>,
        cache: PageCache<&'static str, usize, ()>,
    }

    impl Source {
        async fn get(&self, question: &'static str, mark: Option<&str>) -> usize {
            let (reads, mark) = (Arc::clone(&self.reads), mark.map(str::to_owned));
            let read = async move { Ok(reads.fetch_add(1, Ordering::Relaxed) + 1) };
            self.cache.get(question, async move { mark }, read).await.expect("it is read")
        }
    }

    #[tokio::test]
    async fn cached_answer_is_used_until_next_commit() {
        let source = Source::default();
        assert_eq!(source.get("a", Some("1")).await, 1);
        assert_eq!(source.get("a", Some("1")).await, 1);
        assert_eq!(source.get("b", Some("1")).await, 2);
        assert_eq!(source.get("a", Some("2")).await, 3);
        assert_eq!(source.get("b", Some("2")).await, 4);
        assert_eq!(source.get("a", Some("2")).await, 3);
    }

    #[tokio::test]
    async fn without_state_mark_every_call_reads() {
        let source = Source::default();
        assert_eq!((source.get("a", None).await, source.get("a", None).await), (1, 2));
    }

    #[tokio::test]
    async fn cache_size_is_bounded() {
        let source = Source::default();
        for question in ["a", "b", "c", "d", "e"] {
            source.get(question, Some("1")).await;
        }
        assert_eq!(source.get("a", Some("1")).await, 1, "kept");
        assert_eq!(source.get("e", Some("1")).await, 6, "beyond the bound");
    }
}

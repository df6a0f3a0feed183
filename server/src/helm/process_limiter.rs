//! Limits helm runs: a maximum number at once, and never two for one release.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use super::command::Release;

/// Grants permits for runs.
#[derive(Debug)]
pub(super) struct ProcessLimiter {
    permits: Arc<Semaphore>,
    releases: Mutex<HashMap<Release, Weak<AsyncMutex<()>>>>,
    running: AtomicUsize,
    peak: AtomicUsize,
}

/// The right to run, until it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    limiter: Arc<ProcessLimiter>,
    _release: OwnedMutexGuard<()>,
    _slot: OwnedSemaphorePermit,
}

impl ProcessLimiter {
    pub(super) fn new(max_processes: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(max_processes.max(1))),
            releases: Mutex::default(),
            running: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
        }
    }

    /// Waits for a permit. `None` if the semaphore is closed, which never happens.
    pub(super) async fn enter(self: &Arc<Self>, release: &Release) -> Option<Permit> {
        let release = self.lock_of(release).lock_owned().await;
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        let running = self.running.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak.fetch_max(running, Ordering::Relaxed);
        Some(Permit { limiter: Arc::clone(self), _release: release, _slot: permit })
    }

    fn lock_of(&self, release: &Release) -> Arc<AsyncMutex<()>> {
        let mut releases = self.releases.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = releases.get(release).and_then(Weak::upgrade) {
            return lock;
        }
        releases.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::new(AsyncMutex::new(()));
        releases.insert(release.clone(), Arc::downgrade(&lock));
        lock
    }

    pub(super) fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    pub(super) fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.limiter.running.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn release(name: &str) -> Release {
        Release { namespace: "n".into(), name: name.into() }
    }

    #[tokio::test]
    async fn runs_are_limited_per_release_and_in_total() {
        let limiter = Arc::new(ProcessLimiter::new(2));
        let first = limiter.enter(&release("a")).await.unwrap();
        assert!(limiter.enter(&release("a")).now_or_never().is_none(), "the release is taken");
        let second = limiter.enter(&release("b")).await.unwrap();
        assert!(limiter.enter(&release("c")).now_or_never().is_none(), "all permits are taken");
        assert_eq!((limiter.running(), limiter.peak()), (2, 2));

        drop((first, second));

        let again = limiter.enter(&release("a")).now_or_never().flatten().unwrap();
        assert_eq!((limiter.running(), limiter.peak()), (1, 2));
        drop(again);
        limiter.enter(&release("z")).await.unwrap();
        assert_eq!(limiter.releases.lock().unwrap().len(), 1, "locks that nobody holds are forgotten");
    }
}

//! Whether Postgres, the cluster and helm can be used: probed every few seconds.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Between two probes of a part.
const INTERVAL: Duration = Duration::from_secs(3);
/// How long a probe may take.
const TIME: Duration = Duration::from_secs(5);

/// Whether a component is usable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Usable.
    Usable,
    /// Not usable; the reason in one sentence without secrets.
    Away(String),
}

/// A part and its health.
#[derive(Debug, Clone)]
pub struct Part {
    /// `postgres`, `kubernetes` or `helm`.
    pub name: &'static str,
    /// The result of the last probe.
    pub state: watch::Receiver<Health>,
}

impl Part {
    /// Probes a part until `shutdown`. Before the first probe it is away.
    pub fn probe<F, T>(
        name: &'static str,
        tasks: &TaskTracker,
        shutdown: CancellationToken,
        probe: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<T, String>> + Send,
    {
        let (sender, state) = watch::channel(Health::Away("has not been probed yet".into()));
        tasks.spawn(async move {
            let probing = async {
                loop {
                    let health = match tokio::time::timeout(TIME, probe()).await {
                        Ok(Ok(_)) => Health::Usable,
                        Ok(Err(why)) => Health::Away(why),
                        Err(_) => Health::Away(format!("did not answer within {} s", TIME.as_secs())),
                    };
                    report(name, &sender, health);
                    tokio::time::sleep(INTERVAL).await;
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = probing => {}
            }
        });
        Self { name, state }
    }

    /// Whether it can be used.
    pub fn is_usable(&self) -> bool {
        *self.state.borrow() == Health::Usable
    }

    /// Waits for a change.
    pub async fn changed(&mut self) {
        if self.state.changed().await.is_err() {
            // The probes have ended: it stays as it is.
            std::future::pending::<()>().await;
        }
    }
}

fn report(name: &str, sender: &watch::Sender<Health>, health: Health) {
    sender.send_if_modified(|before| {
        let changed = *before != health;
        if changed {
            match &health {
                Health::Usable => tracing::info!(part = name, "part is usable"),
                Health::Away(why) => tracing::warn!(part = name, why, "part is not usable"),
            }
            *before = health;
        }
        changed
    });
}

/// The component without which the server cannot answer. Without the others it still serves reads, watches and new requests;
/// operations wait, and no other replica could do better.
pub const ESSENTIAL: &str = "postgres";

/// True if the server can serve requests.
pub fn is_serving(parts: &[Part]) -> bool {
    parts.iter().filter(|part| part.name == ESSENTIAL).all(Part::is_usable)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn part_becomes_usable_and_away() {
        let (tasks, shutdown, there) = (TaskTracker::new(), CancellationToken::new(), Arc::new(AtomicBool::new(true)));
        let asked = Arc::clone(&there);
        let mut part = Part::probe("helm", &tasks, shutdown.clone(), move || {
            let there = asked.load(Ordering::Relaxed);
            async move { if there { Ok(()) } else { Err("is missing".to_owned()) } }
        });
        assert!(!part.is_usable());
        part.changed().await;
        assert!(part.is_usable());
        there.store(false, Ordering::Relaxed);
        part.changed().await;
        assert_eq!(*part.state.borrow(), Health::Away("is missing".into()));
        shutdown.cancel();
        tasks.close();
        tasks.wait().await;
    }

    #[tokio::test(start_paused = true)]
    async fn hanging_part_is_away() {
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let mut part = Part::probe("kubernetes", &tasks, shutdown.clone(), std::future::pending::<Result<(), String>>);
        part.changed().await;
        assert_eq!(*part.state.borrow(), Health::Away("did not answer within 5 s".into()));
        shutdown.cancel();
    }
}

//! A client that goes on calling on its own connection, in its own thread.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::harness::Api;

/// Between two calls.
const PAUSE: Duration = Duration::from_millis(4);

pub(super) struct Bystander {
    phase: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    calling: std::thread::JoinHandle<Vec<(usize, Result<Duration, String>)>>,
}

impl Bystander {
    /// Starts in phase 0.
    pub(super) fn start(to: SocketAddr, token: String, store: String) -> Self {
        let (phase, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (now, stopped) = (Arc::clone(&phase), Arc::clone(&stop));
        let calling = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let api = Api::connect(to, &token);
                let mut calls = Vec::new();
                while !stopped.load(Ordering::Relaxed) {
                    let (phase, began) = (now.load(Ordering::Relaxed), Instant::now());
                    let called = tokio::time::timeout(Duration::from_mins(1), api.get(&store)).await;
                    let result = match called {
                        Ok(Ok(_)) => Ok(began.elapsed()),
                        Ok(Err(status)) => Err(format!("{status:?}")),
                        Err(_) => Err("no answer within a minute".to_owned()),
                    };
                    calls.push((phase, result));
                    tokio::time::sleep(PAUSE).await;
                }
                calls
            })
        });
        Self { phase, stop, calling }
    }

    pub(super) fn enter(&self, phase: usize) {
        self.phase.store(phase, Ordering::Relaxed);
    }

    /// The latencies of each phase, sorted, and the calls that failed.
    pub(super) fn stop(self, phases: usize) -> (Vec<Vec<Duration>>, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let (mut latencies, mut failures) = (vec![Vec::new(); phases], Vec::new());
        for (phase, result) in self.calling.join().unwrap() {
            match result {
                Ok(latency) => latencies[phase].push(latency),
                Err(problem) => failures.push(format!("phase {phase}: {problem}")),
            }
        }
        for latencies in &mut latencies {
            latencies.sort();
        }
        (latencies, failures)
    }
}

//! Faults of the servers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::Rng as _;
use rand::rngs::StdRng;

use crate::harness::{Server, signal};

pub(super) struct Havoc {
    servers: Vec<Server>,
    random: StdRng,
    counts: BTreeMap<&'static str, usize>,
}

impl Havoc {
    pub(super) fn new(servers: Vec<Server>, random: StdRng) -> Self {
        Self { servers, random, counts: BTreeMap::new() }
    }

    /// Disturbs a server every few seconds; at the end all of them run.
    pub(super) async fn rage(&mut self, lasts: Duration) {
        let began = Instant::now();
        while began.elapsed() < lasts {
            tokio::time::sleep(Duration::from_millis(self.random.random_range(800..4000))).await;
            let victim = self.random.random_range(0..self.servers.len());
            let (away, kind) = (self.random.random_range(0..2500), self.random.random_range(0..100));
            let away = Duration::from_millis(away);
            let server = &mut self.servers[victim];
            let what = match kind {
                0..45 => {
                    server.kill9();
                    tokio::time::sleep(away).await;
                    server.restart().await;
                    "killed"
                }
                45..60 => {
                    // With all its child processes, as when its machine fails.
                    let helpers = server.helpers();
                    server.kill9();
                    for pid in helpers {
                        signal(pid, "KILL");
                    }
                    tokio::time::sleep(away).await;
                    server.restart().await;
                    "killed with its helms"
                }
                60..80 => {
                    server.terminate().await;
                    tokio::time::sleep(away).await;
                    server.restart().await;
                    "stopped"
                }
                _ => {
                    // Longer than its leases.
                    signal(server.pid(), "STOP");
                    tokio::time::sleep(Duration::from_millis(2500) + away).await;
                    signal(server.pid(), "CONT");
                    "paused"
                }
            };
            *self.counts.entry(what).or_default() += 1;
        }
    }

    pub(super) fn summary(&self) -> String {
        let counts: Vec<_> = self.counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
        format!("servers {}", counts.join(", "))
    }

    /// The servers' logs, for debugging.
    pub(super) fn print_logs(&self) {
        for server in &self.servers {
            let log = server.log();
            let telling = log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR"));
            let last: Vec<_> = telling.rev().take(40).collect();
            eprintln!("--- {} ---\n{}", server.address(), last.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
    }
}

//! Servers that are killed, stopped, paused and started at random, under a load of random commands, with watchers.
//! Afterwards everything that a client was told must be true: rows, releases, namespaces, events.
//!
//! - `load`: clients, and the responses they got. `havoc`: faults of the servers. `watchers`: who received which event.
//! - `audit`: what must be true at the end.
//!
//! Short in `make test`; `make soak MINUTES=10` (`dev/soak`) is the long one. A run prints its seed, and
//! `STOREPLANE_SOAK_SEED` repeats its commands and kills, though not the machine's timing.

mod audit;
mod havoc;
mod load;
mod watchers;

use std::time::{Duration, Instant};

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use storeplane_client::Client;
use tokio_util::sync::CancellationToken;

use crate::harness::{Account, Balancer, Database, Kubernetes, Server, Setup, print_line};
use havoc::Havoc;
use load::Load;
use watchers::Watchers;

/// Duration of the short ones.
const SHORT: Duration = Duration::from_secs(20);
/// Concurrent clients.
const CLIENTS: u64 = 8;
/// Watchers of all stores.
const WATCHERS: usize = 4;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_lose_nothing_while_killed_at_random() {
    soak(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_servers_lose_nothing_while_killed_at_random() {
    soak(3).await;
}

async fn soak(replicas: usize) {
    let lasts = number("STOREPLANE_SOAK_SECONDS").map_or(SHORT, Duration::from_secs);
    let seed = number("STOREPLANE_SOAK_SEED").unwrap_or_else(rand::random);
    print_line(&format!("soak: {replicas} servers, {} s, seed {seed}", lasts.as_secs()));
    let account = Account::of(&format!("it-soak-{replicas}"));
    let kubernetes = Kubernetes::of(&account.instance);
    kubernetes.drop_all().await;
    let setup = Setup::of(account)
        .with_small_chart()
        .with("STOREPLANE_LEASE_SECONDS", "3")
        .with("STOREPLANE_SHUTDOWN_SECONDS", "5");
    let database = Database::create().await;
    let token = database.token("default", "operator").await;
    let mut servers = Vec::new();
    for _ in 0..replicas {
        servers.push(Server::start(&setup, &database).await);
    }
    let balancer = Balancer::before(servers.iter().map(Server::address).collect()).await;
    let client = || Client::connect(&balancer.address.to_string(), &token).expect("an address");

    let watchers = Watchers::start(balancer.address, &token, WATCHERS).await;
    let stop = CancellationToken::new();
    let mut havoc = Havoc::new(servers, StdRng::seed_from_u64(seed));
    let loads = (0..CLIENTS).map(|n| {
        let random = StdRng::seed_from_u64(seed ^ (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        tokio::spawn(Load::new(client(), watchers.clone(), random).run(stop.clone()))
    });
    let loads: Vec<_> = loads.collect();
    havoc.rage(lasts).await;
    stop.cancel();
    let mut answers = Vec::new();
    for load in loads {
        answers.push(load.await.expect("a client that did not panic"));
    }

    let settling = Instant::now();
    audit::settled(&database).await;
    let settled = settling.elapsed();
    let saw = watchers.end(&database).await;
    let problems = audit::audit(&database, &kubernetes, &answers, &saw).await;
    print_line(&format!(
        "soak: {replicas} servers, {} s, seed {seed}: {}; {}; {}; settled {:.1} s after the last command",
        lasts.as_secs(),
        load::summary(&answers),
        havoc.summary(),
        saw.summary(),
        settled.as_secs_f64()
    ));
    kubernetes.drop_all().await;
    if !problems.is_empty() {
        havoc.print_logs();
        panic!("seed {seed}:\n{}", problems.join("\n"));
    }
}

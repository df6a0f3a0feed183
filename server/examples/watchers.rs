//! What watching costs: many idle watchers and some busy ones on one server, its memory, and the time from an event's
//! commit to its arrival. `make bench` runs it; prints one JSON object. Writes to the server's database as the server does.

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]
#![allow(clippy::disallowed_methods, reason = "a program of its own, outside of the server")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a measurement that fails is none")]

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/it/harness/writer.rs"]
mod writer;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Parser;
use futures::StreamExt as _;
use storeplane_client::{Change, Client};
use tokio::task::JoinSet;
use writer::{Write, Writer};

/// Watchers of all stores among the busy ones: one in ten.
const WHOLE: usize = 10;
/// Watches on one connection.
const A_CONNECTION: usize = 100;

#[derive(Parser)]
struct Args {
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    #[arg(long)]
    addr: String,
    #[arg(long, env = "STOREPLANE_TOKEN", hide_env_values = true)]
    token: String,
    /// The server's process.
    #[arg(long)]
    pid: u32,
    #[arg(long, default_value_t = 1000)]
    idle: usize,
    #[arg(long, default_value_t = 100)]
    busy: usize,
    /// For how long each busy store has an event a second.
    #[arg(long, default_value_t = 30)]
    seconds: u32,
}

/// When something happened to a store: its number and the event's sequence.
type Times = Arc<Mutex<HashMap<(usize, i64), Instant>>>;
/// When the same arrived: once for each watcher.
type Arrivals = Arc<Mutex<Vec<((usize, i64), Instant)>>>;

#[tokio::main]
async fn main() {
    let args = Args::parse();
    let writer = Arc::new(Writer::new(&args.database_url, 8).await);
    let names = |kind: &str, count: usize| (0..count).map(|n| format!("{kind}{n}")).collect::<Vec<_>>();
    let (quiet, busy) = (names("idle", args.idle / 10), names("busy", args.busy));
    for store in quiet.iter().chain(&busy) {
        writer.ready(store, "default").await;
    }
    let clients: Vec<_> = (0..(args.idle + args.busy).div_ceil(A_CONNECTION))
        .map(|_| Client::connect(&args.addr, &args.token).expect("an address"))
        .collect();
    let before = resident(args.pid);

    let (arrived_one, arrived_all) = (Arrivals::default(), Arrivals::default());
    let mut watching = JoinSet::new();
    let caught_up = Arc::new(tokio::sync::Semaphore::new(0));
    for n in 0..args.idle {
        let client = clients[n / A_CONNECTION].clone();
        watching.spawn(one(
            client,
            quiet[n % quiet.len()].clone(),
            usize::MAX,
            Arrivals::default(),
            Arc::clone(&caught_up),
        ));
    }
    wait(&caught_up, args.idle).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let with_idle = resident(args.pid);
    for (n, store) in busy.iter().enumerate() {
        let client = clients[(args.idle + n) / A_CONNECTION].clone();
        if n % WHOLE == 0 {
            watching.spawn(all(client, Arc::clone(&arrived_all), Arc::clone(&caught_up)));
        } else {
            watching.spawn(one(client, store.clone(), n, Arc::clone(&arrived_one), Arc::clone(&caught_up)));
        }
    }
    wait(&caught_up, args.busy).await;

    let committed = Times::default();
    let mut writing = JoinSet::new();
    for (n, store) in busy.into_iter().enumerate() {
        writing.spawn(write(Arc::clone(&writer), store, n, args.seconds, Arc::clone(&committed)));
    }
    let mut peak = with_idle;
    while !writing.is_empty() {
        let pause = tokio::time::sleep(Duration::from_millis(500));
        tokio::select! { Some(written) = writing.join_next() => written.unwrap(), () = pause => {} }
        peak = peak.max(resident(args.pid));
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    watching.shutdown().await;

    let committed = std::mem::take(&mut *committed.lock().unwrap());
    let (one, whole) = (latencies(&committed, &arrived_one), latencies(&committed, &arrived_all));
    let expected = committed.len();
    let whole_watchers = args.busy.div_ceil(WHOLE);
    assert_eq!(one.len(), expected / args.busy * (args.busy - whole_watchers), "watchers of one store");
    assert_eq!(whole.len(), expected * whole_watchers, "watchers of all stores");
    println!(
        "{}",
        serde_json::json!({
            "idle": args.idle, "busy": args.busy, "events": expected, "told": one.len() + whole.len(),
            "rss_before": before, "rss_idle": with_idle, "rss_busy": peak,
            "one_p50": at(&one, 0.5), "one_p99": at(&one, 0.99), "all_p50": at(&whole, 0.5), "all_p99": at(&whole, 0.99),
        })
    );
}

async fn wait(caught_up: &tokio::sync::Semaphore, count: usize) {
    let all = caught_up.acquire_many(u32::try_from(count).expect("not that many"));
    tokio::time::timeout(Duration::from_mins(2), all).await.expect("all are there").expect("open").forget();
}

async fn one(client: Client, store: String, number: usize, arrived: Arrivals, caught_up: Arc<tokio::sync::Semaphore>) {
    let mut watch = client.watch(&store, 0);
    while let Some(change) = watch.next().await {
        match change.expect("goes on") {
            Change::Event(event) => arrived.lock().unwrap().push(((number, event.sequence), Instant::now())),
            Change::CaughtUp => caught_up.add_permits(1),
            Change::Snapshot(_) => {}
        }
    }
}

async fn all(client: Client, arrived: Arrivals, caught_up: Arc<tokio::sync::Semaphore>) {
    let mut watch = client.watch_all("", "");
    while let Some(told) = watch.next().await {
        match told.expect("goes on").change {
            Change::Event(event) => {
                let number = event.store_id.strip_prefix("busy").and_then(|number| number.parse().ok());
                arrived.lock().unwrap().push(((number.unwrap_or(usize::MAX), event.sequence), Instant::now()));
            }
            Change::CaughtUp => caught_up.add_permits(1),
            Change::Snapshot(_) => {}
        }
    }
}

/// An event a second, each store at its own moment.
async fn write(writer: Arc<Writer>, store: String, number: usize, seconds: u32, committed: Times) {
    tokio::time::sleep(Duration::from_millis(number as u64 * 997 % 1000)).await;
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    for _ in 0..seconds {
        ticks.tick().await;
        let applied = writer.write("default", &store, &Write::of(1)).await.expect("it is stored");
        committed.lock().unwrap().insert((number, applied.store.last_sequence), Instant::now());
    }
}

/// Milliseconds from the answer to a commit to each arrival, sorted. What arrived before that answer took none.
fn latencies(committed: &HashMap<(usize, i64), Instant>, arrived: &Arrivals) -> Vec<f64> {
    let arrived = arrived.lock().unwrap();
    let took = arrived.iter().filter_map(|(event, at)| Some(at.saturating_duration_since(*committed.get(event)?)));
    let mut took: Vec<_> = took.map(|took| took.as_secs_f64() * 1e3).collect();
    took.sort_by(f64::total_cmp);
    took
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of a length"
)]
fn at(sorted: &[f64], share: f64) -> f64 {
    sorted.get((sorted.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN)
}

/// Resident memory in MB.
fn resident(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a running server");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a size");
    line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse::<f64>().ok()).expect("a number") / 1024.0
}

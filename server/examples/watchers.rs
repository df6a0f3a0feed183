//! What watching costs: many idle watchers and some busy ones on one server, its memory, and the time from an event's
//! commit to its arrival. `make bench` runs it; prints one JSON object. Writes to the server's database as the server does.

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]
#![allow(clippy::disallowed_methods, reason = "a program of its own, outside of the server")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a measurement that fails is none")]

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/it/harness/writer.rs"]
mod writer;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
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
    let writer = Arc::new(Writer::new(&args.database_url, 8));
    let names = |kind: &str, count: usize| (0..count).map(|n| format!("{kind}{n}")).collect::<Vec<_>>();
    let (quiet, busy) = (names("idle", args.idle / 10), names("busy", args.busy));
    for store in quiet.iter().chain(&busy) {
        writer.ready(store, "default").await;
    }
    let before = resident(args.pid);
    let mut watching = Watching::default();
    for store in quiet.iter().cycle().take(args.idle) {
        watching.one(&args, store.clone(), usize::MAX);
    }
    watching.caught_up(args.idle).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let with_idle = resident(args.pid);
    for (n, store) in busy.iter().enumerate() {
        if n % WHOLE == 0 {
            watching.all(&args);
        } else {
            watching.one(&args, store.clone(), n);
        }
    }
    watching.caught_up(args.busy).await;

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
    watching.tasks.shutdown().await;
    let committed = std::mem::take(&mut *committed.lock().unwrap());
    report(&args, &committed, &watching, [before, with_idle, peak]);
}

fn report(args: &Args, committed: &HashMap<(usize, i64), Instant>, watching: &Watching, resident: [f64; 3]) {
    let (one, whole) = (latencies(committed, &watching.of_one), latencies(committed, &watching.of_all));
    let (events, wholes) = (committed.len(), args.busy.div_ceil(WHOLE));
    assert_eq!(one.len(), events / args.busy * (args.busy - wholes), "events delivered to watchers of one store");
    assert_eq!(whole.len(), events * wholes, "events delivered to watchers of all stores");
    let [before, idle, busy] = resident;
    println!(
        "{}",
        serde_json::json!({
            "idle": args.idle, "busy": args.busy, "events": events, "deliveries": one.len() + whole.len(),
            "rss_before": before, "rss_idle": idle, "rss_busy": busy,
            "one_p50": at(&one, 0.5), "one_p99": at(&one, 0.99), "all_p50": at(&whole, 0.5), "all_p99": at(&whole, 0.99),
        })
    );
}

/// The watchers, some on each connection, and what arrives at them.
#[derive(Default)]
struct Watching {
    tasks: JoinSet<()>,
    client: Option<Client>,
    of_one: Arrivals,
    of_all: Arrivals,
    there: Arc<AtomicUsize>,
}

impl Watching {
    fn client(&mut self, args: &Args) -> Client {
        if self.tasks.len().is_multiple_of(A_CONNECTION) {
            self.client = None;
        }
        self.client.get_or_insert_with(|| Client::connect(&args.addr, &args.token).expect("an address")).clone()
    }

    fn one(&mut self, args: &Args, store: String, number: usize) {
        let (client, arrived, there) = (self.client(args), Arc::clone(&self.of_one), Arc::clone(&self.there));
        self.tasks.spawn(one(client, store, number, arrived, there));
    }

    fn all(&mut self, args: &Args) {
        let (client, arrived, there) = (self.client(args), Arc::clone(&self.of_all), Arc::clone(&self.there));
        self.tasks.spawn(all(client, arrived, there));
    }

    /// Waits until so many more are there.
    async fn caught_up(&self, count: usize) {
        let waiting = async {
            while self.there.load(Ordering::Relaxed) < count {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(2), waiting).await.expect("all are there");
        self.there.store(0, Ordering::Relaxed);
    }
}

async fn one(client: Client, store: String, number: usize, arrived: Arrivals, there: Arc<AtomicUsize>) {
    let mut watch = client.watch(&store, 0);
    while let Some(change) = watch.next().await {
        match change.expect("goes on") {
            Change::Event(event, _) => arrived.lock().unwrap().push(((number, event.sequence), Instant::now())),
            Change::CaughtUp => {
                there.fetch_add(1, Ordering::Relaxed);
            }
            Change::Snapshot(_) => {}
        }
    }
}

async fn all(client: Client, arrived: Arrivals, there: Arc<AtomicUsize>) {
    let mut watch = client.watch_all("", "");
    while let Some(received) = watch.next().await {
        match received.expect("goes on").change {
            Change::Event(event, _) => {
                let number = event.store_id.strip_prefix("busy").and_then(|number| number.parse().ok());
                arrived.lock().unwrap().push(((number.unwrap_or(usize::MAX), event.sequence), Instant::now()));
            }
            Change::CaughtUp => {
                there.fetch_add(1, Ordering::Relaxed);
            }
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

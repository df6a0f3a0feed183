//! Calls a server for some time, as clients with ordinary retries do, and prints what they saw as JSON: calls, failed calls, the longest
//! call, and stores that were accepted and did not become ready. The exit code is 0 only if nothing failed. It creates stores and
//! deletes them again; SIGTERM ends it early.
//!
//!     STOREPLANE_ADDR=127.0.0.1:8080 STOREPLANE_TOKEN=… load --seconds 60 --operations-per-minute 6

#![allow(clippy::print_stdout, reason = "it is a program for a terminal")]

mod access;

use std::collections::VecDeque;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Parser;
use futures::StreamExt as _;
use storeplane_client::{Client, Error, v1};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Between two calls of a reader.
const PAUSE: Duration = Duration::from_millis(20);

/// Loads a server, and reports failed calls and lost operations.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    access: access::Access,
    /// Duration of the load, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Clients that get and list stores, each with a connection of its own.
    #[arg(long, default_value_t = 4)]
    readers: usize,
    /// Creations and deletions of stores, in all.
    #[arg(long, default_value_t = 6)]
    operations_per_minute: u32,
    /// Maximum number of stores that are kept at a time.
    #[arg(long, default_value_t = 3)]
    stores: usize,
    /// Time limit for a store to become ready, or to be deleted, in seconds.
    #[arg(long, default_value_t = 300)]
    timeout_seconds: u64,
}

fn increment(number: &AtomicU64) {
    number.fetch_add(1, Ordering::Relaxed);
}

/// Results of all clients.
#[derive(Default)]
struct Results {
    /// Cancelled when the time is over.
    end: CancellationToken,
    calls: AtomicU64,
    /// The longest call with its retries.
    longest: Mutex<(Duration, String)>,
    /// Of the watch of all stores.
    messages: AtomicU64,
    created: AtomicU64,
    deleted: AtomicU64,
    failures: Mutex<Vec<String>>,
}

impl Results {
    /// Its answer, if it has one.
    async fn call<T>(&self, name: &str, call: impl Future<Output = Result<T, Error>>) -> Option<T> {
        let began = Instant::now();
        let answer = call.await;
        increment(&self.calls);
        let mut longest = self.longest.lock().unwrap_or_else(PoisonError::into_inner);
        if began.elapsed() > longest.0 {
            *longest = (began.elapsed(), name.to_owned());
        }
        drop(longest);
        answer.map_err(|error| self.failed(format!("{name}: {error}"))).ok()
    }

    fn failed(&self, failure: String) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
    }

    fn summary(&self) -> String {
        let numbers = [
            ("calls", &self.calls),
            ("messages", &self.messages),
            ("created", &self.created),
            ("deleted", &self.deleted),
        ];
        let failed = self.failures.lock().unwrap_or_else(PoisonError::into_inner).len();
        let numbers = numbers.map(|(name, number)| format!("\"{name}\": {}, ", number.load(Ordering::Relaxed)));
        let (longest, name) = &*self.longest.lock().unwrap_or_else(PoisonError::into_inner);
        format!(
            "{{{}\"failed\": {failed}, \"longest\": \"{name}\", \"longest_ms\": {}}}",
            numbers.concat(),
            longest.as_millis()
        )
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let args = Args::parse();
    let results = Arc::new(Results::default());
    let mut tasks = JoinSet::new();
    for _ in 0..args.readers {
        tasks.spawn(read(Arc::clone(&results), args.access.client()?));
    }
    tasks.spawn(watch(Arc::clone(&results), args.access.client()?));
    let pace = Duration::from_mins(1) / args.operations_per_minute.max(1);
    let writer = Writer {
        results: Arc::clone(&results),
        client: args.access.client()?,
        time_limit: Duration::from_secs(args.timeout_seconds),
    };
    tasks.spawn(writer.write(pace, args.stores));

    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        () = tokio::time::sleep(Duration::from_secs(args.seconds)) => {}
        _ = terminate.recv() => {}
    }
    results.end.cancel();
    tasks.join_all().await;
    println!("{}", results.summary());
    let failures = results.failures.lock().unwrap_or_else(PoisonError::into_inner);
    for failure in failures.iter() {
        eprintln!("{failure}");
    }
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn watch(results: Arc<Results>, client: Client) {
    let mut watch = client.watch_all("", "");
    while let Some(change) = results.end.run_until_cancelled(watch.next()).await {
        match change {
            Some(Ok(_)) => increment(&results.messages),
            Some(Err(error)) => return results.failed(format!("WatchStores: {error}")),
            None => return results.failed("WatchStores: the stream ended".into()),
        }
    }
}

async fn read(results: Arc<Results>, client: Client) {
    while !results.end.is_cancelled() {
        let page = v1::ListStoresRequest { page_size: 50, ..Default::default() };
        let list = results.call("ListStores", client.list_stores(page)).await;
        if let Some(store) = list.and_then(|list| list.stores.into_iter().next()) {
            Box::pin(results.call("GetStore", if_present(client.get_store(&store.store_id)))).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A store that was deleted meanwhile is no failure.
async fn if_present(answer: impl Future<Output = Result<v1::Store, Error>>) -> Result<Option<v1::Store>, Error> {
    match answer.await {
        Err(error) if error.reason().as_deref() == Some("STORE_NOT_FOUND") => Ok(None),
        answer => answer.map(Some),
    }
}

#[derive(Clone)]
struct Writer {
    results: Arc<Results>,
    client: Client,
    time_limit: Duration,
}

impl Writer {
    /// Creates and deletes stores in turn, one call in each `pace`. Ends when each accepted store was ready and is deleted.
    async fn write(self, pace: Duration, max_stores: usize) {
        let mut pace = tokio::time::interval(pace);
        let mut stores = VecDeque::new();
        let mut deletions = JoinSet::new();
        let mut number = 0;
        while self.results.end.run_until_cancelled(pace.tick()).await.is_some() {
            if stores.len() < max_stores {
                number += 1;
                stores.extend(self.create(format!("load-{}-{number}", std::process::id())).await);
            } else if let Some(id) = stores.pop_front() {
                deletions.spawn(self.clone().delete(id));
            }
        }
        for id in stores {
            deletions.spawn(self.clone().delete(id));
        }
        deletions.join_all().await;
    }

    /// The store's id if the call succeeded.
    async fn create(&self, id: String) -> Option<String> {
        let store =
            v1::Store { display_name: "Load".into(), admin_email: "owner@example.com".into(), ..Default::default() };
        self.results.call("CreateStore", Box::pin(self.client.create_store(&id, store))).await?;
        increment(&self.results.created);
        Some(id)
    }

    async fn delete(self, id: String) {
        if let Err(error) = self.client.wait_ready(&id, self.time_limit).await {
            self.results.failed(format!("{id} was accepted and is not ready: {error}"));
        }
        if self.results.call("DeleteStore", self.client.delete_store(&id)).await.is_none() {
            return;
        }
        match if_present(self.client.wait_settled(&id, self.time_limit)).await {
            Ok(Some(store)) if store.state() != v1::StoreState::Deleted => {
                self.results.failed(format!("{id} is {} and not deleted: {}", access::state(&store), store.message));
            }
            Ok(_) => increment(&self.results.deleted),
            Err(error) => self.results.failed(format!("{id} is not deleted: {error}")),
        }
    }
}

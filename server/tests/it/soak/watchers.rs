//! Who received which event: a watcher of each store by the client crate, and some of all stores, which resume by cursor.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use storeplane_client::{Change, Client, v1};
use storeplane_proto::v1::WatchStoresRequest;
use storeplane_proto::v1::watch_stores_response::Update;
use tokio::sync::Semaphore;

use crate::harness::{Api, Database};

/// How long the last event may take to reach the last watcher.
const LATE: Duration = Duration::from_secs(45);

/// An event: the store's uid, and its sequence.
pub(super) type Event = (String, i64);

#[derive(Clone)]
pub(super) struct Watchers(Arc<Book>);

#[derive(Default)]
struct Book {
    /// By the store that was watched.
    single: Mutex<HashMap<String, Vec<i64>>>,
    /// By watcher of everything.
    all: Mutex<Vec<Vec<Event>>>,
    /// Watches that ended with an error.
    broken: Mutex<Vec<String>>,
}

/// What all of them received.
pub(super) struct Seen {
    pub(super) single: HashMap<String, Vec<i64>>,
    pub(super) all: Vec<Vec<Event>>,
    pub(super) broken: Vec<String>,
    /// The complete history.
    pub(super) events: Vec<Event>,
    pub(super) lost: usize,
    pub(super) doubled: usize,
    pub(super) disordered: usize,
}

impl Watchers {
    /// This number of watchers of all stores, from the start.
    pub(super) async fn start(address: SocketAddr, token: &str, count: usize) -> Self {
        let book = Arc::<Book>::default();
        book.all.lock().expect("no panic").resize(count, Vec::new());
        let begun = Arc::new(Semaphore::new(0));
        for n in 0..count {
            tokio::spawn(watch_all(Api::connect(address, token), Arc::clone(&book), n, Arc::clone(&begun)));
        }
        let all = u32::try_from(count).expect("a few");
        begun.acquire_many(all).await.expect("open").forget();
        Self(book)
    }

    /// Watches one store from its beginning.
    pub(super) fn watch(&self, client: Client, store: &v1::Store) {
        let (book, uid, id) = (Arc::clone(&self.0), store.uid.clone(), store.store_id.clone());
        book.single.lock().expect("no panic").entry(uid.clone()).or_default();
        tokio::spawn(async move {
            let mut watch = client.watch(&id, 0);
            while let Some(change) = watch.next().await {
                match change {
                    Ok(Change::Event(event, _)) => {
                        book.single.lock().expect("no panic").entry(uid.clone()).or_default().push(event.sequence);
                    }
                    Ok(_) => {}
                    Err(error) => book.broken.lock().expect("no panic").push(format!("{id}: {error}")),
                }
            }
        });
    }

    /// Waits until everybody received the last event, and compares.
    pub(super) async fn end(&self, database: &Database) -> Seen {
        let text = database.value("SELECT coalesce(string_agg(store::text || ' ' || sequence, ',' ORDER BY store, sequence), '') FROM events").await;
        let event = |line: &str| line.split_once(' ').map(|(uid, n)| (uid.to_owned(), n.parse().expect("a number")));
        let events: Vec<Event> = text.split(',').filter_map(event).collect();
        let began = Instant::now();
        loop {
            let seen = self.count(&events);
            if (seen.lost, seen.doubled, seen.disordered) == (0, 0, 0) || began.elapsed() > LATE {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn count(&self, events: &[Event]) -> Seen {
        let single = self.0.single.lock().expect("no panic").clone();
        let all = self.0.all.lock().expect("no panic").clone();
        let broken = self.0.broken.lock().expect("no panic").clone();
        let mut seen = Seen { single, all, broken, events: events.to_vec(), lost: 0, doubled: 0, disordered: 0 };
        let mut of_store = HashMap::<&str, Vec<i64>>::new();
        for (uid, sequence) in events {
            of_store.entry(uid).or_default().push(*sequence);
        }
        for (uid, sequences) in &seen.single {
            let wanted = of_store.get(uid.as_str()).cloned().unwrap_or_default();
            let (lost, doubled, disordered) = compare(&wanted, sequences);
            seen.lost += lost;
            seen.doubled += doubled;
            seen.disordered += disordered;
        }
        for watcher in &seen.all {
            let mut sorted = watcher.clone();
            sorted.sort();
            let mut by_store = HashMap::<&str, Vec<i64>>::new();
            for (uid, sequence) in watcher {
                by_store.entry(uid).or_default().push(*sequence);
            }
            for (uid, wanted) in &of_store {
                let (lost, doubled, disordered) = compare(wanted, by_store.get(uid).map_or(&[], Vec::as_slice));
                seen.lost += lost;
                seen.doubled += doubled;
                seen.disordered += disordered;
            }
        }
        // One order for all of them.
        if let Some((first, others)) = seen.all.split_first() {
            seen.disordered += others.iter().filter(|other| other.len() == first.len() && *other != first).count();
        }
        seen
    }
}

/// How many are missing, duplicated, or out of order.
fn compare(wanted: &[i64], got: &[i64]) -> (usize, usize, usize) {
    let mut counts = BTreeMap::<i64, usize>::new();
    for sequence in got {
        *counts.entry(*sequence).or_default() += 1;
    }
    let lost = wanted.iter().filter(|sequence| !counts.contains_key(sequence)).count();
    let doubled = counts.values().map(|count| count - 1).sum();
    let disordered = got.windows(2).filter(|pair| pair[1] < pair[0]).count();
    (lost, doubled, disordered)
}

impl Seen {
    pub(super) fn summary(&self) -> String {
        format!(
            "{} events, {} watchers: {} lost, {} doubled, {} out of order",
            self.events.len(),
            self.single.len() + self.all.len(),
            self.lost,
            self.doubled,
            self.disordered
        )
    }
}

async fn watch_all(api: Api, book: Arc<Book>, n: usize, begun: Arc<Semaphore>) {
    let mut cursor = String::new();
    loop {
        let request = WatchStoresRequest { cursor: cursor.clone(), ..WatchStoresRequest::default() };
        if let Ok(stream) = api.stores.clone().watch_stores(request).await {
            let mut stream = stream.into_inner();
            while let Ok(Some(message)) = stream.message().await {
                if cursor.is_empty() {
                    begun.add_permits(1);
                }
                cursor = message.cursor;
                if let Some(Update::Event(event)) = message.update {
                    book.all.lock().expect("no panic")[n].push((event.uid, event.sequence));
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

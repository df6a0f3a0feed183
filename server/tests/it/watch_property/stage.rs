//! Two servers on one database, one of which receives no NOTIFY, and how a case is executed on them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait as _, DatabaseBackend, Statement};
use tokio::task::JoinSet;

use super::case::{Case, Fault, Wants};
use super::viewer::{Seen, Viewer};
use crate::grpc_raw::edge_setup;
use crate::harness::{Database, SLOW_WRITES, Server, Writer, env};

/// Until every client has received everything: a server without NOTIFY polls every 2 s, and a killed one returns within seconds.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks at what they have received.
const LOOK: Duration = Duration::from_millis(10);
/// After that nothing more may arrive.
const AFTERWARDS: Duration = Duration::from_millis(60);

/// Longer than a pool reuses an idle connection without a test.
const TRUSTED: Duration = Duration::from_millis(1200);

pub(super) struct Stage {
    servers: [tokio::sync::Mutex<Server>; 2],
    writer: Writer,
    played: AtomicU32,
    database: Database,
}

impl Stage {
    pub(super) async fn set() -> Self {
        let database = Database::create().await;
        database.execute(SLOW_WRITES).await;
        let hearing = Server::start(&edge_setup(), &database).await;
        // NOTIFY stays within its database: this server listens in another one.
        let deaf = edge_setup().with("STOREPLANE_LISTEN_DATABASE_URL", env("STOREPLANE_TEST_DATABASE_URL"));
        let deaf = Server::start(&deaf, &database).await;
        let writer = Writer::new(&database.url, 24);
        Self { servers: [hearing.into(), deaf.into()], writer, played: AtomicU32::new(0), database }
    }

    /// The end of the servers' logs.
    pub(super) async fn logs(&self) -> String {
        let mut logs = String::new();
        for server in &self.servers {
            let log = server.lock().await.log();
            let tail: Vec<_> = log.lines().rev().take(30).collect();
            logs.push_str(&tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
        logs
    }

    /// Executes a case in its own tenant, and compares what each client received with the table.
    pub(super) async fn play(&self, case: &Case) -> Result<(), String> {
        let tenant = format!("t{}", self.played.fetch_add(1, Ordering::Relaxed));
        let token = self.database.token(&tenant, "viewer").await;
        let stores: Vec<_> = (0..case.stores).map(|number| format!("s{number}")).collect();
        for store in &stores {
            self.writer.ready(store, &tenant).await;
        }
        let servers = [self.servers[0].lock().await.address(), self.servers[1].lock().await.address()];
        let mut watching = JoinSet::new();
        let mut views = Vec::new();
        for client in &case.clients {
            let seen = Arc::new(Mutex::new(Seen::default()));
            views.push((client.wants, Arc::clone(&seen)));
            let (client, token, stores) = (client.clone(), token.clone(), stores.clone());
            watching.spawn(Viewer { client, servers, token, stores, seen }.watch());
        }

        let writes = futures::future::join_all(case.writes.iter().map(|(after, number, write)| {
            let store = &stores[number % stores.len()];
            async {
                tokio::time::sleep(*after).await;
                // The table shows whether it was stored.
                let _ = self.writer.write(&tenant, store, write).await;
            }
        }));
        let faults = futures::future::join_all(case.faults.iter().map(|(after, fault)| async {
            tokio::time::sleep(*after).await;
            self.inject(*fault).await;
        }));
        tokio::join!(writes, faults);

        let truth = self.truth(&tenant).await;
        let began = Instant::now();
        let done = |(wants, seen): &(Wants, Arc<Mutex<Seen>>)| {
            let seen = seen.lock().unwrap();
            seen.refused.is_some() || has_all(*wants, &seen, &truth, &stores)
        };
        loop {
            let complete = views.iter().all(done);
            tokio::time::sleep(if complete { AFTERWARDS } else { LOOK }).await;
            // What came meanwhile may be the first of several events.
            if complete && views.iter().all(done) || began.elapsed() > PATIENCE {
                break;
            }
        }
        watching.shutdown().await;
        views.iter().enumerate().try_for_each(|(number, (wants, seen))| {
            let seen = seen.lock().unwrap().clone();
            compare(*wants, &seen, &truth, &stores)
                .map_err(|what| format!("client {number} of {tenant}, {wants:?}: {what}\nsaw {seen:?}\nof {truth:?}"))
        })
    }

    /// The tenant's events in global order.
    async fn truth(&self, tenant: &str) -> Vec<(String, i64)> {
        let sql =
            format!("SELECT store_id, sequence FROM events WHERE tenant = '{tenant}' ORDER BY transaction, number");
        let query = Statement::from_string(DatabaseBackend::Postgres, sql);
        let rows = self.database.pool.query_all_raw(query).await.unwrap();
        rows.iter().map(|row| (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap())).collect()
    }

    async fn inject(&self, fault: Fault) {
        match fault {
            Fault::Listeners => self.database.end_connections("LISTEN%").await,
            Fault::Connections => {
                self.database.end_connections("%").await;
                // The writer's connections are among them. Its pool does not test one that was just used, but by the next case
                // it tests them first.
                tokio::time::sleep(TRUSTED).await;
            }
            Fault::Server(number) => {
                let mut server = self.servers[number].lock().await;
                server.kill9();
                server.restart().await;
            }
        }
    }
}

/// The events that a client requested.
fn wanted(wants: Wants, truth: &[(String, i64)], stores: &[String]) -> Vec<(String, i64)> {
    let only = match wants {
        Wants::One(number) | Wants::Filtered(number) => Some(&stores[number % stores.len()]),
        Wants::All => None,
    };
    truth.iter().filter(|(store, _)| only.is_none_or(|only| only == store)).cloned().collect()
}

/// Whether a client has received the last event: as an event, or, if it began later, in its snapshot.
fn has_all(wants: Wants, seen: &Seen, truth: &[(String, i64)], stores: &[String]) -> bool {
    let wanted = wanted(wants, truth, stores);
    if let Wants::One(_) = wants {
        return seen.events.len() >= wanted.len();
    }
    let last = |store: &String| wanted.iter().rev().find(|(other, _)| other == store).map(|(_, sequence)| *sequence);
    let delivered =
        |store: &String| seen.events.iter().filter(|(other, _)| other == store).map(|(_, sequence)| *sequence).max();
    // A snapshot may be newer than its position: the events that it has already follow.
    let follows = seen.events.last().is_some_and(|seen| wanted.last() != Some(seen));
    !follows && stores.iter().all(|store| last(store) <= delivered(store).max(seen.began_with.get(store).copied()))
}

fn compare(wants: Wants, seen: &Seen, truth: &[(String, i64)], stores: &[String]) -> Result<(), String> {
    if let Some(status) = &seen.refused {
        return Err(format!("was refused: {status:?}"));
    }
    for store in stores {
        let of = truth.iter().filter(|(other, _)| other == store).map(|(_, sequence)| *sequence);
        if !of.clone().eq(1..=i64::try_from(of.count()).unwrap()) {
            return Err(format!("the one order turns {store}'s own around, or has a hole"));
        }
    }
    let wanted = wanted(wants, truth, stores);
    let before = wanted.len().checked_sub(seen.events.len()).ok_or("saw too much")?;
    if seen.events != wanted[before..] {
        return Err("saw something else".to_owned());
    }
    let missed = |(store, sequence): &(String, i64)| seen.began_with.get(store).is_none_or(|last| last < sequence);
    match wants {
        Wants::One(_) if before > 0 => Err("missed the beginning".to_owned()),
        Wants::All | Wants::Filtered(_) if wanted[..before].iter().any(missed) => {
            Err("missed something between its snapshot and its first event".to_owned())
        }
        _ => Ok(()),
    }
}

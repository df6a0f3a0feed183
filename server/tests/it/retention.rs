//! Retention: what is removed, what is kept, and that no reader gets partial history.

use std::time::Duration;

use storeplane_core::error::{DomainError, PortError};
use storeplane_core::event::{Cursor, Oldest};
use storeplane_server::postgres::{EventLog, Removed, Retention, RetentionPolicy};

use crate::harness::{Database, Write, Writer};

const DAY: Duration = Duration::from_hours(24);
const KEEP: RetentionPolicy =
    RetentionPolicy { events: Duration::from_hours(90 * 24), operations: Duration::from_hours(90 * 24), audit: None };

struct Scene {
    database: Database,
    writer: Writer,
    retention: Retention,
    log: EventLog,
}

impl Scene {
    async fn set() -> Self {
        let database = Database::create().await;
        let writer = Writer::new(&database.url, 2);
        let retention = Retention::new(database.pool.clone(), KEEP);
        let log = EventLog::new(database.pool.clone());
        Self { database, writer, retention, log }
    }

    /// Simulates the passage of time: all rows get older.
    async fn pass(&self, time: Duration) {
        self.age(&format!("- interval '{} s'", time.as_secs())).await;
    }

    async fn turn_back(&self, time: Duration) {
        self.age(&format!("+ interval '{} s'", time.as_secs())).await;
    }

    async fn age(&self, by: &str) {
        self.database
            .execute(&format!(
                "UPDATE events SET at = at {by}; UPDATE requests SET at = at {by};
                 UPDATE operations SET created_at = created_at {by}, ended_at = ended_at {by}"
            ))
            .await;
    }

    async fn sequences(&self, store: &str) -> String {
        let sql =
            format!("SELECT string_agg(sequence::text, ' ' ORDER BY sequence) FROM events WHERE store_id = '{store}'");
        self.database.value(&sql).await
    }

    /// Many old events of one store, inserted directly.
    async fn pile_up(&self, store: &str, count: usize) {
        self.database
            .execute(&format!(
                "INSERT INTO events (store, sequence, store_id, tenant, at, kind, step, message, details)
                 SELECT uid, n, store_id, tenant, now() - interval '91 days', 'WAITING', '', '', '{{}}'
                 FROM stores, generate_series(2, {count}) n WHERE store_id = '{store}';
                 UPDATE events SET at = now() - interval '91 days' WHERE store_id = '{store}';
                 UPDATE stores SET last_sequence = {count} WHERE store_id = '{store}'"
            ))
            .await;
    }
}

#[tokio::test]
async fn expired_events_and_operations_are_removed_and_needed_ones_kept() {
    let scene = Scene::set().await;
    let quiet = scene.writer.ready("quiet", "default").await;
    let busy = scene.writer.ready("busy", "default").await;
    let old = scene.writer.operate("default", "busy").await.operation;
    let audit = "SELECT count(*) FROM audit_events";
    scene.database.token("default", "viewer").await;
    scene.pass(DAY * 50).await;
    let young = scene.writer.operate("default", "busy").await.operation;
    scene.pass(DAY * 39).await;
    assert_eq!(
        scene.retention.round().await.unwrap(),
        Removed { requests: 2, ..Removed::default() },
        "89 days are kept"
    );
    let last = scene.writer.operate("default", "busy").await.operation;
    let audited = scene.database.value(audit).await;
    scene.pass(DAY * 2).await;

    let removed = scene.retention.round().await.unwrap();

    assert_eq!((removed.events, removed.operations), (3, 2));
    assert_eq!((scene.sequences("quiet").await, scene.sequences("busy").await), (String::new(), "3 4".to_owned()));
    let operations = scene.database.value("SELECT string_agg(id::text, ' ' ORDER BY created_at) FROM operations").await;
    assert!(!operations.contains(&old.id.to_string()), "{operations}");
    assert!(operations.contains(&young.id.to_string()) && operations.contains(&last.id.to_string()), "{operations}");
    assert_eq!(
        scene.database.value("SELECT count(*) FROM stores JOIN operations ON operations.id = operation").await,
        "2"
    );
    assert_eq!(scene.database.value(audit).await, audited, "the audit log is for ever");
    // A store without any kept event can still be changed, and its sequence continues.
    let next = scene.writer.write("default", "quiet", &Write::of(1)).await.unwrap();
    assert_eq!(next.store.last_sequence, 2);
    assert_eq!(scene.log.after(quiet, 0, 10).await.unwrap().events[0].sequence, 2);
    assert_eq!(scene.log.after(busy, 2, 10).await.unwrap().events.len(), 2);
    let Err(PortError::Refused(DomainError::CursorExpired { oldest })) = scene.log.after(busy, 1, 10).await else {
        panic!("event 2 is gone, and nobody says so")
    };
    assert_eq!(oldest, Oldest::Sequence(2));
}

#[tokio::test]
async fn operation_is_kept_as_long_as_its_request_id() {
    let scene = Scene::set().await;
    let short = RetentionPolicy { events: Duration::from_secs(1), operations: Duration::from_secs(1), audit: None };
    let retention = Retention::new(scene.database.pool.clone(), short);
    scene.writer.ready("tea", "default").await;
    for _ in 0..3 {
        scene.writer.operate("default", "tea").await;
    }
    scene.pass(DAY / 2).await;
    assert_eq!(retention.round().await.unwrap().operations, 1, "the one without a request id");
    scene.pass(DAY).await;
    let removed = retention.round().await.unwrap();
    assert_eq!((removed.requests, removed.operations), (3, 2), "all but the store's last");
}

#[tokio::test]
async fn retention_round_is_bounded_and_shared_between_replicas() {
    let scene = Scene::set().await;
    scene.writer.ready("pile", "default").await;
    scene.pile_up("pile", 45_000).await;

    let one = scene.retention.round().await.unwrap();
    assert_eq!(one.events, 20_000);
    assert_eq!(scene.database.value("SELECT min(sequence) FROM events").await, "20001");
    let mut removed = one.events;
    for _ in 0..20 {
        let rounds = (0..3).map(|_| scene.retention.round());
        let rounds = futures::future::join_all(rounds).await;
        removed += rounds.into_iter().map(|round| round.unwrap().events).sum::<u64>();
    }
    assert_eq!((removed, scene.database.value("SELECT count(*) FROM events").await.as_str()), (45_000, "0"));
}

#[tokio::test]
async fn disagreeing_clocks_leave_no_gap() {
    let scene = Scene::set().await;
    let uid = scene.writer.ready("tea", "default").await;
    for away in [Duration::ZERO, DAY * 365, Duration::ZERO, DAY] {
        scene.pass(away).await;
        scene.writer.write("default", "tea", &Write::of(1)).await.unwrap();
        scene.turn_back(away).await;
    }
    scene.pass(DAY * 91).await;

    scene.retention.round().await.unwrap();
    assert_eq!(scene.sequences("tea").await, "3 4 5", "what follows one from the future waits for it");
    assert_eq!(scene.log.after(uid, 2, 10).await.unwrap().events.len(), 3);
    scene.pass(DAY * 365).await;
    scene.retention.round().await.unwrap();
    assert_eq!(scene.sequences("tea").await, "");
}

#[tokio::test]
async fn readers_never_get_partial_history() {
    const PILE: i64 = 20_000;
    let scene = Scene::set().await;
    let uid = scene.writer.ready("pile", "default").await;
    scene.pile_up("pile", usize::try_from(PILE).unwrap()).await;
    let first = scene.log.after_cursor(Cursor::default(), 1).await.unwrap().events[0].cursor;
    // Both begin slowly at the first event, and again after the last one, while all of them are removed.
    let by_sequence = async {
        let mut last = 1;
        loop {
            match scene.log.after(uid, last, 10).await {
                Ok(kept) => {
                    let sequences: Vec<_> = kept.events.iter().map(|event| event.sequence).collect();
                    assert_eq!(sequences, (last + 1..=last + 10).collect::<Vec<_>>());
                    last = if last + 20 > PILE { 1 } else { last + 10 };
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Err(error) => return error,
            }
        }
    };
    let by_cursor = async {
        let (mut last, mut cursor) = (1, first);
        loop {
            match scene.log.after_cursor(cursor, 10).await.map(|settled| settled.events) {
                // They are visible once no earlier transaction is open, also of other tests.
                Ok(events) if events.is_empty() => tokio::time::sleep(Duration::from_millis(10)).await,
                Ok(events) => {
                    let sequences: Vec<_> = events.iter().map(|event| event.sequence).collect();
                    assert_eq!(sequences, (last + 1..=last + 10).collect::<Vec<_>>());
                    (last, cursor) = if last + 20 > PILE { (1, first) } else { (last + 10, events[9].cursor) };
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Err(error) => return error,
            }
        }
    };

    let both = async { tokio::join!(by_sequence, by_cursor, scene.retention.round()) };
    let (one, all, removed) = tokio::time::timeout(Duration::from_mins(2), both).await.expect("they end");

    assert_eq!(removed.unwrap().events, 20_000);
    let expired = |error| matches!(error, PortError::Refused(DomainError::CursorExpired { .. }));
    assert!(expired(one) && expired(all));
}

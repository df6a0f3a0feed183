//! The start of the audit log's chains: who may move it, and what checkpoints say about it.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::ConnectionTrait as _;
use sqlx::{Connection as _, Executor as _};
use storeplane_core::audit::ChainFault;
use storeplane_core::ids::Tenant;
use storeplane_core::ports::{Clock as _, Stores as _};
use storeplane_proto::v1::VerifyAuditLogRequest;
use storeplane_server::checkpoint::{Checkpoint, SigningKey};
use storeplane_server::postgres::{AuditLog, PgStores, QuotaPolicy, Retention, RetentionPolicy};
use storeplane_server::system::SystemClock;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::database_rows::record;
use crate::grpc_raw::edge;
use crate::harness::{Database, reason};

const DAY: Duration = Duration::from_hours(24);
/// Removes the first five records, and moves the start of the chain behind them.
const REMOVE: &str = "CREATE TEMP TABLE old AS SELECT hash FROM audit_events WHERE sequence = 5;
    DELETE FROM audit_events WHERE sequence < 6;
    UPDATE audit_chain_heads SET anchor_sequence = 5, anchor_hash = (SELECT hash FROM old)";

/// Ten records of the tenant `default` that are so many days old.
async fn database(days: i64) -> Database {
    let database = Database::create().await;
    let stores = PgStores::new(database.pool.clone(), Arc::new(SystemClock), QuotaPolicy::default());
    for n in 0..10 {
        let mut one = record("default", &format!("store-{n}"));
        one.at = SystemClock.now() - time::Duration::days(days) + time::Duration::minutes(n);
        one.last_at = one.at;
        stores.record(one).await.unwrap();
    }
    database
}

fn log(database: &Database, kept: Option<Duration>) -> AuditLog {
    AuditLog::new(database.pool.clone(), None, Arc::new(SystemClock)).keeping(kept)
}

async fn checkpoint(log: &AuditLog) -> Checkpoint {
    log.sign_all().await.unwrap();
    let verified = log.verify(&Tenant::default(), None, None).await.unwrap();
    verified.last_checkpoint.expect("signed").parse().expect("a checkpoint")
}

async fn fault(log: &AuditLog, signed: &Checkpoint) -> Option<(i64, ChainFault)> {
    let verified = log.verify(&Tenant::default(), [signed], None).await.unwrap();
    verified.broken.map(|link| (link.sequence, link.fault))
}

#[tokio::test]
async fn records_removed_together_with_the_start_are_missing_unless_they_had_expired() {
    let missing = Some((1, ChainFault::Missing));
    // The records' age, how long they are kept when the checkpoint is signed and when it is verified, and what is found.
    for (age, signed, verified, found) in [
        (0, Some(DAY * 30), Some(DAY * 30), missing),
        (29, Some(DAY * 30), Some(DAY * 30), missing),
        (31, Some(DAY * 30), Some(DAY * 30), None),
        (31, Some(DAY * 90), Some(DAY * 90), missing),
        (400, None, None, missing),
        // The operator shortened or lengthened the period meanwhile.
        (400, None, Some(DAY * 90), None),
        (400, Some(DAY * 90), None, None),
        (31, Some(DAY), Some(DAY), None),
        (29, Some(DAY), Some(DAY), missing),
    ] {
        let database = database(age).await;
        let checkpoint = checkpoint(&log(&database, signed)).await;
        let log = log(&database, verified);
        assert_eq!(fault(&log, &checkpoint).await, None);
        database.execute(REMOVE).await;
        let case = format!("{age} days old, kept for {signed:?}, then {verified:?}");
        let alone = log.verify(&Tenant::default(), None, None).await.unwrap();
        assert_eq!((alone.broken, alone.first_sequence), (None, 6), "{case}");
        assert_eq!(fault(&log, &checkpoint).await, found, "{case}");
    }
}

#[tokio::test]
async fn start_that_was_signed_is_compared() {
    let database = database(60).await;
    let log = log(&database, Some(DAY * 30));
    assert_eq!(database.value("SELECT audit_remove('default', now(), 2)").await, "2");
    let signed = checkpoint(&log).await;
    let start = signed.start.clone().expect("a start");
    assert_eq!((start.sequence, start.hash.len(), start.kept), (2, 32, Some(30 * 86_400)));
    assert_eq!(fault(&log, &signed).await, None);
    database.execute("UPDATE audit_chain_heads SET anchor_hash = sha256(anchor_hash)").await;
    assert_eq!(fault(&log, &signed).await, Some((2, ChainFault::NotAsSigned)));
}

#[tokio::test]
async fn only_what_the_owner_permits_is_removed_whatever_the_server_asks_for() {
    let database = database(60).await;
    let round = async |kept: &str| {
        database.execute(&format!("UPDATE audit_settings SET kept_seconds = {kept}")).await;
        let keep = RetentionPolicy { events: DAY, operations: DAY, audit: Some(DAY * 31) };
        let removed = Retention::new(database.pool.clone(), keep).round().await.unwrap().audit;
        let asked = database.value("SELECT audit_remove('default', now(), 1)").await;
        (removed, asked)
    };
    assert_eq!(round("NULL").await, (0, "0".to_owned()), "forever");
    assert_eq!(round("90 * 86400").await, (0, "0".to_owned()));
    assert_eq!(round("59 * 86400").await, (10, "0".to_owned()));
    let shorter = database.pool.execute_unprepared("UPDATE audit_settings SET kept_seconds = 1").await;
    assert!(shorter.unwrap_err().to_string().contains("check constraint"), "never less than 30 days");
}

#[tokio::test]
async fn command_line_goes_on_after_an_expired_checkpoint_and_exports_records_outside_of_the_chain() {
    let database = database(60).await;
    database.token("acme", "viewer").await;
    // As a server before the chain counts refusals.
    let counted = "INSERT INTO audit_events (id, at, tenant, actor, token, action, outcome, reason, last_at, refused_in, target)
        VALUES (gen_random_uuid(), now(), 'default', 'old', gen_random_uuid(), 'CREATE_STORE', 'DENIED', 'PERMISSION_DENIED',
          now(), date_trunc('hour', now()), 'a')";
    database.execute(counted).await;
    assert_eq!(database.value("SELECT audit_remove('default', now(), 5)").await, "5");
    let key = SigningKey::from_seed(&[7; 32]).unwrap();
    let signed = SystemClock.now() - time::Duration::days(59);
    let old = key.sign(&Tenant::default(), (3, &[0; 32]), None, signed);
    let (old, public) = (old.to_string(), key.public().to_string());
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_storeplane-server"))
            .args(arguments)
            .env_clear()
            .env("DATABASE_URL", &database.url)
            .env("STOREPLANE_RETENTION_AUDIT", "30d")
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    };
    let verify = || run(&["audit", "verify", "--checkpoint", &old, "--public-key", &public]);

    let (good, text, error) = verify();
    assert!(!good && error.contains("NOT CHECKED"), "{text} {error}");
    assert!(text.contains("default: NOT CHECKED against checkpoints: the records up to 3 were removed"), "{text}");
    assert!(text.contains("default: intact; 5 records verified from 6") && text.contains("acme: intact"), "{text}");
    // A log in which the key was replaced: what the given key signed still counts.
    let now = SystemClock.now();
    let other = SigningKey::from_seed(&[8; 32]).unwrap().sign(&Tenant::default(), (8, &[0; 32]), None, now);
    let rewritten = key.sign(&Tenant::default(), (9, &[0; 32]), None, now);
    let log = format!("{other}\n{rewritten}");
    let (good, text, error) = run(&["audit", "verify", "--checkpoint", &log, "--public-key", &public]);
    assert!(!good && error.contains("BROKEN"), "{text} {error}");
    assert!(text.contains("default: NOT CHECKED against 1 checkpoints: the first of them"), "{text}");
    assert!(text.contains("default: BROKEN at sequence 9"), "{text}");
    database.execute("UPDATE audit_events SET actor = 'else' WHERE tenant = 'default' AND sequence = 7").await;
    let (good, text, error) = verify();
    assert!(!good && error.contains("BROKEN"), "{text} {error}");
    assert!(text.contains("default: BROKEN at sequence 7") && text.contains("acme: intact"), "{text}");

    let sequences = |arguments: &[&str]| {
        let (good, text, error) = run(&[&["audit", "export", "--tenant", "default"], arguments].concat());
        assert!(good, "{error}");
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.map(|line| line["sequence"].as_i64()).collect::<Vec<_>>()
    };
    assert_eq!(sequences(&[]), [None, Some(6), Some(7), Some(8), Some(9), Some(10)]);
    assert_eq!(sequences(&["--after", "8"]), [Some(9), Some(10)]);
}

/// Two run at a time; each waits here for the lock of a table, until its statement's time limit.
#[tokio::test]
async fn further_verifications_at_a_time_are_refused_with_a_delay() {
    let lab = edge().await;
    let began = std::time::Instant::now();
    let refused = loop {
        let mut lock = sqlx::PgConnection::connect(&lab.database.url).await.unwrap();
        lock.execute("BEGIN; LOCK TABLE audit_chain_heads").await.unwrap();
        let calls = (0..4).map(|_| {
            let mut audit = lab.api.audit.clone();
            async move { audit.verify_audit_log(VerifyAuditLogRequest::default()).await }
        });
        let ended = futures::future::join_all(calls).await;
        let refused =
            ended.into_iter().filter_map(Result::err).find(|status| reason(status) == "VERIFICATIONS_EXCEEDED");
        if let Some(refused) = refused {
            break refused;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "none is refused");
    };
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.get_details_retry_info().is_some_and(|info| info.retry_delay.is_some()), "{refused:?}");
    let mut audit = lab.api.audit.clone();
    let verified = audit.verify_audit_log(VerifyAuditLogRequest::default()).await;
    assert_eq!(verified.unwrap().into_inner().broken_link, None, "they are free again");
}

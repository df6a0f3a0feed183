//! The hash chain of the audit log: what is found when somebody with all rights on the database changes it, and what its
//! checkpoints add.

use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use storeplane_core::audit::ChainFault;
use storeplane_core::ids::Tenant;
use storeplane_core::ports::{Clock as _, Stores as _};
use storeplane_proto::v1::{AuditBrokenLink, AuditChainFault, VerifyAuditLogRequest, VerifyAuditLogResponse};
use storeplane_server::checkpoint::{Checkpoint, SigningKey};
use storeplane_server::postgres::{AuditLog, PgStores, RefusalCounts, Retention, RetentionPolicy};
use storeplane_server::system::SystemClock;
use time::OffsetDateTime;
use tonic::{Code, Status};

use crate::database_rows::{record, refuse};
use crate::grpc_raw::edge;
use crate::harness::{Api, Database, Lab, fields, print_line, reason};

const TENANT: &str = "default";

/// Changes the second record, and every hash from there on.
const REWRITE: &str = "UPDATE audit_events SET target = 'else' WHERE sequence = 2;
    DO $$ DECLARE r audit_events; h bytea; BEGIN
      SELECT hash INTO h FROM audit_events WHERE sequence = 1;
      FOR r IN SELECT * FROM audit_events WHERE sequence >= 2 ORDER BY sequence LOOP
        h := sha256(h || convert_to(audit_content(r), 'UTF8'));
        UPDATE audit_events SET hash = h WHERE id = r.id;
      END LOOP;
      UPDATE audit_chain_heads SET hash = h; END $$";

fn stores(database: &Database) -> PgStores {
    PgStores::new(database.pool.clone(), Arc::new(SystemClock), storeplane_server::postgres::QuotaPolicy::default())
}

fn now() -> OffsetDateTime {
    SystemClock.now()
}

fn log(database: &Database) -> AuditLog {
    AuditLog::new(database.pool.clone(), None, Arc::new(SystemClock))
}

/// A database whose tenant `default` has this number of records.
async fn database(records: usize) -> Database {
    let database = Database::create().await;
    let stores = stores(&database);
    for n in 0..records {
        stores.record(record(TENANT, &format!("store-{n}"))).await.unwrap();
    }
    database
}

/// The first fault, as `sequence FAULT`.
async fn fault(database: &Database, checkpoint: Option<&Checkpoint>) -> Option<(i64, ChainFault)> {
    let verified = log(database).verify(&Tenant::default(), checkpoint, None).await.unwrap();
    verified.broken.map(|link| (link.sequence, link.fault))
}

async fn checkpoint(database: &Database) -> Checkpoint {
    let log = log(database);
    log.sign_all().await.unwrap();
    let verified = log.verify(&Tenant::default(), None, None).await.unwrap();
    verified.last_checkpoint.expect("signed").parse().expect("a checkpoint")
}

#[tokio::test]
async fn each_kind_of_damage_is_found_with_its_sequence() {
    let cut = "DELETE FROM audit_events WHERE sequence > 8;
        UPDATE audit_chain_heads SET (sequence, hash) = (SELECT sequence, hash FROM audit_events WHERE sequence = 8)";
    // The damage, what is found without, and what with a checkpoint.
    for (damage, alone, signed) in [
        ("SELECT", None, None),
        ("UPDATE audit_events SET target = 'else' WHERE sequence = 4", Some((4, ChainFault::Changed)), None),
        ("UPDATE audit_events SET actor = 'else' WHERE sequence = 1", Some((1, ChainFault::Changed)), None),
        (
            "UPDATE audit_events SET at = at + interval '1 us' WHERE sequence = 10",
            Some((10, ChainFault::Changed)),
            None,
        ),
        ("DELETE FROM audit_events WHERE sequence = 5", Some((5, ChainFault::Missing)), None),
        ("DELETE FROM audit_events WHERE sequence = 1", Some((1, ChainFault::Missing)), None),
        ("DELETE FROM audit_events WHERE sequence > 8", Some((9, ChainFault::CutOff)), None),
        ("DELETE FROM audit_chain_heads", Some((1, ChainFault::Changed)), Some((1, ChainFault::CutOff))),
        ("UPDATE audit_chain_heads SET sequence = 8", Some((8, ChainFault::Changed)), None),
        (cut, None, Some((9, ChainFault::CutOff))),
        (REWRITE, None, Some((10, ChainFault::NotAsSigned))),
        ("TRUNCATE audit_events, audit_chain_heads", None, Some((1, ChainFault::CutOff))),
    ] {
        let database = database(10).await;
        let checkpoint = checkpoint(&database).await;
        assert_eq!(checkpoint.sequence, 10);
        database.execute(damage).await;
        assert_eq!(fault(&database, None).await, alone, "{damage}");
        assert_eq!(fault(&database, Some(&checkpoint)).await, signed.or(alone), "{damage}");
    }
}

#[tokio::test]
async fn chain_that_was_rewritten_and_signed_again_differs_from_an_earlier_checkpoint() {
    let database = database(3).await;
    let early = checkpoint(&database).await;
    database.execute(REWRITE).await;
    stores(&database).record(record(TENANT, "later")).await.unwrap();
    let late = checkpoint(&database).await;
    assert_eq!((early.sequence, late.sequence), (3, 4));

    assert_eq!(fault(&database, Some(&late)).await, None);
    let verified = log(&database).verify(&Tenant::default(), [&early, &late], None).await.unwrap();
    assert_eq!(verified.broken.map(|link| (link.sequence, link.fault)), Some((3, ChainFault::NotAsSigned)));
}

#[tokio::test]
async fn records_removed_at_the_start_are_missing_unless_retention_may_have_removed_them() {
    let database = database(3).await;
    let signed = checkpoint(&database).await;
    let stores = stores(&database);
    for n in 3..10 {
        stores.record(record(TENANT, &format!("store-{n}"))).await.unwrap();
    }
    let removed = "DELETE FROM audit_events WHERE sequence < 6;
        UPDATE audit_chain_heads SET anchor_sequence = 5, anchor_hash = (SELECT hash FROM old)";
    let removed = format!("CREATE TEMP TABLE old AS SELECT hash FROM audit_events WHERE sequence = 5; {removed}");
    database.execute(&removed).await;

    assert_eq!(fault(&database, None).await, None, "the rest is a chain");
    assert_eq!(fault(&database, Some(&signed)).await, Some((1, ChainFault::Missing)), "the first one that is gone");
    let key = SigningKey::from_seed(&[7; 32]).unwrap();
    let sixty_days_ago = now() - time::Duration::days(60);
    let old = key.sign(&Tenant::default(), (3, &signed.hash), None, sixty_days_ago);
    let expired = log(&database).verify(&Tenant::default(), Some(&old), Some(key.public())).await;
    assert!(expired.is_err_and(|error| error.to_string().contains("removed by retention")));
}

#[tokio::test]
async fn concurrent_transactions_append_to_an_unbroken_chain_and_other_tenants_are_apart() {
    let database = Database::create().await;
    let writers = (0..8).map(|writer| {
        let stores = stores(&database);
        async move {
            for n in 0..50 {
                let tenant = if n % 2 == 0 { TENANT } else { "acme" };
                stores.record(record(tenant, &format!("{writer}-{n}"))).await.unwrap();
            }
        }
    });
    futures::future::join_all(writers).await;
    for tenant in [TENANT, "acme"] {
        let verified = log(&database).verify(&tenant.parse().unwrap(), None, None).await.unwrap();
        assert_eq!((verified.broken, verified.verified, verified.head_sequence), (None, 200, 200), "{tenant}");
    }
    database.execute("UPDATE audit_events SET reason = 'x' WHERE tenant = 'acme' AND sequence = 7").await;
    assert_eq!(fault(&database, None).await, None, "another tenant's chain");
}

#[tokio::test]
async fn records_of_an_older_server_are_chained_and_those_that_it_counts_are_told_apart() {
    let database = database(2).await;
    // As servers before the chain insert them.
    let old = "INSERT INTO audit_events (id, at, tenant, actor, token, action, target, store, operation, outcome, reason, count, last_at, refused_in)
        VALUES (gen_random_uuid(), now(), 'default', 'old', NULL, 'CREATE_STORE', 'a', NULL, NULL, 'ACCEPTED', '', 1, now(), NULL)";
    let counted = "INSERT INTO audit_events (id, at, tenant, actor, token, action, store, operation, outcome, reason, last_at, refused_in, target)
        VALUES (gen_random_uuid(), now(), 'default', 'old', '00000000-0000-0000-0000-000000000000', 'CREATE_STORE', NULL, NULL,
          'DENIED', 'PERMISSION_DENIED', now(), date_trunc('hour', now()), 'a')
        ON CONFLICT (token, refused_in, action, outcome, reason, target) WHERE refused_in IS NOT NULL
        DO UPDATE SET count = audit_events.count + 1";
    for statement in [old, counted, counted, old] {
        database.execute(statement).await;
    }
    let verified = log(&database).verify(&Tenant::default(), None, None).await.unwrap();
    assert_eq!((verified.broken, verified.verified, verified.unchained), (None, 4, 1));
}

#[tokio::test]
async fn counted_refusals_become_a_record_after_their_hour_and_no_record_changes() {
    let database = Database::create().await;
    let stores = stores(&database);
    for _ in 0..5 {
        refuse(&stores, "same").await.unwrap();
    }
    refuse(&stores, "other").await.unwrap();
    let records = "SELECT string_agg(target || ' ' || count, ', ' ORDER BY sequence) FROM audit_events";
    assert_eq!(database.value(records).await, "same 1, other 1");
    let counts = RefusalCounts::new(database.pool.clone());
    assert_eq!(counts.close().await.unwrap(), 0, "the hour is not over");
    database.execute("UPDATE audit_refusal_counts SET hour = hour - interval '1 hour'").await;
    assert_eq!(counts.close().await.unwrap(), 2);
    assert_eq!(database.value(records).await, "same 1, other 1, same 4");
    assert_eq!(database.value("SELECT count(*) FROM audit_refusal_counts").await, "0");
    assert_eq!(fault(&database, None).await, None);
}

/// The chain is verified from where retention left off.
#[tokio::test]
async fn retention_removes_the_oldest_records_only_and_moves_the_start_of_the_chain() {
    let database = Database::create().await;
    let (stores, old) = (stores(&database), now() - time::Duration::days(400));
    for n in 0..6_i64 {
        let mut one = record(TENANT, &format!("store-{n}"));
        // The fourth one is young, although older ones follow.
        one.at = if n == 3 { now() } else { old + time::Duration::minutes(n) };
        one.last_at = one.at;
        stores.record(one).await.unwrap();
    }
    let before = checkpoint(&database).await;
    let remove = |days: u32| format!("SELECT audit_remove('default', now() - interval '{days} days', 2)");
    assert_eq!(database.value(&remove(500)).await, "0");
    assert_eq!(database.value(&remove(1)).await, "2", "a batch");
    assert_eq!(database.value(&remove(1)).await, "1", "up to the young one");
    assert_eq!(database.value(&remove(1)).await, "0");
    let verified = log(&database).verify(&Tenant::default(), Some(&before), None).await.unwrap();
    assert_eq!((verified.broken, verified.first_sequence, verified.verified), (None, 4, 3));
    let early = SigningKey::from_seed(&[7; 32]).unwrap();
    let early = early.sign(&Tenant::default(), (2, &[0; 32]), None, OffsetDateTime::UNIX_EPOCH);
    let key = SigningKey::from_seed(&[7; 32]).unwrap().public();
    let expired = log(&database).verify(&Tenant::default(), Some(&early), Some(key)).await.unwrap_err();
    assert!(expired.to_string().contains("removed by retention"), "{expired}");
    database.execute("DELETE FROM audit_events WHERE sequence = 4").await;
    assert_eq!(fault(&database, None).await, Some((4, ChainFault::Missing)));
}

#[tokio::test]
async fn records_are_kept_for_ever_unless_the_configuration_says_how_long() {
    let (database, day) = (database(1).await, Duration::from_hours(24));
    let stores = stores(&database);
    for n in 0..3_i64 {
        let mut old = record("acme", &format!("store-{n}"));
        (old.at, old.last_at) = (old.at - time::Duration::days(60), old.last_at - time::Duration::days(60));
        stores.record(old).await.unwrap();
    }
    let round = async |audit| {
        let keep = RetentionPolicy { events: day, operations: day, audit };
        Retention::new(database.pool.clone(), keep).round().await.unwrap().audit
    };
    assert_eq!((round(None).await, round(Some(day * 61)).await), (0, 0));
    assert_eq!(round(Some(day * 59)).await, 3);
    assert_eq!(database.value("SELECT string_agg(tenant, ' ') FROM audit_events").await, TENANT);
    database.assert_sound().await;
}

async fn verify(api: &Api, checkpoint: &str) -> Result<VerifyAuditLogResponse, Status> {
    let request = VerifyAuditLogRequest { checkpoint: checkpoint.into(), ..VerifyAuditLogRequest::default() };
    api.audit.clone().verify_audit_log(request).await.map(tonic::Response::into_inner)
}

fn command(lab: &Lab, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_storeplane-server"))
        .args(arguments)
        .env_clear()
        .env("DATABASE_URL", &lab.database.url)
        .output()
        .expect("the server's binary")
}

#[tokio::test]
async fn checkpoint_in_the_log_of_a_stopped_server_shows_that_records_were_cut_off() {
    let mut lab = edge().await;
    for n in 0..3 {
        lab.api.create(Api::wanted(&format!("tea-{n}"))).await.unwrap();
    }
    let before = verify(&lab.api, "").await.unwrap();
    assert_eq!((before.broken_link.clone(), before.first_sequence, before.unchained_count), (None, 1, 0));
    assert_eq!((before.verified_count, before.last_checkpoint.as_str()), (before.head_sequence, ""));
    lab.server.terminate().await;
    let printed = lab.server.log();
    let line = printed.lines().find(|line| line.contains("AUDIT_CHECKPOINT") && line.contains("\"default\""));
    let line = line.unwrap_or_else(|| panic!("no checkpoint:\n{printed}")).to_owned();
    lab.server.restart().await;

    let intact = verify(&lab.api, &line).await.unwrap();
    assert_eq!(intact.broken_link, None);
    assert!(line.contains(&intact.last_checkpoint) && !intact.last_checkpoint.is_empty());
    let cut = "DELETE FROM audit_events WHERE tenant = 'default' AND sequence > 2;
        UPDATE audit_chain_heads SET (sequence, hash) = (SELECT sequence, hash FROM audit_events WHERE sequence = 2 AND tenant = 'default')
        WHERE tenant = 'default'";
    lab.database.execute(cut).await;
    assert_eq!(verify(&lab.api, "").await.unwrap().broken_link, None, "alone, nothing shows it");
    let Some(AuditBrokenLink { sequence, fault, .. }) = verify(&lab.api, &line).await.unwrap().broken_link else {
        panic!("the missing records are not noticed")
    };
    assert_eq!((sequence, fault), (3, AuditChainFault::CutOff.into()));

    let file = lab.server.dir().join("server.log");
    let found = command(&lab, &["audit", "verify", "--checkpoint", file.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&found.stdout).into_owned();
    assert!(!found.status.success() && text.contains("default: BROKEN at sequence 3"), "{found:?}");
    let key = command(&lab, &["audit", "key"]);
    assert_eq!(String::from_utf8_lossy(&key.stdout).trim(), before.public_key);
    let exported = command(&lab, &["audit", "export", "--tenant", "default"]);
    let lines: Vec<serde_json::Value> =
        String::from_utf8(exported.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sequences: Vec<_> = lines.iter().map(|line| line["sequence"].as_i64().unwrap()).collect();
    assert_eq!(sequences, [1, 2]);

    let forged = line.replace(":default:", ":acme:");
    for bad in [forged.as_str(), "nonsense"] {
        let refused = verify(&lab.api, bad).await.unwrap_err();
        assert_eq!((refused.code(), fields(&refused)), (Code::InvalidArgument, vec!["checkpoint".to_owned()]), "{bad}");
    }
}

#[tokio::test]
async fn failed_authentications_are_counted_by_address_and_read_by_platform_administrators() {
    let mut lab = edge().await;
    for _ in 0..3 {
        let stranger = Api::connect(lab.server.address(), "spt_nobody");
        assert_eq!(reason(&stranger.get("tea").await.unwrap_err()), "TOKEN_INVALID");
    }
    let root = lab.database.token("default", "platform_admin").await;
    // The last counts are recorded when the server stops.
    lab.server.terminate().await;
    lab.server.restart().await;
    let request = |platform| storeplane_proto::v1::ListAuditEventsRequest { platform, ..Default::default() };
    let root = Api::connect(lab.server.address(), &root);
    let events = root.audit.clone().list_audit_events(request(true)).await.unwrap().into_inner().audit_events;
    let told: Vec<_> = events
        .iter()
        .map(|event| (event.action.as_str(), event.reason.as_str(), event.peer.as_str(), event.count, event.sequence))
        .collect();
    assert_eq!(told, [("AUTHENTICATE", "TOKEN_INVALID", "127.0.0.1", 3, 1)]);
    let denied = lab.api.audit.clone().list_audit_events(request(true)).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied, "an admin of a tenant");
    let recorded = "SELECT target FROM audit_events WHERE action = 'READ' AND outcome = 'DENIED'";
    assert_eq!(lab.database.value(recorded).await, "AuditService/ListAuditEvents");
    let verified = VerifyAuditLogRequest { platform: true, ..VerifyAuditLogRequest::default() };
    assert_eq!(root.audit.clone().verify_audit_log(verified).await.unwrap().into_inner().verified_count, 1);
}

/// Prints what the chain costs: records with and without it, alternating in one run.
#[tokio::test]
async fn records_written_while_the_chain_is_off_are_counted_as_unchained() {
    let database = Database::create().await;
    let stores = stores(&database);
    let time = async |count: usize| {
        let began = Instant::now();
        for n in 0..count {
            stores.record(record(TENANT, &format!("store-{n}"))).await.unwrap();
        }
        began.elapsed()
    };
    time(50).await;
    let (mut with, mut without) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..5 {
        with += time(100).await;
        database.execute("ALTER TABLE audit_events DISABLE TRIGGER audit_append").await;
        without += time(100).await;
        database.execute("ALTER TABLE audit_events ENABLE TRIGGER audit_append").await;
    }
    let ratio = with.as_secs_f64() / without.as_secs_f64();
    print_line(&format!(
        "audit chain: a transaction with one record takes {:.2} ms, without the chain {:.2} ms: ratio {ratio:.2}",
        with.as_secs_f64() * 2.0,
        without.as_secs_f64() * 2.0
    ));
    let verified = log(&database).verify(&Tenant::default(), None, None).await.unwrap();
    assert_eq!((verified.broken, verified.verified, verified.unchained), (None, 550, 500));
}

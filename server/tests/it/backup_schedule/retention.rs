//! Which backups are kept, also by the policy of a single store.

use storeplane_core::ids::StoreUid;
use uuid::Uuid;

use super::Scene;

const COMPLETE_SCHEDULED: (&str, &str) = ("COMPLETE", "SCHEDULED");
const COMPLETE_REQUESTED: (&str, &str) = ("COMPLETE", "ON_DEMAND");
const FAILED_SCHEDULED: (&str, &str) = ("FAILED", "SCHEDULED");
/// The number of reported deletions and of different backups in them, by store.
const REPORTED: &str = "SELECT string_agg(concat_ws(' ', store_id, n, ids), ', ' ORDER BY store_id) FROM (
    SELECT e.store_id, count(*) n, count(DISTINCT b.id) ids FROM events e
    JOIN backups b ON b.id::text = e.details->>'backup_id' AND b.store = e.store AND b.state = 'DELETING'
    WHERE e.kind = 'BACKUP_DELETED' AND e.details->>'actor' = 'scheduler' GROUP BY e.store_id) reported";

#[tokio::test]
async fn retention_marks_only_what_is_no_longer_kept() {
    let scene = Scene::new().await;
    let (live, lone) = (scene.ready("live", 400).await, scene.ready("lone", 400).await);
    let (gone, recent) = (scene.ready("gone", 400).await, scene.ready("recent", 400).await);
    for store in ["gone", "recent"] {
        scene.writer.delete("default", store).await;
    }
    let deleted = "UPDATE stores SET deleted_at = now() - interval '31 days' WHERE store_id = 'gone'";
    scene.database.execute(deleted).await;
    let days = |days: u32| format!("now() - interval '{days} days'");
    let week = |day: u32| {
        format!("date_trunc('week', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - interval '{} days'", 21 - day)
    };
    let mut kept = Vec::new();
    let mut expired = Vec::new();
    for (store, kind, at, keeps) in [
        (live, COMPLETE_SCHEDULED, days(0), true),
        (live, COMPLETE_SCHEDULED, days(13), true),
        (live, COMPLETE_SCHEDULED, week(1), false),
        (live, COMPLETE_SCHEDULED, week(2), true),
        (live, COMPLETE_SCHEDULED, days(90), false),
        (live, ("COMPLETE", "BEFORE_RESTORE"), days(90), false),
        (live, COMPLETE_REQUESTED, days(300), true),
        (live, FAILED_SCHEDULED, days(13), true),
        (live, FAILED_SCHEDULED, days(15), false),
        (lone, COMPLETE_SCHEDULED, days(200), true),
        (lone, COMPLETE_SCHEDULED, days(201), false),
        (gone, COMPLETE_REQUESTED, days(31), false),
        (gone, COMPLETE_SCHEDULED, days(32), false),
        (recent, COMPLETE_SCHEDULED, days(200), true),
        (recent, COMPLETE_REQUESTED, days(300), true),
    ] {
        let id = scene.backup(store, kind, &at).await;
        if keeps { kept.push(id) } else { expired.push(id) }
    }
    // An operation reads it.
    let read = scene.backup(live, COMPLETE_SCHEDULED, &days(91)).await;
    scene
        .database
        .execute(&format!(
            "UPDATE operations SET state = 'RUNNING', ended_at = NULL, restores = '{read}' WHERE store_id = 'live'"
        ))
        .await;
    kept.push(read);

    scene.round(1).await;

    let marked = "SELECT string_agg(id::text, ' ' ORDER BY id) FROM backups WHERE state = 'DELETING'";
    let expected = expired.iter().map(Uuid::to_string).collect::<Vec<_>>().join(" ");
    assert_eq!(scene.value(marked).await, expected);
    let left = "SELECT string_agg(id::text, ' ' ORDER BY id) FROM backups WHERE state IN ('COMPLETE', 'FAILED')";
    assert_eq!(scene.value(left).await, kept.iter().map(Uuid::to_string).collect::<Vec<_>>().join(" "));
    let records = "SELECT string_agg(target, ' ' ORDER BY target) FROM audit_events
        WHERE action = 'EXPIRE_BACKUP' AND actor = 'scheduler' AND store IS NOT NULL";
    assert_eq!(scene.value(records).await, expected);
    assert_eq!(scene.value(REPORTED).await, "live 4 4, lone 1 1", "the log of `gone` has ended");
    scene
        .database
        .execute("UPDATE operations SET state = 'SUCCEEDED', ended_at = now() WHERE restores IS NOT NULL")
        .await;
    scene.round(1).await;
    assert_eq!(scene.value(&format!("SELECT state FROM backups WHERE id = '{read}'")).await, "DELETING");
}

#[tokio::test]
async fn policy_of_a_store_decides_instead_of_its_plans() {
    let scene = Scene::new().await;
    for store in ["off", "monthly", "hourly", "daily"] {
        scene.ready(store, 3).await;
    }
    let set =
        "UPDATE stores SET backup_every = 'off', backup_keep_weekly = 1, backup_keep_days = 1 WHERE store_id = 'off';
        UPDATE stores SET backup_every = '30d' WHERE store_id = 'monthly';
        UPDATE stores SET backup_every = '1h', backup_keep_weekly = 1, backup_keep_days = 1 WHERE store_id = 'hourly';
        UPDATE stores SET ready_at = now() - interval '3 hours' WHERE store_id = 'hourly'";
    scene.database.execute(set).await;

    scene.round(10).await;

    let made = "SELECT string_agg(store_id, ' ' ORDER BY store_id) FROM backups";
    assert!(
        ["daily hourly", "daily hourly monthly"].contains(&&*scene.value(made).await),
        "{}",
        scene.value(made).await
    );
    let overdue = "SELECT string_agg(store_id, ' ' ORDER BY store_id) FROM stores
        WHERE conditions @> '[{\"kind\": \"BackedUp\", \"reason\": \"BACKUP_OVERDUE\"}]'";
    assert_eq!(scene.value(overdue).await, "daily hourly", "others may have none for so long");

    let uid = |id: &str| format!("SELECT uid FROM stores WHERE store_id = '{id}'");
    for (store, expires) in [("hourly", true), ("off", true), ("daily", false)] {
        let store_uid = StoreUid(scene.value(&uid(store)).await.parse().expect("a uid"));
        let old = scene.backup(store_uid, COMPLETE_SCHEDULED, "now() - interval '20 days'").await;
        scene.backup(store_uid, COMPLETE_SCHEDULED, "now()").await;
        scene.round(0).await;
        let state = scene.value(&format!("SELECT state FROM backups WHERE id = '{old}'")).await;
        assert_eq!(state, if expires { "DELETING" } else { "COMPLETE" }, "{store}");
    }
}

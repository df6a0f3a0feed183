//! A store of a simulated cluster: its backup is its manifest.

use serde_json::Value;
use storeplane_core::ids::Tenant;
use storeplane_proto::Duration as ProtoDuration;
use storeplane_proto::v1::{
    BackupState, BackupTrigger, ConditionStatus, CreateBackupRequest, ListAuditEventsRequest, OperationKind,
    OperationState, StoreState, WaitOperationRequest,
};

use super::{Stage, create, delete, events, get, request, until, wanted};

#[tokio::test]
async fn backup_of_a_simulated_store_is_its_manifest() {
    let stage = Stage::start().await;
    let (store, api) = (stage.simulated().await, stage.api());
    let described = CreateBackupRequest { description: "before the sale".into(), ..wanted(&store.store_id) };
    let backup = request(api, described).await.unwrap();
    assert_eq!((backup.state(), backup.trigger()), (BackupState::Creating, BackupTrigger::OnDemand));

    let timeout = Some(ProtoDuration { seconds: 60, nanos: 0 });
    let wait = WaitOperationRequest { operation_id: backup.operation_id.clone(), timeout };
    let operation = api.operations.clone().wait_operation(wait).await.unwrap().into_inner();
    assert_eq!((operation.kind(), operation.state()), (OperationKind::Backup, OperationState::Succeeded));
    let done = get(api, &backup.backup_id).await.unwrap();
    assert_eq!((done.state(), done.simulated, done.size_bytes), (BackupState::Complete, true, 0));
    assert_eq!((done.description.as_str(), done.requested_by.as_str()), ("before the sale", "test"));
    assert_eq!((done.engine.as_str(), done.store_uid.as_str()), ("sample", store.uid.as_str()));
    assert!(done.complete_time.is_some() && done.parts.is_empty() && done.reason.is_empty(), "{done:?}");

    let manifest = format!("{}/{}/{}/manifest.json", Tenant::default(), store.uid, backup.backup_id);
    let manifest: Value = serde_json::from_slice(&stage.storage.content(&manifest).expect("a manifest")).unwrap();
    for (key, text) in [
        ("backup_id", &backup.backup_id),
        ("store_id", &store.store_id),
        ("store_uid", &store.uid),
        ("description", &backup.description),
    ] {
        assert_eq!(manifest[key], Value::String(text.clone()), "{key}: {manifest}");
    }
    assert_eq!(manifest["simulated"], Value::Bool(true));
    let wrapped = manifest["wrapped_key"].as_str().expect("a key");
    assert!(stage.storage.keys().open(wrapped).await.is_ok(), "also its key is that of the operator");

    let after = api.get(&store.store_id).await.unwrap();
    assert_eq!((after.state(), after.step.as_str(), after.state_time), (StoreState::Ready, "", store.state_time));
    let condition = after.conditions.iter().find(|it| it.r#type == "BackedUp").expect("a condition");
    assert_eq!(condition.status(), ConditionStatus::True);
    assert_eq!(condition.message, "There is a complete backup.");
    let text = events(api, &store.store_id).await;
    let kinds: Vec<_> = text.lines().skip_while(|line| !line.starts_with("BACKUP_REQUESTED")).map(words).collect();
    let expected = [
        "BACKUP_REQUESTED",
        "STEP_STARTED BACK_UP",
        "STEP_SKIPPED BACK_UP",
        "STEP_SUCCEEDED BACK_UP",
        "STEP_STARTED VERIFY_BACKUP",
        "STEP_SUCCEEDED VERIFY_BACKUP",
        "BACKUP_COMPLETED",
        "CONDITION_CHANGED",
    ];
    assert_eq!(kinds, expected, "{text}");

    delete(api, &backup.backup_id).await.unwrap();
    let deleted = format!("BACKUP_DELETED  test deleted backup {}", backup.backup_id);
    assert!(events(api, &store.store_id).await.ends_with(&deleted), "the last event");
    until("it is forgotten", async || get(api, &backup.backup_id).await.is_err()).await;
    assert_eq!(stage.storage.files_of(&backup.backup_id), Vec::<std::path::PathBuf>::new());
    let listed = ListAuditEventsRequest { filter: format!("store_uid = {}", store.uid), ..Default::default() };
    let records = api.audit.clone().list_audit_events(listed).await.unwrap().into_inner().audit_events;
    let records: Vec<_> = records.iter().map(|record| (record.action.as_str(), record.target.as_str())).collect();
    let id = store.store_id.as_str();
    let expected = [("DELETE_BACKUP", backup.backup_id.as_str()), ("CREATE_BACKUP", id), ("CREATE_STORE", id)];
    assert_eq!(records, expected);
    let again = create(api, &store).await;
    super::complete(api, &again).await;
    stage.lab.database.assert_sound().await;
    stage.delete(&store).await;
}

/// An event's type and step.
fn words(line: &str) -> String {
    let mut words = line.split(' ');
    let (kind, step) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    format!("{kind} {step}").trim().to_owned()
}

//! The same for a backup: the keys that decrypt it, and the signed URLs that its Jobs are given.

use std::time::Duration;

use storeplane_core::ids::Tenant;
use storeplane_proto::v1::{Backup, BackupState, CreateBackupRequest, GetBackupRequest, ListAuditEventsRequest};

use super::sampler::files;
use super::search::{Places, Secret, leaks};
use super::{events, rows};
use crate::harness::{BackupStorage, JobPlayer, Lab, Run, Setup, fresh};

/// URLs of each part whose signatures are searched.
const URLS: usize = 3;

async fn ended(lab: &Lab, store_id: &str) -> Backup {
    let request = CreateBackupRequest { store_id: store_id.to_owned(), ..CreateBackupRequest::default() };
    let mut backup = lab.api.backups.clone().create_backup(request).await.unwrap().into_inner();
    while backup.state() == BackupState::Creating {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let request = GetBackupRequest { backup_id: backup.backup_id };
        backup = lab.api.backups.clone().get_backup(request).await.unwrap().into_inner();
    }
    backup
}

#[tokio::test]
async fn keys_and_urls_of_a_backup_are_in_no_log_row_event_or_message() {
    let storage = BackupStorage::volume();
    let mut lab = Setup::small().with_backups(&storage).with("STOREPLANE_LOG", "trace").start().await;
    let store = lab.api.ready(&fresh("secret")).await;
    lab.database.execute(&format!("UPDATE stores SET simulated = false WHERE uid = '{}'", store.uid)).await;
    let player =
        JobPlayer::start(&store.namespace, &[Run::TellsUrl, Run::TellsUrl, Run::TellsUrl, Run::Succeeds]).await;
    let failed = ended(&lab, &store.store_id).await;
    assert_eq!(failed.reason, "BACKUP_SOURCE_UNREADABLE", "{failed:?}");
    assert!(failed.message.contains("PUT ***: 403"), "{failed:?}");
    let complete = ended(&lab, &store.store_id).await;
    assert_eq!(complete.state(), BackupState::Complete, "{complete:?}");

    let mut secrets = vec![Secret::new("operator's key", operator_key(&storage))];
    let manifest = format!("{}/{}/{}/manifest.json", Tenant::default(), store.uid, complete.backup_id);
    let manifest: serde_json::Value = serde_json::from_slice(&storage.content(&manifest).unwrap()).unwrap();
    let identity = storage.keys().open(manifest["wrapped_key"].as_str().unwrap()).await.unwrap();
    secrets.push(Secret::new("key of the backup", &identity.expose()["AGE-SECRET-KEY-1".len()..]));
    for played in player.played() {
        let lists = played.files.iter().filter(|(name, _)| name.contains(".urls"));
        for url in lists.flat_map(|(_, list)| list.lines().take(URLS)) {
            let signature = url.rsplit_once("signature=").expect("a signature").1;
            secrets.push(Secret::new(format!("URL of {}", played.job), signature));
        }
    }

    let listed = ListAuditEventsRequest { page_size: 1000, ..ListAuditEventsRequest::default() };
    let listed = lab.api.audit.clone().list_audit_events(listed).await.unwrap().into_inner();
    let mut places: Places = vec![
        ("events".to_owned(), events(&lab).await),
        ("audit records".to_owned(), format!("{listed:?}")),
        ("backups".to_owned(), format!("{failed:?} {complete:?}")),
    ];
    let directory = lab.server.dir().to_owned();
    lab.server.terminate().await;
    places.push(("log".to_owned(), lab.server.log()));
    files(&directory, u64::MAX, &mut |path, text| places.push((format!("file {}", path.display()), text)));
    places.extend(rows(&lab).await);
    let stored = storage.files_of(&complete.backup_id).into_iter();
    places.extend(stored.map(|file| {
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        (format!("stored {}", file.display()), text)
    }));
    // Of hyper, h2 and the steps, which would show URLs, if anything does.
    for part in ["peer=Server", "peer=Client", "step=\"BACK_UP\""] {
        assert!(lab.server.log().contains(part), "the log has no {part:?}: it is not that of all libraries");
    }
    assert_eq!(secrets.len(), 2 + 4 * 2 * URLS);
    let found = leaks(&secrets, &places);
    assert!(found.is_empty(), "{} leaks:\n{}", found.len(), found.join("\n"));
    lab.server.restart().await;
    lab.api.delete(&store.store_id).await.unwrap();
}

fn operator_key(storage: &BackupStorage) -> String {
    let text = std::fs::read_to_string(storage.key_file()).unwrap();
    text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-1")).expect("a key")["AGE-SECRET-KEY-1".len()..]
        .to_owned()
}

//! Lists of backups, and who sees which.

use storeplane_proto::v1::{
    Backup, BackupState, CreateTokenRequest, GetBackupRequest, ListBackupsRequest, ListBackupsResponse, StoreState,
};
use tonic::{Code, Status};

use super::{Stage, complete, create, delete, get};
use crate::harness::{Api, fields, reason};

async fn list(api: &Api, request: ListBackupsRequest) -> Result<ListBackupsResponse, Status> {
    api.backups.clone().list_backups(request).await.map(tonic::Response::into_inner)
}

async fn ids(api: &Api, request: ListBackupsRequest) -> Vec<String> {
    let page = list(api, request).await.unwrap();
    page.backups.into_iter().map(|backup| backup.backup_id).collect()
}

fn filtered(filter: &str) -> ListBackupsRequest {
    ListBackupsRequest { filter: filter.into(), ..ListBackupsRequest::default() }
}

#[tokio::test]
async fn backups_are_listed_by_page_and_filter_also_those_of_deleted_stores() {
    let stage = Stage::start().await;
    let api = stage.api();
    let (tea, mate) = tokio::join!(stage.simulated(), stage.simulated());
    let mut all: Vec<Backup> = Vec::new();
    for store in [&tea, &tea, &mate] {
        let backup = create(api, store).await;
        all.push(complete(api, &backup).await);
    }
    let newest_first: Vec<_> = all.iter().rev().map(|backup| backup.backup_id.clone()).collect();

    let mut request = ListBackupsRequest { page_size: 1, ..ListBackupsRequest::default() };
    let mut seen = Vec::new();
    loop {
        let page = list(api, request.clone()).await.unwrap();
        assert!(page.backups.len() <= 1);
        seen.extend(page.backups);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, all.iter().rev().cloned().collect::<Vec<_>>(), "as GetBackup returns them");
    let first = ListBackupsRequest { page_size: 1, ..ListBackupsRequest::default() };
    let token = list(api, first.clone()).await.unwrap().next_page_token;
    let other = ListBackupsRequest { page_token: token, filter: "state = FAILED".into(), ..first };
    let status = list(api, other).await.unwrap_err();
    assert_eq!((status.code(), fields(&status)), (Code::InvalidArgument, vec!["page_token".to_owned()]));

    let of_tea = ListBackupsRequest { store_id: tea.store_id.clone(), ..ListBackupsRequest::default() };
    assert_eq!(ids(api, of_tea.clone()).await, newest_first[1..]);
    for (filter, expected) in [
        ("state = COMPLETE", &newest_first[..]),
        ("state = FAILED", &[]),
        ("trigger = ON_DEMAND", &newest_first),
        (&format!("store_uid = {}", mate.uid), &newest_first[..1]),
        (&format!("NOT store_id = {}", mate.store_id), &newest_first[1..]),
        ("create_time < \"2020-01-01T00:00:00Z\"", &[]),
    ] {
        assert_eq!(ids(api, filtered(filter)).await, expected, "{filter}");
    }
    let status = list(api, filtered("size = 1")).await.unwrap_err();
    assert_eq!((status.code(), fields(&status)), (Code::InvalidArgument, vec!["filter".to_owned()]));

    stage.delete(&tea).await;
    assert_eq!(api.settle(&tea.store_id).await.0.state(), StoreState::Deleted);
    assert_eq!(ids(api, of_tea).await, newest_first[1..], "they outlive their store");
    assert_eq!(get(api, &all[0].backup_id).await.unwrap(), all[0]);
    stage.delete(&mate).await;
}

#[tokio::test]
async fn backups_of_others_are_not_found_in_the_same_words() {
    let stage = Stage::start().await;
    let (store, address) = (stage.simulated().await, stage.lab.server.address());
    let backup = create(stage.api(), &store).await;
    complete(stage.api(), &backup).await;
    let limited = |ids: &str| CreateTokenRequest {
        name: format!("limited to {ids}"),
        role: "operator".into(),
        store_ids: vec![ids.to_owned()],
        ..CreateTokenRequest::default()
    };
    let mut callers = Vec::new();
    for ids in ["another-store", &store.store_id] {
        let created = stage.api().tokens.clone().create_token(limited(ids)).await.unwrap().into_inner();
        callers.push(Api::connect(address, &created.secret));
    }
    let inside = callers.pop().unwrap();
    callers.push(Api::connect(address, &stage.lab.database.token("acme", "admin").await));
    let never = uuid::Uuid::now_v7().to_string();
    for api in &callers {
        let mut words = Vec::new();
        for id in [&backup.backup_id, &never] {
            let read = get(api, id).await.unwrap_err();
            let deleted = delete(api, id).await.unwrap_err();
            for status in [&read, &deleted] {
                assert_eq!(
                    (status.code(), reason(status).as_str()),
                    (Code::NotFound, "BACKUP_NOT_FOUND"),
                    "{status:?}"
                );
                words.push(status.message().replace(id.as_str(), "BACKUP"));
            }
        }
        assert!(words.windows(2).all(|pair| pair[0] == pair[1]), "{words:?}");
        assert_eq!(ids(api, ListBackupsRequest::default()).await, Vec::<String>::new());
    }
    assert_eq!(ids(&inside, ListBackupsRequest::default()).await, [backup.backup_id.as_str()]);
    assert_eq!(get(&inside, &backup.backup_id).await.unwrap().state(), BackupState::Complete);
    let malformed = GetBackupRequest { backup_id: "7".into() };
    let status = stage.api().backups.clone().get_backup(malformed).await.unwrap_err();
    assert_eq!((status.code(), fields(&status)), (Code::InvalidArgument, vec!["backup_id".to_owned()]));
    stage.delete(&store).await;
}

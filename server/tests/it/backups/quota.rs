//! The quota of backups that callers request.

use futures::future::join_all;
use storeplane_proto::v1::{Backup, BackupState, CreateBackupRequest, GetOverviewRequest, QuotaUse};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use super::{LOOK, Stage, complete, create, delete, request, wanted};
use crate::harness::{Api, BackupStorage, Setup, reason};

/// What requests of the same moment must not exceed.
const QUOTA: usize = 7;

/// The answer once no other backup of the store is active.
async fn answer(api: &Api, store_id: &str) -> Result<Backup, Status> {
    let wanted = CreateBackupRequest { request_id: Uuid::new_v4().to_string(), ..wanted(store_id) };
    loop {
        match request(api, wanted.clone()).await {
            Err(status) if status.code() == Code::Unavailable || reason(&status) == "OPERATION_IN_PROGRESS" => {
                tokio::time::sleep(LOOK).await;
            }
            answer => return answer,
        }
    }
}

async fn used(api: &Api) -> Vec<QuotaUse> {
    let overview = api.platform.clone().get_overview(GetOverviewRequest::default()).await.expect("an overview");
    overview.into_inner().quotas
}

#[tokio::test]
async fn hundred_requests_at_once_fill_a_quota_of_backups_exactly() {
    let setup = Setup::small().with("STOREPLANE_QUOTA_BACKUPS", QUOTA.to_string());
    let stage = Stage::of(setup, BackupStorage::volume()).await;
    let api = stage.api();
    let stores = join_all((0..10).map(|_| stage.simulated())).await;
    let asked = (0..100).zip(stores.iter().cycle()).map(|(_, store)| answer(api, &store.store_id));
    let (made, refused): (Vec<_>, Vec<_>) = join_all(asked).await.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (QUOTA, 100 - QUOTA));
    for status in refused.into_iter().map(Result::unwrap_err) {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "BACKUP_QUOTA_EXCEEDED"));
        let violations = status.get_details_quota_failure().expect("details").violations;
        assert_eq!(violations[0].subject, "tenant/default");
        let metadata = status.get_details_error_info().expect("details").metadata;
        assert_eq!(["quota", "used", "limit"].map(|key| metadata[key].as_str()), ["backups", "7", "7"]);
    }
    assert_eq!(used(api).await, [QuotaUse { name: "backups".into(), used: 7, limit: 7 }]);
    let check = |store_id| CreateBackupRequest { validate_only: true, ..wanted(store_id) };
    let full = request(api, check(&stores[0].store_id)).await.expect_err("it is full");
    assert_eq!(reason(&full), "BACKUP_QUOTA_EXCEEDED");

    let mut made = made.into_iter().map(Result::unwrap);
    let (first, second) = (made.next().expect("a backup"), made.next().expect("another one"));
    delete(api, &complete(api, &first).await.backup_id).await.expect("deleted");
    request(api, check(&stores[0].store_id)).await.expect("a place is free");
    assert_eq!(create(api, &stores[0]).await.state(), BackupState::Creating);
    assert_eq!(reason(&answer(api, &stores[0].store_id).await.expect_err("full")), "BACKUP_QUOTA_EXCEEDED");
    let automatic =
        format!("UPDATE backups SET trigger = 'SCHEDULED' WHERE id = '{}'", complete(api, &second).await.backup_id);
    stage.lab.database.execute(&automatic).await;
    answer(api, &stores[1].store_id).await.expect("scheduled ones do not count");
    for store in &stores {
        stage.delete(store).await;
    }
    stage.lab.database.assert_sound().await;
}

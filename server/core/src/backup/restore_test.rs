//! Test restores: a backup is copied into a store of its own, in a tenant that has no other stores and no callers. If that store becomes READY,
//! the backup can be restored and its shop sells. Then the store is deleted, and the result stands on the backup.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::failure::Failure;
use crate::ids::{RESTORE_TEST_TENANT, StoreUid, Tenant};
use crate::wire::wire_enum;

/// How long after its end a failed deletion of such a store is tried again.
pub const DELETE_AGAIN_AFTER: Duration = Duration::minutes(10);

/// The tenant of the stores into which backups are restored.
pub fn tenant() -> Tenant {
    Tenant::stored(RESTORE_TEST_TENANT.to_owned())
}

wire_enum! {
    /// The state of a test restore.
    pub enum RestoreTestState {
        /// The backup is being restored and its shop tested.
        Running = "RUNNING",
        /// The shop passed the test.
        Passed = "PASSED",
        /// The backup could not be restored, or its shop did not pass the test.
        Failed = "FAILED",
    }
}

/// The last test restore of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreTest {
    /// The state.
    pub state: RestoreTestState,
    /// The store into which it is, or was, restored.
    pub store: StoreUid,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// When it ended.
    #[serde(with = "time::serde::rfc3339::option", default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<OffsetDateTime>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

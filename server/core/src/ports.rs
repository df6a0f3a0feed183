//! What the domain needs from the outside. The server implements these over Postgres, the cluster, the clock and the random
//! source.

use std::fmt;

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::audit::{AuditEvent, AuditRecord};
use crate::command::{Idempotency, StoreRef};
use crate::engine::AdminSecret;
use crate::error::PortError;
use crate::ids::{OperationId, Tenant};
use crate::live_view::{LiveLogs, LiveResource};
use crate::operation::Operation;
use crate::overview::{Overview, OverviewQuery, Quota};
use crate::query::{AuditQuery, OperationQuery, Page, StoreQuery};
use crate::store::Store;
use crate::transition::{Change, Decision};

/// The time, so that tests own it.
pub trait Clock: Send + Sync {
    /// Now, in UTC.
    fn now(&self) -> OffsetDateTime;
}

/// Fresh ids, so that tests own them.
pub trait Ids: Send + Sync {
    /// A UUID v7.
    fn uuid(&self) -> Uuid;
    /// Lower-case letters and digits that nobody can guess, `length` of them.
    fn word(&self, length: usize) -> String;
}

/// What a mutation left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The store as it is now.
    pub store: Store,
    /// Its operation.
    pub operation: Operation,
}

/// Which store a mutation means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// By id and perhaps uid.
    Store(StoreRef),
    /// The one of that operation.
    Operation(OperationId),
}

/// Stores, their operations and the audit log, kept where they outlive the process.
#[async_trait]
pub trait Stores: Send + Sync {
    /// Stores a new store with its operation, first event and audit record, in one transaction, if the tenant may have
    /// one more. The same `idempotency` again gives the store that it made the first time, and changes nothing.
    async fn create(&self, change: Change, idempotency: Option<Idempotency>) -> Result<Applied, PortError>;

    /// Decides under the store's row lock, and stores the whole change in one transaction. `idempotency` as above.
    async fn change(
        &self,
        tenant: &Tenant,
        target: &Target,
        idempotency: Option<Idempotency>,
        transition: &Decision<'_>,
    ) -> Result<Applied, PortError>;

    /// Stores the record of a mutation that was refused or denied.
    async fn record(&self, audit: AuditRecord) -> Result<(), PortError>;

    /// Identifies what is committed: while it stays the same, every read answers the same.
    async fn state_mark(&self) -> Result<String, PortError>;

    /// The store that is meant, or `None`.
    async fn find(&self, tenant: &Tenant, store: &StoreRef) -> Result<Option<Store>, PortError>;

    /// A page of stores.
    async fn list(&self, query: &StoreQuery) -> Result<Page<Store>, PortError>;

    /// How many stores there are on all of its pages.
    async fn count(&self, query: &StoreQuery) -> Result<i64, PortError>;

    /// One operation, or `None`.
    async fn operation(&self, tenant: &Tenant, id: OperationId) -> Result<Option<Operation>, PortError>;

    /// A page of operations.
    async fn operations(&self, query: &OperationQuery) -> Result<Page<Operation>, PortError>;

    /// A page of the audit log.
    async fn audit_events(&self, query: &AuditQuery) -> Result<Page<AuditEvent>, PortError>;

    /// What a tenant uses of the stores that it may have; `None` where there is no limit.
    async fn quota(&self, tenant: &Tenant) -> Result<Option<Quota>, PortError>;

    /// How a tenant's stores are doing as a whole. Its cost does not grow with what is older than the window.
    async fn overview(&self, query: &OverviewQuery) -> Result<Overview, PortError>;
}

/// What a store's administrator signs in with. Prints without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminLogin {
    /// The user's name.
    pub username: String,
    /// The password. Never log it, and never put it into an error or an event.
    pub password: String,
}

impl fmt::Debug for AdminLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminLogin").field("username", &self.username).finish_non_exhaustive()
    }
}

/// The secrets of stores, read from the only place where they are kept.
#[async_trait]
pub trait Credentials: Send + Sync {
    /// The administrator's login as it is now; `None` where the store has no such Secret of its own.
    async fn admin(&self, store: &Store, secret: &AdminSecret) -> Result<Option<AdminLogin>, PortError>;
}

/// Stores as they are in the cluster at this moment.
#[async_trait]
pub trait LiveView: Send + Sync {
    /// The store's Kubernetes objects, by kind and name. Nothing of a namespace that is not the store's.
    async fn resources(&self, store: &Store) -> Result<Vec<LiveResource>, PortError>;

    /// The last `tail_lines` of each of the store's containers, and the events of its namespace; bounded and masked.
    async fn logs(&self, store: &Store, tail_lines: u32) -> Result<LiveLogs, PortError>;
}

//! The ports of the domain. The server implements them over Postgres, the cluster, the clock and the random source.

use std::fmt;

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::access::Access;
use crate::audit::{AuditEvent, AuditRecord};
use crate::backup::Backup;
use crate::backup::command::DeleteBackup;
use crate::command::{Idempotency, StoreRef};
use crate::engine::AdminSecret;
use crate::error::{DomainError, PortError, RolloutError};
use crate::identity::Caller;
use crate::ids::{BackupId, OperationId, RolloutId, StoreId, StoreUid, Tenant, TokenId};
use crate::live_view::{LiveLogs, LiveResource};
use crate::operation::Operation;
use crate::overview::{Overview, OverviewQuery};
use crate::query::{
    AuditQuery, BackupQuery, MemberQuery, OperationQuery, Page, RevisionQuery, RolloutQuery, SessionQuery, StoreQuery,
    TenantQuery, TokenQuery,
};
use crate::release::ReleaseInventory;
use crate::revision::Revision;
use crate::rollout::command::{CreateRollout, RolloutCommand};
use crate::rollout::{Member, Rollout};
use crate::secret::SecretText;
use crate::session::{RevokeSessions, Session};
use crate::store::Store;
use crate::tenant::{CreateTenant, TenantCommand, TenantDetails};
use crate::token::{Author, CreateToken, IssuedToken, RevokeToken, RotateToken, Token};
use crate::transition::copy::CopyDecision;
use crate::transition::{Change, Decision};

/// The clock, which tests can replace.
pub trait Clock: Send + Sync {
    /// Now, in UTC.
    fn now(&self) -> OffsetDateTime;
}

/// A source of ids, which tests can replace.
pub trait Ids: Send + Sync {
    /// A UUID v7.
    fn uuid(&self) -> Uuid;
    /// `length` random lower-case letters and digits, suitable for secrets.
    fn random_text(&self, length: usize) -> String;
}

/// The result of a mutation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The current store.
    pub store: Store,
    /// Its operation.
    pub operation: Operation,
    /// The backup that the operation makes.
    pub backup: Option<Backup>,
}

/// Which store a mutation targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// By id and optional uid.
    Store(StoreRef),
    /// The store of this operation.
    Operation(OperationId),
}

/// Stores, their operations and the audit log, stored durably. What is outside of an [`Access`] does not exist for it.
#[async_trait]
pub trait Stores: Send + Sync {
    /// Stores a new store with its operation, first event and audit record in one transaction, if the tenant's quotas
    /// allow it. The same `idempotency` again returns the store that it created, and changes nothing.
    async fn create(
        &self,
        access: &Access,
        change: Change,
        idempotency: Option<Idempotency>,
    ) -> Result<Applied, PortError>;

    /// Stores a new store with the data of another one, whose row is locked meanwhile, and the backup of that one, in one transaction, if the
    /// tenant's quotas allow both. `idempotency` as above.
    async fn copy(
        &self,
        access: &Access,
        source: &StoreRef,
        idempotency: Option<Idempotency>,
        decide: &CopyDecision<'_>,
    ) -> Result<Applied, PortError>;

    /// Decides under the store's row lock, and stores the whole change in one transaction, if the tenant's quotas allow it.
    /// `idempotency` as above.
    async fn change(
        &self,
        access: &Access,
        target: &Target,
        idempotency: Option<Idempotency>,
        transition: &Decision<'_>,
    ) -> Result<Applied, PortError>;

    /// Stores the audit record of a mutation that was rejected or denied.
    async fn record(&self, audit: AuditRecord) -> Result<(), PortError>;

    /// Identifies the committed state: while it is unchanged, every read returns the same.
    async fn state_mark(&self) -> Result<String, PortError>;

    /// The store, or `None`.
    async fn find(&self, access: &Access, store: &StoreRef) -> Result<Option<Store>, PortError>;

    /// Whether more than one store has had this id.
    async fn is_reused(&self, access: &Access, id: &StoreId) -> Result<bool, PortError>;

    /// A page of stores.
    async fn list(&self, query: &StoreQuery) -> Result<Page<Store>, PortError>;

    /// The total number of stores on all pages of a query.
    async fn count(&self, query: &StoreQuery) -> Result<i64, PortError>;

    /// A revision of a store, or `None`.
    async fn revision(&self, store: StoreUid, number: u32) -> Result<Option<Revision>, PortError>;

    /// A page of the revisions of a store.
    async fn revisions(&self, query: &RevisionQuery) -> Result<Page<Revision>, PortError>;

    /// One operation, or `None`.
    async fn operation(&self, access: &Access, id: OperationId) -> Result<Option<Operation>, PortError>;

    /// A page of operations.
    async fn operations(&self, query: &OperationQuery) -> Result<Page<Operation>, PortError>;

    /// A page of the audit log.
    async fn audit_events(&self, query: &AuditQuery) -> Result<Page<AuditEvent>, PortError>;

    /// Returns an error if the quotas of the store's tenant do not permit this caller to create it.
    async fn check_quotas(&self, store: &Store, caller: &str) -> Result<(), PortError>;

    /// Returns an error if the quotas of the store's tenant do not permit its new plan.
    async fn check_plan_quota(&self, before: &Store, after: &Store) -> Result<(), PortError>;

    /// Returns an error if the quotas of the tenant do not permit one more backup like this.
    async fn check_backup_quota(&self, backup: &Backup) -> Result<(), PortError>;

    /// An overview of stores. Its cost does not depend on data older than the window.
    async fn overview(&self, query: &OverviewQuery) -> Result<Overview, PortError>;
}

/// Backups, stored durably. Those that an operation makes are changed with it, in [`Stores::change`].
#[async_trait]
pub trait Backups: Send + Sync {
    /// The backup, or `None`.
    async fn find(&self, access: &Access, id: BackupId) -> Result<Option<Backup>, PortError>;

    /// A page of backups.
    async fn list(&self, query: &BackupQuery) -> Result<Page<Backup>, PortError>;

    /// The newest complete backup of a store whose data has this schema, or `None`.
    async fn newest_with_schema(&self, store: StoreUid, schema: &str) -> Result<Option<Backup>, PortError>;

    /// Marks a backup as being removed, with the audit record in the same transaction. The same `idempotency` again returns it as it is.
    async fn delete(&self, access: &Access, command: DeleteBackup, audit: AuditRecord) -> Result<Backup, PortError>;
}

/// Decides about a rollout under its row lock.
pub type RolloutDecision<'a> = dyn Fn(&mut Rollout) -> Result<(), RolloutError> + Send + Sync + 'a;

/// Rollouts, stored durably. Each change of a caller stores its audit record in the same transaction.
#[async_trait]
pub trait Rollouts: Send + Sync {
    /// Creates a rollout of the stores that match. The same `idempotency` again returns it as it is.
    async fn create(&self, command: CreateRollout, audit: AuditRecord) -> Result<Rollout, PortError>;

    /// The rollout as it would be created; nothing is stored.
    async fn preview(&self, command: CreateRollout) -> Result<Rollout, PortError>;

    /// The rollout, or `None`.
    async fn find(&self, tenant: &Tenant, id: RolloutId) -> Result<Option<Rollout>, PortError>;

    /// A page of rollouts.
    async fn list(&self, query: &RolloutQuery) -> Result<Page<Rollout>, PortError>;

    /// A page of the stores of a rollout.
    async fn members(&self, query: &MemberQuery) -> Result<Page<Member>, PortError>;

    /// The version of a rollout, or `None`.
    async fn version(&self, tenant: &Tenant, id: RolloutId) -> Result<Option<i64>, PortError>;

    /// The stores of a rollout that changed after this version of it.
    async fn members_after(&self, id: RolloutId, version: i64) -> Result<Vec<Member>, PortError>;

    /// Changes a rollout that has the etag.
    async fn change(
        &self,
        tenant: &Tenant,
        command: &RolloutCommand,
        audit: AuditRecord,
        decide: &RolloutDecision<'_>,
    ) -> Result<Rollout, PortError>;
}

/// API tokens. Each change stores its audit record in the same transaction.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// Creates a token. The same `idempotency` again is [`crate::error::TokenError::SecretAlreadyShown`].
    async fn create(&self, tenant: &Tenant, token: CreateToken, author: &Author) -> Result<IssuedToken, PortError>;

    /// The token, or `None`.
    async fn get(&self, tenant: &Tenant, id: TokenId) -> Result<Option<Token>, PortError>;

    /// A page of tokens.
    async fn list(&self, query: &TokenQuery) -> Result<Page<Token>, PortError>;

    /// Revokes a token; one that is already revoked is unchanged.
    async fn revoke(&self, tenant: &Tenant, command: RevokeToken, author: &Author) -> Result<Token, PortError>;

    /// Replaces the secret of a valid token. `idempotency` as in `create`.
    async fn rotate(&self, tenant: &Tenant, command: RotateToken, author: &Author) -> Result<IssuedToken, PortError>;
}

/// Sessions of browsers.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// A page of the sessions of a tenant that have not ended.
    async fn list(&self, query: &SessionQuery) -> Result<Page<Session>, PortError>;

    /// Ends sessions of the caller's tenant, with an audit record, and returns their number. [`DomainError::PermissionDenied`] if one has
    /// a role above the caller's.
    async fn revoke(&self, caller: &Caller, command: &RevokeSessions) -> Result<u32, PortError>;
}

/// Decides about a tenant under its row lock; an unchanged tenant is not stored.
pub type TenantDecision<'a> = dyn Fn(TenantDetails) -> Result<TenantDetails, DomainError> + Send + Sync + 'a;

/// Tenants. Each change stores its audit record, in the tenant that the record names, in the same transaction. Request ids are those
/// of that tenant.
#[async_trait]
pub trait Tenants: Send + Sync {
    /// Creates a tenant. The same `idempotency` again returns the one that it created.
    async fn create(&self, command: CreateTenant, audit: AuditRecord) -> Result<TenantDetails, PortError>;

    /// The tenant, also a deleted one, or `None`.
    async fn get(&self, tenant: &Tenant) -> Result<Option<TenantDetails>, PortError>;

    /// A page of tenants that are not deleted.
    async fn list(&self, query: &TenantQuery) -> Result<Page<TenantDetails>, PortError>;

    /// Changes a tenant that is not deleted, if it has the etag.
    async fn change(
        &self,
        command: &TenantCommand,
        audit: AuditRecord,
        decide: &TenantDecision<'_>,
    ) -> Result<TenantDetails, PortError>;

    /// Deletes a tenant that has no stores, and revokes its tokens. One that is already deleted is unchanged.
    async fn delete(&self, command: &TenantCommand, audit: AuditRecord) -> Result<TenantDetails, PortError>;
}

/// The login of a store's administrator. `Debug` omits the password.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminLogin {
    /// The user name.
    pub username: String,
    /// The password. Never log it or put it into an error or event.
    pub password: String,
}

impl fmt::Debug for AdminLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminLogin").field("username", &self.username).finish_non_exhaustive()
    }
}

/// The secrets of stores in the cluster, the only place where they are stored.
#[async_trait]
pub trait Credentials: Send + Sync {
    /// The administrator's current login; `None` if the store has no such Secret.
    async fn admin(&self, store: &Store, secret: &AdminSecret) -> Result<Option<AdminLogin>, PortError>;

    /// Stores the login at a mail server in a new Secret. False if the store has no namespace.
    async fn store_smtp_login(
        &self,
        store: &Store,
        secret: &str,
        username: &str,
        password: &SecretText,
    ) -> Result<bool, PortError>;

    /// Removes such a Secret that no setting names, if the cluster answers.
    async fn forget_smtp_login(&self, store: &Store, secret: &str);
}

/// Stores as they currently are in the cluster.
#[async_trait]
pub trait LiveView: Send + Sync {
    /// The store's Kubernetes objects, by kind and name. Empty if the namespace does not belong to the store.
    async fn resources(&self, store: &Store) -> Result<Vec<LiveResource>, PortError>;

    /// The last `tail_lines` of each container of the store, and the events of its namespace; bounded and masked.
    async fn logs(&self, store: &Store, tail_lines: u32) -> Result<LiveLogs, PortError>;
}

/// The helm releases of the cluster, as last observed.
#[async_trait]
pub trait Releases: Send + Sync {
    /// All visible releases, with their owners. [`PortError::ClusterAway`] while the cluster cannot be observed.
    async fn inventory(&self) -> Result<ReleaseInventory, PortError>;
}

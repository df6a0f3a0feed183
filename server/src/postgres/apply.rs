//! The only code that changes a store: applies a whole [`Change`] in the caller's transaction, under the store's row lock.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, Query, SimpleExpr};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter as _, QuerySelect,
    UpdateResult, Value,
};
use storeplane_core::audit::Changes;
use storeplane_core::error::{DomainError, PortError};
use storeplane_core::event::NewEvent;
use storeplane_core::ids::{OperationId, StoreUid};
use storeplane_core::operation::{Operation, Step};
use storeplane_core::ports::Applied;
use storeplane_core::store::Store;
use storeplane_core::transition::{Change, Snapshot};
use time::OffsetDateTime;

use super::entity::{event, operation, store};
use super::error::{broken, port_error, violated};
use super::pool::{End, Transaction};
use super::rows;
use super::{audit, backups, revisions};
use crate::metrics::{BackupEnd, OperationEnd};

/// The store and its operation, locked until the transaction ends. `None` if the store does not exist.
pub(super) async fn lock(transaction: &Transaction, uid: StoreUid) -> Result<Option<Snapshot>, PortError> {
    let row = store::Entity::find_by_id(uid.0).lock_exclusive().one(transaction).await.map_err(port_error)?;
    let Some(row) = row else { return Ok(None) };
    let operation = operation::Entity::find_by_id(row.operation).one(transaction).await.map_err(port_error)?;
    let mut operation = operation.ok_or_else(|| broken("a store's operation is missing"))?;
    let fields = [("domains", Some(&row.domains)), ("smtp", row.smtp.as_ref()), ("plugins", Some(&row.plugins))];
    rows::complete_settings(operation.settings_update.as_mut(), &fields);
    let operation = rows::operation(operation);
    let backup =
        if operation.makes_backup() { backups::of_operation(transaction, operation.id.0).await? } else { None };
    Ok(Some(Snapshot { store: rows::store(row), operation, backup }))
}

/// Stores a new store, its operation, events and audit record. `fence` is that of the last claim.
pub(super) async fn insert(transaction: &Transaction, change: Change, fence: i64) -> Result<Applied, PortError> {
    let mut change = change;
    let now = change.store.updated_at;
    let part_of = Some(change.operation.id);
    let events = NumberedEvents::number(&mut change, part_of, now);
    let mut row = rows::store_row(&change.store);
    row.fence = Set(fence);
    store::Entity::insert(row)
        .exec_without_returning(transaction)
        .await
        .map_err(|error| taken(&error, &change, error.clone()))?;
    insert_operation(transaction, &change).await?;
    Box::pin(finish(transaction, change, events, None, true)).await
}

/// Stores the changes of an existing store. `before` is the result of [`lock`].
pub(super) async fn update(
    transaction: &Transaction,
    before: &Snapshot,
    change: Change,
    now: OffsetDateTime,
) -> Result<Applied, PortError> {
    let mut change = change;
    // A change of the store after its last operation ended, which does not change the operation, is not part of it.
    let concerns = change.operation.state.is_active() || change.operation != before.operation;
    let part_of = concerns.then_some(change.operation.id);
    let events = NumberedEvents::number(&mut change, part_of, now);
    let begins = change.operation.id != before.operation.id;
    if let Some(superseded) = &change.superseded {
        transaction.count_on_commit(OperationEnd::of(before.operation.state, superseded).map(End::Operation));
        update_operation(transaction, superseded).await?;
    }
    if begins {
        backups::lock_source(transaction, &change).await?;
        insert_operation(transaction, &change).await?;
    } else if change.operation != before.operation {
        update_operation(transaction, &change.operation).await?;
        transaction.count_on_commit(OperationEnd::of(before.operation.state, &change.operation).map(End::Operation));
    }
    if change.store != before.store {
        change.store.updated_at = now;
        let stores = store::Entity::update_many().set(rows::store_row(&change.store));
        let updated = stores.filter(store::Column::Uid.eq(change.store.uid.0)).exec(transaction).await;
        was_there(&updated.map_err(port_error)?)?;
    }
    if let Some(backup) = change.backup.as_ref().filter(|backup| Some(*backup) != before.backup.as_ref()) {
        backups::save(transaction, backup).await?;
        transaction.count_on_commit(BackupEnd::of(before.backup.as_ref(), backup).map(End::Backup));
    }
    if let Some(revision) = &change.revision {
        revisions::save(transaction, change.store.uid, revision).await?;
    }
    if let Some(digests) = &change.image_digests {
        revisions::save_image_digests(transaction, change.store.uid, change.store.revision, digests).await?;
    }
    let ends = before.operation.state.is_active() && !change.operation.state.is_active();
    let cancels = change.operation.cancel_requested != before.operation.cancel_requested;
    let wakes = begins || ends || cancels;
    Box::pin(finish(transaction, change, events, Some(&before.store), wakes)).await
}

async fn finish(
    transaction: &Transaction,
    mut change: Change,
    numbered: NumberedEvents,
    before: Option<&Store>,
    wakes_workers: bool,
) -> Result<Applied, PortError> {
    let record = change.audit.take();
    if !numbered.events.is_empty() {
        insert_events(transaction, &change, numbered).await?;
        transaction.changes_events();
    }
    if wakes_workers {
        transaction.changes_operations();
    }
    // Last: the tenant's chain is locked from here to the end of the transaction.
    if let Some(mut record) = record {
        if record.changes.is_empty() {
            record.changes = Changes::of_store(before, &change.store);
        }
        audit::append(transaction, record).await?;
    }
    Ok(Applied { store: change.store, operation: change.operation, backup: change.backup })
}

/// With `update_many`, because `update` also returns the whole row.
async fn update_operation(transaction: &Transaction, changed: &Operation) -> Result<(), PortError> {
    let operations = operation::Entity::update_many().set(rows::operation_row(changed));
    let updated = operations.filter(operation::Column::Id.eq(changed.id.0)).exec(transaction).await;
    was_there(&updated.map_err(port_error)?)
}

fn was_there(updated: &UpdateResult) -> Result<(), PortError> {
    if updated.rows_affected == 1 { Ok(()) } else { Err(broken("a locked row vanished")) }
}

async fn insert_operation(transaction: &Transaction, change: &Change) -> Result<(), PortError> {
    let mut row = rows::operation_row(&change.operation).into_active_model();
    row.fence = Set(0);
    row.writes = Set(0);
    row.lease_owner = Set(None);
    row.lease_expires_at = Set(None);
    operation::Entity::insert(row).exec_without_returning(transaction).await.map(drop).map_err(port_error)
}

/// Stores the events of a change with the store's next sequences, assigned under its row lock, so without gaps or duplicates.
struct NumberedEvents {
    events: Vec<NewEvent>,
    part_of: Option<OperationId>,
    after: i64,
    at: OffsetDateTime,
}

impl NumberedEvents {
    fn number(change: &mut Change, part_of: Option<OperationId>, at: OffsetDateTime) -> Self {
        let events = std::mem::take(&mut change.events);
        let after = change.store.last_sequence;
        change.store.last_sequence += i64::try_from(events.len()).unwrap_or(i64::MAX);
        Self { events, part_of, after, at }
    }
}

/// The position in the global order is this transaction's, or that of the store's last event if that is later: a transaction
/// may have begun before the one that it waited for, and the global order must not reverse a store's own.
const PLACE: &str = "greatest(pg_current_xact_id(), \
    (SELECT last.transaction FROM events last WHERE last.store = $1 AND last.sequence = $2))";

async fn insert_events(
    transaction: &Transaction,
    change: &Change,
    NumberedEvents { events, part_of, after, at }: NumberedEvents,
) -> Result<(), PortError> {
    use event::Column;
    let store = &change.store;
    let mut insert = Query::insert();
    insert.into_table(event::Entity).columns([
        Column::Transaction,
        Column::Store,
        Column::Sequence,
        Column::StoreId,
        Column::Tenant,
        Column::At,
        Column::Kind,
        Column::Operation,
        Column::Step,
        Column::Message,
        Column::Details,
    ]);
    for (sequence, event) in (after + 1..).zip(events) {
        let row: [SimpleExpr; 11] = [
            Expr::cust_with_values(PLACE, [Value::from(store.uid.0), after.into()]),
            store.uid.0.into(),
            sequence.into(),
            store.id.to_string().into(),
            store.tenant.to_string().into(),
            at.into(),
            event.kind.as_str().into(),
            part_of.map(|operation| operation.0).into(),
            event.step.map_or("", Step::as_str).into(),
            event.message.into(),
            serde_json::json!(event.details).into(),
        ];
        insert.values(row).map_err(|error| broken(error.to_string()))?;
    }
    transaction.execute(&insert).await.map(drop).map_err(port_error)
}

fn taken(error: &DbErr, change: &Change, source: DbErr) -> PortError {
    match violated(error).as_deref() {
        Some("stores_live_id") => DomainError::AlreadyExists { name: change.store.id.to_string() }.into(),
        Some("stores_live_host" | "stores_live_namespace") => {
            DomainError::HostTaken { host: change.store.placement.host.clone() }.into()
        }
        _ => port_error(source),
    }
}

//! The one place that changes a store: a whole [`Change`] in the caller's transaction, under the store's row lock.

use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, IntoActiveModel, QuerySelect,
};
use storeplane_core::decide::{Change, Snapshot};
use storeplane_core::error::{PortError, Refusal};
use storeplane_core::ids::{OperationId, StoreUid};
use storeplane_core::ports::Applied;
use time::OffsetDateTime;

use super::entity::{audit_event, event, operation, store};
use super::error::{broken, port_error, violated};
use super::hints;
use super::rows;

/// The store and its operation, locked until the transaction ends. `None` if there is no such store.
pub(super) async fn lock(transaction: &DatabaseTransaction, uid: StoreUid) -> Result<Option<Snapshot>, PortError> {
    let row = store::Entity::find_by_id(uid.0).lock_exclusive().one(transaction).await.map_err(port_error)?;
    let Some(row) = row else { return Ok(None) };
    let operation = operation::Entity::find_by_id(row.operation).one(transaction).await.map_err(port_error)?;
    let operation = operation.ok_or_else(|| broken("a store's operation is missing"))?;
    Ok(Some(Snapshot { store: rows::store(row)?, operation: rows::operation(operation)? }))
}

/// Stores a new store with all that belongs to it.
pub(super) async fn insert(transaction: &DatabaseTransaction, change: Change) -> Result<Applied, PortError> {
    let mut change = change;
    let now = change.store.created_at;
    let part_of = Some(change.operation.id);
    let events = number(&mut change, part_of, now);
    let mut row = rows::store_row(&change.store);
    row.fence = Set(0);
    store::Entity::insert(row)
        .exec_without_returning(transaction)
        .await
        .map_err(|error| taken(&error, &change, error.clone()))?;
    insert_operation(transaction, &change).await?;
    finish(transaction, change, events, true).await
}

/// Stores what changed of a store that is there. `before` is what [`lock`] gave.
pub(super) async fn update(
    transaction: &DatabaseTransaction,
    before: &Snapshot,
    change: Change,
    now: OffsetDateTime,
) -> Result<Applied, PortError> {
    let mut change = change;
    // What happens to a store after its last operation ended, and leaves that as it was, is not a part of it.
    let concerns = change.operation.state.is_active() || change.operation != before.operation;
    let part_of = concerns.then_some(change.operation.id);
    let events = number(&mut change, part_of, now);
    let begins = change.operation.id != before.operation.id;
    if let Some(superseded) = &change.superseded {
        rows::operation_row(superseded).update(transaction).await.map_err(port_error)?;
    }
    if begins {
        insert_operation(transaction, &change).await?;
    } else if change.operation != before.operation {
        rows::operation_row(&change.operation).update(transaction).await.map_err(port_error)?;
    }
    if change.store != before.store {
        change.store.updated_at = now;
        rows::store_row(&change.store).update(transaction).await.map_err(port_error)?;
    }
    let wakes = begins || change.operation.cancel_requested != before.operation.cancel_requested;
    finish(transaction, change, events, wakes).await
}

async fn finish(
    transaction: &DatabaseTransaction,
    change: Change,
    events: Vec<event::ActiveModel>,
    wakes_workers: bool,
) -> Result<Applied, PortError> {
    if let Some(record) = change.audit {
        let row = rows::audit_row(record);
        audit_event::Entity::insert(row).exec_without_returning(transaction).await.map_err(port_error)?;
    }
    if !events.is_empty() {
        event::Entity::insert_many(events).exec_without_returning(transaction).await.map_err(port_error)?;
        transaction.execute_unprepared(hints::NOTIFY_EVENTS).await.map_err(port_error)?;
    }
    if wakes_workers {
        transaction.execute_unprepared(hints::NOTIFY_OPERATIONS).await.map_err(port_error)?;
    }
    Ok(Applied { store: change.store, operation: change.operation })
}

async fn insert_operation(transaction: &DatabaseTransaction, change: &Change) -> Result<(), PortError> {
    let mut row = rows::operation_row(&change.operation).into_active_model();
    row.fence = Set(0);
    row.writes = Set(0);
    row.lease_owner = Set(None);
    row.lease_expires_at = Set(None);
    operation::Entity::insert(row).exec_without_returning(transaction).await.map(drop).map_err(port_error)
}

/// Gives each event its sequence: the store's row is locked, so there is no hole and no double.
fn number(change: &mut Change, part_of: Option<OperationId>, at: OffsetDateTime) -> Vec<event::ActiveModel> {
    let events = std::mem::take(&mut change.events);
    events
        .into_iter()
        .map(|new| {
            change.store.last_sequence += 1;
            event::ActiveModel {
                store: Set(change.store.uid.0),
                sequence: Set(change.store.last_sequence),
                store_id: Set(change.store.id.to_string()),
                tenant: Set(change.store.tenant.to_string()),
                at: Set(at),
                kind: Set(new.kind.as_str().to_owned()),
                operation: Set(part_of.map(|operation| operation.0)),
                step: Set(new.step.map_or_else(String::new, |step| step.as_str().to_owned())),
                message: Set(new.message),
                details: Set(serde_json::json!(new.details)),
            }
        })
        .collect()
}

fn taken(error: &DbErr, change: &Change, source: DbErr) -> PortError {
    match violated(error).as_deref() {
        Some("stores_live_id") => Refusal::AlreadyExists { name: change.store.id.to_string() }.into(),
        Some("stores_live_host" | "stores_live_namespace") => {
            Refusal::HostTaken { host: change.store.placement.host.clone() }.into()
        }
        _ => port_error(source),
    }
}

//! The revisions of stores. They are stored with the change that they are part of, in [`super::apply`].

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder as _, QuerySelect};
use storeplane_core::error::PortError;
use storeplane_core::ids::{OperationId, StoreUid};
use storeplane_core::query::{Page, RevisionQuery};
use storeplane_core::revision::{ImageDigest, REVISIONS_MAX, Revision};

use super::entity::revision::{ActiveModel, Column, Entity, Model};
use super::error::{broken, port_error};
use super::list;
use super::pool::{Pool, Transaction};

/// Stores a revision, and removes those that are no longer kept.
pub(super) async fn save(transaction: &Transaction, store: StoreUid, revision: &Revision) -> Result<(), PortError> {
    let row = ActiveModel {
        store: Set(store.0),
        number: Set(revision.number.cast_signed()),
        settings: Set(serde_json::json!(revision.settings)),
        chart_values: Set(revision.values.clone()),
        images: Set(serde_json::json!(revision.images)),
        chart_content: Set(revision.chart_content.clone()),
        image_digests: Set(serde_json::json!(revision.image_digests)),
        operation: Set(revision.operation.0),
        created_at: Set(revision.created_at),
    };
    Entity::insert(row).exec_without_returning(transaction).await.map_err(port_error)?;
    // One more: a rollback may have read the oldest one, and read it again.
    let kept_after = revision.number.saturating_sub(REVISIONS_MAX + 1).cast_signed();
    let old = Entity::delete_many().filter(Column::Store.eq(store.0)).filter(Column::Number.lte(kept_after));
    old.exec(transaction).await.map(drop).map_err(port_error)
}

/// Stores which images the pods of a revision run.
pub(super) async fn save_image_digests(
    transaction: &Transaction,
    store: StoreUid,
    number: u32,
    digests: &[ImageDigest],
) -> Result<(), PortError> {
    let of_revision =
        Entity::update_many().filter(Column::Store.eq(store.0)).filter(Column::Number.eq(number.cast_signed()));
    let update = of_revision.col_expr(Column::ImageDigests, Expr::value(serde_json::json!(digests)));
    update.exec(transaction).await.map(drop).map_err(port_error)
}

/// One revision of a store, or `None`.
pub(super) async fn find(
    connection: &impl ConnectionTrait,
    store: StoreUid,
    number: u32,
) -> Result<Option<Revision>, PortError> {
    let found = Entity::find_by_id((store.0, number.cast_signed())).one(connection).await.map_err(port_error)?;
    found.map(read).transpose()
}

/// The number of the revision that an operation made, or `None`.
pub(super) async fn made_by(
    connection: &impl ConnectionTrait,
    store: StoreUid,
    operation: OperationId,
) -> Result<Option<u32>, PortError> {
    let made = Entity::find().filter(Column::Store.eq(store.0)).filter(Column::Operation.eq(operation.0));
    let newest = made.order_by_desc(Column::Number).one(connection).await.map_err(port_error)?;
    Ok(newest.map(|row| row.number.cast_unsigned()))
}

/// A page of the revisions of a store, newest first.
pub(super) async fn page(database: &Pool, query: &RevisionQuery) -> Result<Page<Revision>, PortError> {
    let mut select = Entity::find().filter(Column::Store.eq(query.store.0));
    if let Some(before) = query.before {
        select = select.filter(Column::Number.lt(before.cast_signed()));
    }
    let select = select.order_by_desc(Column::Number).limit(list::one_more(query.limit));
    let found = select.all(database).await.map_err(port_error)?;
    let revisions = found.into_iter().map(read).collect::<Result<_, _>>()?;
    Ok(list::page(revisions, query.limit))
}

/// The Secrets with logins at mail servers that the revisions of a store name.
pub(super) async fn smtp_secrets(database: &Pool, store: StoreUid) -> Result<Vec<String>, PortError> {
    let secret = Expr::cust("settings -> 'smtp' ->> 'secret'");
    let select = Entity::find().select_only().column_as(secret, "secret").filter(Column::Store.eq(store.0));
    let found = select.into_tuple::<Option<String>>().all(database).await.map_err(port_error)?;
    Ok(found.into_iter().flatten().collect())
}

fn read(row: Model) -> Result<Revision, PortError> {
    let unreadable = |_| broken("a revision is unreadable");
    Ok(Revision {
        number: row.number.cast_unsigned(),
        settings: serde_json::from_value(row.settings).map_err(unreadable)?,
        values: row.chart_values,
        images: serde_json::from_value(row.images).map_err(unreadable)?,
        chart_content: row.chart_content,
        image_digests: serde_json::from_value(row.image_digests).map_err(unreadable)?,
        operation: OperationId(row.operation),
        created_at: row.created_at,
    })
}

//! Table `events`.

use sea_orm::entity::prelude::*;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "events")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub store: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub sequence: i64,
    /// Postgres' `xid8`, only used in expressions.
    #[sea_orm(select_as = "text", save_as = "xid8")]
    pub transaction: String,
    pub store_id: String,
    pub tenant: String,
    pub at: TimeDateTimeWithTimeZone,
    pub kind: String,
    pub operation: Option<Uuid>,
    pub step: String,
    pub message: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub details: Json,
}

/// None: joins are written where they are needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

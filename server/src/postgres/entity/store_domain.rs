//! Table `store_domains`.

use sea_orm::entity::prelude::*;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "store_domains")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub store: Uuid,
    pub name: String,
    pub token: String,
    pub verified: bool,
    pub removing: bool,
    #[sea_orm(column_type = "JsonBinary")]
    pub status: Json,
    pub checks: i32,
    pub attempts: i32,
    pub created_at: TimeDateTimeWithTimeZone,
    pub due_at: TimeDateTimeWithTimeZone,
}

/// None: joins are written where they are needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

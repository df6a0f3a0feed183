//! Table `tenants`.

use sea_orm::entity::prelude::*;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tenants")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    pub uid: Uuid,
    pub display_name: String,
    pub state: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub quotas: Json,
    pub revision: i64,
    pub created_at: TimeDateTimeWithTimeZone,
    pub created_by: String,
    pub updated_at: TimeDateTimeWithTimeZone,
    pub suspended_at: Option<TimeDateTimeWithTimeZone>,
}

/// None: joins are written where they are needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

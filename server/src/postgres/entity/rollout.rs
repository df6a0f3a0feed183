//! Table `rollouts`.

use sea_orm::entity::prelude::*;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "rollouts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub tenant: String,
    pub display_name: String,
    pub filter: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub target: Json,
    #[sea_orm(column_type = "JsonBinary")]
    pub waves: Json,
    pub parallelism: i32,
    #[sea_orm(column_type = "JsonBinary")]
    pub budget: Json,
    pub soak_seconds: i64,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub time_window: Option<Json>,
    pub on_failure: String,
    pub state: String,
    pub reason: String,
    pub message: String,
    pub wave: i32,
    pub observed: i32,
    pub soak_until: Option<TimeDateTimeWithTimeZone>,
    pub forgiven: i32,
    pub created_by: String,
    pub created_at: TimeDateTimeWithTimeZone,
    pub updated_at: TimeDateTimeWithTimeZone,
    pub ended_at: Option<TimeDateTimeWithTimeZone>,
    pub version: i64,
}

/// None: joins are written where they are needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

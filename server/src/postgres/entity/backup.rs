//! Table `backups`.

use sea_orm::entity::prelude::*;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "backups")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub store: Uuid,
    pub store_id: String,
    pub tenant: String,
    pub state: String,
    pub trigger: String,
    pub description: String,
    pub requested_by: String,
    pub operation: Uuid,
    pub engine: String,
    pub chart_version: String,
    pub app_version: String,
    pub chart_digest: String,
    pub schema_version: String,
    pub simulated: bool,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub attempt: Option<Json>,
    #[sea_orm(column_type = "JsonBinary")]
    pub parts: Json,
    #[sea_orm(column_type = "JsonBinary")]
    pub snapshots: Json,
    /// When they are compared with the cluster's next; set while they have to be.
    pub snapshots_due: Option<TimeDateTimeWithTimeZone>,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub failure: Option<Json>,
    pub created_at: TimeDateTimeWithTimeZone,
    pub completed_at: Option<TimeDateTimeWithTimeZone>,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub restore_test: Option<Json>,
    /// When that test began.
    pub tested_at: Option<TimeDateTimeWithTimeZone>,
}

/// None: joins are written where they are needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

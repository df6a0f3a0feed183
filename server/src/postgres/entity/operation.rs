//! Table `operations`.

use sea_orm::entity::prelude::*;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "operations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub store: Uuid,
    pub store_id: String,
    pub tenant: String,
    pub kind: String,
    pub state: String,
    pub step: Option<String>,
    pub reached: Option<String>,
    pub force: bool,
    pub restores: Option<Uuid>,
    pub skips_backup: bool,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub settings_update: Option<Json>,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub prior: Option<Json>,
    pub undoing: bool,
    pub cancel_requested: bool,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub failure: Option<Json>,
    pub claims: i32,
    pub priority: i32,
    pub requested_by: String,
    pub trace: Option<String>,
    pub fence: i64,
    pub writes: i64,
    pub lease_owner: Option<Uuid>,
    pub lease_expires_at: Option<TimeDateTimeWithTimeZone>,
    pub created_at: TimeDateTimeWithTimeZone,
    pub started_at: Option<TimeDateTimeWithTimeZone>,
    pub ended_at: Option<TimeDateTimeWithTimeZone>,
}

/// None: joins are written where they are needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

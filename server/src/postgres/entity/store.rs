//! Table `stores`.

use sea_orm::entity::prelude::*;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "stores")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub uid: Uuid,
    pub store_id: String,
    pub tenant: String,
    pub display_name: String,
    pub engine: String,
    pub plan: String,
    pub admin_email: String,
    pub cleanup_policy: String,
    pub deletion_protection: bool,
    pub environment: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub labels: Json,
    #[sea_orm(column_type = "JsonBinary")]
    pub domains: Json,
    pub source_store: Option<Uuid>,
    pub source_store_id: Option<String>,
    pub source_backup: Option<Uuid>,
    pub source_restored: bool,
    pub backup_every: Option<String>,
    pub backup_keep_days: Option<i32>,
    pub backup_keep_weekly: Option<i32>,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub smtp: Option<Json>,
    #[sea_orm(column_type = "JsonBinary")]
    pub plugins: Json,
    pub namespace: String,
    pub release: String,
    pub host: String,
    pub state: String,
    pub state_changed_at: TimeDateTimeWithTimeZone,
    #[sea_orm(column_type = "JsonBinary")]
    pub conditions: Json,
    pub step: Option<String>,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub failure: Option<Json>,
    pub chart_version: String,
    pub app_version: String,
    pub chart_digest: String,
    pub schema_version: String,
    pub revision: i32,
    pub simulated: bool,
    pub secure: bool,
    pub operation: Uuid,
    pub last_sequence: i64,
    pub fence: i64,
    pub created_at: TimeDateTimeWithTimeZone,
    pub ready_at: Option<TimeDateTimeWithTimeZone>,
    pub updated_at: TimeDateTimeWithTimeZone,
    pub deleted_at: Option<TimeDateTimeWithTimeZone>,
}

/// None: joins are written where they are needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

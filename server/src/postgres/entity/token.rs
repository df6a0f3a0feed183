//! Table `tokens`.

use sea_orm::entity::prelude::*;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tokens")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub hash: Vec<u8>,
    pub name: String,
    pub tenant: String,
    pub role: String,
    pub created_at: TimeDateTimeWithTimeZone,
    pub created_by: String,
    pub revoked_at: Option<TimeDateTimeWithTimeZone>,
    pub revoked_by: Option<String>,
    pub expires_at: Option<TimeDateTimeWithTimeZone>,
    pub last_used_at: Option<TimeDateTimeWithTimeZone>,
    pub rotated_at: Option<TimeDateTimeWithTimeZone>,
    pub previous_hash: Option<Vec<u8>>,
    pub previous_expires_at: Option<TimeDateTimeWithTimeZone>,
    pub store_ids: Option<Vec<String>>,
    pub store_id_prefix: Option<String>,
}

/// None: joins are written where they are needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

//! Table `audit_events`.

use sea_orm::entity::prelude::*;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_events")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub at: TimeDateTimeWithTimeZone,
    pub tenant: String,
    pub actor: String,
    pub token: Option<Uuid>,
    pub action: String,
    pub target: String,
    pub store: Option<Uuid>,
    pub operation: Option<Uuid>,
    pub outcome: String,
    pub reason: String,
    pub count: i64,
    pub last_at: TimeDateTimeWithTimeZone,
    /// The hour of a refusal that a server of an earlier release counts.
    pub refused_in: Option<TimeDateTimeWithTimeZone>,
    pub credential_kind: String,
    pub credential: String,
    pub request_id: String,
    pub peer: String,
    pub user_agent: String,
    pub trace_id: String,
    pub changes: String,
    /// Set by a trigger, like `hash`.
    pub sequence: Option<i64>,
    pub hash: Option<Vec<u8>>,
}

/// None: joins are written where they are needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

//! Table `revisions`.

use sea_orm::entity::prelude::*;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "revisions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub store: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i32,
    #[sea_orm(column_type = "JsonBinary")]
    pub settings: Json,
    #[sea_orm(column_type = "JsonBinary")]
    pub chart_values: Json,
    #[sea_orm(column_type = "JsonBinary")]
    pub images: Json,
    pub chart_content: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub image_digests: Json,
    pub operation: Uuid,
    pub created_at: TimeDateTimeWithTimeZone,
}

/// None: joins are written where they are needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

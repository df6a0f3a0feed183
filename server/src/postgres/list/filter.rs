//! Filters as SQL; every value is a bound parameter.

use sea_orm::sea_query::{BinOper, Expr, ExprTrait, Func, LikeExpr, SimpleExpr};
use sea_orm::{ColumnTrait, Condition};
use storeplane_core::filter::{
    AuditField, AuditFilter, BackupField, BackupFilter, Comparison, Filter, OperationField, OperationFilter, Pattern,
    StoreField, StoreFilter, StoreText, StoreTime,
};
use time::OffsetDateTime;

use crate::postgres::backup_schedule::OVERDUE;
use crate::postgres::drift::DRIFTED;
use crate::postgres::entity::{audit_event, backup, operation, store};

/// Stores that match.
pub(in crate::postgres) fn stores(filter: &StoreFilter) -> Condition {
    use store::Column;
    let field = |field: &StoreField| match field {
        StoreField::State(state) => Column::State.eq(state.as_str()),
        StoreField::BackupOverdue(true) => Expr::cust(OVERDUE),
        StoreField::BackupOverdue(false) => Expr::cust(OVERDUE).not(),
        StoreField::Drifted(true) => Expr::cust(DRIFTED),
        StoreField::Drifted(false) => Expr::cust(DRIFTED).not(),
        StoreField::Label(name, wanted) => {
            pattern(Expr::cust_with_values("coalesce(labels->>$1, '')", [name.as_str()]), wanted)
        }
        StoreField::Plugin(name, wanted) => {
            pattern(Expr::cust_with_values("coalesce(plugins->$1->>'version', '')", [name.as_str()]), wanted)
        }
        StoreField::Text(text, wanted) => pattern(store_text(*text), wanted),
        StoreField::Time(StoreTime::Create, comparison, time) => compare(Column::CreatedAt, *comparison, *time),
        StoreField::Time(StoreTime::Update, comparison, time) => compare(Column::UpdatedAt, *comparison, *time),
    };
    condition(filter, &field, &|text| {
        Condition::any().add(has(Column::StoreId, text)).add(has(Column::DisplayName, text))
    })
}

fn store_text(text: StoreText) -> SimpleExpr {
    use store::Column;
    match text {
        StoreText::StoreId => Column::StoreId.into_expr(),
        StoreText::DisplayName => Column::DisplayName.into_expr(),
        StoreText::Engine => Column::Engine.into_expr(),
        StoreText::Plan => Column::Plan.into_expr(),
        StoreText::AdminEmail => Column::AdminEmail.into_expr(),
        StoreText::Host => Column::Host.into_expr(),
        StoreText::Namespace => Column::Namespace.into_expr(),
        // Without a failure there is no reason, also under NOT.
        StoreText::Reason => Expr::cust("coalesce(failure->>'reason', '')"),
    }
}

/// Operations that match.
pub(super) fn operations(filter: &OperationFilter) -> Condition {
    use operation::Column;
    let field = |field: &OperationField| match field {
        OperationField::State(state) => Column::State.eq(state.as_str()),
        OperationField::Kind(kind) => Column::Kind.eq(kind.as_str()),
        OperationField::StoreId(wanted) => pattern(Column::StoreId.into_expr(), wanted),
        OperationField::StoreUid(uid) => Column::Store.eq(uid.0),
        OperationField::CreateTime(comparison, time) => compare(Column::CreatedAt, *comparison, *time),
    };
    condition(filter, &field, &|text| Condition::all().add(has(Column::StoreId, text)))
}

/// Backups that match.
pub(super) fn backups(filter: &BackupFilter) -> Condition {
    use backup::Column;
    let field = |field: &BackupField| match field {
        BackupField::State(state) => Column::State.eq(state.as_str()),
        BackupField::Trigger(trigger) => Column::Trigger.eq(trigger.as_str()),
        BackupField::StoreId(wanted) => pattern(Column::StoreId.into_expr(), wanted),
        BackupField::StoreUid(uid) => Column::Store.eq(uid.0),
        BackupField::CreateTime(comparison, time) => compare(Column::CreatedAt, *comparison, *time),
    };
    condition(filter, &field, &|text| Condition::all().add(has(Column::StoreId, text)))
}

/// Audit events that match.
pub(super) fn audit_events(filter: &AuditFilter) -> Condition {
    use audit_event::Column;
    let field = |field: &AuditField| match field {
        AuditField::Actor(wanted) => pattern(Column::Actor.into_expr(), wanted),
        AuditField::Target(wanted) => pattern(Column::Target.into_expr(), wanted),
        // NULL is not a store, also under NOT.
        AuditField::StoreUid(uid) => Column::Store.is_not_null().and(Column::Store.eq(uid.0)),
        AuditField::Action(action) => Column::Action.eq(action.as_str()),
        AuditField::Outcome(outcome) => Column::Outcome.eq(outcome.as_str()),
        AuditField::Peer(wanted) => pattern(Column::Peer.into_expr(), wanted),
        AuditField::RequestId(wanted) => pattern(Column::RequestId.into_expr(), wanted),
        AuditField::Time(comparison, time) => compare(Column::At, *comparison, *time),
    };
    condition(filter, &field, &|text| Condition::any().add(has(Column::Actor, text)).add(has(Column::Target, text)))
}

fn compare(column: impl ColumnTrait, comparison: Comparison, time: OffsetDateTime) -> SimpleExpr {
    match comparison {
        Comparison::Equal | Comparison::Has => column.eq(time),
        Comparison::Less => column.lt(time),
        Comparison::AtMost => column.lte(time),
        Comparison::Greater => column.gt(time),
        Comparison::AtLeast => column.gte(time),
    }
}

fn pattern(text: SimpleExpr, pattern: &Pattern) -> SimpleExpr {
    let like = |pattern: String| LikeExpr::new(pattern);
    match pattern {
        Pattern::Exactly(wanted) => text.eq(wanted.as_str()),
        Pattern::StartsWith(wanted) => text.like(like(format!("{}%", escaped(wanted)))),
        Pattern::EndsWith(wanted) => text.like(like(format!("%{}", escaped(wanted)))),
        Pattern::Contains(wanted) => text.like(like(format!("%{}%", escaped(wanted)))),
        Pattern::Has(wanted) => contains(text, wanted),
        Pattern::Present => text.ne(""),
    }
}

fn condition<F>(filter: &Filter<F>, field: &impl Fn(&F) -> SimpleExpr, text: &impl Fn(&str) -> Condition) -> Condition {
    let all = |parts: &[Filter<F>], whole: Condition| {
        parts.iter().fold(whole, |whole, part| whole.add(condition(part, field, text)))
    };
    match filter {
        Filter::All => Condition::all(),
        Filter::Field(wanted) => Condition::all().add(field(wanted)),
        Filter::Text(wanted) => text(wanted),
        Filter::Not(inner) => condition(inner, field, text).not(),
        Filter::And(parts) => all(parts, Condition::all()),
        Filter::Or(parts) => all(parts, Condition::any()),
    }
}

/// The column contains the text, ignoring case. A function of the schema folds both.
fn has(column: impl ColumnTrait, text: &str) -> SimpleExpr {
    contains(column.into_expr(), text)
}

fn contains(column: SimpleExpr, text: &str) -> SimpleExpr {
    let lower = |text: SimpleExpr| Func::cust("storeplane_lower").arg(text);
    lower(column).binary(BinOper::Like, lower(Expr::val(format!("%{}%", escaped(text)))))
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

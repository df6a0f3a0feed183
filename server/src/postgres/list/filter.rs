//! Filters as SQL; every text in them is a bound parameter.

use sea_orm::sea_query::{ExprTrait, Func, SimpleExpr};
use sea_orm::{ColumnTrait, Condition};
use storeplane_core::filter::{AuditField, AuditFilter, Comparison, Filter, StoreField, StoreFilter};

use crate::postgres::entity::{audit_event, store};

/// Stores that match.
pub(super) fn stores(filter: &StoreFilter) -> Condition {
    use store::Column;
    let field = |field: &StoreField| match field {
        StoreField::State(state) => Column::State.eq(state.as_str()),
        StoreField::Engine(engine) => Column::Engine.eq(engine.as_str()),
        StoreField::Plan(plan) => Column::Plan.eq(plan.as_str()),
        StoreField::StoreId(id) => Column::StoreId.eq(id.as_str()),
        StoreField::DisplayName(name) => Column::DisplayName.eq(name.as_str()),
    };
    condition(filter, &field, &|text| {
        Condition::any().add(has(Column::StoreId, text)).add(has(Column::DisplayName, text))
    })
}

/// Audit events that match.
pub(super) fn audit_events(filter: &AuditFilter) -> Condition {
    use audit_event::Column;
    let field = |field: &AuditField| match field {
        AuditField::Actor(actor) => Column::Actor.eq(actor.as_str()),
        AuditField::Target(target) => Column::Target.eq(target.as_str()),
        // NULL is no store, also under NOT.
        AuditField::StoreUid(uid) => Column::Store.is_not_null().and(Column::Store.eq(uid.0)),
        AuditField::Action(action) => Column::Action.eq(action.as_str()),
        AuditField::Outcome(outcome) => Column::Outcome.eq(outcome.as_str()),
        AuditField::Time(comparison, time) => match comparison {
            Comparison::Equal => Column::At.eq(*time),
            Comparison::Less => Column::At.lt(*time),
            Comparison::AtMost => Column::At.lte(*time),
            Comparison::Greater => Column::At.gt(*time),
            Comparison::AtLeast => Column::At.gte(*time),
        },
    };
    condition(filter, &field, &|text| Condition::any().add(has(Column::Actor, text)).add(has(Column::Target, text)))
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

/// The column contains the text, in upper or lower case.
fn has(column: impl ColumnTrait, text: &str) -> SimpleExpr {
    let wanted = text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    Func::lower(column.into_expr()).like(format!("%{wanted}%"))
}

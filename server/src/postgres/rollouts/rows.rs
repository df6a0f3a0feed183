//! Rollouts as rows.

use std::collections::HashMap;

use sea_orm::ActiveValue::Set;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, Statement,
};
use serde_json::{Value, json};
use storeplane_core::error::PortError;
use storeplane_core::ids::{RolloutId, Tenant};
use storeplane_core::rollout::{Cause, Counts, MemberState, OnFailure, Progress, Rollout, RolloutState, Target};
use uuid::Uuid;

use crate::postgres::entity::rollout::{ActiveModel, Column, Entity, Model};
use crate::postgres::error::port_error;
use crate::postgres::pool::Transaction;
use crate::postgres::unreadable::Problems;

const COUNTS: &str = "SELECT rollout, state, count(*) FROM rollout_stores WHERE rollout = ANY($1) GROUP BY 1, 2";

/// A rollout of a tenant.
pub(super) async fn find(
    connection: &impl ConnectionTrait,
    tenant: &Tenant,
    id: RolloutId,
) -> Result<Option<Rollout>, PortError> {
    let found = Entity::find_by_id(id.0).filter(Column::Tenant.eq(tenant.as_str())).one(connection).await;
    let found = read_all(connection, found.map_err(port_error)?.into_iter().collect()).await?;
    Ok(found.into_iter().next())
}

/// A rollout, not locked.
pub(super) async fn read_only(transaction: &Transaction, id: RolloutId) -> Result<Option<Rollout>, PortError> {
    let found = Entity::find_by_id(id.0).one(transaction).await.map_err(port_error)?;
    Ok(found.map(|row| read(row, Counts::default())))
}

/// A rollout, locked until the transaction ends.
pub(super) async fn lock(transaction: &Transaction, id: RolloutId) -> Result<Option<Rollout>, PortError> {
    let found = Entity::find_by_id(id.0).lock_exclusive().one(transaction).await.map_err(port_error)?;
    Ok(read_all(transaction, found.into_iter().collect()).await?.into_iter().next())
}

/// Rollouts with their counts.
pub(super) async fn read_all(connection: &impl ConnectionTrait, found: Vec<Model>) -> Result<Vec<Rollout>, PortError> {
    let mut counts = all_counts(connection, found.iter().map(|row| row.id).collect()).await?;
    Ok(found
        .into_iter()
        .map(|row| {
            let counted = counts.remove(&row.id).unwrap_or_default();
            read(row, counted)
        })
        .collect())
}

/// Numbers of the stores of a rollout by state.
pub(super) async fn counts(connection: &impl ConnectionTrait, id: RolloutId) -> Result<Counts, PortError> {
    Ok(all_counts(connection, vec![id.0]).await?.remove(&id.0).unwrap_or_default())
}

async fn all_counts(connection: &impl ConnectionTrait, ids: Vec<Uuid>) -> Result<HashMap<Uuid, Counts>, PortError> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, COUNTS, [ids.into()]);
    let mut counts: HashMap<Uuid, Counts> = HashMap::new();
    for row in connection.query_all_raw(statement).await.map_err(port_error)? {
        let id: Uuid = row.try_get_by_index(0).map_err(port_error)?;
        let state: String = row.try_get_by_index(1).map_err(port_error)?;
        let count: i64 = row.try_get_by_index(2).map_err(port_error)?;
        let counts = counts.entry(id).or_default();
        let of_state = match MemberState::parse(&state) {
            Some(MemberState::Running) => &mut counts.running,
            Some(MemberState::Succeeded) => &mut counts.succeeded,
            Some(MemberState::Failed) => &mut counts.failed,
            Some(MemberState::Skipped) => &mut counts.skipped,
            Some(MemberState::RolledBack) => &mut counts.rolled_back,
            _ => &mut counts.pending,
        };
        *of_state += u32::try_from(count).unwrap_or(u32::MAX);
    }
    Ok(counts)
}

fn read(row: Model, counts: Counts) -> Rollout {
    let mut problems = Problems::of("rollouts", row.id);
    let target: Option<Target> = problems.json("target", Some(row.target));
    let state = problems.known("state", &row.state, RolloutState::parse(&row.state), RolloutState::Unreadable);
    let on_failure = OnFailure::parse(&row.on_failure);
    let on_failure = problems.known("on_failure", &row.on_failure, on_failure, OnFailure::Pause);
    let waves = problems.json("waves", Some(row.waves)).unwrap_or_default();
    let budget = problems.json("budget", Some(row.budget)).unwrap_or_default();
    let window = problems.json("time_window", row.time_window);
    // A server that does not know all of it must not apply a part of it.
    let is_readable = target.is_some() && problems.is_empty();
    problems.log();
    Rollout {
        id: RolloutId(row.id),
        tenant: Tenant::stored(row.tenant),
        display_name: row.display_name,
        filter: row.filter,
        waves,
        parallelism: row.parallelism.unsigned_abs(),
        budget,
        soak: time::Duration::seconds(row.soak_seconds),
        window,
        on_failure,
        progress: Progress {
            state: if is_readable { state } else { RolloutState::Unreadable },
            cause: Some(Cause::new(row.reason, row.message)).filter(|cause| !cause.reason.is_empty()),
            wave: row.wave.unsigned_abs(),
            observed: row.observed.unsigned_abs(),
            soak_until: row.soak_until,
            forgiven: row.forgiven.unsigned_abs(),
            ended_at: row.ended_at,
        },
        target: target.unwrap_or(Target::Unreadable),
        counts,
        created_by: row.created_by,
        created_at: row.created_at,
        updated_at: row.updated_at,
        version: row.version,
    }
}

/// The whole row.
pub(super) fn row(rollout: &Rollout) -> Result<ActiveModel, PortError> {
    let Rollout { progress, .. } = rollout;
    let json = |value: Result<Value, serde_json::Error>| value.map_err(|error| PortError::Internal(error.into()));
    let cause = progress.cause.clone().unwrap_or_else(|| Cause::new("", ""));
    let row = Model {
        id: rollout.id.0,
        tenant: rollout.tenant.to_string(),
        display_name: rollout.display_name.clone(),
        filter: rollout.filter.clone(),
        target: json(serde_json::to_value(&rollout.target))?,
        waves: json(serde_json::to_value(&rollout.waves))?,
        parallelism: rollout.parallelism.cast_signed(),
        budget: json(serde_json::to_value(rollout.budget))?,
        soak_seconds: rollout.soak.whole_seconds(),
        time_window: rollout.window.map(|window| json(serde_json::to_value(window))).transpose()?,
        on_failure: rollout.on_failure.as_str().to_owned(),
        state: progress.state.as_str().to_owned(),
        reason: cause.reason,
        message: cause.message,
        wave: progress.wave.cast_signed(),
        observed: progress.observed.cast_signed(),
        soak_until: progress.soak_until,
        forgiven: progress.forgiven.cast_signed(),
        created_by: rollout.created_by.clone(),
        created_at: rollout.created_at,
        updated_at: rollout.updated_at,
        ended_at: progress.ended_at,
        version: rollout.version,
    };
    Ok(row.into_active_model())
}

/// What changes after its creation.
pub(super) fn progress(rollout: &Rollout) -> ActiveModel {
    let Rollout { progress, .. } = rollout;
    let cause = progress.cause.clone().unwrap_or_else(|| Cause::new("", ""));
    ActiveModel {
        id: Set(rollout.id.0),
        state: Set(progress.state.as_str().to_owned()),
        reason: Set(cause.reason),
        message: Set(cause.message),
        wave: Set(progress.wave.cast_signed()),
        observed: Set(progress.observed.cast_signed()),
        soak_until: Set(progress.soak_until),
        forgiven: Set(progress.forgiven.cast_signed()),
        updated_at: Set(rollout.updated_at),
        ended_at: Set(progress.ended_at),
        version: Set(rollout.version),
        ..ActiveModel::default()
    }
}

/// What the audit log shows of a rollout.
pub(super) fn audited(rollout: &Rollout) -> Value {
    json!({
        "state": rollout.progress.state.as_str(),
        "filter": rollout.filter,
        "target": rollout.target,
        "stores": rollout.counts.total(),
    })
}

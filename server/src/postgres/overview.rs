//! GetOverview: ten statements, each answered from an index, whatever the number of rows.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
    Statement, Value,
};
use storeplane_core::error::PortError;
use storeplane_core::operation::{Operation, OperationState};
use storeplane_core::overview::{Counts, Overview, OverviewQuery, Period, SHOWN};
use storeplane_core::store::State;
use time::Duration;

use super::backup_schedule::OVERDUE;
use super::drift::DRIFTED;
use super::entity::operation;
use super::error::{broken, port_error};
use super::events::EventLog;
use super::pool::Pool;
use super::quota::QuotaPolicy;
use super::{rows, scope};

const STATES: &str = "
SELECT state, count(*) AS count FROM stores WHERE tenant = $1{SCOPE} AND state <> 'DELETED' GROUP BY state";

/// The period of a time, in whole microseconds; a float holds 90 days of them exactly, and is much faster than `extract`'s
/// numeric. $2 is the window's start, $3 its end, $4 a period's length.
const PERIOD: &str = "((date_part('epoch', at - $2) * 1000000)::bigint / $4)::int";

/// Counts by kind and period. `{SCOPE}` limits them to the stores that the caller may see.
const COUNTS: &str = "
SELECT 'created' AS kind, {PERIOD} AS period, count(*) AS count
  FROM (SELECT created_at AS at FROM stores WHERE tenant = $1{SCOPE} AND created_at >= $2 AND created_at < $3) t GROUP BY 2
UNION ALL
SELECT 'failed', {PERIOD}, count(*)
  FROM (SELECT ended_at AS at FROM operations WHERE tenant = $1{SCOPE} AND state = 'FAILED' AND ended_at >= $2 AND ended_at < $3) t GROUP BY 2
UNION ALL
SELECT 'deleted', {PERIOD}, count(*)
  FROM (SELECT deleted_at AS at FROM stores WHERE tenant = $1{SCOPE} AND deleted_at >= $2 AND deleted_at < $3) t GROUP BY 2";

/// Stores that became ready, by period and in total (the row without a period), with the median duration of those
/// that became ready without a retry. A retry's duration depends on the person.
const READY: &str = "
SELECT period, count(*) AS count,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE unaided) AS median
  FROM (SELECT {PERIOD} AS period, date_part('epoch', at - created_at) AS seconds, unaided
          FROM (SELECT ready_at AS at, created_at, NOT EXISTS (
                         SELECT FROM operations retry WHERE retry.store = stores.uid AND retry.kind <> 'CREATE'
                           AND retry.created_at < stores.ready_at) AS unaided
                  FROM stores WHERE tenant = $1{SCOPE} AND ready_at >= $2 AND ready_at < $3) t) t
 GROUP BY GROUPING SETS ((period), ())";

const MARKED_COUNT: &str = "SELECT count(*) FROM stores WHERE tenant = $1{SCOPE} AND {MARKED}";

const ACTIVE_COUNT: &str =
    "SELECT count(*) FROM operations WHERE tenant = $1{SCOPE} AND state IN ('PENDING', 'RUNNING')";

#[derive(FromQueryResult)]
struct StateRow {
    state: String,
    count: i64,
}

#[derive(FromQueryResult)]
struct CountRow {
    kind: String,
    period: i32,
    count: i64,
}

#[derive(FromQueryResult)]
struct ReadyRow {
    period: Option<i32>,
    count: i64,
    median: Option<f64>,
}

/// Reads all of it. The parts are read one after another, each as of then; clients follow the events.
pub(super) async fn read(database: &Pool, query: &OverviewQuery, quotas: &QuotaPolicy) -> Result<Overview, PortError> {
    let states: Vec<StateRow> = rows_of(database, scoped(STATES, query, [])).await?;
    let (periods, median_time_to_ready) = window(database, query).await?;
    Ok(Overview {
        states: in_order(&states),
        backup_overdue_count: count(database, query, &MARKED_COUNT.replace("{MARKED}", OVERDUE)).await?,
        drifted_count: count(database, query, &MARKED_COUNT.replace("{MARKED}", DRIFTED)).await?,
        periods,
        median_time_to_ready,
        active: active(database, query).await?,
        active_count: count(database, query, ACTIVE_COUNT).await?,
        recent: EventLog::new(database.clone()).last_state_changes(&query.access, SHOWN).await?,
        quotas: quotas.read(database, &query.access, &query.caller, query.now).await?,
    })
}

async fn count(database: &Pool, query: &OverviewQuery, sql: &str) -> Result<i64, PortError> {
    let row = database.query_one_raw(scoped(sql, query, [])).await.map_err(port_error)?;
    row.ok_or_else(|| broken("no count"))?.try_get_by_index(0).map_err(port_error)
}

async fn window(database: &Pool, query: &OverviewQuery) -> Result<(Vec<Period>, Option<Duration>), PortError> {
    let length = i64::try_from(query.period.whole_microseconds()).map_err(|_| broken("a period without end"))?;
    let in_periods = |sql: &str| {
        let window = [query.start.into(), query.end().into(), length.into()];
        scoped(&sql.replace("{PERIOD}", PERIOD), query, window)
    };
    let (counted, readied): (Vec<CountRow>, Vec<ReadyRow>) =
        (rows_of(database, in_periods(COUNTS)).await?, rows_of(database, in_periods(READY)).await?);
    let mut periods = query.periods();
    for CountRow { kind, period, count } in counted {
        let counts = counts(&mut periods, period)?;
        match kind.as_str() {
            "created" => counts.created = count,
            "failed" => counts.failed = count,
            _ => counts.deleted = count,
        }
    }
    let mut overall = None;
    for ReadyRow { period, count, median } in readied {
        let median = median.map(Duration::seconds_f64);
        match period {
            Some(period) => {
                let counts = counts(&mut periods, period)?;
                (counts.ready, counts.median_time_to_ready) = (count, median);
            }
            None => overall = median,
        }
    }
    Ok((periods, overall))
}

fn counts(periods: &mut [Period], index: i32) -> Result<&mut Counts, PortError> {
    let period = usize::try_from(index).ok().and_then(|index| periods.get_mut(index));
    period.map(|period| &mut period.counts).ok_or_else(|| broken("a period outside of the window"))
}

fn in_order(rows: &[StateRow]) -> Vec<(State, i64)> {
    let count = |state: State| rows.iter().find(|row| row.state == state.as_str()).map(|row| (state, row.count));
    let mut counts: Vec<_> = State::ALL.into_iter().filter_map(count).collect();
    let unreadable: i64 = rows.iter().filter(|row| State::parse(&row.state).is_none()).map(|row| row.count).sum();
    if unreadable > 0 {
        counts.push((State::Unreadable, unreadable));
    }
    counts
}

async fn active(database: &Pool, query: &OverviewQuery) -> Result<Vec<Operation>, PortError> {
    use operation::Column;
    let states = OperationState::ALL.into_iter().filter(|state| state.is_active()).map(OperationState::as_str);
    let found = operation::Entity::find()
        .filter(scope::condition(&query.access))
        .filter(Column::State.is_in(states))
        .order_by_asc(Column::CreatedAt)
        .order_by_asc(Column::Id)
        .limit(SHOWN);
    Ok(found.all(database).await.map_err(port_error)?.into_iter().map(rows::operation).collect())
}

async fn rows_of<T: FromQueryResult>(database: &Pool, statement: Statement) -> Result<Vec<T>, PortError> {
    let rows = database.query_all_raw(statement).await.map_err(port_error)?;
    rows.iter().map(|row| T::from_query_result(row, "").map_err(port_error)).collect()
}

/// A statement over the stores of the query; `more` are its values after the tenant.
fn scoped(sql: &str, query: &OverviewQuery, more: impl IntoIterator<Item = Value>) -> Statement {
    let mut values = vec![query.access.tenant.as_str().into()];
    values.extend(more);
    let in_scope = scope::and_in(&query.access, &mut values);
    Statement::from_sql_and_values(DbBackend::Postgres, sql.replace("{SCOPE}", &in_scope), values)
}

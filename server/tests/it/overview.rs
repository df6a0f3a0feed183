//! GetOverview and ListEngines: what they count, for whom, and how quickly.

use std::time::{Duration, Instant};

use storeplane_proto::v1::StoreState::{Degraded, Failed, Provisioning, Ready};
use storeplane_proto::v1::{GetOverviewRequest, ListEnginesRequest, Overview, OverviewPeriod, StoreState};
use tonic::{Code, Status};

use crate::grpc_raw::edge;
use crate::harness::{Api, Lab, fields, fresh};

const QUARTER: i64 = 90 * 24 * 3600;

async fn overview(api: &Api, seconds: i64) -> Result<Overview, Status> {
    let window = Some(prost_types::Duration { seconds, nanos: 0 });
    api.platform.clone().get_overview(GetOverviewRequest { window }).await.map(tonic::Response::into_inner)
}

fn states(overview: &Overview) -> Vec<(StoreState, i64)> {
    overview.states.iter().map(|each| (each.state(), each.count)).collect()
}

fn start(period: &OverviewPeriod) -> i64 {
    period.start_time.unwrap().seconds
}

/// The counts of each non-empty period: its index, and created, ready, failed, deleted.
fn rates(overview: &Overview) -> Vec<(usize, [i64; 4])> {
    let counts = overview.periods.iter().map(|each| [each.created, each.ready, each.failed, each.deleted]);
    counts.enumerate().filter(|(_, counts)| counts.iter().any(|count| *count != 0)).collect()
}

fn seconds(length: Option<prost_types::Duration>) -> Option<f64> {
    length.map(|length| f64::from(i32::try_from(length.seconds).unwrap()) + f64::from(length.nanos) / 1e9)
}

/// A person retried this store before it became ready, so its time is not counted.
async fn assert_retries_have_no_time_to_ready(lab: &Lab, retried: &str) {
    lab.database
        .execute(&format!(
            "INSERT INTO operations SELECT gen_random_uuid(), store, store_id, tenant, 'RETRY', state, step, reached, undoing, \
             cancel_requested, failure, claims, priority, requested_by, trace, fence, writes, lease_owner, lease_expires_at, \
             created_at - interval '91 days', started_at, ended_at FROM operations WHERE store_id = '{retried}'"
        ))
        .await;
    let seen = overview(&lab.api, QUARTER).await.unwrap();
    assert_eq!(rates(&seen)[0], (3, [3, 2, 0, 0]), "it became ready all the same");
    assert_eq!(seconds(seen.periods[3].median_time_to_ready), Some(10.0));
    assert_eq!(seconds(seen.median_time_to_ready), Some(55.0));
}

#[tokio::test]
async fn overview_counts_states_and_history() {
    let lab = edge().await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c", "failed", "gone", "new"] {
        let id = fresh(name);
        lab.api.create(Api::wanted(&id)).await.unwrap();
        ids.push(id);
    }
    let stranger = Api::connect(lab.server.address(), &lab.database.token("acme", "viewer").await);
    let before = overview(&lab.api, QUARTER).await.unwrap();
    let period = |index: usize| format!("to_timestamp({})", start(&before.periods[index]));
    // a and b became ready in period 3 after 10 and 30 s, c in period 4 after 100 s, requested in period 3; one
    // failed at the beginning of period 5; one was deleted at the end of period 7, and is older than the window.
    for (id, change) in [
        (0, format!("state = 'READY', created_at = {0}, ready_at = {0} + interval '10 s'", period(3))),
        (1, format!("state = 'READY', created_at = {0}, ready_at = {0} + interval '30 s'", period(3))),
        (
            2,
            format!(
                "state = 'DEGRADED', created_at = {0} - interval '90 s', ready_at = {0} + interval '10 s'",
                period(4)
            ),
        ),
        (3, "state = 'FAILED'".to_owned()),
        (
            4,
            format!(
                "state = 'DELETED', created_at = {} - interval '1 us', deleted_at = {} - interval '1 us'",
                period(0),
                period(8)
            ),
        ),
    ] {
        lab.database.execute(&format!("UPDATE stores SET {change} WHERE store_id = '{}'", ids[id])).await;
    }
    let ended = |id: usize, state: &str, at: &str| {
        format!("UPDATE operations SET state = '{state}', ended_at = {at} WHERE store_id = '{}'", ids[id])
    };
    lab.database.execute(&ended(3, "FAILED", &period(5))).await;
    for id in [0, 1, 2, 4] {
        lab.database.execute(&ended(id, "SUCCEEDED", &period(6))).await;
    }

    let seen = overview(&lab.api, QUARTER).await.unwrap();

    assert_eq!(states(&seen), [(Provisioning, 1), (Ready, 2), (Degraded, 1), (Failed, 1)]);
    assert_eq!(
        rates(&seen),
        [(3, [3, 2, 0, 0]), (4, [0, 1, 0, 0]), (5, [0, 0, 1, 0]), (7, [0, 0, 0, 1]), (23, [2, 0, 0, 0])]
    );
    assert_eq!(seconds(seen.periods[3].median_time_to_ready), Some(20.0));
    assert_eq!(seconds(seen.periods[4].median_time_to_ready), Some(100.0));
    assert_eq!(seconds(seen.periods[5].median_time_to_ready), None);
    assert_eq!(seconds(seen.median_time_to_ready), Some(30.0));

    assert_retries_have_no_time_to_ready(&lab, &ids[1]).await;

    let caller = stranger.platform.clone().get_overview(GetOverviewRequest::default()).await.unwrap().into_inner();
    assert_eq!((states(&caller), rates(&caller)), (Vec::new(), Vec::new()));
    assert_eq!((caller.active_operation_count, caller.recent_events.len()), (0, 0));
    assert_eq!(caller.median_time_to_ready, None);
    let caller = caller.caller.unwrap();
    assert_eq!((caller.name.as_str(), caller.tenant.as_str(), caller.role.as_str()), ("test", "acme", "viewer"));
}

/// The age of each event shown, relative to the newest one.
async fn places(lab: &Lab, overview: &Overview) -> Vec<i64> {
    let shown = overview.recent_events.iter().enumerate();
    let shown: Vec<_> = shown.map(|(at, event)| format!("({at}, '{}'::uuid, {})", event.uid, event.sequence)).collect();
    let sql = format!(
        "SELECT string_agg((place - first + 1)::text, ' ' ORDER BY at) FROM (
             SELECT at, place, min(place) OVER () AS first FROM (VALUES {}) shown (at, store, sequence) JOIN (
                 SELECT store, sequence, row_number() OVER (ORDER BY number DESC) AS place FROM events WHERE kind = 'STATE_CHANGED'
             ) e USING (store, sequence)) t",
        shown.join(", ")
    );
    lab.database.value(&sql).await.split(' ').map(|place| place.parse().unwrap()).collect()
}

#[tokio::test]
async fn overview_shows_active_operations_and_recent_events() {
    let lab = edge().await;
    let mut ids = Vec::new();
    for n in 0..22 {
        let id = fresh(&format!("n{n}"));
        lab.api.create(Api::wanted(&id)).await.unwrap();
        ids.push(id);
    }
    // A newer event of another type is not among the recent ones.
    let waiting = "INSERT INTO events (store, sequence, store_id, tenant, at, kind, step, message, details)
         SELECT uid, 100, store_id, tenant, now(), 'WAITING', '', 'waiting', '{}' FROM stores LIMIT 1";
    lab.database.execute(waiting).await;

    let seen = overview(&lab.api, 3600).await.unwrap();

    assert_eq!((seen.active_operation_count, seen.active_operations.len()), (22, 20));
    let oldest_first: Vec<_> = seen.active_operations.iter().map(|operation| operation.store_id.clone()).collect();
    assert_eq!(oldest_first, ids[..20]);
    assert_eq!(seen.recent_events.len(), 20);
    assert_eq!(places(&lab, &seen).await, (1..=20).collect::<Vec<_>>());
    assert!(seen.server_version.starts_with(env!("CARGO_PKG_VERSION")), "{}", seen.server_version);
    assert!(!seen.simulated, "the cluster is away");
    assert_eq!(seen.quotas, []);
}

#[tokio::test]
async fn window_has_24_periods_and_bounds() {
    let lab = edge().await;
    let day = lab.api.platform.clone().get_overview(GetOverviewRequest::default()).await.unwrap().into_inner();
    for (overview, length) in [
        (day, 3600),
        (overview(&lab.api, 3600).await.unwrap(), 150),
        (overview(&lab.api, QUARTER).await.unwrap(), QUARTER / 24),
    ] {
        let starts: Vec<_> = overview.periods.iter().map(start).collect();
        assert_eq!(starts.len(), 24);
        assert!(starts.iter().all(|start| start % length == 0), "{starts:?}");
        assert!(starts.windows(2).all(|two| two[1] - two[0] == length), "{starts:?}");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().cast_signed();
        assert!((starts[23]..=starts[23] + length).contains(&now), "{starts:?}");
    }
    for bad in [-1, 1, 3599, QUARTER + 1, i64::MAX, i64::MIN] {
        let status = overview(&lab.api, bad).await.unwrap_err();
        assert_eq!((status.code(), fields(&status)), (Code::InvalidArgument, vec!["window".to_owned()]), "{bad}");
    }
}

#[tokio::test]
async fn simulated_cluster_is_labelled() {
    let lab = Lab::start().await;
    let began = Instant::now();
    while !overview(&lab.api, 3600).await.unwrap().simulated {
        assert!(began.elapsed().as_secs() < 60, "the cluster of the tests has simulated nodes");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Stores say so from their first answer on.
    let id = fresh("simulated");
    let asked = storeplane_proto::v1::CreateStoreRequest { validate_only: true, ..Api::wanted(&id) };
    assert!(lab.api.create(asked).await.unwrap().simulated, "validate_only");
    assert!(lab.api.create(Api::wanted(&id)).await.unwrap().simulated, "created");
    assert!(lab.api.settle(&id).await.0.simulated, "settled");
    lab.api.delete(&id).await.unwrap();
    lab.api.settle(&id).await;
}

#[tokio::test]
async fn engines_are_listed_with_default_first() {
    let lab = edge().await;
    let engines = lab.api.platform.clone().list_engines(ListEnginesRequest {}).await.unwrap().into_inner().engines;
    let woocommerce = &engines[0];
    assert_eq!((woocommerce.name.as_str(), woocommerce.plans[0].name.as_str()), ("woocommerce", "small"));
    let store = lab.api.create(Api::wanted(&fresh("tea"))).await.unwrap();
    let versions = store.versions.unwrap();
    assert_eq!((&woocommerce.chart_version, &woocommerce.app_version), (&versions.chart, &versions.app));
    assert_eq!((store.engine, store.plan), (woocommerce.name.clone(), woocommerce.plans[0].name.clone()));
}

/// 10,000 stores of the tenant and as many of another, each with 10 events; most of them ready, some at work, some failed.
pub(crate) const MANY: &str = "
SET LOCAL statement_timeout = 0;
INSERT INTO stores SELECT gen_random_uuid(), 's' || n, t, 'Store ' || n, 'woocommerce', 'small', 'a@example.com', 'KEEP',
    'store-s' || n || '--' || t, 'store-s' || n, 's' || n || '.' || t || '.test',
    CASE n % 100 WHEN 0 THEN 'PROVISIONING' WHEN 1 THEN 'FAILED' WHEN 2 THEN 'DELETED' ELSE 'READY' END,
    NULL, NULL, '1', '1', true, false, gen_random_uuid(), 10, 0, now() - n * interval '7 min',
    CASE WHEN n % 100 > 2 THEN now() - n * interval '7 min' + interval '20 s' END, now(),
    CASE WHEN n % 100 = 2 THEN now() - n * interval '3 min' END
  FROM generate_series(1, 10000) n, unnest(ARRAY['default', 'acme']) t;
INSERT INTO operations SELECT s.operation, s.uid, s.store_id, s.tenant, 'CREATE',
    CASE s.state WHEN 'PROVISIONING' THEN 'RUNNING' WHEN 'FAILED' THEN 'FAILED' ELSE 'SUCCEEDED' END,
    NULL, NULL, false, false, NULL, 1, 0, 'test', NULL, 1, 1, gen_random_uuid(), now() + interval '1 hour',
    s.created_at, s.created_at, CASE WHEN s.state <> 'PROVISIONING' THEN s.created_at + interval '20 s' END
  FROM stores s;
INSERT INTO events (store, sequence, store_id, tenant, at, kind, operation, step, message, details)
  SELECT s.uid, n, s.store_id, s.tenant, s.created_at, 'STATE_CHANGED', s.operation, '', 'x', '{\"state\":\"READY\"}'
  FROM stores s, generate_series(1, 10) n;";

#[tokio::test]
async fn overview_of_10000_stores_scans_no_table() {
    let lab = edge().await;
    lab.database.execute(MANY).await;
    lab.database.execute("VACUUM ANALYZE").await;
    // Of stores and their last operations the reconciler reads all, every other second.
    // Statistics of a connection are flushed once a second.
    let whole_tables = "SELECT sum(seq_scan) FROM pg_stat_user_tables WHERE relname = 'events'";
    let scans = async || {
        tokio::time::sleep(Duration::from_millis(1200)).await;
        overview(&lab.api, QUARTER).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        lab.database.value(whole_tables).await
    };
    scans().await;
    let before = scans().await;

    let mut times = Vec::new();
    for _ in 0..50 {
        let began = Instant::now();
        let seen = overview(&lab.api, QUARTER).await.unwrap();
        times.push(began.elapsed());
        assert_eq!((seen.states.iter().map(|each| each.count).sum::<i64>(), seen.active_operation_count), (9900, 100));
    }

    times.sort();
    eprintln!(
        "GetOverview over 90 days, 20,000 stores, 200,000 events: median {:?}, slowest {:?}",
        times[25], times[49]
    );
    assert_eq!(scans().await, before, "a whole table was read");
}

//! A rollout over many stores while its servers are killed: every store exactly once, none beyond the parallelism, the failure budget exact.
//!
//! `STOREPLANE_TEST_ROLLOUT_STORES=1000` is the large one. It prints the time of the rollout without kills as a ratio to a bare loop of
//! `helm upgrade` with the same parallelism.

use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt as _};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use storeplane_proto::v1::{FailureBudget, RolloutState, StoreState};

use super::{charts, create, fleet, get, members, to_plan};
use crate::harness::{Account, Api, Balancer, Database, Kubernetes, Server, Setup, print_line};

const PARALLELISM: i32 = 6;
const SERVERS: usize = 3;

fn stores() -> usize {
    std::env::var("STOREPLANE_TEST_ROLLOUT_STORES").ok().and_then(|text| text.parse().ok()).unwrap_or(18)
}

/// The largest number of operations of these stores that were active at the same time.
const PEAK: &str = "SELECT coalesce(max(active), 0) FROM (
  SELECT sum(change) OVER (ORDER BY at, change) AS active FROM (
    SELECT o.created_at AS at, 1 AS change FROM operations o WHERE o.requested_by = 'rollout'
    UNION ALL SELECT o.ended_at, -1 FROM operations o WHERE o.requested_by = 'rollout') changes) running";

#[tokio::test(flavor = "multi_thread")]
async fn killed_servers_change_every_store_exactly_once() {
    let charts = charts();
    let account = Account::of("it-rollouts");
    let kubernetes = Kubernetes::of(&account.instance);
    kubernetes.drop_all().await;
    let setup = Setup { charts: charts.path().to_owned(), ..Setup::of(account).with_small_chart() }
        .with("STOREPLANE_LEASE_SECONDS", "3")
        .with("STOREPLANE_SHUTDOWN_SECONDS", "5");
    let database = Database::create().await;
    let token = database.token("default", "operator").await;
    let mut servers = Vec::new();
    for _ in 0..SERVERS {
        servers.push(Server::start(&setup, &database).await);
    }
    let balancer = Balancer::before(servers.iter().map(Server::address).collect()).await;
    let api = Api::connect(balancer.address, &token);
    // Every sixth store refuses the change.
    let names: Vec<_> = (0..stores()).map(|number| if number % 6 == 2 { "bad" } else { "good" }).collect();
    fleet(&api, "tea", &names).await;
    let bad = i32::try_from(names.iter().filter(|name| **name == "bad").count()).unwrap();

    // All but the last one may fail: it stops exactly then.
    let budget = FailureBudget { stores: Some(bad - 1), percent: None };
    let rollout = storeplane_proto::v1::Rollout {
        parallelism: PARALLELISM,
        failure_budget: Some(budget),
        ..to_plan("tea", "picky")
    };
    let id = create(&api, rollout).await.unwrap().rollout_id;
    let seed = rand::random();
    let mut random = StdRng::seed_from_u64(seed);
    let began = Instant::now();
    let mut kills = 0;
    let stopped = loop {
        tokio::time::sleep(Duration::from_millis(random.random_range(300..1500))).await;
        let victim = random.random_range(0..SERVERS);
        servers[victim].kill9();
        kills += 1;
        tokio::time::sleep(Duration::from_millis(random.random_range(0..1000))).await;
        servers[victim].restart().await;
        let now = database.value(&format!("SELECT state FROM rollouts WHERE id = '{id}'")).await;
        if now != "RUNNING" {
            break now;
        }
        assert!(began.elapsed() < Duration::from_mins(30), "the rollout does not end, seed {seed}");
    };
    let settled = async {
        while get(&api, &id).await.counts.unwrap().running > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(2), settled).await.expect("all operations end");
    let counts = get(&api, &id).await.counts.unwrap();
    print_line(&format!(
        "rollouts: {} stores, {SERVERS} servers killed {kills} times, seed {seed}: {stopped} after {:.1} s, {counts:?}",
        stores(),
        began.elapsed().as_secs_f64()
    ));
    assert_eq!((stopped.as_str(), counts.failed), ("PAUSED", bad));
    // Operations that ran when the last failure was seen went on; nothing was started afterwards.
    assert!(database.value(PEAK).await.parse::<i32>().unwrap() <= PARALLELISM);
    let twice = "SELECT count(*) FROM (SELECT 1 FROM operations WHERE requested_by = 'rollout' GROUP BY store HAVING count(*) > 1) twice";
    assert_eq!(database.value(twice).await, "0", "stores that were changed twice");
    let unlike = format!(
        "SELECT count(*) FROM rollout_stores m JOIN stores s ON s.uid = m.store WHERE m.rollout = '{id}'
         AND (m.state = 'SUCCEEDED') <> (s.plan = 'picky')"
    );
    assert_eq!(database.value(&unlike).await, "0", "stores that are not as the rollout says");
    let states: Vec<_> = stream::iter(members(&api, &id).await)
        .then(|member| {
            let api = api.clone();
            async move { api.get(&member.store_id).await.unwrap().state() }
        })
        .collect()
        .await;
    assert!(states.iter().all(|state| *state == StoreState::Ready), "{states:?}");
    assert_eq!(get(&api, &id).await.state(), RolloutState::Paused);
    database.assert_sound().await;
    drop(servers);
    kubernetes.drop_all().await;
}

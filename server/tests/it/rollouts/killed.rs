//! A rollout over many stores while its servers are killed: every store exactly once, none beyond the parallelism, the failure budget exact.
//!
//! `STOREPLANE_TEST_ROLLOUT_STORES=1000` is the large one.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use storeplane_proto::v1::{FailureBudget, Rollout, RolloutState};

use super::{charts, create, fleet, get, to_plan};
use crate::harness::{Account, Api, Balancer, Database, Kubernetes, Server, Setup, print_line};

const PARALLELISM: i32 = 6;
const SERVERS: usize = 3;

/// Records how many operations of rollouts are active whenever one begins, as that transaction sees it. Times do not tell: one that begins may
/// have read its clock before it waited for the end of another one.
const RECORD_ACTIVE: [&str; 3] = [
    "CREATE TABLE active_operations (count bigint NOT NULL)",
    "CREATE FUNCTION record_active() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$ BEGIN
       INSERT INTO active_operations SELECT count(*) FROM operations WHERE requested_by = 'rollout' AND state IN ('PENDING', 'RUNNING');
       RETURN NULL; END $$",
    "CREATE TRIGGER record_active AFTER INSERT ON operations
       FOR EACH ROW WHEN (NEW.requested_by = 'rollout') EXECUTE FUNCTION record_active()",
];
/// The most at a time.
const PEAK: &str = "SELECT max(count) FROM active_operations";
const TWICE: &str = "SELECT count(*) FROM (
  SELECT FROM operations WHERE requested_by = 'rollout' GROUP BY store HAVING count(*) > 1) twice";
/// Stores that are not as the rollout says.
const UNLIKE: &str = "SELECT count(*) FROM rollout_stores m JOIN stores s ON s.uid = m.store
WHERE (m.state = 'SUCCEEDED') <> (s.plan = 'picky') OR s.state <> 'READY'";

fn stores(default: usize) -> usize {
    std::env::var("STOREPLANE_TEST_ROLLOUT_STORES").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Kills servers until the rollout stops starting stores, and returns how often.
async fn kill_until_stopped(servers: &mut [Server], database: &Database, mut random: StdRng) -> usize {
    let began = Instant::now();
    for kills in 1.. {
        tokio::time::sleep(Duration::from_millis(random.random_range(300..1500))).await;
        let victim = random.random_range(0..servers.len());
        servers[victim].kill9();
        tokio::time::sleep(Duration::from_millis(random.random_range(0..1000))).await;
        servers[victim].restart().await;
        if database.value("SELECT state FROM rollouts").await != "RUNNING" {
            return kills;
        }
        assert!(began.elapsed() < Duration::from_hours(1), "the rollout does not stop");
    }
    unreachable!("the loop returns");
}

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
    let names: Vec<_> = (0..stores(18)).map(|number| if number % 6 == 2 { "bad" } else { "good" }).collect();
    fleet(&api, "tea", &names).await;
    let bad = i32::try_from(names.iter().filter(|name| **name == "bad").count()).unwrap();

    // One more than may fail does.
    let failure_budget = Some(FailureBudget { stores: Some(bad - 1), percent: None });
    for statement in RECORD_ACTIVE {
        database.execute(statement).await;
    }
    let rollout = Rollout { parallelism: PARALLELISM, failure_budget, ..to_plan("tea", "picky") };
    let id = create(&api, rollout).await.unwrap().rollout_id;
    let (seed, began) = (rand::random(), Instant::now());
    let kills = kill_until_stopped(&mut servers, &database, StdRng::seed_from_u64(seed)).await;
    let ended = async {
        while get(&api, &id).await.counts.unwrap().running > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(2), ended).await.expect("the active operations end");
    let stopped = get(&api, &id).await;
    let (state, counts) = (stopped.state(), stopped.counts.unwrap());
    print_line(&format!(
        "rollouts: {} stores, {SERVERS} servers killed {kills} times, seed {seed}: {} after {:.1} s, {counts:?}",
        names.len(),
        state.as_str_name(),
        began.elapsed().as_secs_f64()
    ));
    assert_eq!((state, counts.failed), (RolloutState::Paused, bad));
    let peak = database.value(PEAK).await.parse::<i32>().unwrap();
    assert!((1..=PARALLELISM).contains(&peak), "{peak} stores at a time");
    assert_eq!(database.value(TWICE).await, "0", "stores that were changed twice");
    assert_eq!(database.value(UNLIKE).await, "0", "stores that are not as the rollout says");
    database.assert_sound().await;
    drop(servers);
    kubernetes.drop_all().await;
}

//! The time of a rollout as a ratio to a bare loop of `helm upgrade` over the same stores, with the same parallelism and flags, in turns.
//! `STOREPLANE_TEST_SERVER=$PWD/target/release/storeplane-server STOREPLANE_TEST_ROLLOUT_STORES=1000 cargo test --workspace --test it -- --ignored rollouts::measured`

use std::path::Path;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt as _};
use storeplane_proto::v1::{Rollout, RolloutState};
use tokio::process::Command;

use super::killed::stores;
use super::{charts, create, fleet, get, setup, to_plan, upto};
use crate::harness::{Api, Setup, print_line};

const PARALLELISM: i32 = 6;
/// Longer than a rollout takes.
const LIMIT: Duration = Duration::from_hours(1);

async fn helm(setup: &Setup, arguments: &[&str]) -> String {
    let kubeconfig = setup.kubeconfig.to_str().unwrap();
    let ran = Command::new(&setup.helm).args(arguments).env("KUBECONFIG", kubeconfig).output().await.unwrap();
    assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

/// Upgrades each store's release to a plan, as the server does; its present values are in a file with the store's id.
async fn bare_loop(setup: &Setup, (chart, values): (&Path, &Path), ids: &[String], plan: &str) {
    let plan = chart.join(format!("plans/{plan}.yaml"));
    let upgrades = ids.iter().map(|id| {
        let (release, own) = (format!("store-{id}"), values.join(id));
        let (own, plan) = (format!("--values={}", own.display()), format!("--values={}", plan.display()));
        let namespace = format!("--namespace={release}");
        async move {
            let flags = ["--disable-openapi-validation", "--reset-values", "--history-max=10"];
            let mut arguments = vec!["upgrade", &namespace, &own, &plan];
            arguments.extend(flags);
            arguments.extend([release.as_str(), chart.to_str().unwrap()]);
            helm(setup, &arguments).await;
        }
    });
    stream::iter(upgrades).buffer_unordered(PARALLELISM.unsigned_abs() as usize).collect::<Vec<()>>().await;
}

/// The rollout once it is COMPLETED: a thousand stores take some minutes.
async fn completed(api: &Api, id: &str) -> Rollout {
    let began = Instant::now();
    loop {
        let rollout = get(api, id).await;
        if rollout.state() == RolloutState::Completed {
            return rollout;
        }
        assert!(began.elapsed() < LIMIT, "the rollout is {}", rollout.state().as_str_name());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn rollout_takes_hardly_longer_than_helm_alone() {
    let charts = charts();
    let setup = setup(&charts);
    let lab = setup.clone().start().await;
    let names = vec!["store"; stores(60)];
    let ids = fleet(&lab.api, "tea", &names).await;
    let values = tempfile::tempdir().unwrap();
    for id in &ids {
        let release = format!("store-{id}");
        let present = helm(&setup, &["get", "values", &release, &format!("--namespace={release}"), "-o", "json"]).await;
        std::fs::write(values.path().join(id), present).unwrap();
    }
    let chart = charts.path().join("sample");
    let mut times = [0.0, 0.0];
    for plan in ["large", "small"] {
        let began = Instant::now();
        let wanted = Rollout { waves: vec![upto(1)], parallelism: PARALLELISM, ..to_plan("tea", plan) };
        let id = create(&lab.api, wanted).await.unwrap().rollout_id;
        let done = completed(&lab.api, &id).await;
        assert_eq!(done.counts.unwrap().succeeded.unsigned_abs() as usize, ids.len());
        times[0] += began.elapsed().as_secs_f64();
        let began = Instant::now();
        bare_loop(&setup, (&chart, values.path()), &ids, if plan == "large" { "small" } else { "large" }).await;
        times[1] += began.elapsed().as_secs_f64();
    }
    let [rollout, helm] = times.map(|time| time / 2.0);
    print_line(&format!(
        "rollouts: {} stores, {PARALLELISM} in parallel: rollout {rollout:.1} s, helm alone {helm:.1} s, ratio {:.2}",
        ids.len(),
        rollout / helm
    ));
}

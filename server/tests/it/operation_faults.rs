//! The fault loop: every fault at every step of every operation, before, during and after the step acts. Whatever
//! the fault, the store then has the requested state, or failed with the true cause; the cluster has one release and
//! one namespace, or neither; no helm process, incomplete row or missing event remains, and each mutation has one audit record.
//!
//! - `passage`: the places, from core's lists of operations and steps. `fault`: the faults, and the cases.
//! - `stage`: a server whose surroundings the test controls; a survey observes what each step does, so that it need not be listed.
//! - `charts`: the engines of the stores, which take turns. `single`: faults of one store. `rounds`: faults of a whole server. `verdict`: what must be true afterwards.
//! - `stuck`: states in which an interrupted helm or something else may leave a release or a namespace.
//!
//! `make test` runs every fault at every step, but not in every operation that has the step, each in one phase; `STOREPLANE_FAULTS=full`
//! (`dev/soak faults`) runs all, in all three phases.
//! `STOREPLANE_FAULTS_ONLY='ServerKilled INSTALL'` selects the cases with these words.

mod charts;
mod fault;
mod passage;
mod rounds;
mod single;
mod stage;
mod stuck;
mod verdict;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use futures::{FutureExt as _, StreamExt as _};

use crate::harness::{Postgres, env, print_line};
use fault::{Case, Fault, cases, wanted};
use passage::{Effect, Passage};
use stage::Stage;

/// Stores that are processed concurrently.
const AT_ONCE: usize = 6;

fn is_full() -> bool {
    std::env::var("STOREPLANE_FAULTS").is_ok_and(|value| value == "full")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_survives_every_fault_of_its_store() {
    let stage = Stage::start(&env("STOREPLANE_TEST_DATABASE_URL"), true, Vec::new()).await;
    let effects = stage.survey().await.expect("without a fault all is well");
    let cases = chosen(&Fault::single("helm3", is_full()), &effects);
    let began = Instant::now();
    let played = futures::stream::iter(cases).map(|case| async {
        let result = AssertUnwindSafe(single::play(&stage, &case)).catch_unwind().await;
        let result = result.unwrap_or_else(|panic| Err(words(&*panic)));
        if let Err(problem) = &result {
            print_line(&format!("{case}: {problem}"));
        }
        (case, result)
    });
    let results: Vec<_> = played.buffer_unordered(AT_ONCE).collect().await;
    stage.lab.database.assert_sound().await;
    report("of one store", began, &results);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_survives_every_fault_of_its_server() {
    let postgres = Postgres::start();
    let disk = rounds::small_disk();
    let mut faults = Fault::of_servers();
    if disk.is_none() {
        print_line("operation faults: no DiskFull, since this machine does not allow a disk of its own to a process");
        faults.retain(|fault| *fault != Fault::DiskFull);
    }
    let mut stage = Stage::start(&postgres.url, false, disk.unwrap_or_default()).await;
    let effects = stage.survey().await.expect("without a fault all is well");
    let began = Instant::now();
    let mut results = Vec::new();
    let all = chosen(&faults, &effects);
    for fault in faults {
        let of_this: Vec<Case> = all.iter().filter(|case| case.fault == fault).cloned().collect();
        let round = AssertUnwindSafe(rounds::play(&mut stage, &postgres, &of_this)).catch_unwind().await;
        results.extend(round.unwrap_or_else(|panic| {
            let failed = |case: Case| (case, Err(format!("its round ended: {}", words(&*panic))));
            of_this.into_iter().map(failed).collect()
        }));
    }
    stage.lab.database.assert_sound().await;
    report("of a server", began, &results);
    drop(stage);
}

/// The selected cases of these faults. A selection may match only the other test's faults, but one without any match is an error.
fn chosen(faults: &[Fault], effects: &[(Passage, Effect)]) -> Vec<Case> {
    let only = std::env::var("STOREPLANE_FAULTS_ONLY").unwrap_or_default();
    let mut known = Fault::single("helm3", true);
    known.extend(Fault::of_servers());
    let all: Vec<_> = cases(&known, effects, true).iter().map(ToString::to_string).collect();
    wanted(cases(faults, effects, is_full()), &all, &only)
}

/// Prints the number of cases, also on success; fails with those that failed.
fn report(of: &str, began: Instant, results: &[(Case, Result<(), String>)]) {
    let (mut counts, mut engines) = (BTreeMap::<String, usize>::new(), BTreeMap::<String, usize>::new());
    for (case, _) in results {
        let name = case.fault.to_string();
        *counts.entry(name.split('(').next().unwrap_or_default().to_owned()).or_default() += 1;
        *engines.entry(case.engine.to_owned()).or_default() += 1;
    }
    let problems: Vec<_> = results
        .iter()
        .filter_map(|(case, result)| result.as_ref().err().map(|problem| format!("{case}: {problem}")))
        .collect();
    let list = |counts: BTreeMap<String, usize>| {
        counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
    };
    print_line(&format!(
        "operation faults {of}: {} cases, {} failed, in {:.0} s ({}; {})",
        results.len(),
        problems.len(),
        began.elapsed().as_secs_f64(),
        list(counts),
        list(engines)
    ));
    assert!(problems.is_empty(), "{} of {} cases:\n{}", problems.len(), results.len(), problems.join("\n"));
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_else(|| "a panic".into())
}

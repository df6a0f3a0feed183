//! Faults of a whole server. A round has a store at each place: all are paused there, then the fault occurs
//! once, for all of them.

use std::io::Write as _;
use std::time::Duration;

use futures::future::join_all;

use super::fault::{Case, Fault};
use super::passage::Phase;
use super::stage::{ATTEMPTS, Stage, Subject};
use super::verdict::judge;
use crate::harness::{Api, Hold, Intervention, Postgres, Server, Set, Which, signal};

/// How long a step may take to reach the place where it is paused.
const ARRIVES: Duration = Duration::from_secs(8);
/// The duration of an outage: longer than half a lease, so that helm is affected too.
const AWAY: Duration = Duration::from_secs(3);

/// A store at its place.
struct Held<'a> {
    case: &'a Case,
    subject: Subject,
    hold: Hold,
    set: Option<Set>,
}

/// Runs the cases of one fault; returns what is wrong with each afterwards. Cases whose fault did not occur, because a busy
/// machine did not reach the place in time, are repeated together.
pub(super) async fn play(stage: &mut Stage, postgres: &Postgres, cases: &[Case]) -> Vec<(Case, Result<(), String>)> {
    let mut results = Vec::new();
    let mut left = cases.to_vec();
    for _ in 0..ATTEMPTS {
        let mut missed = Vec::new();
        for (case, result) in round(stage, postgres, &left).await {
            match result {
                Ok(true) => results.push((case, Ok(()))),
                Ok(false) => missed.push(case),
                Err(problem) => results.push((case, Err(problem))),
            }
        }
        left = missed;
        if left.is_empty() {
            break;
        }
    }
    results.extend(left.into_iter().map(|case| (case, Err("the fault never applied".into()))));
    results
}

/// True if the fault occurred at the case's place.
async fn round(stage: &mut Stage, postgres: &Postgres, cases: &[Case]) -> Vec<(Case, Result<bool, String>)> {
    let mut results = Vec::new();
    let mut held = Vec::new();
    for (case, place) in cases.iter().zip(join_all(cases.iter().map(|case| wait_at(stage, case))).await) {
        match place {
            Ok(place) => held.push(place),
            Err(problem) => results.push((case.clone(), Err(problem))),
        }
    }
    // Responses are not held for long, or their clients give up: so all at the same time.
    join_all(held.iter_mut().filter(|place| place.case.phase == Phase::During).map(|place| hold_answer(stage, place)))
        .await;
    if let Some(fault) = cases.first().map(|case| &case.fault) {
        inject(stage, postgres, fault, &held).await;
    }
    release(&held);
    let stage = &*stage;
    let ends = held.into_iter().map(|mut place| async move {
        let applied = place.set.as_ref().is_none_or(Set::has_struck);
        (place.case.clone(), judge(stage, place.case, &mut place.subject).await.map(|()| applied))
    });
    results.extend(join_all(ends).await);
    results
}

async fn wait_at<'a>(stage: &Stage, case: &'a Case) -> Result<Held<'a>, String> {
    let mut subject = stage.prepare(case.passage.kind, case.passage.was_ready).await?;
    let side = if case.phase == Phase::After { "after" } else { "before" };
    let hold = stage.control.hold(&subject.id, case.passage.step, side);
    stage.embark(&mut subject, case.passage).await?;
    stage.reached(&hold, &subject).await?;
    Ok(Held { case, subject, hold, set: None })
}

async fn hold_answer(stage: &Stage, place: &mut Held<'_>) {
    let writes = place.case.effect.requests.writes > 0;
    let which = if writes { Which::Write(place.case.nth) } else { Which::Request(1) };
    let set = place.set.insert(stage.gate.set(&place.subject.namespace(), which, Intervention::Hold));
    place.hold.release();
    set.applied(ARRIVES).await;
}

fn release(held: &[Held<'_>]) {
    for place in held {
        place.hold.release();
        place.set.iter().for_each(Set::release);
    }
}

async fn inject(stage: &mut Stage, postgres: &Postgres, fault: &Fault, held: &[Held<'_>]) {
    match fault {
        Fault::ServerKilled => {
            stage.lab.server.kill9();
            stage.lab.server.restart().await;
        }
        Fault::AllKilled => {
            let helpers = stage.lab.server.helpers();
            stage.lab.server.kill9();
            for pid in helpers {
                signal(pid, "KILL");
            }
            stage.lab.server.restart().await;
        }
        Fault::ServerStopped => {
            signal(stage.lab.server.pid(), "TERM");
            release(held);
            stage.lab.server.terminate().await;
            stage.lab.server.restart().await;
        }
        Fault::ServerPaused => pause(stage, held).await,
        Fault::ApiAway => {
            stage.gate.wire.cut();
            release(held);
            tokio::time::sleep(AWAY).await;
            stage.gate.wire.mend();
        }
        Fault::PostgresRestarted => {
            postgres.stop();
            release(held);
            tokio::time::sleep(AWAY).await;
            postgres.start_again();
        }
        Fault::ClockJumps(hours) => {
            stage.control.set_clock(hours * 3600);
            release(held);
            join_all(held.iter().map(|place| stage.settle(&place.subject))).await;
            stage.control.set_clock(0);
        }
        Fault::DiskFull => {
            let ballast = fill(&stage.lab.server);
            release(held);
            tokio::time::sleep(AWAY).await;
            std::fs::remove_dir_all(ballast).expect("the ballast");
        }
        other => unreachable!("{other} is a fault of one store"),
    }
}

/// Stops the server with SIGSTOP until another one has claimed its operations, then continues it.
async fn pause(stage: &mut Stage, held: &[Held<'_>]) {
    signal(stage.lab.server.pid(), "STOP");
    let setup = stage.setup.clone().with_backups(&stage.storage);
    let mut other = Server::start(&setup, &stage.lab.database).await;
    let stores: Vec<_> = held.iter().map(|place| format!("'{}'", place.subject.uid)).collect();
    let waiting = format!(
        "SELECT count(*) FROM operations o JOIN stores s ON s.operation = o.id
         WHERE s.uid IN ({}) AND o.claims < 2 AND o.state IN ('PENDING', 'RUNNING')",
        stores.join(", ")
    );
    for _ in 0..300 {
        if stores.is_empty() || stage.lab.database.value(&waiting).await == "0" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    signal(stage.lab.server.pid(), "CONT");
    release(held);
    let token = stage.lab.database.token("default", "viewer").await;
    let api = Api::connect(other.address(), &token);
    join_all(held.iter().map(|place| api.settle(&place.subject.id))).await;
    for backup in held.iter().filter_map(|place| place.subject.backup.as_ref()) {
        stage.ended(backup).await.expect("the backup ends");
    }
    other.terminate().await;
}

/// A wrapper that starts a server whose helm files are on a separate small disk; `None` if this machine does not allow it.
pub(super) fn small_disk() -> Option<Vec<String>> {
    let mount = "mkdir -p \"$0/storeplane-helm\" && \
                 mount -t tmpfs -o size=64m,nr_inodes=20000 tmpfs \"$0/storeplane-helm\" && exec \"$@\"";
    let words = ["unshare", "-rm", "sh", "-c", mount].map(str::to_owned).to_vec();
    let probe = tempfile::tempdir().expect("a directory");
    let mut try_it = std::process::Command::new("unshare");
    try_it.args(&words[1..]).arg(probe.path()).arg("true");
    try_it.status().is_ok_and(|status| status.success()).then_some(words)
}

/// Fills the server's small disk, with bytes and with files.
fn fill(server: &Server) -> std::path::PathBuf {
    let seen = server.dir().strip_prefix("/").expect("an absolute path");
    let ballast = std::path::Path::new("/proc").join(server.pid().to_string()).join("root").join(seen);
    let ballast = ballast.join("storeplane-helm/ballast");
    std::fs::create_dir(&ballast).expect("a folder");
    let mut file = std::fs::File::create(ballast.join("bytes")).expect("a file");
    let block = vec![1; 64 * 1024];
    while file.write_all(&block).is_ok() {}
    let mut count = 0;
    while std::fs::File::create(ballast.join(count.to_string())).is_ok() {
        count += 1;
    }
    ballast
}

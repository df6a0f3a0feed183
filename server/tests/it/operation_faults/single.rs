//! Faults of one store's operation. Many stores run concurrently, because they do not affect each other.

use storeplane_core::operation::OperationKind;
use tokio::sync::watch;

use super::fault::{Case, Fault};
use super::passage::Phase;
use super::stage::{ATTEMPTS, STRIKES, Stage, Subject};
use super::verdict::judge;
use crate::harness::{Hold, Intervention, Set, Which};

/// Evidence that a fault occurred.
enum Armed {
    Gate(Set),
    Wire(watch::Receiver<bool>),
    Point(Hold),
    /// It is complete by the time of the check.
    Done,
    Helm,
}

/// Runs a case, more than once if the fault did not occur; returns what is wrong afterwards.
pub(super) async fn play(stage: &Stage, case: &Case) -> Result<(), String> {
    for _ in 0..ATTEMPTS {
        if attempt(stage, case).await? {
            return Ok(());
        }
    }
    Err("the fault never applied".into())
}

/// True if the fault occurred.
async fn attempt(stage: &Stage, case: &Case) -> Result<bool, String> {
    let mut subject = stage.prepare_of(case.engine, case.passage.kind, case.passage.was_ready).await?;
    let side = if is_armed_after(case) { "after" } else { "before" };
    if case.fault == Fault::RunTwice {
        let again = stage.control.again(&subject.id, case.passage.step);
        stage.embark(&mut subject, case.passage).await?;
        return end(stage, case, &mut subject, Armed::Point(again)).await;
    }
    let hold = stage.control.hold(&subject.id, case.passage.step, side);
    stage.embark(&mut subject, case.passage).await?;
    stage.reached(&hold, &subject).await?;
    let armed = inject(stage, case, &mut subject, &hold).await?;
    hold.release();
    end(stage, case, &mut subject, armed).await
}

/// Some faults occur while the step is paused; the others are prepared before it.
fn is_armed_after(case: &Case) -> bool {
    case.phase == Phase::After && matches!(case.fault, Fault::CommitLost | Fault::Cancelled | Fault::Deleted)
}

async fn inject(stage: &Stage, case: &Case, subject: &mut Subject, hold: &Hold) -> Result<Armed, String> {
    let namespace = subject.namespace();
    let writes = case.effect.requests.writes > 0;
    Ok(match (&case.fault, case.phase) {
        (Fault::ApiAnswers(code), phase) => {
            let (which, intervention) = match phase {
                Phase::Before if *code == 409 => (Which::Write(1), Intervention::Refuse(*code)),
                Phase::Before => (Which::Request(1), Intervention::Refuse(*code)),
                Phase::During if writes => (Which::Write(case.nth), Intervention::Deny(*code)),
                Phase::During => (Which::Request(1), Intervention::Deny(*code)),
                Phase::After if *code == 409 => (Which::Write(2), Intervention::Refuse(*code)),
                Phase::After if writes => (Which::AfterWrite, Intervention::Refuse(*code)),
                Phase::After => (Which::Request(2), Intervention::Refuse(*code)),
            };
            Armed::Gate(stage.gate.set(&namespace, which, intervention))
        }
        (Fault::CommitLost, _) => {
            Armed::Wire(stage.wire.as_ref().ok_or("there is no wire")?.lose_next_commit(subject.uid))
        }
        (Fault::Cancelled | Fault::Deleted, Phase::During) => {
            let which = if writes { Which::Write(case.nth) } else { Which::Request(1) };
            let mut set = stage.gate.set(&namespace, which, Intervention::Hold);
            hold.release();
            if !set.applied(STRIKES).await {
                let (nth, writes) = (case.nth, case.effect.requests.writes);
                return Err(format!("the step did not come to its write {nth} of {writes}, where it was to be held"));
            }
            ask(stage, case, subject).await?;
            set.release();
            Armed::Done
        }
        (Fault::Cancelled | Fault::Deleted, _) => {
            ask(stage, case, subject).await?;
            Armed::Done
        }
        (fault, phase) => {
            let scenario = fault.scenario().ok_or("this is no fault of one store")?;
            stage.play(subject, phase.as_str(), &scenario);
            if phase == Phase::During {
                let mut set = stage.gate.set(&namespace, Which::Write(case.nth), Intervention::Hold);
                hold.release();
                if !set.applied(STRIKES).await {
                    return Err("helm did not come to where it was to be killed".into());
                }
                stage.kill_acting_helm(subject).await;
                set.release();
            }
            Armed::Helm
        }
    })
}

async fn ask(stage: &Stage, case: &Case, subject: &mut Subject) -> Result<(), String> {
    match case.fault {
        Fault::Deleted => stage.begin(subject, OperationKind::Delete).await.map(drop),
        _ => stage.cancel(subject).await,
    }
}

async fn end(stage: &Stage, case: &Case, subject: &mut Subject, armed: Armed) -> Result<bool, String> {
    let judged = judge(stage, case, subject).await;
    stage.gate.clear(&subject.namespace());
    judged?;
    let applied = match armed {
        Armed::Gate(set) => set.has_struck(),
        Armed::Wire(lost) => *lost.borrow(),
        Armed::Point(hold) => hold.is_reached(),
        Armed::Done => true,
        Armed::Helm => stage.has_played(subject),
    };
    // After a step's last write there may be no further request: an open watch reports the rest.
    let no_occasion = matches!((&case.fault, case.phase), (Fault::ApiAnswers(_), Phase::After));
    Ok(applied || no_occasion)
}

//! VERIFY: the shop answers its customers, and sells. Where nothing runs, or the engine's shops cannot be asked, it says so.

use std::time::Instant;

use storeplane_core::engine::Verification;
use storeplane_core::event::{EventType, NewEvent};
use storeplane_core::operation::Step;

use crate::verify::{Patience, Report, Shop, Unverified};
use crate::worker::outcome::Setback;
use crate::worker::work::Work;

pub(super) async fn run(work: &mut Work) -> Result<(), Setback> {
    let engine = work.engine()?;
    let skipped = match engine.verify {
        Verification::None => Some("Skipped: shops of this engine cannot be asked"),
        Verification::StoreApi if work.simulated => Some("Skipped: the cluster is simulated, nothing runs in it"),
        Verification::StoreApi => None,
    };
    if let Some(why) = skipped {
        return work.tell(vec![NewEvent::new(EventType::StepSkipped, why).in_step(Step::Verify)], None).await;
    }
    let (verifier, cluster) = (work.tools.verifier.clone(), work.tools.cluster.clone());
    let shop = Shop::of(&work.store);
    let (began, mut patience, mut told) = (Instant::now(), Patience::default(), None);
    loop {
        let trouble = match work.unless_stopped(verifier.ask(&shop)).await? {
            Ok(report) => return work.tell(vec![verified(&report)], None).await,
            Err(Unverified::Cluster(error)) => return Err(error.into()),
            Err(Unverified::Shop(trouble)) => trouble,
        };
        let failure = work.unless_stopped(cluster.masked(&shop.namespace, trouble.failure())).await?;
        let Some(pause) = patience.after(&trouble, began.elapsed()) else { return Err(Setback::Failed(failure)) };
        if told.as_ref() != Some(&failure.message) {
            told = Some(failure.message.clone());
            let event = NewEvent::new(EventType::Waiting, failure.message.clone());
            work.tell(vec![event.in_step(Step::Verify).because(&failure)], Some(failure)).await?;
        }
        work.pause(pause).await?;
    }
}

fn verified(report: &Report) -> NewEvent {
    let event = NewEvent::new(EventType::Verified, report.message.clone()).in_step(Step::Verify);
    let event = event.with("via", report.via).with("payment_methods", report.payment_methods.join(","));
    report.took.iter().fold(event, |event, (key, took)| event.with(key, format!("{:.3}", took.as_secs_f64())))
}

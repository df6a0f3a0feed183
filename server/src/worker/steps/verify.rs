//! VERIFY: the storefront answers and sells. On simulated clusters, and for engines without a test, it is skipped with an event.
//! In either case the store's condition `NetworkIsolated` is updated.

use std::sync::Arc;
use std::time::Instant;

use storeplane_core::engine::{Engine, PurchaseTest};
use storeplane_core::event::{EventType, NewEvent};
use storeplane_core::operation::{OperationKind, Step, Update};
use storeplane_core::transition::{operation as transition, update};

use crate::kube::NetworkIsolation;
use crate::verify::{Report, RetryPolicy, Shop, Unverified};
use crate::worker::context::{OperationContext, SIMULATED};
use crate::worker::outcome::StepError;

pub(super) async fn run(context: &mut OperationContext) -> Result<(), StepError> {
    let engine = context.engine().await?;
    let test = match engine.verify.purchase() {
        None => Err("Skipped: this engine has no storefront test"),
        Some(_) if context.simulated => Err(SIMULATED),
        Some(test) => Ok(test),
    };
    let test = match test {
        Ok(test) => test,
        Err(why) => return end(context, NewEvent::new(EventType::StepSkipped, why).in_step(Step::Verify)).await,
    };
    let (verifier, cluster) = (context.tools.verifier.clone(), context.tools.cluster.clone());
    let shop = shop(context, &engine, test);
    let (began, mut retry_policy, mut reported) = (Instant::now(), RetryPolicy::new(cluster.limits()), None);
    loop {
        let failed = match context.unless_stopped(verifier.verify(&shop)).await? {
            Ok(report) => {
                context.tested_via = Some(report.via);
                return end(context, verified(&report)).await;
            }
            Err(Unverified::Cluster(error)) => return Err(error.into()),
            Err(Unverified::Shop(failed)) => failed,
        };
        let failure = context.unless_stopped(cluster.masked(&shop.namespace, failed.failure())).await?;
        let Some(pause) = retry_policy.after(&failed, began.elapsed()) else { return Err(StepError::Failed(failure)) };
        if reported.as_ref() != Some(&failure.message) {
            reported = Some(failure.message.clone());
            let event = NewEvent::new(EventType::Waiting, failure.message.clone());
            context.emit(vec![event.in_step(Step::Verify).because(&failure)], Some(failure)).await?;
        }
        context.pause(pause, None).await?;
    }
}

/// Notes whether a test purchase is possible before an update changes anything: then it must be afterwards. A shop that cannot be tested is only
/// required to answer.
pub(super) async fn before_update(context: &mut OperationContext) -> Result<(), StepError> {
    let Some(Update { before, sold: None, .. }) = context.operation.update.clone() else { return Ok(()) };
    let engine = context.engine_at(&before.versions).await?;
    let Some(test) = engine.verify.purchase().filter(|_| !context.simulated) else { return Ok(()) };
    let (verifier, shop) = (context.tools.verifier.clone(), Shop::of(&context.store, test));
    let sold = context.unless_stopped(verifier.verify(&shop)).await?.is_ok_and(|report| report.sold);
    context.write(&|snapshot| Ok(update::tested(snapshot, sold))).await
}

/// A new version is tested while the page answers customers.
fn shop(context: &OperationContext, engine: &Engine, test: &Arc<PurchaseTest>) -> Shop {
    let maintenance = engine.backup.as_ref().and_then(|backup| backup.maintenance.as_ref());
    let service = maintenance.and_then(|maintenance| maintenance.service.clone());
    let shop = Shop::of(&context.store, test);
    let shop = match service.filter(|_| context.operation.migrates_data() && !context.operation.undoing) {
        Some(service) => shop.behind_page(service),
        None => shop,
    };
    // The data of a rollback may be from before there were products.
    let keeps_data = context.operation.kind == OperationKind::Update;
    let sold = keeps_data && context.operation.update.as_ref().is_some_and(|update| update.sold == Some(true));
    if sold { shop.that_sold() } else { shop }
}

/// Emits the last event, with what the store's pods report about its network policies. Not knowing that fails nothing.
async fn end(context: &mut OperationContext, event: NewEvent) -> Result<(), StepError> {
    let isolation = if context.simulated {
        NetworkIsolation::Simulated
    } else {
        let (cluster, namespace) = (context.tools.cluster.clone(), context.store.placement.namespace.clone());
        match context.unless_stopped(cluster.network_isolation(&namespace)).await? {
            Ok(isolation) => isolation,
            Err(error) => {
                tracing::debug!(%error, "it is not known whether network policies are enforced");
                NetworkIsolation::NotReported
            }
        }
    };
    let condition = isolation.condition(context.now());
    context.write_with_next(move |snapshot| Ok(transition::observed(snapshot, event.clone(), condition.clone())));
    Ok(())
}

fn verified(report: &Report) -> NewEvent {
    let event = NewEvent::new(EventType::Verified, report.message.clone()).in_step(Step::Verify);
    let event = event.with("via", report.via).with("payment_methods", report.payment_methods.join(","));
    report.took.iter().fold(event, |event, (key, took)| event.with(key, format!("{:.3}", took.as_secs_f64())))
}

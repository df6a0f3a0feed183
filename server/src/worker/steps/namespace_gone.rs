//! `NAMESPACE_GONE`: the namespace is gone, and with it whatever was in it. Tells what keeps it.

use std::time::Duration;

use storeplane_core::event::{EventType, NewEvent};
use storeplane_core::failure::{Failure, Reason};
use storeplane_core::operation::Step;
use tokio::sync::watch;

use crate::kube::ClusterErrorKind;
use crate::worker::outcome::Setback;
use crate::worker::work::Work;

/// What keeps a namespace is told once it has kept it this long; most content is gone before.
const QUIET: Duration = Duration::from_secs(3);
/// Longer than any operation's budget: the operation's own deadline ends the wait.
const WITHIN: Duration = Duration::from_hours(1);

pub(super) async fn run(work: &mut Work) -> Result<(), Setback> {
    let cluster = work.tools.cluster.clone();
    let name = work.store.placement.namespace.clone();
    match work.unless_stopped(cluster.delete_namespace(&name, work.store.uid)).await? {
        // Ours is not there: somebody else's has its name.
        Err(error) if error.kind() == ClusterErrorKind::NotOurs => return Ok(()),
        deleted => deleted?,
    }
    let (sender, mut blocked) = watch::channel(Vec::new());
    let gone = cluster.wait_namespace_gone(&name, WITHIN, move |by: &[String]| {
        sender.send_replace(by.to_vec());
    });
    tokio::pin!(gone);
    let mut told = Vec::new();
    let mut quiet = std::pin::pin!(tokio::time::sleep(QUIET));
    let mut patient = true;
    loop {
        tokio::select! {
            gone = &mut gone => return gone.map_err(Setback::from),
            () = work.stopped() => return Err(work.setback()),
            () = &mut quiet, if patient => patient = false,
            Ok(()) = blocked.changed(), if !patient => {}
        }
        let by = blocked.borrow_and_update().clone();
        if !patient && !by.is_empty() && by != told {
            tell(work, &name, &by).await?;
            told = by;
        }
    }
}

async fn tell(work: &mut Work, name: &str, by: &[String]) -> Result<(), Setback> {
    let message = format!("Namespace {name} waits for what is left in it.");
    let failure = Failure::new(Reason::NamespaceStuck, message).with_details(by.iter().cloned());
    let event =
        NewEvent::new(EventType::Waiting, failure.message.clone()).in_step(Step::NamespaceGone).because(&failure);
    work.tell(vec![event], Some(failure)).await
}

//! grpc.health.v1: the server as a whole, `postgres`, `kubernetes` and `helm`, kept current.

use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::app::health::{Part, all_usable};

/// Reports every change of a part until shutdown begins, then that nothing is served any more. The empty name stands
/// for the whole server, and says the same as `/readyz`.
pub async fn report(reporter: HealthReporter, mut parts: Vec<Part>, shutdown: CancellationToken) {
    loop {
        for part in &parts {
            reporter.set_service_status(part.name, serving(part.is_usable())).await;
        }
        reporter.set_service_status("", serving(all_usable(&parts))).await;
        // The same receivers each time: a clone would not know what was seen, and wake at once for ever.
        let changes = parts.iter_mut().map(|part| Box::pin(part.changed()));
        tokio::select! {
            () = shutdown.cancelled() => break,
            _ = futures::future::select_all(changes) => {}
        }
    }
    for name in parts.iter().map(|part| part.name).chain([""]) {
        reporter.set_service_status(name, ServingStatus::NotServing).await;
    }
}

fn serving(usable: bool) -> ServingStatus {
    if usable { ServingStatus::Serving } else { ServingStatus::NotServing }
}

//! grpc.health.v1 for the server as a whole, its components and its services.

use std::collections::BTreeMap;

use futures::stream::{BoxStream, StreamExt as _, unfold};
use storeplane_proto::health::health_check_response::ServingStatus;
use storeplane_proto::health::health_server::Health;
use storeplane_proto::health::{HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::{OPEN_SERVICES, SERVICES, status};
use crate::health::{ESSENTIAL, Part, is_serving};

type Statuses = BTreeMap<&'static str, ServingStatus>;

/// Reports what is serving.
#[derive(Debug, Clone)]
pub struct HealthService(watch::Receiver<Statuses>);

/// Keeps a [`HealthService`] current.
#[derive(Debug)]
pub struct HealthReporter(watch::Sender<Statuses>);

/// A health service and its reporter. Until the reporter runs, nothing is serving.
pub fn service(parts: &[Part]) -> (HealthReporter, HealthService) {
    let (sender, receiver) = watch::channel(nothing_served(parts));
    (HealthReporter(sender), HealthService(receiver))
}

impl HealthReporter {
    /// Reports every change of a component until shutdown begins, then that nothing is serving; this ends health
    /// watches. The empty name stands for the whole server, as in `/readyz`.
    pub async fn run(self, mut parts: Vec<Part>, shutdown: CancellationToken) {
        loop {
            let now = statuses(&parts);
            self.0.send_if_modified(|statuses| {
                let changed = *statuses != now;
                *statuses = now;
                changed
            });
            // The same receivers each time: a clone would not know what was seen, and wake up immediately.
            let changes = parts.iter_mut().map(|part| Box::pin(part.changed()));
            tokio::select! {
                () = shutdown.cancelled() => break,
                _ = futures::future::select_all(changes) => {}
            }
        }
        self.0.send_replace(nothing_served(&parts));
    }
}

fn statuses(parts: &[Part]) -> Statuses {
    let database = parts.iter().filter(|part| part.name == ESSENTIAL).all(Part::is_usable);
    let parts =
        parts.iter().map(|part| (part.name, serving(part.is_usable()))).chain([("", serving(is_serving(parts)))]);
    let services = SERVICES.iter().map(|name| (*name, serving(database)));
    let open = OPEN_SERVICES.iter().map(|name| (*name, ServingStatus::Serving));
    parts.chain(services).chain(open).collect()
}

fn nothing_served(parts: &[Part]) -> Statuses {
    statuses(parts).into_keys().map(|name| (name, ServingStatus::NotServing)).collect()
}

fn serving(usable: bool) -> ServingStatus {
    if usable { ServingStatus::Serving } else { ServingStatus::NotServing }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl Health for HealthService {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        let found = self.0.borrow().get(request.get_ref().service.as_str()).copied();
        found.map(|status| Response::new(response(status))).ok_or_else(status::unknown_service)
    }

    async fn list(&self, _request: Request<HealthListRequest>) -> Result<Response<HealthListResponse>, Status> {
        let statuses = self.0.borrow().iter().map(|(name, status)| ((*name).to_owned(), response(*status))).collect();
        Ok(Response::new(HealthListResponse { statuses }))
    }

    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let service = request.into_inner().service;
        // Nothing has been sent yet.
        let mut changes = self.0.clone();
        changes.mark_changed();
        let sent = unfold((changes, service, None), |(mut changes, service, sent)| async move {
            loop {
                changes.changed().await.ok()?;
                let now = changes.borrow_and_update().get(service.as_str()).copied();
                // An unknown name may become known.
                let now = now.unwrap_or(ServingStatus::ServiceUnknown);
                if sent != Some(now) {
                    return Some((Ok(response(now)), (changes, service, Some(now))));
                }
            }
        });
        let mut answer = Response::new(sent.boxed());
        super::unbuffered(&mut answer);
        Ok(answer)
    }
}

//! `GetStoreResources` and `GetStoreLogs`.

use storeplane_core::command::StoreRef;
use storeplane_core::live_view::{ClusterEvent, ContainerLog, LiveResource};
use storeplane_proto::v1;
use storeplane_proto::v1::{GetStoreLogsRequest, GetStoreResourcesRequest, StoreLogs, StoreResources};
use tonic::{Request, Status};

use super::api_handler::{ApiHandler, caller, note_store};
use super::convert::timestamp;
use super::status;

pub(super) async fn resources(
    handler: &ApiHandler,
    request: Request<GetStoreResourcesRequest>,
) -> Result<StoreResources, Status> {
    let caller = caller(&request)?;
    let request = request.into_inner();
    note_store(&request.store_id);
    let wanted = StoreRef::check(&request.store_id, &request.uid).map_err(|refusal| status::refusal(&refusal))?;
    let read = handler.service.resources(&caller, &wanted).await;
    let (time, resources) = read.map_err(|error| status::port(&error))?;
    Ok(StoreResources { time: Some(timestamp(time)), resources: resources.into_iter().map(resource).collect() })
}

pub(super) async fn logs(handler: &ApiHandler, request: Request<GetStoreLogsRequest>) -> Result<StoreLogs, Status> {
    let caller = caller(&request)?;
    let request = request.into_inner();
    note_store(&request.store_id);
    let wanted = StoreRef::check(&request.store_id, &request.uid).map_err(|refusal| status::refusal(&refusal))?;
    let read = handler.service.logs(&caller, &wanted, request.tail_lines).await;
    let (time, found) = read.map_err(|error| status::port(&error))?;
    Ok(StoreLogs {
        time: Some(timestamp(time)),
        logs: found.logs.into_iter().map(log).collect(),
        events: found.events.into_iter().map(event).collect(),
    })
}

fn resource(resource: LiveResource) -> v1::StoreResource {
    v1::StoreResource {
        kind: resource.kind,
        name: resource.name,
        ready: resource.ready,
        status: resource.status,
        message: resource.message,
        restarts: resource.restarts,
        create_time: resource.created_at.map(timestamp),
        owner: resource.owner,
    }
}

fn log(log: ContainerLog) -> v1::ContainerLog {
    v1::ContainerLog { pod: log.pod, container: log.container, previous: log.previous, lines: log.lines }
}

fn event(event: ClusterEvent) -> v1::KubernetesEvent {
    v1::KubernetesEvent {
        r#type: event.kind,
        reason: event.reason,
        object: event.object,
        message: event.message,
        count: event.count,
        first_time: event.first_at.map(timestamp),
        last_time: event.last_at.map(timestamp),
    }
}

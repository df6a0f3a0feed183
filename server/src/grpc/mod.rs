//! The gRPC API: requests to commands, rows to messages. It never runs helm, and reads the cluster only
//! through ports of the domain.
//!
//! A request passes, from the outside in: CORS ([`crate::http`]), [`content_type`], grpc-web, [`log`], [`envelope`], [`origin`], [`auth`], then a
//! handler in [`stores`], [`operations`], [`backups`], [`rollouts`], [`platform`], [`tenants`], [`tokens`], [`sessions`] or [`audit`]; concurrent equal reads share a [`single_flight`]. Errors
//! are converted in [`status`], messages in [`convert`], pages in [`pages`]; page tokens and cursors are sealed in
//! [`opaque`]. [`call`] has the metrics of a call, [`methods`] all methods. [`health`] and [`reflection`] need no token.
//!
//! To add an RPC: the proto, its line in `storeplane_core::identity::PERMISSIONS` and in the table of `docs/operations.md`, its handler, and, if it changes
//! anything or returns a secret, its action in [`auth`]. Tests report what is missing.

mod api_handler;
mod audit;
pub mod auth;
mod backups;
mod call;
mod content_type;
mod convert;
pub mod envelope;
#[cfg(test)]
mod frames_tests;
pub mod health;
mod live_view;
pub mod log;
mod methods;
mod opaque;
mod operations;
pub mod origin;
mod page_cache;
mod pages;
mod platform;
pub mod reflection;
mod revisions;
mod rollouts;
mod sessions;
mod single_flight;
mod smtp;
pub mod status;
mod stores;
mod tenants;
mod tokens;
mod watch;

pub use api_handler::{ApiHandler, Platform};
use axum::Router;
pub use opaque::Sealer;
use storeplane_proto::health::health_server::HealthServer;
use storeplane_proto::v1::audit_service_server::AuditServiceServer;
use storeplane_proto::v1::backup_service_server::BackupServiceServer;
use storeplane_proto::v1::operation_service_server::OperationServiceServer;
use storeplane_proto::v1::platform_service_server::PlatformServiceServer;
use storeplane_proto::v1::rollout_service_server::RolloutServiceServer;
use storeplane_proto::v1::session_service_server::SessionServiceServer;
use storeplane_proto::v1::store_service_server::StoreServiceServer;
use storeplane_proto::v1::tenant_service_server::TenantServiceServer;
use storeplane_proto::v1::token_service_server::TokenServiceServer;
use tonic::Response;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Routes;
use tonic_reflection::pb::{v1, v1alpha};
use tonic_web::GrpcWebLayer;
use tower::Layer;

use self::auth::AuthLayer;
use self::content_type::ContentTypeLayer;
use self::envelope::EnvelopeLayer;
use self::health::HealthService;
use self::log::LogLayer;
use self::origin::OriginLayer;
use self::reflection::Reflection;
use crate::proxies::Proxies;

/// Maximum size of a request, in bytes, after decompression: gRPC's usual limit. Ours have a few hundred.
pub(crate) const REQUEST_MAX: usize = 4 * 1024 * 1024;

/// The same for services that anyone may call, so that nobody without a token makes the server hold large messages.
const OPEN_REQUEST_MAX: usize = 16 * 1024;

/// The services of `storeplane.v1`.
const SERVICES: [&str; 9] = [
    storeplane_proto::v1::audit_service_server::SERVICE_NAME,
    storeplane_proto::v1::backup_service_server::SERVICE_NAME,
    storeplane_proto::v1::operation_service_server::SERVICE_NAME,
    storeplane_proto::v1::platform_service_server::SERVICE_NAME,
    storeplane_proto::v1::rollout_service_server::SERVICE_NAME,
    storeplane_proto::v1::session_service_server::SERVICE_NAME,
    storeplane_proto::v1::store_service_server::SERVICE_NAME,
    storeplane_proto::v1::tenant_service_server::SERVICE_NAME,
    storeplane_proto::v1::token_service_server::SERVICE_NAME,
];
/// Services that need no token.
const OPEN_SERVICES: [&str; 3] = [
    storeplane_proto::health::health_server::SERVICE_NAME,
    v1::server_reflection_server::SERVICE_NAME,
    v1alpha::server_reflection_server::SERVICE_NAME,
];

/// Applies the common settings of all services: the size limit, and gzip in both directions.
macro_rules! configured {
    ($server:expr) => {
        configured!($server, REQUEST_MAX)
    };
    ($server:expr, $max:expr) => {
        $server.max_decoding_message_size($max).accept_compressed(Gzip).send_compressed(Gzip)
    };
}

/// All gRPC services, each with grpc-web.
pub fn services(
    handler: ApiHandler,
    auth: AuthLayer,
    health: HealthService,
    proxies: Proxies,
) -> Result<Router, prost::DecodeError> {
    call::init();
    let stores = configured!(StoreServiceServer::new(handler.clone()));
    let operations = configured!(OperationServiceServer::new(handler.clone()));
    let backups = configured!(BackupServiceServer::new(handler.clone()));
    let platform = configured!(PlatformServiceServer::new(handler.clone()));
    let audit = configured!(AuditServiceServer::new(handler.clone()));
    let rollouts = configured!(RolloutServiceServer::new(handler.clone()));
    let tenant_service = configured!(TenantServiceServer::new(handler.clone()));
    let session_service = configured!(SessionServiceServer::new(handler.clone()));
    let token_service = configured!(TokenServiceServer::new(handler));
    let health = configured!(HealthServer::new(health), OPEN_REQUEST_MAX);
    let reflection = Reflection::new(&[
        storeplane_proto::FILE_DESCRIPTOR_SET,
        v1::FILE_DESCRIPTOR_SET,
        v1alpha::FILE_DESCRIPTOR_SET,
        // Lets grpcurl decode error details.
        tonic_types::pb::FILE_DESCRIPTOR_SET,
    ])?;
    let reflection_v1 =
        configured!(v1::server_reflection_server::ServerReflectionServer::new(reflection.clone()), OPEN_REQUEST_MAX);
    let reflection_v1alpha =
        configured!(v1alpha::server_reflection_server::ServerReflectionServer::new(reflection), OPEN_REQUEST_MAX);
    let outer = (ContentTypeLayer, GrpcWebLayer::new());
    // The log is inside grpc-web, where a status is still a trailer.
    let ours = (LogLayer, EnvelopeLayer, OriginLayer::new(proxies), auth);
    let routes = Routes::default()
        .add_service(outer.layer(ours.layer(stores)))
        .add_service(outer.layer(ours.layer(operations)))
        .add_service(outer.layer(ours.layer(backups)))
        .add_service(outer.layer(ours.layer(platform)))
        .add_service(outer.layer(ours.layer(rollouts)))
        .add_service(outer.layer(ours.layer(audit)))
        .add_service(outer.layer(ours.layer(tenant_service)))
        .add_service(outer.layer(ours.layer(session_service)))
        .add_service(outer.layer(ours.layer(token_service)))
        .add_service(outer.layer(EnvelopeLayer.layer(health)))
        .add_service(outer.layer(EnvelopeLayer.layer(reflection_v1)))
        .add_service(outer.layer(EnvelopeLayer.layer(reflection_v1alpha)));
    Ok(routes.into_axum_router().reset_fallback())
}

/// Tells proxies (nginx) not to buffer streams.
fn unbuffered<T>(answer: &mut Response<T>) {
    answer.metadata_mut().insert("x-accel-buffering", MetadataValue::<Ascii>::from_static("no"));
}

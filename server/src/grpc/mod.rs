//! The gRPC handler: requests to commands, rows to messages. It never runs helm; of the cluster it sees
//! what a port of the domain reads there.
//!
//! A request passes, from the outside in: CORS and grpc-web ([`crate::http`]), [`log`], [`auth`], then a handler in
//! [`stores`], [`operations`], [`platform`] or [`audit`]; reads that many ask for at once are done [`single_flight`]. Errors leave through [`status`], messages are built in [`convert`].
//!
//! To add an RPC: the proto, its line in `storeplane_core::identity::PERMISSIONS`, its handler, and, if it changes
//! anything or shows a secret, its action in [`auth`]. Tests say what was forgotten.

mod api_handler;
mod audit;
pub mod auth;
mod convert;
pub mod health;
mod live_view;
pub mod log;
mod opaque;
mod operations;
mod page_cache;
mod platform;
pub mod status;
mod stores;
mod watch;

pub use api_handler::ApiHandler;
use axum::Router;
use storeplane_proto::v1::audit_service_server::AuditServiceServer;
use storeplane_proto::v1::operation_service_server::OperationServiceServer;
use storeplane_proto::v1::platform_service_server::PlatformServiceServer;
use storeplane_proto::v1::store_service_server::StoreServiceServer;
use tonic::service::Routes;
use tonic_health::server::{HealthReporter, HealthService};
use tonic_web::GrpcWebLayer;
use tower::Layer;

use self::auth::AuthLayer;
use self::log::LogLayer;
use crate::postgres::Tokens;

/// Largest request, in bytes. Ours have a few hundred.
const REQUEST_MAX: usize = 1024 * 1024;

/// All gRPC services, each with grpc-web around it. Health and reflection are open to everybody.
pub fn services(
    handler: ApiHandler,
    tokens: Tokens,
    health: HealthReporter,
) -> Result<Router, tonic_reflection::server::Error> {
    let auth = AuthLayer { tokens, service: handler.service.clone() };
    let stores = StoreServiceServer::new(handler.clone()).max_decoding_message_size(REQUEST_MAX);
    let operations = OperationServiceServer::new(handler.clone()).max_decoding_message_size(REQUEST_MAX);
    let platform = PlatformServiceServer::new(handler.clone()).max_decoding_message_size(REQUEST_MAX);
    let audit = AuditServiceServer::new(handler).max_decoding_message_size(REQUEST_MAX);
    let health = tonic_health::pb::health_server::HealthServer::new(HealthService::from_health_reporter(health))
        .max_decoding_message_size(REQUEST_MAX);
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(storeplane_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        // So that grpcurl can read the details of an error.
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?
        .max_decoding_message_size(REQUEST_MAX);
    // The log is inside of grpc-web, where a status still is a trailer.
    let routes = Routes::default()
        .add_service(GrpcWebLayer::new().layer(LogLayer.layer(auth.layer(stores))))
        .add_service(GrpcWebLayer::new().layer(LogLayer.layer(auth.layer(operations))))
        .add_service(GrpcWebLayer::new().layer(LogLayer.layer(auth.layer(platform))))
        .add_service(GrpcWebLayer::new().layer(LogLayer.layer(auth.layer(audit))))
        .add_service(GrpcWebLayer::new().layer(health))
        .add_service(GrpcWebLayer::new().layer(reflection));
    Ok(routes.into_axum_router().reset_fallback())
}

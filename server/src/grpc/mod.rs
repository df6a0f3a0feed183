//! The gRPC handler: requests to commands, rows to messages. It never runs helm; of the cluster it sees
//! what a port of the domain reads there.
//!
//! A request passes, from the outside in: CORS ([`crate::http`]), [`content_type`], grpc-web, [`log`], [`envelope`], [`auth`], then a
//! handler in [`stores`], [`operations`], [`platform`] or [`audit`]; reads that many ask for at once are a [`single_flight`]. Errors
//! leave through [`status`], messages are built in [`convert`], pages in [`pages`], their tokens and the cursors are sealed in
//! [`opaque`]. [`health`] and [`reflection`] are open to everybody.
//!
//! To add an RPC: the proto, its line in `storeplane_core::identity::PERMISSIONS`, its handler, and, if it changes
//! anything or shows a secret, its action in [`auth`]. Tests say what was forgotten.

mod api_handler;
mod audit;
pub mod auth;
mod content_type;
mod convert;
pub mod envelope;
pub mod health;
mod live_view;
pub mod log;
mod opaque;
mod operations;
mod page_cache;
mod pages;
mod platform;
pub mod reflection;
mod single_flight;
pub mod status;
mod stores;
mod watch;

pub use api_handler::ApiHandler;
use axum::Router;
pub use opaque::Sealer;
use storeplane_proto::health::health_server::HealthServer;
use storeplane_proto::v1::audit_service_server::AuditServiceServer;
use storeplane_proto::v1::operation_service_server::OperationServiceServer;
use storeplane_proto::v1::platform_service_server::PlatformServiceServer;
use storeplane_proto::v1::store_service_server::StoreServiceServer;
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
use self::reflection::Reflection;
use crate::postgres::Tokens;

/// Largest request, in bytes, compressed or not: gRPC's usual limit. Ours have a few hundred.
pub(crate) const REQUEST_MAX: usize = 4 * 1024 * 1024;

/// Our services.
const SERVICES: [&str; 4] = [
    storeplane_proto::v1::audit_service_server::SERVICE_NAME,
    storeplane_proto::v1::operation_service_server::SERVICE_NAME,
    storeplane_proto::v1::platform_service_server::SERVICE_NAME,
    storeplane_proto::v1::store_service_server::SERVICE_NAME,
];
/// Services that need no token and nothing behind them.
const OPEN_SERVICES: [&str; 3] = [
    storeplane_proto::health::health_server::SERVICE_NAME,
    v1::server_reflection_server::SERVICE_NAME,
    v1alpha::server_reflection_server::SERVICE_NAME,
];

/// Sets what all services have in common: their limit, and gzip both ways.
macro_rules! configured {
    ($server:expr) => {
        $server.max_decoding_message_size(REQUEST_MAX).accept_compressed(Gzip).send_compressed(Gzip)
    };
}

/// All gRPC services, each with grpc-web around it.
pub fn services(handler: ApiHandler, tokens: Tokens, health: HealthService) -> Result<Router, prost::DecodeError> {
    let auth = AuthLayer { tokens, service: handler.service.clone() };
    let stores = configured!(StoreServiceServer::new(handler.clone()));
    let operations = configured!(OperationServiceServer::new(handler.clone()));
    let platform = configured!(PlatformServiceServer::new(handler.clone()));
    let audit = configured!(AuditServiceServer::new(handler));
    let health = configured!(HealthServer::new(health));
    let reflection = Reflection::new(&[
        storeplane_proto::FILE_DESCRIPTOR_SET,
        v1::FILE_DESCRIPTOR_SET,
        v1alpha::FILE_DESCRIPTOR_SET,
        // So that grpcurl can read the details of an error.
        tonic_types::pb::FILE_DESCRIPTOR_SET,
    ])?;
    let reflection_v1 = configured!(v1::server_reflection_server::ServerReflectionServer::new(reflection.clone()));
    let reflection_v1alpha = configured!(v1alpha::server_reflection_server::ServerReflectionServer::new(reflection));
    let outer = (ContentTypeLayer, GrpcWebLayer::new());
    // The log is inside of grpc-web, where a status still is a trailer.
    let ours = (LogLayer, EnvelopeLayer, auth);
    let routes = Routes::default()
        .add_service(outer.layer(ours.layer(stores)))
        .add_service(outer.layer(ours.layer(operations)))
        .add_service(outer.layer(ours.layer(platform)))
        .add_service(outer.layer(ours.layer(audit)))
        .add_service(outer.layer(EnvelopeLayer.layer(health)))
        .add_service(outer.layer(EnvelopeLayer.layer(reflection_v1)))
        .add_service(outer.layer(EnvelopeLayer.layer(reflection_v1alpha)));
    Ok(routes.into_axum_router().reset_fallback())
}

/// Asks proxies (nginx) to pass a stream on as it comes.
fn unbuffered<T>(answer: &mut Response<T>) {
    answer.metadata_mut().insert("x-accel-buffering", MetadataValue::<Ascii>::from_static("no"));
}

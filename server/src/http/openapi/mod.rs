//! The OpenAPI document of all calls that are available as JSON, generated from the descriptors and served at
//! `/openapi.json` and `/openapi.yaml`.
//!
//! - This file: the document and its operations. [`schema`]: messages as JSON Schema. [`comments`]: the proto files' comments.
//! - [`examples`]: a request for each method.
//!
//! A new method appears here automatically; a test requires an example for it.

mod comments;
mod examples;
mod schema;

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::routing::get;
use bytes::Bytes;
use prost_reflect::{DescriptorPool, MethodDescriptor, ServiceDescriptor};
use serde_json::{Map, Value, json};
use storeplane_core::identity;
use tonic::Code;

use self::comments::comment;
use self::schema::Schemas;
use super::connect::{path, wire};

/// The documented package.
const PACKAGE: &str = "storeplane.v1";

const DESCRIPTION: &str = "\
The unary calls of storeplane by JSON over HTTP, as the Connect protocol defines them: POST the request as JSON to \
`/package.Service/Method`. gRPC and grpc-web serve the same calls on the same port, and the streams (WatchStore, WatchStores) as well.

Field names are accepted in lowerCamelCase and in snake_case; answers use lowerCamelCase and leave out fields that have their default value. \
64-bit integers are strings. An unknown field is an error.

An error has the HTTP status of its code. Its `details` carry a `google.rpc.ErrorInfo` with a stable `reason`, and, where they fit, \
`google.rpc.BadRequest`, `QuotaFailure`, `PreconditionFailure`, `RetryInfo` and `ResourceInfo`; `debug` shows them as JSON.";

/// Serves the document, which is made when it is first requested: that takes as long as the rest of a server's start.
pub(super) fn router(api: &DescriptorPool) -> Router {
    let api = api.clone();
    let texts = Arc::new(LazyLock::new(move || texts(&api)));
    let yaml = Arc::clone(&texts);
    let serve = |kind: &'static str, text: Bytes| ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], text);
    Router::new()
        .route("/openapi.json", get(async move || serve("application/json", texts.0.clone())))
        .route("/openapi.yaml", get(async move || serve("application/yaml", yaml.1.clone())))
}

/// The document as JSON and as YAML.
fn texts(api: &DescriptorPool) -> (Bytes, Bytes) {
    let document = document(api);
    let json = document.to_string();
    let yaml = serde_saphyr::to_string(&document).unwrap_or_else(|_| json.clone());
    (json.into(), yaml.into())
}

fn document(api: &DescriptorPool) -> Value {
    let services: Vec<_> = api.services().filter(|service| service.package_name() == PACKAGE).collect();
    let mut schemas = Schemas::default();
    let mut paths = Map::new();
    for method in services.iter().flat_map(ServiceDescriptor::methods).filter(is_unary) {
        paths.insert(path(&method), json!({"post": operation(&method, &mut schemas)}));
    }
    let tags = services.iter().map(|service| json!({"name": service.name(), "description": comment(service)}));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "storeplane",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The server that serves this document."}],
        "security": [{"bearer": []}],
        "tags": tags.collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {
                "type": "http",
                "scheme": "bearer",
                "description": "A token made by `storeplane-server token create`.",
            }},
            "parameters": {"tenant": {
                "name": "Storeplane-Tenant",
                "in": "header",
                "description": "The tenant in which the call acts; by default the token's. Only the role platform_admin may name another one.",
                "schema": {"type": "string"},
            }, "timeout": {
                "name": "Connect-Timeout-Ms",
                "in": "header",
                "description": "The deadline of the call, in milliseconds. When it has passed, the call is answered with 504 `deadline_exceeded`.",
                "schema": {"type": "integer", "minimum": 0, "maximum": 9_999_999_999_u64},
            }},
            "responses": errors(),
            "schemas": schemas.finish(),
        },
    })
}

/// True if it is available as JSON.
fn is_unary(method: &MethodDescriptor) -> bool {
    !method.is_client_streaming() && !method.is_server_streaming()
}

fn operation(method: &MethodDescriptor, schemas: &mut Schemas) -> Value {
    let text = comment(method);
    let summary = text.split_once(". ").map_or(text.trim_end_matches('.'), |(first, _)| first).to_owned();
    let role = identity::needed(&path(method))
        .map_or_else(String::new, |role| format!("\n\nRequires the role {}.", role.as_str()));
    let mut body = json!({"schema": schemas.reference(&method.input())});
    if let (Some(example), Value::Object(fields)) = (examples::request(method.name()), &mut body) {
        fields.insert("example".to_owned(), example);
    }
    let mut responses = json!({"200": {
        "description": "The answer.",
        "content": {"application/json": {"schema": schemas.reference(&method.output())}},
    }});
    if let Value::Object(responses) = &mut responses {
        let errors = ERRORS.iter().map(|(code, ..)| wire(*code).1.as_str().to_owned());
        responses.extend(errors.chain(["default".to_owned()]).map(|status| {
            let reference = json!({"$ref": format!("#/components/responses/{}", component(&status))});
            (status, reference)
        }));
    }
    json!({
        "operationId": format!("{}_{}", method.parent_service().name(), method.name()),
        "tags": [method.parent_service().name()],
        "summary": summary,
        "description": format!("{text}{role}"),
        "parameters": [{"$ref": "#/components/parameters/tenant"}, {"$ref": "#/components/parameters/timeout"}],
        "requestBody": {"required": true, "content": {"application/json": body}},
        "responses": responses,
    })
}

/// The errors of the API, one for each HTTP status: its meaning, and an example of reason and message.
const ERRORS: [(Code, &str, &str, &str); 9] = [
    (
        Code::InvalidArgument,
        "The request or its state does not allow it: `invalid_argument`, `failed_precondition` or `out_of_range`.",
        "INVALID_ARGUMENT",
        "store_id must be a DNS label",
    ),
    (
        Code::Unauthenticated,
        "No token, or not a valid one: `unauthenticated`.",
        "TOKEN_INVALID",
        "the token is unknown or was revoked",
    ),
    (
        Code::PermissionDenied,
        "The token's role does not allow it: `permission_denied`.",
        "PERMISSION_DENIED",
        "role viewer does not permit this; it requires operator",
    ),
    (Code::NotFound, "No such store or operation: `not_found`.", "NOT_FOUND", "no store is named tea"),
    (
        Code::Aborted,
        "The store exists already, or has changed meanwhile: `already_exists` or `aborted`.",
        "ETAG_MISMATCH",
        "the store has changed",
    ),
    (
        Code::ResourceExhausted,
        "A quota or limit: `resource_exhausted`.",
        "STORE_QUOTA_EXCEEDED",
        "the tenant has reached its limit of 100 stores",
    ),
    (Code::Internal, "An internal error: `internal`.", "INTERNAL", "internal error"),
    (
        Code::Unavailable,
        "Postgres or the cluster cannot be reached: `unavailable`. Try again.",
        "DATABASE_UNAVAILABLE",
        "the database is not available",
    ),
    (
        Code::DeadlineExceeded,
        "The deadline has passed: `deadline_exceeded`.",
        "DEADLINE_EXCEEDED",
        "the deadline of the call has passed",
    ),
];

/// The component's name for a status.
fn component(status: &str) -> String {
    format!("error_{status}")
}

fn errors() -> Map<String, Value> {
    let described = ERRORS.iter().map(|(code, description, reason, message)| {
        let (name, status) = wire(*code);
        let example = json!({"code": name, "message": message, "details": [{
            "type": "google.rpc.ErrorInfo",
            "value": "…",
            "debug": {"reason": reason, "domain": "storeplane"},
        }]});
        (component(status.as_str()), error(description, Some(example)))
    });
    described.chain([(component("default"), error("Any other error.", None))]).collect()
}

fn error(description: &str, example: Option<Value>) -> Value {
    let mut content = json!({"schema": {"$ref": "#/components/schemas/Error"}});
    if let (Some(example), Value::Object(fields)) = (example, &mut content) {
        fields.insert("example".to_owned(), example);
    }
    json!({"description": description, "content": {"application/json": content}})
}

#[cfg(test)]
mod tests;

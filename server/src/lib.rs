//! The storeplane control plane.
//!
//! - [`cli`] and [`config`]: how it is started. [`app`]: the wiring, and its beginning and end.
//! - [`grpc`] and [`http`]: the edge. Requests to commands, rows to messages.
//!   [`health`]: whether Postgres, the cluster and helm can be used.
//! - [`postgres`]: everything that outlives the process. [`watch`]: events to watchers.
//! - [`worker`]: walks operations; the only caller of [`helm`] and [`verify`]. [`reconciler`]: compares stores with the cluster.
//!   Both ask [`kube`].
//! - [`telemetry`]: log and traces. [`system`]: clock and random source. [`secret`]: texts that do not print. `backoff`: waits. `redact`: masks secrets in texts.
//!   [`obstacle`]: what stands in a store's way, and how long it may.
//! - [`failpoints`]: where tests hold the worker; nothing in a release.
//!
//! What is decided is decided in `storeplane_core`; here is what it takes to do it.

pub mod app;
mod backoff;
pub mod boottime;
pub mod cli;
pub mod config;
pub mod failpoints;
pub mod grpc;
pub mod health;
pub mod helm;
pub mod http;
pub mod kube;
#[cfg(test)]
mod layers;
pub mod obstacle;
mod outage;
pub mod postgres;
pub mod reconciler;
mod redact;
pub mod secret;
pub mod system;
pub mod telemetry;
pub mod verify;
pub mod watch;
pub mod worker;

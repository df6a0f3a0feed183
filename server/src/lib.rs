//! The storeplane control plane.
//!
//! - [`cli`] and [`config`]: commands and configuration. [`app`]: wiring, startup and shutdown.
//! - [`grpc`] and [`http`]: the API. Requests to commands, rows to messages.
//!   [`health`]: whether Postgres, the cluster and helm can be used.
//! - [`postgres`]: everything that must outlive the process. [`watch`]: event streams.
//! - [`worker`]: executes operations; the only caller of [`helm`]. [`reconciler`]: compares stores with the cluster.
//!   [`charts`]: the charts of the engines in all their versions. Both use [`kube`] and [`verify`]. [`releases`]: to whom the cluster's helm releases belong, and the adoption of lost stores.
//! - [`backups`]: where backups are stored, and the keys that encrypt them. [`backup_schedule`]: when they are made, and how long they are kept. [`https`]: the client for servers outside.
//! - [`rollouts`]: continues changes of many stores. [`sales_test`]: whether a store that looks healthy also sells.
//! - [`telemetry`]: log and traces. [`metrics`]: Prometheus metrics. [`system`]: clock and random source. [`secret`]: texts that do not print. `backoff`: retry delays. `redact`: masks secrets.
//!   [`circuit`]: circuit breakers. [`obstacle`]: classifies obstacles and limits how long they may last.
//! - [`failpoints`]: where tests pause the worker; empty in a release.
//!
//! Decisions are made in `storeplane_core`; this crate provides the I/O.

pub mod app;
pub mod authentication;
mod backoff;
pub mod backup_removal;
pub mod backup_schedule;
pub mod backup_snapshots;
pub mod backups;
pub mod boottime;
pub mod charts;
pub mod checkpoint;
pub mod circuit;
pub mod cli;
pub mod config;
pub mod domains;
#[cfg(test)]
mod engine_names;
pub mod failpoints;
pub mod grpc;
pub mod health;
pub mod helm;
pub mod http;
pub mod https;
pub mod kube;
#[cfg(test)]
mod layers;
pub mod limits;
pub mod metrics;
pub mod obstacle;
pub mod oidc;
mod outage;
pub mod postgres;
mod proxies;
pub mod reconciler;
mod redact;
pub mod releases;
pub mod restore_tests;
pub mod rollouts;
pub mod sales_test;
pub use storeplane_core::secret;
pub mod system;
pub mod telemetry;
pub mod verify;
pub mod watch;
pub mod worker;

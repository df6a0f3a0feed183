//! The domain of storeplane: decisions without I/O.
//!
//! A store, its states and legal transitions; operations, their steps and undo steps; validation of requests;
//! permissions. Everything here is pure: no clock, no randomness,
//! no database, no process. `storeplane-server` provides those through [`ports`].
//!
//! To add a kind of operation: a variant in [`operation::OperationKind`] and its steps in [`operation::Step`]; the
//! compiler reports the rest. To add an engine: an entry in the server's configuration, nothing here.

pub mod access;
pub mod audit;
pub mod backup;
pub mod backup_policy;
pub mod backup_storage;
pub mod command;
pub mod condition;
pub mod copy;
pub mod drift;
pub mod engine;
pub mod error;
pub mod event;
pub mod failure;
pub mod filter;
pub mod host_name;
pub mod identity;
pub mod ids;
pub mod labels;
pub mod live_view;
pub mod names;
pub mod operation;
pub mod origin;
pub mod overview;
pub mod plugins;
pub mod ports;
pub mod query;
pub mod quota;
mod reason;
pub mod release;
pub mod retention_period;
pub mod revision;
pub mod rollout;
pub mod secret;
pub mod service;
pub mod session;
pub mod settings;
pub mod smtp;
pub mod state;
pub mod store;
pub mod store_domain;
pub mod tenant;
pub mod token;
pub mod transition;
pub mod utc;
pub mod validate;
mod wire;

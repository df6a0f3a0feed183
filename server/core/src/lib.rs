//! What storeplane decides, without doing any of it.
//!
//! A store, its states and the moves between them; the operations that change it, their steps and how each is
//! undone; what a request must look like; who may ask for what. Everything here is pure: no clock, no randomness,
//! no database, no process. `storeplane-server` supplies those through [`ports`].
//!
//! To add a kind of operation: a variant in [`operation::OperationKind`], its steps in [`operation::Step`], and the
//! compiler names the rest. To add an engine: an entry in the server's configuration, nothing here.

pub mod audit;
pub mod command;
pub mod condition;
pub mod engine;
pub mod error;
pub mod event;
pub mod failure;
pub mod filter;
pub mod identity;
pub mod ids;
pub mod live_view;
pub mod names;
pub mod operation;
pub mod overview;
pub mod ports;
pub mod query;
mod reason;
pub mod service;
pub mod store;
pub mod transition;
pub mod validate;
mod wire;

//! The storeplane control plane.

pub mod postgres;
pub mod watch;

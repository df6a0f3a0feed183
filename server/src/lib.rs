//! The storeplane control plane.

pub mod helm;
pub mod kube;
pub mod postgres;
pub mod secret;
pub mod telemetry;
pub mod watch;
pub mod worker;

//! The storeplane control plane.

pub mod kube;
pub mod secret;

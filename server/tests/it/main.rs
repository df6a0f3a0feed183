//! Integration tests against real parts.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod kube_namespaces;
mod kube_outage;
mod kube_releases;
mod kube_rollout;
mod kube_scripted;
mod kube_support;

//! Integration tests against real parts.

mod kube_namespaces;
mod kube_outage;
mod kube_releases;
mod kube_rollout;
mod kube_support;

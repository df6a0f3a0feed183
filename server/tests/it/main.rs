//! The server against real Postgres, real helm and a real API server. `make test` runs it; `harness` says what it needs.
//!
//! A test names the behaviour and reads as given, when, then. What is not about one module gets a file by topic.

#![allow(clippy::disallowed_methods, reason = "tests start, stop and kill the real server, and read the clock")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod harness;

mod adopt;
mod alerts;
mod api_remedies;
mod audit;
mod audit_chain;
mod audit_grants;
mod audit_start;
mod backup_overdue;
mod backup_policy;
mod backup_schedule;
mod backup_storage;
mod backups;
mod certificates;
mod client;
mod client_examples;
mod command_line;
mod config_drift;
mod connect;
mod connections;
mod crashes;
mod credential_plugin;
mod credentials;
mod dashboard;
mod database_outages;
mod database_restore;
mod database_rows;
mod deletion;
mod deletion_protection;
mod domains;
mod drift;
mod drift_scale;
mod engines;
mod failures;
mod floods;
mod grpc_access;
mod grpc_edge;
mod grpc_errors;
mod grpc_raw;
mod grpc_web;
mod guarantees;
mod helm_process;
mod helm_real;
mod kube_jobs;
mod kube_maintenance;
mod kube_namespaces;
mod kube_outage;
mod kube_proxy;
mod kube_releases;
mod kube_rollout;
mod kube_scripted;
mod kube_support;
mod lifecycle;
mod limits;
mod lists;
mod live_view;
mod metrics;
mod migrations;
mod oidc;
mod operation_faults;
mod operation_wait;
mod origin;
mod orphans;
mod outages;
mod output_only;
mod overview;
mod permissions;
mod plugins;
mod query_plans;
mod quotas;
mod reachability;
mod reconcilers;
mod releases;
mod remedies;
mod requests;
mod retention;
mod roles;
mod rollouts;
mod scopes;
mod secrecy;
mod session_audit;
mod sessions;
mod smtp;
mod soak;
mod store_lookups;
mod takeover;
mod tenant_isolation;
mod tenants;
mod tls;
mod tokens;
mod traces;
mod updates;
mod versions;
mod watch_access;
mod watch_ends;
mod watch_property;
mod watch_slow;
mod watching;

//! Errors of the client.

use std::error::Error as _;
use std::time::Duration;

use storeplane_proto::v1;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// Longest delay at a limit that is waited for before a call is repeated.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is not a valid server URL.
    #[error("{address:?} is not the address of a server, such as http://127.0.0.1:8080")]
    Address {
        /// The given address.
        address: String,
    },
    /// The token would cross the network unencrypted.
    #[error(
        "{address} is another machine, and over http the token would cross the network in plain text: use https://, or \
         Connect::insecure_plaintext if a service mesh or a tunnel encrypts the connection"
    )]
    Plaintext {
        /// The given address.
        address: String,
    },
    /// The token contains invalid characters.
    #[error("the token is not one that the server gave")]
    Token,
    /// The tenant contains invalid characters.
    #[error("the tenant is not a tenant's name")]
    Tenant,
    /// TLS could not be configured.
    #[error("TLS: {0}")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server returned an error, or stayed unavailable until the client gave up.
    #[error("{}", describe(.0))]
    Refused(Box<Status>),
    /// Waiting does not help: the store is FAILED or DELETED. It contains the reason.
    #[error("{}", not_ready(.0))]
    NotReady(Box<v1::Store>),
    /// The server is older than scopes of tokens: it created the token for all stores of the tenant. The client has revoked it.
    #[error("the server does not know scopes of tokens: token {token_id}, which it created for all stores, is revoked")]
    ScopeIgnored {
        /// The token's id.
        token_id: String,
    },
    /// The deadline passed before the store reached the requested state.
    #[error("the deadline passed before the store was as it was waited for")]
    Deadline,
}

impl Error {
    /// The server's status, if the server returned one.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Refused(status) => Some(status),
            Self::Address { .. }
            | Self::Plaintext { .. }
            | Self::Token
            | Self::Tenant
            | Self::Tls(_)
            | Self::NotReady(_)
            | Self::ScopeIgnored { .. }
            | Self::Deadline => None,
        }
    }

    /// The stable reason: the server's, for example `STORE_ALREADY_EXISTS`, or that of a store that is not ready, for
    /// example `IMAGE_PULL_FAILED`.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::NotReady(store) => Some(store.reason.clone()).filter(|reason| !reason.is_empty()),
            _ => self.status()?.get_details_error_info().map(|info| info.reason),
        }
    }

    /// For `CURSOR_EXPIRED`: the oldest position that is still complete, as a sequence or a cursor that a watch accepts. Events
    /// before it are lost to this watch.
    pub fn oldest(&self) -> Option<String> {
        self.status()?.get_details_error_info()?.metadata.get("oldest").cloned()
    }

    /// When the same call may succeed, if the server says so: for example at a limit of requests, or at a quota of creations in a window.
    pub fn retry_after(&self) -> Option<Duration> {
        self.status().and_then(retry_after)
    }

    /// The same at a limit, if it is short enough to be waited for.
    pub(crate) fn pause(&self) -> Option<Duration> {
        self.status().and_then(pause)
    }

    /// True if the server is unavailable or the connection broke, and the client gave up. A mutation may have been executed nevertheless.
    pub fn is_unavailable(&self) -> bool {
        self.status().is_some_and(is_passing)
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self::Refused(Box::new(status))
    }
}

/// The delay that an answer asks for.
fn retry_after(status: &Status) -> Option<Duration> {
    status.get_details_retry_info()?.retry_delay
}

/// The same of an answer at a limit, if it is short enough to be waited for.
pub(crate) fn pause(status: &Status) -> Option<Duration> {
    let limited = status.code() == Code::ResourceExhausted;
    // Servers of an earlier release add a delay to this one, too. The same query would take as long again.
    let is_slow_query = || status.get_details_error_info().is_some_and(|info| info.reason == "DATABASE_TOO_SLOW");
    retry_after(status).filter(|delay| limited && *delay <= PAUSE_MAX && !is_slow_query())
}

/// Whether the same call may succeed later: the server says so, or the error is not the server's. A broken
/// connection has various codes and is recognized by its source; one that a proxy ended, by its missing status.
/// An UNKNOWN error of the server itself would have details.
pub(crate) fn is_passing(status: &Status) -> bool {
    let cut_short = status.code() == Code::Unknown && status.details().is_empty();
    status.code() == Code::Unavailable || status.source().is_some() || cut_short
}

/// The store, its state, the reason and the remedy.
fn not_ready(store: &v1::Store) -> String {
    let state = store.state().as_str_name().trim_start_matches("STORE_STATE_");
    let said = [&store.reason, &store.message, &store.remedy];
    let said = said.into_iter().filter(|text| !text.is_empty()).map(|text| format!(": {text}"));
    format!("store {} is {state}{}", store.store_id, said.collect::<String>())
}

/// The message and all field violations.
fn describe(status: &Status) -> String {
    let violations = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
    if violations.is_empty() {
        return status.message().to_owned();
    }
    let fields: Vec<_> =
        violations.iter().map(|violation| format!("{} {}", violation.field, violation.description)).collect();
    fields.join("; ")
}

//! Why a call did not do what it was asked.

use std::error::Error as _;

use storeplane_proto::v1;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// Why a call did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is no URL of a server.
    #[error("{address:?} is not the address of a server, such as http://127.0.0.1:8080")]
    Address {
        /// What was given.
        address: String,
    },
    /// The token has characters that no token has.
    #[error("the token is not one that the server gave")]
    Token,
    /// TLS cannot be had that way.
    #[error("TLS: {0}")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server refused, or could not be reached for as long as the client tried.
    #[error("{}", describe(.0))]
    Refused(Box<Status>),
    /// The store will not become ready by waiting: it is FAILED or DELETED. It says why.
    #[error("{}", not_ready(.0))]
    NotReady(Box<v1::Store>),
    /// The deadline passed before the store was as it was waited for.
    #[error("the deadline passed before the store was as it was waited for")]
    Deadline,
}

impl Error {
    /// The server's status, if it was the server that refused.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Refused(status) => Some(status),
            Self::Address { .. } | Self::Token | Self::Tls(_) | Self::NotReady(_) | Self::Deadline => None,
        }
    }

    /// The stable reason: the server's, for example `STORE_ALREADY_EXISTS`, or the store's that is not ready, for
    /// example `IMAGE_PULL_FAILED`.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::NotReady(store) => Some(store.reason.clone()).filter(|reason| !reason.is_empty()),
            _ => self.status()?.get_details_error_info().map(|info| info.reason),
        }
    }

    /// If the place from which a watch was to go on is forgotten (`CURSOR_EXPIRED`): the oldest one that is not, a
    /// sequence or a cursor as the watch takes it. What was between them is lost to this watch.
    pub fn oldest(&self) -> Option<String> {
        self.status()?.get_details_error_info()?.metadata.get("oldest").cloned()
    }

    /// True if the server is away, or the connection broke, and the client gave up. A mutation may have been done all the same.
    pub fn is_unavailable(&self) -> bool {
        self.status().is_some_and(is_passing)
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self::Refused(Box::new(status))
    }
}

/// Whether the same call may work a moment later: the server says so, or it was not the server that spoke. A broken
/// connection comes under several codes, and is told by its source; one that a proxy ended, by its lack of any status.
/// The server's own UNKNOWN would have details.
pub(crate) fn is_passing(status: &Status) -> bool {
    let cut_short = status.code() == Code::Unknown && status.details().is_empty();
    status.code() == Code::Unavailable || status.source().is_some() || cut_short
}

/// Which store, in which state, why, and what can be done.
fn not_ready(store: &v1::Store) -> String {
    let state = store.state().as_str_name().trim_start_matches("STORE_STATE_");
    let said = [&store.reason, &store.message, &store.remedy];
    let said = said.into_iter().filter(|text| !text.is_empty()).map(|text| format!(": {text}"));
    format!("store {} is {state}{}", store.store_id, said.collect::<String>())
}

/// The message, and every field that is wrong.
fn describe(status: &Status) -> String {
    let violations = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
    if violations.is_empty() {
        return status.message().to_owned();
    }
    let fields: Vec<_> =
        violations.iter().map(|violation| format!("{} {}", violation.field, violation.description)).collect();
    fields.join("; ")
}

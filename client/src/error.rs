//! Why a call did not do what it was asked.

use std::error::Error as _;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// Why a call did not do what it was asked.
#[derive(Debug, thiserror::Error)]
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
    /// The server refused, or could not be reached for as long as the client tried.
    #[error("{}", describe(.0))]
    Refused(Box<Status>),
    /// The deadline passed before the store settled.
    #[error("the deadline passed before the store settled")]
    Deadline,
}

impl Error {
    /// The server's status, if it was the server that refused.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Refused(status) => Some(status),
            Self::Address { .. } | Self::Token | Self::Deadline => None,
        }
    }

    /// The server's stable reason, for example `STORE_ALREADY_EXISTS`.
    pub fn reason(&self) -> Option<String> {
        self.status()?.get_details_error_info().map(|info| info.reason)
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

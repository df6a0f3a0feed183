//! Why a call did not do what it was asked.

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

    /// True if the server is away, or was when the client gave up.
    pub fn is_unavailable(&self) -> bool {
        self.status().is_some_and(|status| is_passing(status.code()))
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self::Refused(Box::new(status))
    }
}

/// Whether the same call may work a moment later.
pub(crate) fn is_passing(code: Code) -> bool {
    matches!(code, Code::Unavailable)
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

//! What a database error means to a caller: away, refused, or our fault.

use sea_orm::{DbErr, RuntimeErr};
use storeplane_core::error::PortError;

/// Sorts an error into "away, worth another try" and "a bug".
pub(super) fn port_error(error: DbErr) -> PortError {
    if is_unavailable(&error) { PortError::Unavailable(Box::new(error)) } else { PortError::Internal(Box::new(error)) }
}

/// A row that does not make sense.
pub(super) fn broken(what: impl Into<String>) -> PortError {
    PortError::Internal(what.into().into())
}

/// Name of the unique index that a statement ran into.
pub(super) fn violated(error: &DbErr) -> Option<String> {
    database_error(error).and_then(|error| error.constraint().map(str::to_owned))
}

fn database_error(error: &DbErr) -> Option<&dyn sqlx::error::DatabaseError> {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            error.as_database_error()
        }
        _ => None,
    }
}

fn is_unavailable(error: &DbErr) -> bool {
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
        DbErr::Exec(RuntimeErr::SqlxError(inner)) | DbErr::Query(RuntimeErr::SqlxError(inner)) => match &**inner {
            sqlx::Error::Database(error) => error.code().is_some_and(|code| is_passing(&code)),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            _ => false,
        },
        _ => false,
    }
}

/// SQLSTATEs of errors that pass: connection lost, out of connections or disk, shutting down, deadlock, time-outs.
fn is_passing(code: &str) -> bool {
    ["08", "53", "57"].iter().any(|class| code.starts_with(class))
        || matches!(code, "40001" | "40P01" | "25P03" | "55P03")
}

//! The meaning of database errors: unavailable, rejected, or a bug.

use std::borrow::Cow;

use sea_orm::{DbErr, RuntimeErr};
use storeplane_core::error::{Outage, OutageKind, PortError};

use super::pool::READ_ONLY;

/// Classifies an error as retryable, with the kind of outage, or as a bug.
pub(super) fn port_error(error: DbErr) -> PortError {
    match outage(&error) {
        Some(kind) => PortError::Unavailable(Outage::new(kind, error)),
        None => PortError::Internal(Box::new(error)),
    }
}

/// The error for an invalid row.
pub(super) fn broken(what: impl Into<String>) -> PortError {
    PortError::Internal(what.into().into())
}

/// The unique index that a statement violated.
pub(super) fn violated(error: &DbErr) -> Option<String> {
    let sqlx::Error::Database(error) = driver_error(error)? else { return None };
    error.constraint().map(str::to_owned)
}

/// The SQLSTATE, if Postgres answered with an error.
pub(super) fn sql_state(error: &DbErr) -> Option<Cow<'_, str>> {
    let sqlx::Error::Database(error) = driver_error(error)? else { return None };
    error.code()
}

fn driver_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

fn outage(error: &DbErr) -> Option<OutageKind> {
    match driver_error(error) {
        Some(sqlx::Error::Database(error)) => error.code().and_then(|code| outage_of_state(&code)),
        Some(
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed,
        ) => Some(OutageKind::Away),
        Some(_) => None,
        None => matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_)).then_some(OutageKind::Away),
    }
}

/// SQLSTATEs that are transient or that an operator can resolve.
fn outage_of_state(code: &str) -> Option<OutageKind> {
    let class = code.get(..2)?;
    match (code, class) {
        (READ_ONLY, _) => Some(OutageKind::ReadOnly),
        ("53100", _) => Some(OutageKind::Full),
        (_, "53") => Some(OutageKind::Overloaded),
        ("57014", _) => Some(OutageKind::TooSlow),
        // Connections and passwords, shutdown, I/O; a missing database, serialization failures, deadlocks, idle
        // transactions, locks.
        (_, "08" | "28" | "57" | "58") | ("3D000" | "40001" | "40P01" | "25P03" | "55P03", _) => Some(OutageKind::Away),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlstates_are_classified() {
        for (code, kind) in [
            ("08006", Some(OutageKind::Away)),
            ("25006", Some(OutageKind::ReadOnly)),
            ("28P01", Some(OutageKind::Away)),
            ("3D000", Some(OutageKind::Away)),
            ("40P01", Some(OutageKind::Away)),
            ("53100", Some(OutageKind::Full)),
            ("53200", Some(OutageKind::Overloaded)),
            ("53300", Some(OutageKind::Overloaded)),
            ("55P03", Some(OutageKind::Away)),
            ("57014", Some(OutageKind::TooSlow)),
            ("57P01", Some(OutageKind::Away)),
            ("58030", Some(OutageKind::Away)),
            ("22021", None),
            ("23505", None),
            ("42P01", None),
            ("", None),
        ] {
            assert_eq!(outage_of_state(code), kind, "{code}");
        }
    }
}

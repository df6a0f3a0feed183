//! Filters of the audit log.

use time::OffsetDateTime;

use super::value::{Pattern, exact, one_of, time};
use super::{Comparison, Fields, Filter, no_field};
use crate::audit::{Action, Outcome};
use crate::ids::StoreUid;

/// A filter of audit events; bare text searches actor and target.
pub type AuditFilter = Filter<AuditField>;

/// A condition of an audit filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditField {
    /// The actor.
    Actor(Pattern),
    /// The target, as the request named it.
    Target(Pattern),
    /// The store's uid.
    StoreUid(StoreUid),
    /// The action.
    Action(Action),
    /// The outcome.
    Outcome(Outcome),
    /// The caller's address.
    Peer(Pattern),
    /// The id of the call.
    RequestId(Pattern),
    /// The time.
    Time(Comparison, OffsetDateTime),
}

impl Fields for AuditField {
    const EXAMPLE: &'static str = "actor = \"ci\" AND outcome = DENIED AND time >= \"2026-11-01T00:00:00Z\"";

    fn compare(field: &str, comparison: Comparison, value: &str) -> Result<Self, String> {
        match field {
            "actor" => Pattern::read(field, comparison, value).map(Self::Actor),
            "target" => Pattern::read(field, comparison, value).map(Self::Target),
            "store_uid" => {
                exact(field, comparison)?;
                value.parse().map(Self::StoreUid).map_err(|error| format!("store_uid {error}"))
            }
            "action" => one_of((field, ""), comparison, value, (&Action::ALL[..], Action::as_str)).map(Self::Action),
            "outcome" => {
                let all = (&Outcome::ALL[..], Outcome::as_str);
                one_of((field, "AUDIT_OUTCOME_"), comparison, value, all).map(Self::Outcome)
            }
            "peer" => Pattern::read(field, comparison, value).map(Self::Peer),
            "request_id" => Pattern::read(field, comparison, value).map(Self::RequestId),
            "time" => time(field, comparison, value).map(|time| Self::Time(comparison, time)),
            other => Err(no_field(other, "actor, target, store_uid, action, outcome, peer, request_id, time")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(text: &str) -> AuditField {
        match AuditFilter::parse(text) {
            Ok(Filter::Field(field)) => field,
            other => panic!("{text} is {other:?}"),
        }
    }

    #[test]
    fn times_are_compared_chronologically() {
        let november = OffsetDateTime::from_unix_timestamp(1_793_491_200).expect("in range");
        for (sign, comparison) in [
            ("=", Comparison::Equal),
            ("<", Comparison::Less),
            ("<=", Comparison::AtMost),
            (">", Comparison::Greater),
            (">=", Comparison::AtLeast),
        ] {
            let text = format!("time{sign}\"2026-11-01T01:00:00+01:00\"");
            assert_eq!(field(&text), AuditField::Time(comparison, november), "{text}");
        }
        let not = AuditFilter::parse("time != '2026-11-01T00:00:00Z'").expect("good");
        assert!(AuditFilter::parse("time > '9999-12-31T23:59:59-23:59'").is_err(), "no such time in UTC");
        assert_eq!(not, Filter::Not(Box::new(Filter::Field(AuditField::Time(Comparison::Equal, november)))));
    }

    #[test]
    fn filter_names_match_audit_log_names() {
        assert_eq!(field("action = READ_CREDENTIALS"), AuditField::Action(Action::ReadCredentials));
        assert_eq!(field("outcome = DENIED"), AuditField::Outcome(Outcome::Denied));
        assert_eq!(field("outcome = AUDIT_OUTCOME_DENIED"), AuditField::Outcome(Outcome::Denied));
        assert_eq!(field("actor = 'make up'"), AuditField::Actor(Pattern::Exactly("make up".into())));
    }

    #[test]
    fn all_filter_errors_are_reported_together() {
        let text = "action = CreateStore outcome = MAYBE time > yesterday store_uid = tea actor < z store_id = tea";
        let error = AuditFilter::parse(text).expect_err("bad");
        insta::assert_snapshot!(error.0.join("\n"), @r#"
        action must be one of: CREATE_STORE, DELETE_STORE, FORCE_DELETE_STORE, UPDATE_STORE, ROLLBACK_STORE, RETRY_STORE, ROTATE_CREDENTIALS, CREATE_BACKUP, RESTORE_STORE, COPY_STORE, UNDELETE_STORE, TEST_RESTORE, DELETE_BACKUP, EXPIRE_BACKUP, CANCEL_OPERATION, READ_CREDENTIALS, READ_LOGS, CREATE_TOKEN, REVOKE_TOKEN, ROTATE_TOKEN, CREATE_SIGN_IN_CODE, SIGN_IN, SIGN_OUT, REVOKE_SESSIONS, CREATE_ROLLOUT, PAUSE_ROLLOUT, RESUME_ROLLOUT, ABORT_ROLLOUT, CREATE_TENANT, UPDATE_TENANT, SUSPEND_TENANT, RESUME_TENANT, DELETE_TENANT, REPAIR_RELEASE, ADOPT_STORE, READ, AUTHENTICATE (at character 1)
        outcome must be one of: ACCEPTED, REJECTED, DENIED (at character 22)
        time must be an RFC 3339 time in quotes, such as "2026-11-01T00:00:00Z" (at character 38)
        store_uid must be a UUID (at character 55)
        actor can only be compared with =, != and : (at character 71)
        has no field "store_id"; the fields are actor, target, store_uid, action, outcome, peer, request_id, time (at character 81)
        "#);
    }
}

use std::fmt::Write;

use storeplane_core::error::{Outage, RolloutError, StoreDomainError, TenantError, TokenError};
use storeplane_core::ids::{BackupId, OperationId, RolloutId, Tenant, TokenId};
use storeplane_core::quota::{QuotaError, QuotaUse, Rate};
use storeplane_core::store::State;
use time::OffsetDateTime;
use uuid::Uuid;

use super::*;

fn acme() -> Tenant {
    "acme".parse().expect("a tenant")
}

fn quota(error: QuotaError) -> DomainError {
    error.into()
}

fn violation(field: &str, description: &str) -> Violation {
    Violation { field: field.into(), description: description.into() }
}

/// One of each: a new variant does not compile in `refusal`, and must be added here.
#[allow(clippy::too_many_lines, reason = "a table")]
fn every_refusal() -> Vec<DomainError> {
    vec![
        DomainError::Invalid(vec![
            violation("store_id", "must not be empty"),
            violation("store.display_name", "must not begin or end with white space"),
        ]),
        DomainError::NotFound { kind: "store", name: "demo".into() },
        DomainError::NotFound { kind: "operation", name: Uuid::nil().to_string() },
        DomainError::AlreadyExists { name: "demo".into() },
        quota(QuotaError::Exceeded {
            tenant: acme(),
            exceeded: vec![
                QuotaUse { name: "stores", used: 100, limit: 100 },
                QuotaUse { name: "memory", used: 60 << 30, limit: 64 << 30 },
            ],
        }),
        quota(QuotaError::TooOften {
            tenant: acme(),
            rate: Rate::Creations,
            limit: 5,
            window: time::Duration::minutes(15),
            retry_after: time::Duration::seconds(100),
        }),
        quota(QuotaError::PlanNotAllowed { tenant: acme(), plan: "large".into(), allowed: vec!["small".into()] }),
        TenantError::AlreadyExists { tenant: acme() }.into(),
        TenantError::Deleted { tenant: acme() }.into(),
        TenantError::Suspended { tenant: acme() }.into(),
        TenantError::NotEmpty { tenant: acme(), stores: 3 }.into(),
        TenantError::NotDeletable { tenant: Tenant::default() }.into(),
        TenantError::StaleEtag { actual: "0123456789abcdef".into() }.into(),
        DomainError::HostTaken { host: "store-demo.localhost".into() },
        DomainError::RequestIdReused,
        DomainError::StaleEtag { actual: "0123456789abcdef".into() },
        DomainError::IllegalMove { from: State::Deleted, to: State::Ready },
        DomainError::NotRetryable { state: State::Deleting },
        DomainError::NotCancellable { operation: OperationId(Uuid::nil()) },
        DomainError::CredentialsNotThere { state: State::Provisioning },
        DomainError::NotUpdatable { state: State::Deleting },
        DomainError::SettingsNotUpdatable { state: State::Failed },
        DomainError::VersionUnavailable { engine: "medusa".into(), version: "1.2.3".into() },
        DomainError::MigrationUnsupported {
            engine: "medusa".into(),
            version: "1.2.3".into(),
            lacks: "`backup.volumes`",
        },
        DomainError::SchemaDiffers { present: "11.1".into(), former: "11.0".into(), backup: None },
        DomainError::SchemaDiffers {
            present: "11.1".into(),
            former: "11.0".into(),
            backup: Some((BackupId(Uuid::nil()), OffsetDateTime::UNIX_EPOCH)),
        },
        DomainError::NotRotatable { state: State::Failed },
        DomainError::RotationUnsupported { engine: "medusa".into() },
        DomainError::DeletionProtected { name: "demo".into() },
        DomainError::NotFound { kind: "token", name: Uuid::nil().to_string() },
        DomainError::Token(TokenError::NameTaken { name: "ci".into() }),
        DomainError::Token(TokenError::SecretAlreadyShown { token: TokenId(Uuid::nil()) }),
        DomainError::Token(TokenError::NotValid { token: TokenId(Uuid::nil()), state: "revoked" }),
        DomainError::PermissionDenied { role: "viewer", needed: "operator" },
        DomainError::OtherTenant { role: "admin", needed: "platform_admin" },
        DomainError::StoreOutsideScope { name: "demo".into() },
        DomainError::CursorExpired { oldest: Oldest::Sequence(42) },
    ]
}

fn describe(status: &Status) -> String {
    let details = status.get_error_details();
    let mut text = format!("{:?}: {}\n", status.code(), status.message());
    if let Some(info) = details.error_info() {
        let mut metadata: Vec<_> = info.metadata.iter().collect();
        metadata.sort();
        let _ = writeln!(text, "  {}/{} {metadata:?}", info.domain, info.reason);
    }
    for violation in details.bad_request().map(|bad| bad.field_violations.as_slice()).unwrap_or_default() {
        let _ = writeln!(text, "  field {}: {}", violation.field, violation.description);
    }
    for failure in details.precondition_failure().map(|failure| failure.violations.as_slice()).unwrap_or_default() {
        let _ = writeln!(text, "  precondition {} of {}", failure.r#type, failure.subject);
    }
    for failure in details.quota_failure().map(|failure| failure.violations.as_slice()).unwrap_or_default() {
        let _ = writeln!(text, "  quota of {}: {}", failure.subject, failure.description);
    }
    if let Some(resource) = details.resource_info() {
        let _ = writeln!(text, "  resource {} {}", resource.resource_type, resource.resource_name);
    }
    if let Some(retry) = details.retry_info() {
        let _ = writeln!(text, "  retry after {:?}", retry.retry_delay);
    }
    text
}

/// Errors that are not refusals.
fn other_errors() -> Vec<Status> {
    vec![
        port(&PortError::Unavailable(Outage::new(OutageKind::Away, "connection refused (10.0.0.1:5432)"))),
        port(&PortError::ClusterAway("connection refused (10.0.0.2:6443)".into())),
        port(&PortError::Internal("row 7 of secrets is broken".into())),
        unauthenticated("TOKEN_INVALID", "the token is not valid"),
        too_many_requests(Duration::from_millis(19)),
        too_many_failures(Duration::from_secs(1)),
        too_many_verifications(),
        too_many_streams(TooManyStreams { scope: StreamScope::Tenant, limit: 500 }),
        rejection(&Rejection::Missing),
        rejection(&Rejection::UnknownCertificate),
        rejection(&Rejection::SessionEnded),
        rejection(&Rejection::CrossOrigin),
        rejection(&Rejection::Provider(JwtError::Expired)),
        rejection(&Rejection::Provider(JwtError::NoRole)),
        rejection(&Rejection::Provider(JwtError::Unavailable)),
        rejection(&Rejection::Provider(JwtError::Signature)),
        unknown_method(),
        deadline_exceeded(),
    ]
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn every_error_has_reason_and_details() {
    let mut table: String = every_refusal().iter().map(|refusal| describe(&self::refusal(refusal))).collect();
    table.extend(other_errors().iter().map(describe));
    insta::assert_snapshot!(table, @r#"
    InvalidArgument: store_id must not be empty; store.display_name must not begin or end with white space
      storeplane/INVALID_REQUEST []
      field store_id: must not be empty
      field store.display_name: must not begin or end with white space
    NotFound: store "demo" was not found
      storeplane/STORE_NOT_FOUND []
      resource store demo
    NotFound: operation "00000000-0000-0000-0000-000000000000" was not found
      storeplane/OPERATION_NOT_FOUND []
      resource operation 00000000-0000-0000-0000-000000000000
    AlreadyExists: store "demo" already exists
      storeplane/STORE_ALREADY_EXISTS []
      resource store demo
    ResourceExhausted: tenant "acme" has reached its quota: stores, 100 of 100; memory, 60Gi of 64Gi
      storeplane/STORE_QUOTA_EXCEEDED [("limit", "100"), ("quota", "stores"), ("used", "100")]
      quota of tenant/acme: stores: 100 of 100 are used
      quota of tenant/acme: memory: 60Gi of 64Gi are used
    ResourceExhausted: a caller may make 5 creations within 15 min in tenant "acme"; the next one is possible in 100 s
      storeplane/CREATION_RATE_EXCEEDED [("limit", "5"), ("quota", "creations")]
      quota of tenant/acme: a caller may make 5 creations within 15 min in tenant "acme"; the next one is possible in 100 s
      retry after Some(100s)
    FailedPrecondition: tenant "acme" may not use plan "large"; it may use small
      storeplane/PLAN_NOT_ALLOWED []
      precondition PLAN of tenant/acme
    AlreadyExists: tenant "acme" already exists
      storeplane/TENANT_ALREADY_EXISTS []
      resource tenant acme
    FailedPrecondition: tenant "acme" was deleted
      storeplane/TENANT_DELETED []
      precondition STATE of tenant/acme
    PermissionDenied: tenant "acme" is suspended; a platform administrator can resume it
      storeplane/TENANT_SUSPENDED []
    FailedPrecondition: tenant "acme" has 3 stores that are not DELETED
      storeplane/TENANT_NOT_EMPTY [("stores", "3")]
      precondition STORES of tenant/acme
    FailedPrecondition: tenant "default" cannot be deleted
      storeplane/TENANT_NOT_DELETABLE []
      precondition KIND of tenant/default
    Aborted: the tenant changed since it was read: etag is 0123456789abcdef
      storeplane/STALE_ETAG [("etag", "0123456789abcdef")]
      precondition ETAG of tenant
    AlreadyExists: host name "store-demo.localhost" is taken
      storeplane/HOST_TAKEN []
      resource host store-demo.localhost
    InvalidArgument: request_id was used for another request in the last 24 hours
      storeplane/REQUEST_ID_REUSED []
      field request_id: must not have been used for another request
    Aborted: the store changed since it was read: etag is 0123456789abcdef
      storeplane/STALE_ETAG [("etag", "0123456789abcdef")]
      precondition ETAG of store
    FailedPrecondition: a store that is DELETED cannot become READY
      storeplane/ILLEGAL_STATE [("state", "DELETED")]
      precondition STATE of store
    FailedPrecondition: a store that is DELETING cannot be retried; only READY, DEGRADED and FAILED stores can
      storeplane/NOT_RETRYABLE [("state", "DELETING")]
      precondition STATE of store
    FailedPrecondition: operation 00000000-0000-0000-0000-000000000000 is a deletion, which cannot be cancelled
      storeplane/NOT_CANCELLABLE []
      precondition KIND of operation/00000000-0000-0000-0000-000000000000
    FailedPrecondition: a store that is PROVISIONING has no credentials
      storeplane/CREDENTIALS_UNAVAILABLE [("state", "PROVISIONING")]
      precondition STATE of store
    FailedPrecondition: a store that is DELETING cannot be changed
      storeplane/NOT_UPDATABLE [("state", "DELETING")]
      precondition STATE of store
    FailedPrecondition: the settings of a store that is FAILED cannot be changed; only those of READY and DEGRADED stores can
      storeplane/SETTINGS_NOT_UPDATABLE [("state", "FAILED")]
      precondition STATE of store
    FailedPrecondition: version 1.2.3 of engine medusa is not available
      storeplane/VERSION_UNAVAILABLE []
      precondition ENGINE of engine/medusa
    FailedPrecondition: the chart of engine medusa in version 1.2.3 does not support a change of data with its version: its storeplane.yaml has no `backup.volumes`
      storeplane/MIGRATION_UNSUPPORTED []
      precondition ENGINE of engine/medusa
    FailedPrecondition: the shop's database has the schema "11.1", and the revision needs "11.0": no COMPLETE backup of the store has it, so the store cannot return to the revision
      storeplane/SCHEMA_DIFFERS [("revision_schema", "11.0"), ("schema", "11.1")]
      precondition SCHEMA of store
    FailedPrecondition: the shop's database has the schema "11.1", and the revision needs "11.0": the data of backup 00000000-0000-0000-0000-000000000000 of 1970-01-01T00:00:00Z has it. With accept_data_loss it is restored, and orders and all other changes since then are lost
      storeplane/SCHEMA_DIFFERS [("backup_id", "00000000-0000-0000-0000-000000000000"), ("backup_time", "1970-01-01T00:00:00Z"), ("revision_schema", "11.0"), ("schema", "11.1")]
      precondition SCHEMA of store
    FailedPrecondition: the credentials of a store that is FAILED cannot be rotated; only those of READY and DEGRADED stores can
      storeplane/NOT_ROTATABLE [("state", "FAILED")]
      precondition STATE of store
    FailedPrecondition: the chart of engine medusa does not support the rotation of credentials: its lost_secrets is not `renew`
      storeplane/ROTATION_UNSUPPORTED []
      precondition ENGINE of engine/medusa
    FailedPrecondition: store "demo" has deletion_protection; UpdateStore can switch it off
      storeplane/DELETION_PROTECTED []
      precondition DELETION_PROTECTION of store
    NotFound: token "00000000-0000-0000-0000-000000000000" was not found
      storeplane/TOKEN_NOT_FOUND []
      resource token 00000000-0000-0000-0000-000000000000
    AlreadyExists: a valid token of this tenant has the name "ci"; names differ not only in case
      storeplane/TOKEN_NAME_TAKEN []
      resource token ci
    AlreadyExists: this request was executed before, for token 00000000-0000-0000-0000-000000000000; its secret was returned then and is not stored. Rotate the token for a new one
      storeplane/SECRET_ALREADY_SHOWN [("token_id", "00000000-0000-0000-0000-000000000000")]
      resource token 00000000-0000-0000-0000-000000000000
    FailedPrecondition: token 00000000-0000-0000-0000-000000000000 is revoked and cannot be rotated
      storeplane/TOKEN_NOT_VALID [("state", "revoked")]
      precondition STATE of token/00000000-0000-0000-0000-000000000000
    PermissionDenied: role viewer does not permit this; it requires operator
      storeplane/PERMISSION_DENIED [("needed", "operator"), ("role", "viewer")]
    PermissionDenied: role admin does not permit access to another tenant; it requires platform_admin
      storeplane/PERMISSION_DENIED [("needed", "platform_admin"), ("role", "admin")]
    PermissionDenied: this token may not create the store "demo": its id is outside the scope of the token
      storeplane/STORE_OUTSIDE_SCOPE []
    OutOfRange: events after the cursor are no longer kept; a watch can start again, or resume from after_sequence 42
      storeplane/CURSOR_EXPIRED [("oldest", "42")]
    Unavailable: the database is not available; with a request_id it is safe to try again
      storeplane/DATABASE_UNAVAILABLE []
      retry after Some(1s)
    Unavailable: the cluster is not available; nothing was changed
      storeplane/CLUSTER_UNREACHABLE []
      retry after Some(1s)
    Internal: internal error; the server's log has the cause under this request's trace id
      storeplane/INTERNAL []
    Unauthenticated: the token is not valid
      storeplane/TOKEN_INVALID []
    ResourceExhausted: this caller makes too many requests; the next one is possible in 20 ms
      storeplane/REQUEST_RATE_EXCEEDED []
      retry after Some(19ms)
    ResourceExhausted: too many authentications from this address failed; the next one is possible in 1001 ms
      storeplane/AUTHENTICATION_RATE_EXCEEDED []
      retry after Some(1s)
    ResourceExhausted: this server verifies as many audit logs as it may at a time; try again later
      storeplane/VERIFICATIONS_EXCEEDED []
      retry after Some(5s)
    ResourceExhausted: this tenant has 500 open streams already, the limit of this server
      storeplane/STREAM_LIMIT_EXCEEDED [("limit", "500")]
      quota of streams_per_tenant: this tenant has 500 open streams already, the limit of this server
    Unauthenticated: send the metadata `authorization: Bearer <token>`
      storeplane/TOKEN_MISSING []
    Unauthenticated: no entry of tls.identities matches the client certificate, or it has expired; send the metadata `authorization: Bearer <token>`
      storeplane/CERTIFICATE_UNKNOWN []
    Unauthenticated: the session has ended; sign in again
      storeplane/SESSION_ENDED []
    PermissionDenied: a session's cookie is accepted only from pages of this server; behind a proxy, set public_url
      storeplane/CROSS_ORIGIN []
    Unauthenticated: the token has expired; get a new one from the identity provider
      storeplane/TOKEN_EXPIRED []
    PermissionDenied: the identity provider knows you, but no role and tenant are configured for you; ask an administrator
      storeplane/IDENTITY_NOT_MAPPED []
    Unavailable: the identity provider's keys cannot be read; try again later
      storeplane/IDENTITY_PROVIDER_UNAVAILABLE []
      retry after Some(1s)
    Unauthenticated: the token is not one that this server accepts; its log has the reason, at level debug
      storeplane/TOKEN_INVALID []
    Unimplemented: unknown method; server reflection lists all methods
      storeplane/METHOD_NOT_FOUND []
    DeadlineExceeded: the deadline of the call has passed
      storeplane/DEADLINE_EXCEEDED []
    "#);
}

#[test]
fn errors_of_rollouts_and_domains_have_reason_and_details() {
    let rollout = RolloutId(Uuid::nil());
    let (engine, version) = ("medusa".to_owned(), "1.2.3".to_owned());
    let refusals: [DomainError; 11] = [
        RolloutError::NoStores.into(),
        RolloutError::Conflict { rollout, store_id: "demo".into() }.into(),
        RolloutError::TooMany { max: 10 }.into(),
        RolloutError::Ended { rollout, state: "SUCCEEDED" }.into(),
        RolloutError::RollingBack { rollout }.into(),
        RolloutError::Irreversible { rollout }.into(),
        RolloutError::Scoped.into(),
        RolloutError::StaleEtag { actual: "0123456789abcdef".into() }.into(),
        StoreDomainError::AlreadyExists { name: "shop.example.com".into() }.into(),
        StoreDomainError::LimitExceeded { max: 20 }.into(),
        StoreDomainError::Unsupported { engine, version }.into(),
    ];
    let table: String = refusals.iter().map(|refusal| describe(&self::refusal(refusal))).collect();
    insta::assert_snapshot!(table, @r#"
    FailedPrecondition: no store that is not DELETED matches the filter
      storeplane/NO_MATCHING_STORES []
      precondition STORES of rollout
    FailedPrecondition: store "demo" is in rollout 00000000-0000-0000-0000-000000000000, which has not ended; wait for it, abort it, or exclude the store
      storeplane/ROLLOUT_CONFLICT [("rollout_id", "00000000-0000-0000-0000-000000000000"), ("store_id", "demo")]
      precondition STORES of rollout
    FailedPrecondition: 10 rollouts of this tenant have not ended, which is the maximum; wait for one or abort one
      storeplane/ROLLOUTS_RUNNING [("max", "10")]
      precondition ROLLOUTS of rollout
    FailedPrecondition: rollout 00000000-0000-0000-0000-000000000000 has ended: it is SUCCEEDED
      storeplane/ROLLOUT_ENDED []
      precondition STATE of rollout
    FailedPrecondition: rollout 00000000-0000-0000-0000-000000000000 is rolling back and can neither be paused nor resumed
      storeplane/ROLLOUT_ROLLING_BACK []
      precondition STATE of rollout
    FailedPrecondition: the stores of rollout 00000000-0000-0000-0000-000000000000 cannot be returned: only engine_version, plan, environment and plugins have revisions
      storeplane/ROLLOUT_IRREVERSIBLE []
      precondition TARGET of rollout
    PermissionDenied: a token that is limited to some stores cannot use rollouts
      storeplane/STORE_OUTSIDE_SCOPE []
    Aborted: the rollout changed since it was read: etag is 0123456789abcdef
      storeplane/STALE_ETAG [("etag", "0123456789abcdef")]
      precondition ETAG of rollout
    AlreadyExists: the store has the domain shop.example.com already
      storeplane/DOMAIN_ALREADY_EXISTS []
      resource domain shop.example.com
    ResourceExhausted: a store may have 20 domains; delete one that is not needed
      storeplane/DOMAIN_LIMIT_EXCEEDED []
      quota of store: a store may have 20 domains; delete one that is not needed
    FailedPrecondition: the chart of engine medusa in version 1.2.3 does not support domains: its storeplane.yaml has no `domains: true`
      storeplane/DOMAINS_UNSUPPORTED []
      precondition ENGINE of medusa
    "#);
}

#[test]
fn internal_details_do_not_leak() {
    for error in [
        PortError::Internal("password=hunter2".into()),
        PortError::Unavailable(Outage::new(OutageKind::Away, "10.0.0.1")),
        PortError::ClusterAway("10.0.0.1".into()),
    ] {
        let status = port(&error);
        let shown = format!("{status:?} {}", String::from_utf8_lossy(status.details()));
        assert!(!shown.contains("hunter2") && !shown.contains("10.0.0.1"), "{shown}");
    }
}

#[test]
fn status_message_fits_into_a_header() {
    let status = refusal(&DomainError::Invalid(vec![violation("filter", &"x".repeat(5000))]));
    assert!(status.message().len() <= MESSAGE_MAX);
}

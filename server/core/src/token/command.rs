//! Validation of CreateToken, RotateToken and RevokeToken.

use time::Duration;

use crate::access::{Scope, Selection};
use crate::audit::ACTORS;
use crate::command::Idempotency;
use crate::error::DomainError;
use crate::identity::{
    CERTIFICATE_PREFIX, NAME_MAX, OIDC_PREFIX, OIDC_SUBJECT_PREFIX, Role, is_plain_name, names_a_tenant,
};
use crate::ids::{StoreId, TokenId};
use crate::validate::Check;

/// Shortest lifetime of a token.
const LIFETIME_MIN: Duration = Duration::MINUTE;
/// How long the current secret works after a rotation by default.
const OVERLAP_DEFAULT: Duration = Duration::DAY;
/// Longest time that it may.
const OVERLAP_MAX: Duration = Duration::days(7);
/// Maximum number of store ids that a token is limited to.
const STORE_IDS_MAX: usize = 100;
/// Names that could be mistaken for the system's, besides [`ACTORS`]; compared without case and separators.
const RESERVED: [&str; 8] =
    ["system", "storeplane", "storeplaneserver", "server", "reconciler", "retention", "anonymous", "unknown"];
/// Names of callers without a token begin with these.
const PREFIXES: [&str; 3] = [OIDC_PREFIX, OIDC_SUBJECT_PREFIX, CERTIFICATE_PREFIX];

/// Lifetimes of new tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// That of tokens for which none is requested.
    pub default: Duration,
    /// The longest.
    pub max: Duration,
}

impl Lifetimes {
    fn check(self, check: &mut Check, ttl: Option<Duration>) -> Duration {
        let ttl = ttl.unwrap_or(self.default);
        if !(LIFETIME_MIN..=self.max).contains(&ttl) {
            let (least, most) = (LIFETIME_MIN.whole_seconds(), self.max.whole_seconds());
            check.fail("ttl", format!("must be from {least}s to {most}s, or absent for the default"));
        }
        ttl
    }
}

/// CreateToken as received.
#[derive(Debug, Clone, Default)]
pub struct CreateTokenInput {
    /// The name.
    pub name: String,
    /// The role's wire form.
    pub role: String,
    /// The lifetime; `None` for the default one.
    pub ttl: Option<Duration>,
    /// Ids of the stores to which it is limited. Without these and a prefix: all stores.
    pub store_ids: Vec<String>,
    /// Prefix of the ids of the stores to which it is limited; empty for none.
    pub store_id_prefix: String,
    /// The request id; empty if there is none.
    pub request_id: String,
}

/// CreateToken after validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateToken {
    /// The name.
    pub name: String,
    /// The role.
    pub role: Role,
    /// Which stores of the tenant.
    pub scope: Scope,
    /// The lifetime; `None` for unlimited, which only the command line can request.
    pub lifetime: Option<Duration>,
    /// The idempotency key.
    pub idempotency: Option<Idempotency>,
}

impl CreateTokenInput {
    /// Validates everything and reports all violations.
    pub fn check(self, lifetimes: Lifetimes) -> Result<CreateToken, DomainError> {
        let mut check = Check::default();
        token_name(&mut check, &self.name);
        let role = Role::parse(&self.role);
        if role.is_none() {
            let names: Vec<_> = Role::ALL.into_iter().map(Role::as_str).collect();
            check.fail("role", format!("must be one of {}", names.join(", ")));
        }
        let lifetime = lifetimes.check(&mut check, self.ttl);
        let scope = scope(&mut check, role, &self.store_ids, &self.store_id_prefix);
        let request = check.optional("request_id", &self.request_id);
        let ttl = text(self.ttl);
        let idempotency = match scope.selection() {
            None => Idempotency::of(request, "CreateToken", &[&self.name, &self.role, &ttl]),
            // A method of its own: request ids that older servers stored remain valid.
            Some(stores) => {
                let fields = [&*self.name, &self.role, &ttl, &stores.to_string()];
                Idempotency::of(request, "CreateToken scoped", &fields)
            }
        };
        let lifetime = Some(lifetime);
        check.finish(role.map(|role| CreateToken { name: self.name, role, scope, lifetime, idempotency }))
    }
}

/// The stores that a token of this role is limited to.
fn scope(check: &mut Check, role: Option<Role>, ids: &[String], prefix: &str) -> Scope {
    if ids.len() > STORE_IDS_MAX {
        check.fail("store_ids", format!("must have at most {STORE_IDS_MAX} entries, has {}", ids.len()));
    }
    let ids = ids.iter().take(STORE_IDS_MAX).enumerate();
    let ids: Vec<StoreId> =
        ids.filter_map(|(number, id)| check.required(&format!("store_ids[{number}]"), id)).collect();
    let scope = Selection::new(ids, check.optional("store_id_prefix", prefix)).map_or(Scope::All, Scope::Only);
    if let (Some(role), Some(selection)) = (role.filter(|role| !role.can_be_scoped()), scope.selection()) {
        let refusal =
            format!("must be empty for role {}: only viewer and operator can be limited to stores", role.as_str());
        if !selection.ids().is_empty() {
            check.fail("store_ids", refusal.clone());
        }
        if selection.prefix().is_some() {
            check.fail("store_id_prefix", refusal);
        }
    }
    scope
}

/// RotateToken as received.
#[derive(Debug, Clone, Default)]
pub struct RotateTokenInput {
    /// The token's id.
    pub token_id: String,
    /// The lifetime of the new secret; `None` for the default one.
    pub ttl: Option<Duration>,
    /// How long the current secret works; `None` for the default one.
    pub overlap: Option<Duration>,
    /// The request id; empty if there is none.
    pub request_id: String,
}

/// RotateToken after validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotateToken {
    /// Which token.
    pub token: TokenId,
    /// The lifetime of the new secret.
    pub lifetime: Duration,
    /// How long the current secret works.
    pub overlap: Duration,
    /// The idempotency key.
    pub idempotency: Option<Idempotency>,
}

impl RotateTokenInput {
    /// Validates everything and reports all violations.
    pub fn check(self, lifetimes: Lifetimes) -> Result<RotateToken, DomainError> {
        let mut check = Check::default();
        let token = check.required("token_id", &self.token_id);
        let lifetime = lifetimes.check(&mut check, self.ttl);
        let overlap = self.overlap.unwrap_or(OVERLAP_DEFAULT);
        if !(Duration::ZERO..=OVERLAP_MAX).contains(&overlap) {
            check.fail("overlap", format!("must be from 0s to {}s", OVERLAP_MAX.whole_seconds()));
        }
        let request = check.optional("request_id", &self.request_id);
        let fields = [&*self.token_id, &text(self.ttl), &text(self.overlap)];
        let idempotency = Idempotency::of(request, "RotateToken", &fields);
        check.finish(token.map(|token| RotateToken { token, lifetime, overlap, idempotency }))
    }
}

/// RevokeToken after validation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokeToken {
    /// Which token.
    pub token: TokenId,
    /// The idempotency key.
    pub idempotency: Option<Idempotency>,
}

impl RevokeToken {
    /// Validates the fields of RevokeToken.
    pub fn check(token_id: &str, request_id: &str) -> Result<Self, DomainError> {
        let mut check = Check::default();
        let token = check.required("token_id", token_id);
        let request = check.optional("request_id", request_id);
        let idempotency = Idempotency::of(request, "RevokeToken", &[token_id]);
        check.finish(token.map(|token| Self { token, idempotency }))
    }
}

/// A duration as a part of a fingerprint.
fn text(duration: Option<Duration>) -> String {
    duration.map_or_else(String::new, |duration| duration.whole_nanoseconds().to_string())
}

/// A name identifies its token in the audit log: nothing in it may look like another name.
fn token_name(check: &mut Check, name: &str) {
    if !is_plain_name(name) {
        let rule = "letters, digits, spaces and ._@:+/-, beginning with a letter or digit and not ending with a space";
        check.fail("name", format!("must be 1 to {NAME_MAX} characters: {rule}"));
    } else if is_reserved(name) {
        check.fail("name", "is reserved for the system");
    } else if names_a_tenant(name) {
        check.fail("name", "must not end with @ and a tenant: such actors are administrators of another tenant");
    }
}

fn is_reserved(name: &str) -> bool {
    let bare = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    };
    let wanted = bare(name);
    let prefix = name.split_once(':').map(|(prefix, _)| bare(prefix));
    let is_system = |name: &str| RESERVED.contains(&name) || ACTORS.iter().any(|actor| bare(actor) == name);
    let is_prefix = |name: &str| PREFIXES.iter().any(|prefix| bare(prefix) == name);
    is_system(&wanted) || prefix.is_some_and(|prefix| is_system(&prefix) || is_prefix(&prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIMES: Lifetimes = Lifetimes { default: Duration::days(90), max: Duration::days(365) };

    fn wanted() -> CreateTokenInput {
        CreateTokenInput { name: "ci".into(), role: "operator".into(), ..CreateTokenInput::default() }
    }

    fn fields(input: CreateTokenInput) -> Vec<String> {
        match input.check(LIFETIMES) {
            Ok(_) => Vec::new(),
            Err(DomainError::Invalid(violations)) => violations.into_iter().map(|it| it.field).collect(),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn names_are_ascii_and_never_the_system_s() {
        for good in ["ci", "CI of acme", "alice@example.com", "9lives", "ci:deploy", "workers", &"a".repeat(80)] {
            assert!(fields(CreateTokenInput { name: good.into(), ..wanted() }).is_empty(), "{good}");
        }
        for bad in [
            "ci@acme",
            "ci@ACME",
            "",
            " ",
            " ci",
            "ci ",
            "-ci",
            "a\nb",
            "a\u{200b}",
            "wоrker",
            "caf\u{e9}",
            &"a".repeat(81),
        ] {
            assert_eq!(fields(CreateTokenInput { name: bad.into(), ..wanted() }), ["name"], "{bad:?}");
        }
        let reserved = [
            "system",
            "System",
            "system:admin",
            "WORKER",
            "w-o-r-k-e-r",
            "command-line",
            "Command  Line",
            "oidc:alice",
            "oidc-subject:7",
            "Cert:ci",
        ];
        for bad in reserved.into_iter().chain(ACTORS).chain(RESERVED) {
            assert_eq!(fields(CreateTokenInput { name: bad.into(), ..wanted() }), ["name"], "{bad}");
        }
    }

    #[test]
    fn lifetime_has_a_default_and_bounds() {
        let of = |ttl| CreateTokenInput { ttl, ..wanted() }.check(LIFETIMES).ok().and_then(|it| it.lifetime);
        assert_eq!(of(None), Some(Duration::days(90)));
        assert_eq!(of(Some(Duration::MINUTE)), Some(Duration::MINUTE));
        assert_eq!(of(Some(Duration::days(365))), Some(Duration::days(365)));
        for bad in [Duration::ZERO, Duration::seconds(59), Duration::days(366), -Duration::DAY, Duration::MAX] {
            assert_eq!(of(Some(bad)), None, "{bad}");
        }
    }

    #[test]
    fn all_violations_are_reported_together() {
        let input = CreateTokenInput {
            name: "worker".into(),
            role: "god".into(),
            ttl: Some(Duration::ZERO),
            store_ids: vec!["tea".into(), "Tea".into()],
            store_id_prefix: "-".into(),
            request_id: "7".into(),
        };
        assert_eq!(fields(input), ["name", "role", "ttl", "store_ids[1]", "store_id_prefix", "request_id"]);
    }

    #[test]
    fn only_viewers_and_operators_are_limited_to_stores() {
        let limited = |role: Role, ids: usize, prefix: &str| CreateTokenInput {
            role: role.as_str().into(),
            store_ids: (0..ids).map(|number| format!("shop-{number}")).collect(),
            store_id_prefix: prefix.into(),
            ..wanted()
        };
        for role in Role::ALL {
            let (ids, prefix) = (fields(limited(role, 2, "")), fields(limited(role, 0, "shop-")));
            if role.can_be_scoped() {
                assert!(ids.is_empty() && prefix.is_empty(), "{role:?}");
            } else {
                assert_eq!((ids, prefix), (vec!["store_ids".into()], vec!["store_id_prefix".into()]), "{role:?}");
            }
        }
        assert!(fields(limited(Role::Viewer, 100, "")).is_empty());
        assert_eq!(fields(limited(Role::Viewer, 101, "")), ["store_ids"]);
        let scope = |input: CreateTokenInput| input.check(LIFETIMES).expect("good").scope;
        assert_eq!(scope(wanted()), Scope::All);
        let both = scope(limited(Role::Operator, 1, "tea"));
        let included = ["shop-0", "tea", "teas", "shop-1"].map(|id| both.includes(&id.parse().expect("an id")));
        assert_eq!(included, [true, true, true, false]);
    }

    #[test]
    fn overlap_of_a_rotation_has_a_default_and_bounds() {
        let token_id = "0192f0c1-0000-7000-8000-000000000001";
        let input = |overlap| RotateTokenInput { token_id: token_id.into(), overlap, ..RotateTokenInput::default() };
        let of = |overlap| input(overlap).check(LIFETIMES).ok().map(|it| (it.overlap, it.lifetime));
        let lifetime = LIFETIMES.default;
        assert_eq!(of(None), Some((Duration::DAY, lifetime)));
        assert_eq!(of(Some(Duration::ZERO)), Some((Duration::ZERO, lifetime)), "the current secret leaked");
        assert_eq!(of(Some(Duration::WEEK)), Some((Duration::WEEK, lifetime)));
        for bad in [Duration::WEEK + Duration::NANOSECOND, -Duration::NANOSECOND, Duration::MAX] {
            assert_eq!(of(Some(bad)), None, "{bad}");
        }
        let ttl = Some(Duration::ZERO);
        let input = RotateTokenInput {
            token_id: "x".into(),
            ttl,
            overlap: ttl.map(|_| -Duration::DAY),
            request_id: "7".into(),
        };
        let Err(DomainError::Invalid(violations)) = input.check(LIFETIMES) else { panic!("accepted") };
        let fields: Vec<_> = violations.iter().map(|it| it.field.as_str()).collect();
        assert_eq!(fields, ["token_id", "ttl", "overlap", "request_id"]);
    }

    #[test]
    fn request_id_is_bound_to_all_fields() {
        let id = "0192f0c1-0000-7000-8000-000000000001";
        let key = |input: CreateTokenInput| {
            let input = CreateTokenInput { request_id: id.into(), ..input };
            input.check(LIFETIMES).expect("good").idempotency.expect("has a key").fingerprint
        };
        assert_eq!(key(wanted()), key(wanted()));
        assert_ne!(key(wanted()), key(CreateTokenInput { name: "cd".into(), ..wanted() }));
        assert_ne!(key(wanted()), key(CreateTokenInput { role: "viewer".into(), ..wanted() }));
        assert_ne!(key(wanted()), key(CreateTokenInput { ttl: Some(Duration::HOUR), ..wanted() }));
        let limited = |ids: &[&str], prefix: &str| {
            let (store_ids, store_id_prefix) = (ids.iter().map(ToString::to_string).collect(), prefix.into());
            key(CreateTokenInput { store_ids, store_id_prefix, ..wanted() })
        };
        assert_ne!(key(wanted()), limited(&["tea"], ""));
        assert_ne!(limited(&["tea"], ""), limited(&[], "tea"));
        assert_eq!(limited(&["tea", "mate"], ""), limited(&["mate", "tea"], ""));
    }
}

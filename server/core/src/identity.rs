//! Callers and their permissions. One table names the role that each RPC requires; `docs/operations.md` shows it.

mod permissions;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

pub use permissions::{PERMISSIONS, needed};

use uuid::Uuid;

use crate::access::Access;
use crate::error::DomainError;
use crate::ids::{Tenant, TokenId};
use crate::origin::Origin;
use crate::wire::wire_enum;

wire_enum! {
    /// What a token permits.
    pub enum Role {
        /// Reads stores, operations and events of its tenant.
        Viewer = "viewer",
        /// Reads what a viewer reads, and the audit log. Never reads credentials or logs, and changes nothing.
        Auditor = "auditor",
        /// Reads what a viewer reads; also changes stores and reads their logs and credentials.
        Operator = "operator",
        /// What operators and auditors may do, and the management of its tenant's tokens and sessions.
        Admin = "admin",
        /// What an admin may do, in every tenant.
        PlatformAdmin = "platform_admin",
    }
}

impl Role {
    /// True if this role includes `needed`. Auditor and operator do not include each other.
    pub fn allows(self, needed: Self) -> bool {
        match self {
            Self::Viewer | Self::Auditor | Self::Operator => needed == self || needed == Self::Viewer,
            Self::Admin => needed != Self::PlatformAdmin,
            Self::PlatformAdmin => true,
        }
    }

    /// True if a caller with this role may create a token with the role `other`: only admins may, and not above their own role.
    pub fn may_grant(self, other: Self) -> bool {
        self.allows(Self::Admin) && self.allows(other)
    }

    /// True if a token with this role can be limited to some stores. The others reach beyond stores: to the audit log, or to tokens.
    pub fn can_be_scoped(self) -> bool {
        matches!(self, Self::Viewer | Self::Operator)
    }
}

/// The caller of a command, from authentication to the audit record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// What it authenticated with.
    pub credential: Credential,
    /// The actor in the audit log: the credential's name, or `name@tenant` while it acts in another tenant.
    pub name: String,
    /// The stores that it may see and change: in the tenant in which it acts, which is the credential's or the one that a platform
    /// administrator named.
    pub access: Access,
    /// The credential's role.
    pub role: Role,
    /// When it must authenticate again, on this server's monotonic clock. `None`: never.
    pub expires: Option<Instant>,
    /// What a stream checks again while it is open.
    pub proof: Proof,
    /// Where its request came from.
    pub origin: Arc<Origin>,
}

/// What a caller authenticated with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// None: a task of the server acts by itself.
    Server,
    /// An API token.
    Token(TokenId),
    /// A user of the identity provider.
    Oidc {
        /// The provider's URL.
        issuer: String,
        /// The user's permanent id there.
        subject: String,
    },
    /// A TLS client certificate.
    Certificate {
        /// The certificate's subject.
        subject: String,
    },
}

/// Prefix of the names of the identity provider's users. No token may have such a name.
pub const OIDC_PREFIX: &str = "oidc:";
/// Prefix of the names of those of its users that have no usable name: their subject follows.
pub const OIDC_SUBJECT_PREFIX: &str = "oidc-subject:";
/// Prefix of the names of client certificates. No token may have such a name.
pub const CERTIFICATE_PREFIX: &str = "cert:";

/// Maximum length of a name, in characters.
pub const NAME_MAX: usize = 80;

/// True if a text consists of characters that names may have: none that looks like another one.
pub fn is_plain_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || " ._@:+/-".contains(c);
    let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    starts && name.len() <= NAME_MAX && name.chars().all(allowed) && !name.ends_with(' ')
}

/// True if a name ends with `@` and a tenant, as those of administrators who act in another tenant do.
pub fn names_a_tenant(name: &str) -> bool {
    name.rsplit_once('@').is_some_and(|(_, tenant)| tenant.to_ascii_lowercase().parse::<Tenant>().is_ok())
}

impl Credential {
    /// The kind as text: `server`, `token`, `oidc` or `certificate`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Token(_) => "token",
            Self::Oidc { .. } => "oidc",
            Self::Certificate { .. } => "certificate",
        }
    }

    /// What identifies it among its kind: the token's id, `issuer#subject`, or the certificate's subject.
    pub fn id(&self) -> String {
        match self {
            Self::Server => String::new(),
            Self::Token(id) => id.to_string(),
            Self::Oidc { issuer, subject } => format!("{issuer}#{subject}"),
            Self::Certificate { subject } => subject.clone(),
        }
    }

    /// Kind and id in a fixed size: the token's id, or one that is derived from both. What is counted by caller is counted by it.
    pub fn key(&self) -> Uuid {
        if let Self::Token(id) = self {
            return id.0;
        }
        let hash = blake3::hash(format!("{} {}", self.kind(), self.id()).as_bytes());
        uuid::Builder::from_custom_bytes(*hash.as_bytes().first_chunk().unwrap_or(&[0; 16])).into_uuid()
    }
}

/// How a stream checks its caller again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// By the secret of its token, which may have been revoked.
    Secret(SecretHash),
    /// By the secret of its session, which may have ended.
    Session(SecretHash),
    /// By its expiry alone: a signed token of the identity provider, or a client certificate.
    Signed,
}

/// The hash of a secret. `Debug` omits it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretHash(pub [u8; 32]);

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash")
    }
}

impl Caller {
    /// A task of the server, in a tenant. `actor` is one of [`crate::audit::ACTORS`].
    pub fn server(actor: &str, tenant: Tenant) -> Self {
        Self {
            credential: Credential::Server,
            name: actor.to_owned(),
            access: Access::whole(tenant),
            role: Role::Operator,
            expires: None,
            proof: Proof::Signed,
            origin: Arc::default(),
        }
    }

    /// The tenant in which it acts.
    pub fn tenant(&self) -> &Tenant {
        &self.access.tenant
    }

    /// The caller in the tenant that its request names: its own, or, for a platform administrator, any.
    pub fn acting_in(self, tenant: Tenant) -> Result<Self, DomainError> {
        if tenant == self.access.tenant {
            return Ok(self);
        }
        let needed = Role::PlatformAdmin;
        if !self.role.allows(needed) {
            return Err(DomainError::OtherTenant { role: self.role.as_str(), needed: needed.as_str() });
        }
        Ok(Self { name: format!("{}@{}", self.name, self.tenant()), access: Access::whole(tenant), ..self })
    }

    /// True if this caller, as its credential is now, may still do what it could as `earlier`.
    pub fn still_permits(&self, earlier: &Self) -> bool {
        let in_tenant = self.tenant() == earlier.tenant() || self.role.allows(Role::PlatformAdmin);
        let same = (&self.credential, self.role, &self.access.scope);
        same == (&earlier.credential, earlier.role, &earlier.access.scope) && in_tenant
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::access::{Scope, Selection};

    const GUIDE: &str = include_str!("../../../docs/operations.md");

    fn caller(role: Role, tenant: &str) -> Caller {
        let tenant = tenant.parse().expect("a tenant");
        let credential = Credential::Token(TokenId(Uuid::nil()));
        Caller {
            credential,
            name: "ci".into(),
            access: Access::whole(tenant),
            role,
            expires: None,
            proof: Proof::Signed,
            origin: Arc::default(),
        }
    }

    #[test]
    fn roles_include_each_other_as_documented() {
        use Role::{Admin, Auditor, Operator, PlatformAdmin, Viewer};
        let included = [
            (Viewer, vec![Viewer]),
            (Auditor, vec![Viewer, Auditor]),
            (Operator, vec![Viewer, Operator]),
            (Admin, vec![Viewer, Auditor, Operator, Admin]),
            (PlatformAdmin, vec![Viewer, Auditor, Operator, Admin, PlatformAdmin]),
        ];
        assert_eq!(included.len(), Role::ALL.len());
        for (role, expected) in included {
            let allowed: Vec<_> = Role::ALL.into_iter().filter(|needed| role.allows(*needed)).collect();
            assert_eq!(allowed, expected, "{role:?}");
            let grants: Vec<_> = Role::ALL.into_iter().filter(|other| role.may_grant(*other)).collect();
            assert_eq!(grants, if role.allows(Admin) { expected } else { vec![] }, "{role:?}");
        }
    }

    #[test]
    fn credentials_differ_by_kind_and_id() {
        let oidc = |issuer: &str, subject: &str| Credential::Oidc { issuer: issuer.into(), subject: subject.into() };
        let id = TokenId(Uuid::from_u128(7));
        let all = [
            (Credential::Token(id), "token", id.to_string()),
            (oidc("https://a.example", "1"), "oidc", "https://a.example#1".into()),
            (oidc("https://a.example", "2"), "oidc", "https://a.example#2".into()),
            (oidc("https://b.example", "1"), "oidc", "https://b.example#1".into()),
            (Credential::Certificate { subject: "CN=ci".into() }, "certificate", "CN=ci".into()),
            (
                Credential::Certificate { subject: "https://a.example#1".into() },
                "certificate",
                "https://a.example#1".into(),
            ),
            (Credential::Server, "server", String::new()),
        ];
        for (at, (credential, kind, text)) in all.iter().enumerate() {
            assert_eq!((credential.kind(), &credential.id()), (*kind, text));
            let same = all.iter().filter(|(other, ..)| other.key() == credential.key()).count();
            assert_eq!(same, 1, "{at}: {credential:?}");
        }
        assert_eq!(all[0].0.key(), id.0);
        let before = Caller { credential: oidc("https://a.example", "1"), ..caller(Role::Viewer, "default") };
        let other = Caller { credential: oidc("https://a.example", "2"), ..before.clone() };
        assert!(before.still_permits(&before) && !other.still_permits(&before));
    }

    #[test]
    fn token_with_another_scope_does_not_continue() {
        let own = caller(Role::Viewer, "default");
        let selection = Selection::new(vec!["tea".parse().expect("an id")], None).expect("one store");
        let limited = Caller { access: Access { scope: Scope::Only(selection), ..own.access.clone() }, ..own.clone() };
        assert!(limited.still_permits(&limited) && !limited.still_permits(&own) && !own.still_permits(&limited));
    }

    #[test]
    fn only_roles_that_end_at_stores_can_be_scoped() {
        let scoped: Vec<_> = Role::ALL.into_iter().filter(|role| role.can_be_scoped()).collect();
        assert_eq!(scoped, [Role::Viewer, Role::Operator]);
        // A creator is never scoped, so no token reaches further than its creator.
        assert!(!scoped.iter().any(|role| role.allows(Role::Admin) || role.allows(Role::Auditor)));
    }

    #[test]
    fn unknown_rpc_has_no_permission() {
        assert_eq!(needed("/storeplane.v1.StoreService/Nonsense"), None);
    }

    #[test]
    fn only_platform_administrators_act_in_other_tenants() {
        for role in Role::ALL {
            let (own, other) = (caller(role, "default"), caller(role, "acme"));
            assert_eq!(own.clone().acting_in(own.tenant().clone()), Ok(own.clone()));
            let elsewhere = own.clone().acting_in(other.tenant().clone());
            if role == Role::PlatformAdmin {
                let elsewhere = elsewhere.expect("permitted");
                assert_eq!((elsewhere.name.as_str(), elsewhere.role), ("ci@default", role));
                assert_eq!(elsewhere.access, other.access);
                assert!(own.still_permits(&elsewhere));
            } else {
                assert_eq!(elsewhere, Err(DomainError::OtherTenant { role: role.as_str(), needed: "platform_admin" }));
                assert!(!own.still_permits(&other), "the token was moved to another tenant");
            }
            assert!(own.still_permits(&own));
            for changed in Role::ALL.into_iter().filter(|changed| *changed != role) {
                assert!(!caller(changed, "default").still_permits(&own), "{changed:?} was {role:?}");
            }
        }
    }

    /// The table in the guide is this text.
    #[test]
    fn guide_shows_the_roles_of_every_rpc() {
        let mut table = String::from("| RPC |");
        for role in Role::ALL {
            write!(table, " `{}` |", role.as_str()).expect("text");
        }
        table.push_str("\n| --- |");
        table.push_str(&" --- |".repeat(Role::ALL.len()));
        for (rpc, needed) in PERMISSIONS {
            write!(table, "\n| {} |", rpc.trim_start_matches("/storeplane.v1.")).expect("text");
            for role in Role::ALL {
                table.push_str(if role.allows(*needed) { " yes |" } else { " – |" });
            }
        }
        let section = GUIDE.split_once("\n## Roles\n").map(|(_, rest)| rest).expect("a section");
        let section = section.split("\n## ").next().unwrap_or_default();
        let shown: Vec<_> = section.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(shown.join("\n"), table, "docs/operations.md, Roles, must contain:\n{table}");
    }
}

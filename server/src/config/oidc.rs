//! `[oidc]`: the identity provider whose tokens the API accepts, and with which the dashboard signs in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use storeplane_core::identity::Role;
use storeplane_core::ids::Tenant;
use url::Url;

use super::section::Section;
use super::url::is_loopback;

/// Most values of one list or map of the section.
const VALUES_MAX: usize = 100;

/// `[oidc]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Oidc {
    /// The provider's issuer URL, exactly as in its tokens.
    pub issuer: String,
    /// Accepted audiences of bearer tokens.
    pub audiences: Vec<String>,
    /// Accepted signature algorithms.
    pub algorithms: Vec<Algorithm>,
    /// The authorities of the provider's certificate, in PEM; default: the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Tolerated difference between the provider's clock and this server's.
    pub skew_seconds: u64,
    /// How long the provider's keys are used without reading them again.
    pub keys_seconds: u64,
    /// How much longer they are used while they cannot be read.
    pub keys_grace_seconds: u64,
    /// Shortest time between two reads of the keys, however many tokens name unknown ones.
    pub keys_interval_seconds: u64,
    /// The claim that is the user's name. With `email`, a token whose `email_verified` is false is refused.
    pub username_claim: String,
    /// The claim that holds the user's roles or groups: a text or a list of texts.
    pub role_claim: String,
    /// The role of each value of that claim. A user with several has the highest.
    pub roles: BTreeMap<String, RoleName>,
    /// The tenant of all users; exactly one of `tenant` and `tenant_claim` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The claim that is the user's tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_claim: Option<String>,
    /// Tenants by value of that claim. If it is not empty, other values are refused; otherwise the value is the tenant's name.
    pub tenants: BTreeMap<String, String>,
    /// The dashboard's client; default: browsers cannot sign in with the provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<OidcClient>,
}

/// `[oidc.client]`: sign-in of browsers. Needs `public_url`, because the provider redirects to `<public_url>/auth/callback`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OidcClient {
    /// The dashboard's client id.
    pub client_id: String,
    /// A file with the client's secret; default: none, a public client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// The scopes to request.
    pub scopes: Vec<String>,
    /// The provider's name on the button.
    pub display_name: String,
}

/// A role's name in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub struct RoleName(pub Role);

impl TryFrom<String> for RoleName {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let names = || Role::ALL.map(Role::as_str).join(", ");
        Role::parse(&text).map(Self).ok_or_else(|| format!("a role must be one of {}", names()))
    }
}

impl From<RoleName> for &'static str {
    fn from(role: RoleName) -> Self {
        role.0.as_str()
    }
}

/// A signature algorithm with a public key. Those with a shared secret are not supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of RFC 7518")]
pub enum Algorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

impl Algorithm {
    const ALL: [Self; 9] = [
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::EdDSA,
    ];

    /// The name in tokens and keys.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::EdDSA => "EdDSA",
        }
    }

    /// The algorithm with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }
}

/// The section; absent without an issuer.
pub(super) fn read(section: &mut Section) -> Option<Oidc> {
    if !section.has("issuer") {
        if !section.keys().is_empty() {
            section.fail("issuer", "is missing");
        }
        return None;
    }
    let issuer: String = section.checked("issuer", String::new(), "must be an https:// URL without ? and #", is_issuer);
    let (tenant, tenant_claim): (Option<String>, Option<String>) =
        (section.optional("tenant"), section.optional("tenant_claim"));
    if tenant.is_some() == tenant_claim.is_some() {
        section.fail("tenant", "exactly one of tenant and tenant_claim must be set");
    }
    let tenants: BTreeMap<String, String> = section.take("tenants", BTreeMap::new());
    if !tenants.is_empty() && tenant_claim.is_none() {
        section.fail("tenants", "needs oidc.tenant_claim");
    }
    let invalid = tenant.iter().chain(tenants.values()).find(|name| name.parse::<Tenant>().is_err()).cloned();
    if let Some(name) = invalid {
        section.fail("tenant", format!("must be the name of a tenant (is {name})"));
    }
    let roles: BTreeMap<String, RoleName> = section.take("roles", BTreeMap::new());
    if roles.is_empty() || roles.len() > VALUES_MAX {
        section.fail("roles", format!("must map 1 to {VALUES_MAX} values of role_claim to roles"));
    }
    let audiences: Vec<String> = section.take("audiences", Vec::new());
    if audiences.is_empty() || audiences.iter().any(String::is_empty) {
        section.fail(
            "audiences",
            "must name at least one audience: without one, tokens for other applications would be accepted",
        );
    }
    let algorithms = section.take("algorithms", vec![Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA]);
    if algorithms.is_empty() {
        section.fail("algorithms", "must name at least one algorithm");
    }
    let mut seconds = |key, default, least: u64, most: u64| {
        section.checked(key, default, &format!("must be {least} to {most}"), |n| (least..=most).contains(n))
    };
    Some(Oidc {
        skew_seconds: seconds("skew_seconds", 30, 0, 300),
        keys_seconds: seconds("keys_seconds", 600, 10, 86_400),
        keys_grace_seconds: seconds("keys_grace_seconds", 3600, 0, 86_400),
        keys_interval_seconds: seconds("keys_interval_seconds", 10, 1, 3600),
        issuer,
        audiences,
        algorithms,
        ca_file: section.optional("ca_file"),
        username_claim: claim(section, "username_claim", "email"),
        role_claim: claim(section, "role_claim", "groups"),
        roles,
        tenant,
        tenant_claim,
        tenants,
        client: section.section("client", client),
    })
}

fn client(section: &mut Section) -> Option<OidcClient> {
    if !section.has("client_id") {
        if !section.keys().is_empty() {
            section.fail("client_id", "is missing");
        }
        return None;
    }
    let scopes: Vec<String> = section.take("scopes", ["openid", "profile", "email"].map(str::to_owned).to_vec());
    if !scopes.iter().any(|scope| scope == "openid") {
        section.fail("scopes", "must contain openid");
    }
    Some(OidcClient {
        client_id: section.checked("client_id", String::new(), "must not be empty", |id: &String| !id.is_empty()),
        secret_file: section.optional("secret_file"),
        scopes,
        display_name: section.take("display_name", "the identity provider".to_owned()),
    })
}

fn claim(section: &mut Section, key: &str, default: &str) -> String {
    section.checked(
        key,
        default.to_owned(),
        "must be a claim's name, or a JSON pointer such as /realm_access/roles",
        |it| !it.is_empty(),
    )
}

/// Plain HTTP is for an issuer on the same machine only: a test, or a development set-up.
#[expect(clippy::ptr_arg, reason = "the type that is read is String")]
fn is_issuer(text: &String) -> bool {
    Url::parse(text).is_ok_and(|url| is_confidential(&url) && url.query().is_none() && url.fragment().is_none())
}

/// True if what is sent to this URL stays on this machine or is encrypted.
pub fn is_confidential(url: &Url) -> bool {
    url.host().is_some() && (url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, ConfigError, Overrides};

    #[test]
    fn algorithms_are_named_as_in_the_configuration() {
        for algorithm in Algorithm::ALL {
            assert_eq!(serde_json::to_value(algorithm).expect("JSON"), algorithm.as_str());
            assert_eq!(Algorithm::parse(algorithm.as_str()), Some(algorithm));
        }
        assert_eq!(Algorithm::parse("none"), None);
        assert_eq!(Algorithm::parse("HS256"), None);
    }

    const MINIMUM: &str = "[oidc]\nissuer = 'https://id.example.com'\naudiences = ['storeplane']\n";

    fn parse(lines: &str) -> Result<Config, ConfigError> {
        Config::parse(lines, &Overrides::default())
    }

    #[test]
    fn minimum_is_complete_and_can_be_printed() {
        let config =
            parse(&format!("{MINIMUM}tenant = 'default'\n[oidc.roles]\nshop-admins = 'admin'")).expect("valid");
        let oidc = config.oidc.clone().expect("a provider");
        assert_eq!(
            (oidc.skew_seconds, oidc.username_claim.as_str(), oidc.role_claim.as_str()),
            (30, "email", "groups")
        );
        assert_eq!(oidc.roles["shop-admins"].0, Role::Admin);
        assert_eq!(parse(&config.print().expect("TOML")).expect("valid").oidc, Some(oidc));
        assert_eq!(parse("").expect("valid").oidc, None);
    }

    #[test]
    fn what_would_accept_too_much_is_refused() {
        let roles = "[oidc.roles]\na = 'viewer'";
        for (file, key) in [
            (format!("{MINIMUM}{roles}"), "oidc.tenant: exactly one"),
            (format!("{MINIMUM}tenant = 'a'\ntenant_claim = 'b'\n{roles}"), "oidc.tenant: exactly one"),
            (format!("{MINIMUM}tenant = 'A b'\n{roles}"), "oidc.tenant"),
            (format!("{MINIMUM}tenant = 'a'"), "oidc.roles"),
            (format!("{MINIMUM}tenant = 'a'\n[oidc.roles]\na = 'root'"), "oidc.roles"),
            (format!("{MINIMUM}tenant = 'a'\nalgorithms = ['HS256']\n{roles}"), "oidc.algorithms"),
            (format!("{MINIMUM}tenant = 'a'\nalgorithms = ['none']\n{roles}"), "oidc.algorithms"),
            (format!("{MINIMUM}tenant = 'a'\nalgorithms = []\n{roles}"), "oidc.algorithms"),
            (format!("[oidc]\nissuer = 'https://id.example.com'\ntenant = 'a'\n{roles}"), "oidc.audiences"),
            (
                format!("[oidc]\nissuer = 'http://id.example.com'\naudiences = ['a']\ntenant = 'a'\n{roles}"),
                "oidc.issuer",
            ),
            ("[oidc]\naudiences = ['a']".to_owned(), "oidc.issuer: is missing"),
            (format!("{MINIMUM}tenant = 'a'\n{roles}\n[oidc.client]\nscopes = ['openid']"), "oidc.client.client_id"),
            (format!("{MINIMUM}tenant = 'a'\n{roles}\n[oidc.client]\nclient_id = 'c'"), "public_url"),
            ("public_url = 'http://shops.example.com'".to_owned(), "public_url"),
            ("public_url = 'https://shops.example.com/path'".to_owned(), "public_url"),
        ] {
            let error = parse(&file).expect_err(&file).to_string();
            assert!(error.contains(key), "{file}: {error}");
        }
    }
}

//! The claims of a verified token: whom it is for, how long it holds, and whom the configuration makes of its user.

use serde_json::{Map, Value};
use storeplane_core::identity::{Credential, OIDC_PREFIX, OIDC_SUBJECT_PREFIX, Role, is_plain_name, names_a_tenant};
use storeplane_core::ids::Tenant;

use super::{JwtError, User};
use crate::config::Oidc;

/// Maximum length of a subject, in bytes (`OpenID` Connect Core 1.0, section 2).
const SUBJECT_MAX: usize = 255;

pub(super) type Claims = Map<String, Value>;

/// For whom a token must be.
pub(super) enum Audience<'a> {
    /// The API: one of the configured audiences.
    Api,
    /// The dashboard's client, which asked with this nonce.
    Client { id: &'a str, nonce: &'a str },
}

/// Checks issuer, audience and times. Returns the Unix time at which the token stops to be accepted.
pub(super) fn check(claims: &Claims, oidc: &Oidc, audience: &Audience<'_>, now: i64) -> Result<i64, JwtError> {
    if claims.get("iss").and_then(Value::as_str) != Some(oidc.issuer.as_str()) {
        return Err(JwtError::Issuer);
    }
    let named = texts(claims.get("aud"));
    match audience {
        Audience::Api => {
            if !named.iter().any(|name| oidc.audiences.iter().any(|accepted| accepted == name)) {
                return Err(JwtError::Audience);
            }
        }
        Audience::Client { id, nonce } => {
            let party = claims.get("azp").and_then(Value::as_str);
            if !named.contains(id) || party.map_or(named.len() > 1, |party| party != *id) {
                return Err(JwtError::Audience);
            }
            if claims.get("nonce").and_then(Value::as_str) != Some(nonce) {
                return Err(JwtError::Nonce);
            }
        }
    }
    let skew = i64::try_from(oidc.skew_seconds).unwrap_or_default();
    let end = time(claims, "exp")?.ok_or(JwtError::Malformed)?.saturating_add(skew);
    if end <= now {
        return Err(JwtError::Expired);
    }
    for claim in ["nbf", "iat"] {
        if time(claims, claim)?.is_some_and(|begin| begin.saturating_sub(skew) > now) {
            return Err(JwtError::NotYetValid);
        }
    }
    Ok(end)
}

/// The user that the configuration makes of the claims.
pub(super) fn user(claims: &Claims, oidc: &Oidc) -> Result<User, JwtError> {
    let subject = claims.get("sub").and_then(Value::as_str);
    let subject = subject.filter(|it| (1..=SUBJECT_MAX).contains(&it.len())).ok_or(JwtError::Subject)?;
    let values = texts(find(claims, &oidc.role_claim));
    let roles = values.iter().filter_map(|value| oidc.roles.get(*value)).map(|name| name.0);
    let role = roles.max_by_key(|role| rank(*role)).ok_or(JwtError::NoRole)?;
    let tenant = match (&oidc.tenant, &oidc.tenant_claim) {
        (Some(fixed), _) => Some(fixed.as_str()),
        (None, Some(claim)) => {
            let value = find(claims, claim).and_then(Value::as_str);
            if oidc.tenants.is_empty() { value } else { value.and_then(|it| oidc.tenants.get(it)).map(String::as_str) }
        }
        (None, None) => None,
    };
    let tenant: Tenant = tenant.and_then(|name| name.parse().ok()).ok_or(JwtError::NoTenant)?;
    let credential = Credential::Oidc { issuer: oidc.issuer.clone(), subject: subject.to_owned() };
    let name = name(claims, oidc, subject, &credential)?;
    Ok(User { credential, name, tenant, role })
}

/// The actor in the audit log. A name that could be mistaken for another's is replaced by the subject.
fn name(claims: &Claims, oidc: &Oidc, subject: &str, credential: &Credential) -> Result<String, JwtError> {
    let claim = &oidc.username_claim;
    if claim == "email" && claims.get("email_verified").is_some_and(|it| it != &Value::Bool(true) && it != "true") {
        return Err(JwtError::EmailNotVerified);
    }
    let claimed = find(claims, claim).and_then(Value::as_str).filter(|name| is_actor_name(name));
    Ok(match claimed {
        Some(name) => format!("{OIDC_PREFIX}{name}"),
        None if is_actor_name(subject) => format!("{OIDC_SUBJECT_PREFIX}{subject}"),
        None => format!("{OIDC_SUBJECT_PREFIX}{}", credential.key()),
    })
}

/// True if a name is nobody else's but for its prefix.
fn is_actor_name(name: &str) -> bool {
    is_plain_name(name) && !names_a_tenant(name)
}

/// A claim by name, or by JSON pointer if it begins with `/`.
fn find<'a>(claims: &'a Claims, name: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let (first, rest) = name.strip_prefix('/')?.split_once('/')?;
    claims.get(first)?.pointer(&format!("/{rest}"))
}

/// A text, or the texts of a list.
fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// A time claim, in seconds since 1970.
fn time(claims: &Claims, name: &str) -> Result<Option<i64>, JwtError> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    if let Some(seconds) = value.as_i64() {
        return Ok(Some(seconds));
    }
    // A conversion of floating-point numbers saturates.
    #[expect(clippy::cast_possible_truncation, reason = "a fraction of a second does not matter")]
    value.as_f64().map(|seconds| Some(seconds as i64)).ok_or(JwtError::Malformed)
}

/// The order of roles for users with several.
fn rank(role: Role) -> usize {
    Role::ALL.iter().position(|other| *other == role).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{Config, Overrides};

    const NOW: i64 = 1_800_000_000;

    fn oidc(lines: &str) -> Oidc {
        let file = format!("[oidc]\nissuer = 'https://id.example.com'\naudiences = ['storeplane', 'shops']\n{lines}");
        Config::parse(&file, &Overrides::default()).expect("a valid configuration").oidc.expect("a provider")
    }

    fn usual() -> Oidc {
        oidc(
            "tenant = 'acme'\n[oidc.roles]\nreaders = 'viewer'\nauditors = 'auditor'\nops = 'operator'\nadmins = 'admin'",
        )
    }

    fn claims(change: &Value) -> Claims {
        let mut claims = json!({
            "iss": "https://id.example.com", "aud": "storeplane", "sub": "7", "exp": NOW + 60, "iat": NOW,
            "email": "alice@example.com", "groups": ["ops", "others"],
        });
        let fields = claims.as_object_mut().expect("an object");
        for (name, value) in change.as_object().expect("an object") {
            if value.is_null() {
                fields.remove(name)
            } else {
                fields.insert(name.clone(), value.clone())
            };
        }
        fields.clone()
    }

    #[test]
    fn issuer_audience_and_times_are_checked() {
        for (change, expected) in [
            (json!({}), Ok(NOW + 90)),
            (json!({"aud": ["other", "shops"]}), Ok(NOW + 90)),
            (json!({"exp": NOW - 29}), Ok(NOW + 1)),
            (json!({"exp": 1_800_000_060.5}), Ok(NOW + 90)),
            (json!({"exp": NOW - 30}), Err(JwtError::Expired)),
            (json!({"exp": null}), Err(JwtError::Malformed)),
            (json!({"exp": "tomorrow"}), Err(JwtError::Malformed)),
            (json!({"nbf": NOW + 30}), Ok(NOW + 90)),
            (json!({"nbf": NOW + 31}), Err(JwtError::NotYetValid)),
            (json!({"iat": NOW + 31}), Err(JwtError::NotYetValid)),
            (json!({"iss": "https://id.example.com/"}), Err(JwtError::Issuer)),
            (json!({"iss": null}), Err(JwtError::Issuer)),
            (json!({"aud": "other"}), Err(JwtError::Audience)),
            (json!({"aud": []}), Err(JwtError::Audience)),
            (json!({"aud": null}), Err(JwtError::Audience)),
            (json!({"aud": {"storeplane": true}}), Err(JwtError::Audience)),
        ] {
            assert_eq!(check(&claims(&change), &usual(), &Audience::Api, NOW), expected, "{change}");
        }
    }

    #[test]
    fn sign_in_needs_the_client_s_own_token_and_nonce() {
        let audience = Audience::Client { id: "dashboard", nonce: "n" };
        for (change, expected) in [
            (json!({"aud": "dashboard", "nonce": "n"}), Ok(NOW + 90)),
            (json!({"aud": "dashboard", "nonce": "n", "azp": "dashboard"}), Ok(NOW + 90)),
            (json!({"aud": ["dashboard", "other"], "nonce": "n", "azp": "dashboard"}), Ok(NOW + 90)),
            (json!({"aud": ["dashboard", "other"], "nonce": "n"}), Err(JwtError::Audience)),
            (json!({"aud": "dashboard", "nonce": "n", "azp": "other"}), Err(JwtError::Audience)),
            (json!({"aud": "storeplane", "nonce": "n"}), Err(JwtError::Audience)),
            (json!({"aud": "dashboard", "nonce": "m"}), Err(JwtError::Nonce)),
            (json!({"aud": "dashboard"}), Err(JwtError::Nonce)),
        ] {
            assert_eq!(check(&claims(&change), &usual(), &audience, NOW), expected, "{change}");
        }
    }

    #[test]
    fn groups_become_the_highest_role() {
        for (change, expected) in [
            (json!({}), Ok(Role::Operator)),
            (json!({"groups": "readers"}), Ok(Role::Viewer)),
            (json!({"groups": ["readers", "admins", "ops"]}), Ok(Role::Admin)),
            (json!({"groups": ["auditors", "ops"]}), Ok(Role::Operator)),
            (json!({"groups": ["Admins", "admins ", "/admins"]}), Err(JwtError::NoRole)),
            (json!({"groups": {"admins": true}}), Err(JwtError::NoRole)),
            (json!({"groups": null}), Err(JwtError::NoRole)),
            (json!({"sub": null}), Err(JwtError::Subject)),
            (json!({"sub": "x".repeat(256)}), Err(JwtError::Subject)),
        ] {
            assert_eq!(user(&claims(&change), &usual()).map(|user| user.role), expected, "{change}");
        }
        let nested = oidc("tenant = 'a'\nrole_claim = '/realm_access/roles'\n[oidc.roles]\nops = 'operator'");
        let change = json!({"realm_access": {"roles": ["ops"]}});
        assert_eq!(user(&claims(&change), &nested).map(|user| user.role), Ok(Role::Operator));
    }

    #[test]
    fn tenant_is_fixed_or_a_claim() {
        let roles = "[oidc.roles]\nops = 'operator'";
        let by_claim = oidc(&format!("tenant_claim = 'org'\n{roles}"));
        let by_map = oidc(&format!("tenant_claim = 'org'\n{roles}\n[oidc.tenants]\n'Acme Ltd' = 'acme'"));
        for (oidc, change, expected) in [
            (&usual(), json!({"org": "other"}), Ok("acme")),
            (&by_claim, json!({"org": "other"}), Ok("other")),
            (&by_claim, json!({"org": "Not a tenant"}), Err(JwtError::NoTenant)),
            (&by_claim, json!({"org": ["other"]}), Err(JwtError::NoTenant)),
            (&by_claim, json!({}), Err(JwtError::NoTenant)),
            (&by_map, json!({"org": "Acme Ltd"}), Ok("acme")),
            (&by_map, json!({"org": "acme"}), Err(JwtError::NoTenant)),
        ] {
            let found = user(&claims(&change), oidc).map(|user| user.tenant.to_string());
            assert_eq!(found, expected.map(str::to_owned), "{change}");
        }
    }

    #[test]
    fn names_cannot_be_mistaken_for_others() {
        for (change, expected) in [
            (json!({}), Ok("oidc:alice@example.com")),
            (json!({"email_verified": true}), Ok("oidc:alice@example.com")),
            (json!({"email_verified": false}), Err(JwtError::EmailNotVerified)),
            (json!({"email": "worker"}), Ok("oidc:worker")),
            (json!({"email": "alice@acme"}), Ok("oidc-subject:7")),
            (json!({"email": "al\u{456}ce"}), Ok("oidc-subject:7")),
            (json!({"email": null}), Ok("oidc-subject:7")),
        ] {
            let found = user(&claims(&change), &usual()).map(|user| user.name);
            assert_eq!(found, expected.map(str::to_owned), "{change}");
        }
        let odd = user(&claims(&json!({"email": null, "sub": "a\nb"})), &usual()).expect("a user");
        assert!(is_actor_name(&odd.name) && !odd.name.contains('\n'), "{}", odd.name);
    }
}

//! Sign-in of a browser: the authorization code flow with PKCE (RFC 7636), done by the server.
//!
//! All that a sign-in needs (`state`, `nonce`, the code verifier) is derived from one secret, which only the browser keeps,
//! in a cookie. So any replica can finish what another one began, and a response of the provider is of use only to the
//! browser that asked for it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderValue;
use ring::digest::{SHA256, digest};
use serde::Deserialize;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::claims::Audience;
use super::fetch::FetchError;
use super::{JwtError, Oidc, User};
use crate::config::{OidcClient, is_confidential};

/// Why a sign-in failed.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The configuration has no client for the dashboard, or the provider no such flow.
    #[error("sign-in with the identity provider is not configured")]
    NotConfigured,
    /// This browser did not begin this sign-in, or too long ago.
    #[error("the sign-in was not begun in this browser")]
    NotBegun,
    /// The provider cannot be reached.
    #[error("the identity provider is not available")]
    Unavailable,
    /// The provider does not accept the code. The cause contains no secret.
    #[error("the identity provider refused the code: {0}")]
    Refused(String),
    /// The ID token is not accepted.
    #[error("the identity provider's token is not accepted: {0}")]
    Token(#[from] JwtError),
    /// The client secret cannot be read.
    #[error("oidc.client.secret_file: {0}")]
    Secret(std::io::Error),
}

impl From<FetchError> for LoginError {
    fn from(error: FetchError) -> Self {
        Self::Refused(error.to_string())
    }
}

/// A sign-in in progress. `Debug` omits its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Attempt {
    secret: String,
}

impl std::fmt::Debug for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attempt").finish_non_exhaustive()
    }
}

impl Attempt {
    /// With this secret, random and known to the browser only.
    pub fn new(secret: String) -> Self {
        Self { secret }
    }

    /// True if this is the `state` of this attempt. Guessing it does not help whoever lacks the browser's cookie.
    pub fn is_state(&self, state: &str) -> bool {
        blake3::hash(self.derive("state").as_bytes()) == blake3::hash(state.as_bytes())
    }

    fn derive(&self, purpose: &str) -> String {
        let context = format!("storeplane sign-in 2026-11 {purpose}");
        URL_SAFE_NO_PAD.encode(blake3::derive_key(&context, self.secret.as_bytes()))
    }

    fn verifier(&self) -> String {
        self.derive("verifier")
    }

    fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.verifier().as_bytes()))
    }
}

#[derive(Deserialize)]
struct Answer {
    id_token: String,
}

impl Answer {
    fn parse(json: &[u8]) -> Result<Self, LoginError> {
        serde_json::from_slice(json).map_err(|_| LoginError::Refused("the response has no ID token".to_owned()))
    }
}

impl Oidc {
    /// The issuer's URL.
    pub fn issuer(&self) -> &str {
        &self.config.issuer
    }

    /// The name for people, if browsers can sign in.
    pub fn login_name(&self) -> Option<&str> {
        self.config.client.as_ref().map(|client| client.display_name.as_str())
    }

    /// Where the browser begins this sign-in.
    pub async fn authorization_url(&self, attempt: &Attempt, callback: &str) -> Result<String, LoginError> {
        let client = self.client()?;
        let published = self.provider.published(None).await.map_err(|_| LoginError::Unavailable)?;
        let endpoint = published.metadata.authorization_endpoint.as_deref().ok_or(LoginError::NotConfigured)?;
        let mut url = Url::parse(endpoint).ok().filter(is_confidential).ok_or(LoginError::NotConfigured)?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &client.client_id)
            .append_pair("redirect_uri", callback)
            .append_pair("scope", &client.scopes.join(" "))
            .append_pair("state", &attempt.derive("state"))
            .append_pair("nonce", &attempt.derive("nonce"))
            .append_pair("code_challenge", &attempt.challenge())
            .append_pair("code_challenge_method", "S256");
        Ok(url.into())
    }

    /// The user whom the provider's code names. `callback` as in [`Oidc::authorization_url`].
    pub async fn sign_in(&self, attempt: &Attempt, code: &str, callback: &str) -> Result<User, LoginError> {
        let client = self.client()?;
        let published = self.provider.published(None).await.map_err(|_| LoginError::Unavailable)?;
        let endpoint = published.metadata.token_endpoint.as_deref().ok_or(LoginError::NotConfigured)?;
        let form = Serializer::new(String::new())
            .append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", callback)
            .append_pair("client_id", &client.client_id)
            .append_pair("code_verifier", &attempt.verifier())
            .finish();
        let body = self.provider.fetcher().post(endpoint, form, authorization(client).await?).await?;
        let answer = Answer::parse(&body)?;
        let nonce = attempt.derive("nonce");
        let audience = Audience::Client { id: &client.client_id, nonce: &nonce };
        // The session has a lifetime of its own.
        let (user, _) = self.user(&answer.id_token, &audience).await?;
        Ok(user)
    }

    fn client(&self) -> Result<&OidcClient, LoginError> {
        self.config.client.as_ref().ok_or(LoginError::NotConfigured)
    }
}

/// HTTP basic authentication of a client with a secret (RFC 6749, section 2.3.1). The file is read each time: it may be renewed.
async fn authorization(client: &OidcClient) -> Result<Option<HeaderValue>, LoginError> {
    let Some(path) = &client.secret_file else { return Ok(None) };
    let secret = tokio::fs::read_to_string(path).await.map_err(LoginError::Secret)?;
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(&client.client_id), encoded(secret.trim()));
    let mut header = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))
        .map_err(|_| LoginError::Refused("the client secret cannot be sent".to_owned()))?;
    header.set_sensitive(true);
    Ok(Some(header))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_of_an_attempt_differs_and_is_bound_to_its_secret() {
        let (one, other) = (Attempt::new("a".repeat(50)), Attempt::new("b".repeat(50)));
        let all = |attempt: &Attempt| ["state", "nonce", "verifier"].map(|purpose| attempt.derive(purpose));
        let mut values: Vec<_> = all(&one).into_iter().chain(all(&other)).chain([one.challenge()]).collect();
        assert!(values.iter().all(|value| value.len() == 43), "RFC 7636 asks for 43 to 128 characters");
        values.sort();
        values.dedup();
        assert_eq!(values.len(), 7);
        assert!(one.is_state(&one.derive("state")) && !one.is_state(&other.derive("state")) && !one.is_state(""));
        assert!(!format!("{one:?}").contains("aaa"));
    }

    mod fuzz {
        use proptest::prelude::*;
        use serde_json::json;
        use storeplane_fuzz::{Outcome, check};

        use super::super::Answer;

        #[test]
        fn answers_without_id_token_are_refused_and_not_repeated() {
            let answer = ("[a-z]{20}", any::<String>(), 0..4_u8).prop_map(|(secret, token, kind)| {
                let id_token =
                    [json!(token), json!(null), json!([token]), json!({"token": token})][usize::from(kind)].clone();
                (secret.clone(), json!({"access_token": secret, "id_token": id_token}).to_string())
            });
            let text =
                ("[a-z]{20}", any::<String>()).prop_map(|(secret, text)| (secret.clone(), format!("{text}{secret}")));
            check("OIDC token answer", &prop_oneof![answer, text], |(secret, json)| {
                let parsed = Answer::parse(json.as_bytes());
                if let Err(error) = &parsed {
                    prop_assert!(!error.to_string().contains(&secret), "{error}");
                }
                let has_one =
                    serde_json::from_str::<serde_json::Value>(&json).is_ok_and(|json| json["id_token"].is_string());
                prop_assert_eq!(parsed.is_ok(), has_one);
                Ok(Outcome::of(&parsed))
            });
        }
    }
}

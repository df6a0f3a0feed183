//! Sign-in with the identity provider: the browser goes there from `/auth/login` and comes back to `/auth/callback`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use storeplane_core::identity::Caller;
use storeplane_core::ports::Ids as _;
use url::form_urlencoded;

use super::{Refused, SignIn, no_store, permit};
use crate::authentication::{Cookie, FETCH_SITE, Scheme};
use crate::oidc::{Attempt, JwtError, LoginError, Oidc};
use crate::postgres::SignInMethod;
use crate::system::RandomIds;

/// Reason of failed sign-ins in the audit log.
const REFUSED: &str = "SIGN_IN_REFUSED";
/// Where the provider sends browsers back to, below the public URL.
const CALLBACK: &str = "/auth/callback";
/// Letters and digits of an attempt's secret: 258 bits.
const SECRET_LENGTH: usize = 50;
/// Longest page to return to.
const RETURN_MAX: usize = 1000;
/// Longest code, state or issuer of the provider.
const VALUE_MAX: usize = 4096;

/// Sends the browser to the provider. Only the user starts this: from the dashboard, or by the address bar.
pub(super) async fn login(State(sign_in): State<SignIn>, request: Request) -> Result<Response, Refused> {
    let site = request.headers().get(FETCH_SITE).map(HeaderValue::as_bytes);
    if !matches!(site, None | Some(b"same-origin" | b"none")) {
        return Err(Refused(StatusCode::FORBIDDEN, "CROSS_ORIGIN", "begin the sign-in in the dashboard"));
    }
    let (oidc, public_url) = sign_in.provider()?;
    let secret = RandomIds.random_text(SECRET_LENGTH);
    let page = parameter(request.uri().query(), "return_to").filter(|page| is_own_page(page)).unwrap_or("/".to_owned());
    let url = oidc.authorization_url(&Attempt::new(secret.clone()), &callback_url(public_url)).await;
    match url {
        Ok(url) => {
            let value = format!("{secret}.{}", URL_SAFE_NO_PAD.encode(page));
            let cookie = Cookie::Login.set(Scheme::of(public_url), Some(&value));
            Ok(redirect(&url, &[cookie]))
        }
        Err(error) => Ok(failed(&error, public_url)),
    }
}

/// Finishes the sign-in that this browser began.
pub(super) async fn callback(State(sign_in): State<SignIn>, request: Request) -> Result<Response, Refused> {
    let (oidc, public_url) = sign_in.provider()?;
    let admitted = sign_in.limits.admit(&request)?;
    let failed = |error: &LoginError| {
        match error {
            LoginError::NotBegun | LoginError::Refused(_) => admitted.failed(REFUSED),
            LoginError::Token(_) => admitted.recorded(REFUSED),
            _ => {}
        }
        failed(error, public_url)
    };
    let (parts, _) = request.into_parts();
    let query = parts.uri.query();
    let scheme = Scheme::of(public_url);
    let begun = Cookie::Login.read(scheme, &parts.headers).and_then(|value| value.split_once('.'));
    let Some((secret, page)) = begun.filter(|(secret, _)| secret.len() == SECRET_LENGTH) else {
        return Ok(failed(&LoginError::NotBegun));
    };
    let attempt = Attempt::new(secret.to_owned());
    // RFC 9207: a response says whose it is.
    let other_issuer = parameter(query, "iss").is_some_and(|issuer| issuer != oidc.issuer());
    let state = parameter(query, "state").unwrap_or_default();
    if other_issuer || !attempt.is_state(&state) {
        return Ok(failed(&LoginError::NotBegun));
    }
    let Some(code) = parameter(query, "code") else {
        let error = parameter(query, "error").unwrap_or_default();
        return Ok(failed(&LoginError::Refused(format!("{error:.100?}"))));
    };
    let _permit = permit(&sign_in.exchanges).await?;
    match oidc.sign_in(&attempt, &code, &callback_url(public_url)).await {
        Ok(user) => {
            let caller = Caller { origin: Arc::clone(admitted.origin()), ..user.into() };
            let session = sign_in.begin(&caller, SignInMethod::Provider, scheme).await?;
            let page = URL_SAFE_NO_PAD.decode(page).ok().and_then(|page| String::from_utf8(page).ok());
            let page = page.filter(|page| is_own_page(page)).unwrap_or("/".to_owned());
            Ok(redirect(&format!("{public_url}{page}"), &[Cookie::Login.set(scheme, None), session]))
        }
        Err(error) => Ok(failed(&error)),
    }
}

impl SignIn {
    fn provider(&self) -> Result<(&Oidc, &str), Refused> {
        let oidc = self.authenticator.oidc().filter(|oidc| oidc.login_name().is_some());
        let missing =
            Refused(StatusCode::NOT_FOUND, "NOT_CONFIGURED", "no identity provider is configured for sign-in");
        oidc.zip(self.authenticator.public_url()).ok_or(missing)
    }
}

fn callback_url(public_url: &str) -> String {
    format!("{public_url}{CALLBACK}")
}

fn redirect(url: &str, cookies: &[String]) -> Response {
    let Ok(location) = HeaderValue::from_str(url) else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let mut response = (StatusCode::SEE_OTHER, no_store(), [(LOCATION, location)]).into_response();
    for cookie in cookies.iter().filter_map(|cookie| HeaderValue::from_str(cookie).ok()) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

/// Back to the dashboard, which explains the reason. The log has the cause.
fn failed(error: &LoginError, public_url: &str) -> Response {
    tracing::warn!(%error, "a sign-in with the identity provider failed");
    let reason = match error {
        LoginError::Unavailable => "unavailable",
        LoginError::NotBegun => "not-begun",
        LoginError::Token(JwtError::NoRole | JwtError::NoTenant) => "not-mapped",
        LoginError::Token(JwtError::EmailNotVerified) => "email-not-verified",
        _ => "refused",
    };
    let clear = Cookie::Login.set(Scheme::of(public_url), None);
    redirect(&format!("{public_url}/#sign-in-error={reason}"), &[clear])
}

/// True for a path of this server. Browsers read `//host` and `/\host` as another server.
fn is_own_page(page: &str) -> bool {
    let plain = page.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    page.len() <= RETURN_MAX && page.starts_with('/') && !page.starts_with("//") && plain
}

fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let mut found = form_urlencoded::parse(query?.as_bytes()).filter(|(key, _)| key == name);
    let value = found.next().map(|(_, value)| value.into_owned());
    value.filter(|value| value.len() <= VALUE_MAX && found.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_pages_are_returned_to() {
        for good in ["/", "/stores?show=ready", "/stores/tea#events"] {
            assert!(is_own_page(good), "{good}");
        }
        let long = format!("/{}", "x".repeat(RETURN_MAX));
        for bad in [
            "",
            "stores",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a\r\nset-cookie: x",
            "/a b",
            &long,
        ] {
            assert!(!is_own_page(bad), "{bad:?}");
        }
    }

    #[test]
    fn repeated_parameters_are_not_guessed() {
        assert_eq!(parameter(Some("a=1&b=2%2F"), "b").as_deref(), Some("2/"));
        assert_eq!(parameter(Some("a=1&a=2"), "a"), None);
        assert_eq!(parameter(None, "a"), None);
    }
}

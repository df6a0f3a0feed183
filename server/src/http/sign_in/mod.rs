//! Sign-in of browsers: `/auth/…`. A sign-in creates a session, whose secret is in a cookie that scripts cannot read.
//!
//! | | |
//! | --- | --- |
//! | `GET /auth/methods` | how one can sign in |
//! | `POST /auth/code` | the caller that a one-time code belongs to |
//! | `POST /auth/session` | signs in with a token or a one-time code; replaces a session only if that is requested |
//! | `POST /auth/logout` | ends the session |
//! | `GET /auth/login`, `GET /auth/callback` | [`provider`]: sign-in with the identity provider |
//!
//! POST requests are accepted from the server's own pages only ([`own_page`]).

mod limits;
mod provider;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::header::{CACHE_CONTROL, SET_COOKIE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use storeplane_core::identity::Caller;
use tokio::sync::{Semaphore, SemaphorePermit};

use self::limits::INVALID;
pub use self::limits::SignInLimits;
use crate::authentication::{Authenticator, Cookie, Rejection, Scheme, own_page};
use crate::postgres::{SignInMethod, Verified};

/// Maximum size of a request's body.
const BODY_MAX: usize = 16 * 1024;
/// After an unknown code the next one is looked up this much later: guessing costs little of the database.
const PAUSE: Duration = Duration::from_millis(50);
/// Longest wait for that.
const WAIT: Duration = Duration::from_secs(5);

/// Requests to the provider that exchange a code, at a time.
const EXCHANGES_MAX: usize = 8;

/// What sign-in needs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SignIn {
    authenticator: Authenticator,
    limits: SignInLimits,
    /// One code is looked up at a time.
    codes: Arc<Semaphore>,
    exchanges: Arc<Semaphore>,
}

impl SignIn {
    /// Signs in those whom this accepts.
    pub fn new(authenticator: Authenticator, limits: SignInLimits) -> Self {
        let exchanges = Arc::new(Semaphore::new(EXCHANGES_MAX));
        Self { authenticator, limits, codes: Arc::new(Semaphore::new(1)), exchanges }
    }
}

/// The paths.
pub(super) fn router(sign_in: SignIn) -> Router {
    Router::new()
        .route("/auth/methods", get(methods))
        .route("/auth/code", post(read_code))
        .route("/auth/session", post(create))
        .route("/auth/logout", post(end))
        .route("/auth/login", get(provider::login))
        .route("/auth/callback", get(provider::callback))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(sign_in)
}

/// An error for the dashboard: a reason for it, and a sentence for people.
#[derive(Debug)]
struct Refused(StatusCode, &'static str, &'static str);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self(code, reason, message) = self;
        (code, no_store(), Json(json!({"reason": reason, "message": message}))).into_response()
    }
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::CrossOrigin => Self(
                StatusCode::FORBIDDEN,
                "CROSS_ORIGIN",
                "this request does not come from the dashboard's own address",
            ),
            Rejection::Port(error) => {
                tracing::warn!(%error, "a sign-in found the database unavailable");
                Self(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "DATABASE_UNAVAILABLE",
                    "the database is not available; try again later",
                )
            }
            Rejection::Expired => Self(StatusCode::UNAUTHORIZED, "TOKEN_EXPIRED", "the token has expired"),
            _ => Self(StatusCode::UNAUTHORIZED, INVALID, "the token or code is unknown, was used, or has expired"),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    token: Option<String>,
    code: Option<String>,
    /// Ends the current session, if there is one. Without it a sign-in is refused then.
    #[serde(default)]
    replace: bool,
}

fn no_store() -> [(HeaderName, HeaderValue); 1] {
    [(CACHE_CONTROL, HeaderValue::from_static("no-store"))]
}

async fn methods(State(sign_in): State<SignIn>) -> Response {
    let provider = sign_in.authenticator.oidc().and_then(|oidc| oidc.login_name());
    (no_store(), Json(json!({"token": true, "provider": provider}))).into_response()
}

async fn read_code(State(sign_in): State<SignIn>, request: Request) -> Result<Response, Refused> {
    sign_in.own_page(&request)?;
    let admitted = sign_in.limits.admit(&request)?;
    let Code { code } = body(request).await?;
    let caller = sign_in.look_up(&code, false).await.inspect_err(|refused| admitted.refused(refused))?;
    Ok((no_store(), Json(shown(&caller))).into_response())
}

async fn create(State(sign_in): State<SignIn>, request: Request) -> Result<Response, Refused> {
    let scheme = sign_in.own_page(&request)?;
    let admitted = sign_in.limits.admit(&request)?;
    let before = Cookie::Session.read(scheme, request.headers()).map(str::to_owned);
    let credentials: Credentials = body(request).await?;
    if !credentials.replace && sign_in.is_session(before.as_deref()).await? {
        return Err(Refused(StatusCode::CONFLICT, "SIGNED_IN", "this browser is signed in already"));
    }
    let (caller, method) = match (&credentials.token, &credentials.code) {
        (Some(token), None) => (sign_in.authenticator.token(token).await.map_err(Refused::from), SignInMethod::Token),
        (None, Some(code)) => (sign_in.look_up(code, true).await, SignInMethod::Code),
        _ => return Err(Refused(StatusCode::BAD_REQUEST, "MALFORMED_REQUEST", "send either a token or a code")),
    };
    let mut caller = caller.inspect_err(|refused| admitted.refused(refused))?;
    caller.origin = Arc::clone(admitted.origin());
    let cookie = sign_in.begin(&caller, method, scheme).await?;
    if let Some(before) = before {
        // The new session is there: the old one also ends by itself.
        let _ = sign_in.authenticator.sessions().end(&before, admitted.origin()).await;
    }
    Ok((no_store(), [(SET_COOKIE, cookie)], Json(shown(&caller))).into_response())
}

async fn end(State(sign_in): State<SignIn>, request: Request) -> Result<Response, Refused> {
    let scheme = sign_in.own_page(&request)?;
    if let Some(secret) = Cookie::Session.read(scheme, request.headers()) {
        let origin = sign_in.limits.origin(&request);
        sign_in.authenticator.sessions().end(secret, &origin).await.map_err(Rejection::Port)?;
    }
    Ok((StatusCode::NO_CONTENT, no_store(), [(SET_COOKIE, Cookie::Session.set(scheme, None))]).into_response())
}

impl SignIn {
    fn own_page(&self, request: &Request) -> Result<Scheme, Rejection> {
        own_page(request.headers(), request.uri(), self.authenticator.public_url()).map_err(|_| Rejection::CrossOrigin)
    }

    async fn is_session(&self, secret: Option<&str>) -> Result<bool, Rejection> {
        let Some(secret) = secret else { return Ok(false) };
        let verified = self.authenticator.sessions().verify(secret).await.map_err(Rejection::Port)?;
        Ok(matches!(verified, Verified::Caller(_)))
    }

    /// The caller of a code, which is used up if `take` is true.
    async fn look_up(&self, code: &str, take: bool) -> Result<Caller, Refused> {
        let _permit = permit(&self.codes).await?;
        let found = self.authenticator.code(code, take).await;
        if matches!(found, Err(Rejection::Invalid)) {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(found?)
    }

    /// Creates a session and returns its cookie.
    async fn begin(&self, caller: &Caller, method: SignInMethod, scheme: Scheme) -> Result<String, Rejection> {
        let secret = self.authenticator.sessions().create(caller, method).await.map_err(Rejection::Port)?;
        let kind = caller.credential.kind();
        tracing::info!(caller = caller.name, tenant = %caller.tenant(), kind, "a browser signed in");
        Ok(Cookie::Session.set(scheme, Some(&secret)))
    }
}

/// A permit, if there is one soon.
async fn permit(permits: &Semaphore) -> Result<SemaphorePermit<'_>, Refused> {
    let permit = tokio::time::timeout(WAIT, permits.acquire()).await;
    permit.ok().and_then(Result::ok).ok_or(Refused(
        StatusCode::TOO_MANY_REQUESTS,
        "TOO_MANY_REQUESTS",
        "too many browsers sign in at the moment; try again later",
    ))
}

fn shown(caller: &Caller) -> Value {
    json!({"name": caller.name, "tenant": caller.tenant().as_str(), "role": caller.role.as_str()})
}

/// The JSON of a request's body. What is wrong with it is not repeated: it may contain a token.
async fn body<T: serde::de::DeserializeOwned>(request: Request) -> Result<T, Refused> {
    let read: Result<Json<T>, JsonRejection> = Json::from_request(request, &()).await;
    read.map(|Json(body)| body).map_err(|_| {
        Refused(StatusCode::BAD_REQUEST, "MALFORMED_REQUEST", "the body must be a JSON object with a token or a code")
    })
}

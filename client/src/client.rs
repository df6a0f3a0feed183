//! The connection, and how often a call is retried.

use std::time::Duration;

use storeplane_proto::v1::audit_service_client::AuditServiceClient;
use storeplane_proto::v1::backup_service_client::BackupServiceClient;
use storeplane_proto::v1::domain_service_client::DomainServiceClient;
use storeplane_proto::v1::operation_service_client::OperationServiceClient;
use storeplane_proto::v1::platform_service_client::PlatformServiceClient;
use storeplane_proto::v1::session_service_client::SessionServiceClient;
use storeplane_proto::v1::store_service_client::StoreServiceClient;
use storeplane_proto::v1::tenant_service_client::TenantServiceClient;
use storeplane_proto::v1::token_service_client::TokenServiceClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::connect::Connect;
use crate::error::{Error, is_passing, pause};

/// Attempts while the server is unavailable (with the delays between them, five to eleven seconds), or limits the caller (at most 41 s).
const TRIES: u32 = 7;
/// First delay between two attempts; it doubles up to [`WAIT_MAX`].
const WAIT: Duration = Duration::from_millis(200);
/// Longest delay between two attempts.
const WAIT_MAX: Duration = Duration::from_secs(5);

pub(crate) type Stores = StoreServiceClient<InterceptedService<Channel, Bearer>>;
pub(crate) type Domains = DomainServiceClient<InterceptedService<Channel, Bearer>>;
pub(crate) type Backups = BackupServiceClient<InterceptedService<Channel, Bearer>>;
pub(crate) type Operations = OperationServiceClient<InterceptedService<Channel, Bearer>>;
pub(crate) type Platform = PlatformServiceClient<InterceptedService<Channel, Bearer>>;
pub(crate) type Tenants = TenantServiceClient<InterceptedService<Channel, Bearer>>;
pub(crate) type Sessions = SessionServiceClient<InterceptedService<Channel, Bearer>>;
pub(crate) type Tokens = TokenServiceClient<InterceptedService<Channel, Bearer>>;
pub(crate) type Audit = AuditServiceClient<InterceptedService<Channel, Bearer>>;

/// Adds the token, and the tenant if one is named, to each call.
#[derive(Clone)]
pub(crate) struct Bearer {
    pub(crate) authorization: MetadataValue<Ascii>,
    pub(crate) tenant: Option<MetadataValue<Ascii>>,
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.authorization.clone());
        if let Some(tenant) = &self.tenant {
            request.metadata_mut().insert("storeplane-tenant", tenant.clone());
        }
        Ok(request)
    }
}

/// A connection to a control plane. Clones share it.
#[derive(Clone)]
pub struct Client {
    pub(crate) stores: Stores,
    pub(crate) backups: Backups,
    pub(crate) domains: Domains,
    pub(crate) operations: Operations,
    pub(crate) platform: Platform,
    pub(crate) audit: Audit,
    pub(crate) tenants: Tenants,
    pub(crate) sessions: Sessions,
    pub(crate) tokens: Tokens,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// Creates a client for the server at `address`, for example `http://127.0.0.1:8080` or `https://shops.example.com`; without a
    /// scheme, `http` is used for this machine and `https` for others. It connects with the first call, and again whenever the
    /// connection is lost.
    ///
    /// # Errors
    /// [`Error::Address`] and [`Error::Token`] if they are malformed; [`Error::Plaintext`] if the token would be sent over `http` to
    /// another machine.
    pub fn connect(address: &str, token: &str) -> Result<Self, Error> {
        Self::to(address).token(token).client()
    }

    /// A builder, for options beyond address and token:
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use storeplane_client::Client;
    ///
    /// let authority = std::fs::read("/etc/shops/ca.pem")?;
    /// let client = Client::to("https://shops.internal:8080").token("spt_…").authority(authority).client()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn to(address: &str) -> Connect {
        Connect::to(address)
    }
}

/// Retries a call while the server is unavailable, or at a limit that ends soon.
pub(crate) async fn patiently<T, F: Future<Output = Result<T, Status>>>(
    mut call: impl FnMut() -> F,
) -> Result<T, Error> {
    let mut wait = WAIT;
    for _ in 1..TRIES {
        match call().await {
            Err(status) if is_passing(&status) => tokio::time::sleep(jittered(wait)).await,
            Err(status) => match pause(&status) {
                Some(pause) => tokio::time::sleep(pause + jittered(wait)).await,
                None => return Err(status.into()),
            },
            Ok(answer) => return Ok(answer),
        }
        wait = (wait * 2).min(WAIT_MAX);
    }
    Ok(call().await?)
}

/// Adds jitter: between half and all of a delay, so that clients do not reconnect simultaneously.
pub(crate) fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(rand::random_range(0.5..1.0))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tokio::time::Instant;
    use tonic::Code;
    use tonic_types::{ErrorDetails, StatusExt as _};

    use super::*;

    #[test]
    fn each_call_names_the_tenant_if_there_is_one() {
        let sent = |tenant: Option<&'static str>| {
            let authorization = MetadataValue::from_static("Bearer x");
            let mut bearer = Bearer { authorization, tenant: tenant.map(MetadataValue::from_static) };
            let metadata = bearer.call(Request::new(())).expect("a request").into_parts().0;
            ["authorization", "storeplane-tenant"].map(|name| metadata.get(name).map(|value| format!("{value:?}")))
        };
        assert_eq!(sent(None), [Some("\"Bearer x\"".to_owned()), None]);
        assert_eq!(sent(Some("acme")), [Some("\"Bearer x\"".to_owned()), Some("\"acme\"".to_owned())]);
        let malformed = Client::to("localhost:1").token("x").tenant("a\nb").client();
        assert!(matches!(malformed, Err(Error::Tenant)));
    }

    async fn tries(answer: impl Fn(u32) -> Result<(), Status>) -> (u32, Result<(), Error>) {
        let mut tried = 0;
        let result = patiently(|| {
            tried += 1;
            std::future::ready(answer(tried))
        })
        .await;
        (tried, result)
    }

    #[tokio::test(start_paused = true)]
    async fn unavailable_server_fails_after_bounded_retries() {
        let began = Instant::now();
        let (tried, result) = tries(|_| Err(Status::unavailable("away"))).await;
        assert_eq!(tried, TRIES);
        assert!(result.expect_err("it is away").is_unavailable());
        let took = began.elapsed().as_secs_f64();
        assert!((5.0..12.0).contains(&took), "{took} s");
    }

    fn limited(delay: Option<Duration>) -> Status {
        limited_by("REQUEST_RATE_EXCEEDED", delay)
    }

    fn limited_by(reason: &str, delay: Option<Duration>) -> Status {
        let mut details = ErrorDetails::with_error_info(reason, "storeplane", HashMap::new());
        if let Some(delay) = delay {
            details.set_retry_info(Some(delay));
        }
        Status::with_error_details(Code::ResourceExhausted, "too many requests", details)
    }

    #[tokio::test(start_paused = true)]
    async fn limit_that_ends_soon_is_waited_for() {
        let delay = Duration::from_secs(3);
        let began = Instant::now();
        let (tried, result) = tries(|tried| if tried < 3 { Err(limited(Some(delay))) } else { Ok(()) }).await;
        assert!(tried == 3 && result.is_ok() && began.elapsed() >= delay * 2, "{:?}", began.elapsed());
        let (tried, result) = tries(|_| Err(limited(Some(delay)))).await;
        assert_eq!((tried, result.expect_err("limited").retry_after()), (TRIES, Some(delay)));
        let (tried, _) = tries(|_| Err(limited_by("DATABASE_TOO_SLOW", Some(delay)))).await;
        assert_eq!(tried, 1, "a query that is too slow is not repeated");
        let quarter = Duration::from_mins(15);
        for (delay, shown) in [(Some(quarter), Some(quarter)), (None, None)] {
            let (tried, result) = tries(|_| Err(limited(delay))).await;
            let error = result.expect_err("limited");
            let reason = Some("REQUEST_RATE_EXCEEDED".to_owned());
            assert_eq!((tried, error.retry_after(), error.reason()), (1, shown, reason), "{delay:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn permanent_errors_are_not_retried_and_success_ends_retries() {
        let (tried, result) = tries(|_| Err(Status::not_found("none"))).await;
        assert_eq!((tried, result.expect_err("refused").is_unavailable()), (1, false));
        let answer = |tried| if tried < 3 { Err(Status::unavailable("away")) } else { Ok(()) };
        let (tried, result) = tries(answer).await;
        assert!(tried == 3 && result.is_ok());
    }
}

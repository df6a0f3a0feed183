//! The builder of a client's connection.

use std::time::Duration;

use storeplane_proto::v1::audit_service_client::AuditServiceClient;
use storeplane_proto::v1::operation_service_client::OperationServiceClient;
use storeplane_proto::v1::platform_service_client::PlatformServiceClient;
use storeplane_proto::v1::store_service_client::StoreServiceClient;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use crate::client::{Bearer, Client};
use crate::error::Error;

/// Idle time after which a keepalive ping is sent.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// Connect timeout.
const CONNECT: Duration = Duration::from_secs(5);
/// Timeout of one attempt of a call; the server's slowest calls take a few seconds.
const ANSWER: Duration = Duration::from_secs(20);

/// Builds a client; see [`Client::to`].
#[derive(Clone)]
pub struct Connect {
    address: String,
    token: String,
    authority: Option<Certificate>,
    answer: Duration,
    gzip: bool,
}

impl std::fmt::Debug for Connect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connect").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Connect {
    pub(crate) fn to(address: &str) -> Self {
        Self { address: address.to_owned(), token: String::new(), authority: None, answer: ANSWER, gzip: false }
    }

    /// The token sent with each call.
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        token.clone_into(&mut self.token);
        self
    }

    /// Trusts only this certificate authority (PEM). Default: the system's authorities.
    #[must_use]
    pub fn authority(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.authority = Some(Certificate::from_pem(pem));
        self
    }

    /// Compresses requests and responses with gzip: less traffic, more CPU time.
    #[must_use]
    pub fn gzip(mut self) -> Self {
        self.gzip = true;
        self
    }

    /// Timeout of one attempt of a call before it is retried (20 s). A watch must begin within it.
    #[must_use]
    pub fn answer_within(mut self, time: Duration) -> Self {
        self.answer = time;
        self
    }

    /// Builds the client. It connects with the first call, and again whenever the connection is lost.
    ///
    /// # Errors
    /// [`Error::Address`], [`Error::Token`] and [`Error::Tls`] if they are malformed.
    pub fn client(self) -> Result<Client, Error> {
        let Self { address, token, authority, answer, gzip } = self;
        let url = if address.contains("://") { address.clone() } else { format!("http://{address}") };
        let mut endpoint = Endpoint::from_shared(url.clone())
            .map_err(|_| Error::Address { address })?
            .connect_timeout(CONNECT)
            .timeout(answer)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_while_idle(true);
        if url.starts_with("https://") {
            let tls = match authority {
                Some(authority) if !has_certificate(&authority) => {
                    return Err(Error::Tls("the authority has no certificate in PEM".into()));
                }
                Some(authority) => ClientTlsConfig::new().ca_certificate(authority),
                None => ClientTlsConfig::new().with_native_roots(),
            };
            endpoint = endpoint.tls_config(tls).map_err(|error| Error::Tls(Box::new(error)))?;
        } else if authority.is_some() {
            return Err(Error::Tls("an authority is of use with https:// only".into()));
        }
        let mut bearer: MetadataValue<Ascii> = format!("Bearer {token}").parse().map_err(|_| Error::Token)?;
        bearer.set_sensitive(true);
        let (channel, bearer) = (endpoint.connect_lazy(), Bearer(bearer));
        let mut client = Client {
            stores: StoreServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            operations: OperationServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            platform: PlatformServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            audit: AuditServiceClient::with_interceptor(channel, bearer),
        };
        if gzip {
            client.stores = client.stores.send_compressed(Gzip).accept_compressed(Gzip);
            client.operations = client.operations.send_compressed(Gzip).accept_compressed(Gzip);
            client.platform = client.platform.send_compressed(Gzip).accept_compressed(Gzip);
            client.audit = client.audit.send_compressed(Gzip).accept_compressed(Gzip);
        }
        Ok(client)
    }
}

/// The transport would accept a PEM file without a certificate, and then trust nobody.
fn has_certificate(authority: &Certificate) -> bool {
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    authority.as_ref().windows(BEGIN.len()).any(|window| window == BEGIN)
}

//! The builder of a client's connection.

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
use tonic::codec::CompressionEncoding::Gzip;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use crate::address::Address;
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
    tenant: Option<String>,
    authority: Option<Certificate>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    insecure_plaintext: bool,
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
        Self {
            address: address.to_owned(),
            token: String::new(),
            tenant: None,
            authority: None,
            identity: None,
            insecure_plaintext: false,
            answer: ANSWER,
            gzip: false,
        }
    }

    /// The token sent with each call.
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        token.clone_into(&mut self.token);
        self
    }

    /// The tenant in which each call acts. Default: the token's own. Another one requires the role `platform_admin`.
    #[must_use]
    pub fn tenant(mut self, tenant: &str) -> Self {
        self.tenant = Some(tenant.to_owned());
        self
    }

    /// Trusts only this certificate authority (PEM). Default: the system's authorities.
    #[must_use]
    pub fn authority(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.authority = Some(Certificate::from_pem(pem));
        self
    }

    /// Presents this certificate (chain) with its key, both PEM, to a server that asks for one.
    #[must_use]
    pub fn identity(mut self, certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.identity = Some((certificate.as_ref().to_vec(), key.as_ref().to_vec()));
        self
    }

    /// Allows sending the token unencrypted to another machine, because something else encrypts the connection: a
    /// service mesh or a tunnel. An address without scheme then means `http`.
    #[must_use]
    pub fn insecure_plaintext(mut self) -> Self {
        self.insecure_plaintext = true;
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
    /// [`Error::Address`], [`Error::Token`], [`Error::Tenant`] and [`Error::Tls`] if they are malformed; [`Error::Plaintext`] if the token
    /// would be sent unencrypted to another machine.
    pub fn client(self) -> Result<Client, Error> {
        let Self { address, token, tenant, authority, identity, insecure_plaintext, answer, gzip } = self;
        let target = Address::parse(&address, insecure_plaintext)?;
        if !target.encrypted && !target.local && !token.is_empty() && !insecure_plaintext {
            return Err(Error::Plaintext { address });
        }
        let mut endpoint = Endpoint::from_shared(target.url)
            .map_err(|_| Error::Address { address })?
            .connect_timeout(CONNECT)
            .timeout(answer)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_while_idle(true);
        if target.encrypted {
            endpoint = endpoint.tls_config(tls(authority, identity)?).map_err(|error| Error::Tls(Box::new(error)))?;
        } else if authority.is_some() || identity.is_some() {
            return Err(Error::Tls("an authority or a client certificate requires https://".into()));
        }
        let mut authorization: MetadataValue<Ascii> = format!("Bearer {token}").parse().map_err(|_| Error::Token)?;
        authorization.set_sensitive(true);
        let tenant = tenant.map(|tenant| tenant.parse()).transpose().map_err(|_| Error::Tenant)?;
        let (channel, bearer) = (endpoint.connect_lazy(), Bearer { authorization, tenant });
        let mut client = Client {
            stores: StoreServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            backups: BackupServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            domains: DomainServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            operations: OperationServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            platform: PlatformServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            audit: AuditServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            tenants: TenantServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            sessions: SessionServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            tokens: TokenServiceClient::with_interceptor(channel, bearer),
        };
        if gzip {
            client.stores = client.stores.send_compressed(Gzip).accept_compressed(Gzip);
            client.backups = client.backups.send_compressed(Gzip).accept_compressed(Gzip);
            client.domains = client.domains.send_compressed(Gzip).accept_compressed(Gzip);
            client.operations = client.operations.send_compressed(Gzip).accept_compressed(Gzip);
            client.platform = client.platform.send_compressed(Gzip).accept_compressed(Gzip);
            client.audit = client.audit.send_compressed(Gzip).accept_compressed(Gzip);
            client.tenants = client.tenants.send_compressed(Gzip).accept_compressed(Gzip);
            client.sessions = client.sessions.send_compressed(Gzip).accept_compressed(Gzip);
            client.tokens = client.tokens.send_compressed(Gzip).accept_compressed(Gzip);
        }
        Ok(client)
    }
}

/// The transport would accept PEM without the wanted section, and then trust nobody, or present nothing.
fn tls(authority: Option<Certificate>, identity: Option<(Vec<u8>, Vec<u8>)>) -> Result<ClientTlsConfig, Error> {
    let mut tls = match authority {
        Some(authority) if !has_section(authority.as_ref(), "CERTIFICATE") => {
            return Err(Error::Tls("the authority has no certificate in PEM".into()));
        }
        Some(authority) => ClientTlsConfig::new().ca_certificate(authority),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    if let Some((certificate, key)) = identity {
        if !has_section(&certificate, "CERTIFICATE") {
            return Err(Error::Tls("the client certificate has no certificate in PEM".into()));
        }
        if !has_section(&key, "PRIVATE KEY") {
            return Err(Error::Tls("the client certificate's key has no private key in PEM".into()));
        }
        tls = tls.identity(Identity::from_pem(certificate, key));
    }
    Ok(tls)
}

/// True if PEM has a section with this title. A key's may have a prefix, such as `EC PRIVATE KEY`; a `TRUSTED CERTIFICATE` is
/// OpenSSL's own format, of which the transport reads nothing.
fn has_section(pem: &[u8], title: &str) -> bool {
    let text = String::from_utf8_lossy(pem);
    let titles = text.lines().filter_map(|line| line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----"));
    let is_key = title == "PRIVATE KEY";
    titles.into_iter().any(|found| found == title || (is_key && found.ends_with(" PRIVATE KEY")))
}

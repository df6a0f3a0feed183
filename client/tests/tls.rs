//! Which servers a client trusts, and what it presents to them.

#![allow(clippy::disallowed_methods, reason = "the scripted server runs beside its test")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test program uses a part of the scripted server")]

mod scripted;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use storeplane_client::{Client, Error};
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

use scripted::ScriptedServer;

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A certificate that it signs, and its key.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let signed = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        (signed.pem(), key.serialize_pem())
    }
}

/// An authority, and a certificate for `localhost` that it signed.
fn authority() -> (Authority, Identity) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    let authority = Authority { pem, issuer: Issuer::new(params, key) };
    let (certificate, key) = authority.sign("localhost");
    (authority, Identity::from_pem(certificate, key))
}

#[tokio::test]
async fn server_certificate_is_verified_against_given_authority_only() {
    let (known, identity) = authority();
    let (stranger, _) = authority();
    let server = Server::builder().tls_config(ServerTlsConfig::new().identity(identity)).unwrap();
    let (address, server) = ScriptedServer::serve([], server).await;
    let url = format!("https://localhost:{}", address.port());

    let client = Client::to(&url).token("token").authority(&known.pem).client().unwrap();
    assert_eq!(client.get_store("tea").await.unwrap().store_id, "tea");
    let client = Client::to(&url).token("token").authority(&stranger.pem).client().unwrap();
    let error = client.get_store("tea").await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    let client = Client::connect(&url, "token");
    // On a system without authorities, the error says so immediately.
    if let Ok(client) = client {
        assert!(client.get_store("tea").await.unwrap_err().is_unavailable(), "the system does not know it");
    }
    assert_eq!(server.gets().len(), 1, "only the trusting client was served");
}

#[tokio::test]
async fn client_certificate_is_presented() {
    let (authority, identity) = authority();
    let tls = ServerTlsConfig::new().identity(identity).client_ca_root(Certificate::from_pem(&authority.pem));
    let (address, server) = ScriptedServer::serve([], Server::builder().tls_config(tls).unwrap()).await;
    let to = || Client::to(&format!("https://localhost:{}", address.port())).token("token").authority(&authority.pem);

    let (certificate, key) = authority.sign("a client");
    let client = to().identity(certificate, key).client().unwrap();
    assert_eq!(client.get_store("tea").await.unwrap().store_id, "tea");
    let without = to().client().unwrap().get_store("tea").await.unwrap_err();
    assert!(without.is_unavailable(), "{without}");
    assert_eq!(server.gets().len(), 1);

    let (certificate, key) = authority.sign("a client");
    for (certificate, key) in [("nonsense", key.as_str()), (certificate.as_str(), "nonsense")] {
        let refused = to().identity(certificate, key).client();
        assert!(matches!(refused, Err(Error::Tls(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn token_is_not_sent_in_plain_text_to_another_machine() {
    for (address, refused) in [
        ("http://shops.test:8080", true),
        ("http://192.0.2.1", true),
        ("http://127.0.0.1:8080", false),
        ("http://localhost:8080", false),
        ("shops.test:8080", false),
        ("https://shops.test", false),
    ] {
        let client = Client::connect(address, "token");
        assert_eq!(matches!(client, Err(Error::Plaintext { .. })), refused, "{address}: {client:?}");
        if let Err(error @ Error::Plaintext { .. }) = client {
            assert!(error.to_string().contains(address) && error.to_string().contains("https://"), "{error}");
            assert!(Client::to(address).token("token").insecure_plaintext().client().is_ok());
            assert!(Client::to(address).client().is_ok(), "without a token");
        }
    }
}

#[tokio::test]
async fn invalid_authority_is_rejected_immediately() {
    let (known, _) = authority();
    let openssl = known.pem.replace(" CERTIFICATE-----", " TRUSTED CERTIFICATE-----");
    for invalid in ["nonsense", &openssl] {
        let client = Client::to("https://localhost:1").token("token").authority(invalid).client();
        assert!(matches!(client, Err(Error::Tls(_))), "{invalid}: {client:?}");
    }
    let plain = Client::to("http://localhost:1").token("token").authority(known.pem).client();
    assert!(matches!(plain, Err(Error::Tls(_))), "an authority is of no use without TLS: {plain:?}");
}

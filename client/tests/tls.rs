//! Which servers a client trusts.

#![allow(clippy::disallowed_methods, reason = "the scripted server runs beside its test")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test program uses a part of the scripted server")]

mod scripted;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use storeplane_client::{Client, Error};
use tonic::transport::{Identity, Server, ServerTlsConfig};

use scripted::ScriptedServer;

/// An authority, and a certificate for `localhost` that it signed.
fn authority() -> (String, Identity) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let signed = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    (root.pem(), Identity::from_pem(signed.pem(), key.serialize_pem()))
}

#[tokio::test]
async fn server_certificate_is_verified_against_given_authority_only() {
    let (known, identity) = authority();
    let (stranger, _) = authority();
    let server = Server::builder().tls_config(ServerTlsConfig::new().identity(identity)).unwrap();
    let (address, server) = ScriptedServer::serve([], server).await;
    let url = format!("https://localhost:{}", address.port());

    let client = Client::to(&url).token("token").authority(&known).client().unwrap();
    assert_eq!(client.get_store("tea").await.unwrap().store_id, "tea");
    let client = Client::to(&url).token("token").authority(&stranger).client().unwrap();
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
async fn invalid_authority_is_rejected_immediately() {
    let nonsense = Client::to("https://localhost:1").token("token").authority("nonsense").client();
    assert!(matches!(nonsense, Err(Error::Tls(_))), "{nonsense:?}");
    let (known, _) = authority();
    let plain = Client::to("http://localhost:1").token("token").authority(known).client();
    assert!(matches!(plain, Err(Error::Tls(_))), "an authority is of no use without TLS: {plain:?}");
}

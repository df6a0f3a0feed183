//! TLS of the API: every protocol over it, client certificates, and a renewed certificate.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use rustls::version::TLS13;
use storeplane_client::{Change, Client};
use storeplane_proto::v1::{GetStoreRequest, Store};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::connections::kept;
use crate::grpc_raw::{Answer, edge_setup, exchange, frame, http};
use crate::harness::{Authority, Database, Lab, Pair, fresh, in_days};

/// Longer than a poll of the files on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// The files of a server's certificate.
struct Files {
    dir: tempfile::TempDir,
}

impl Files {
    fn new(pair: &Pair) -> Self {
        let files = Self { dir: tempfile::tempdir().unwrap() };
        files.replace(pair);
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn replace(&self, pair: &Pair) {
        std::fs::write(self.path("tls.crt"), &pair.certificate).unwrap();
        std::fs::write(self.path("tls.key"), &pair.key).unwrap();
    }
}

/// A server with these files and further settings.
async fn serve(files: &Files, settings: &[(&str, &str)]) -> (Lab, String) {
    let mut setup = edge_setup()
        .with("STOREPLANE_TLS_CERTIFICATE", files.text("tls.crt"))
        .with("STOREPLANE_TLS_KEY", files.text("tls.key"));
    for (name, value) in settings {
        setup = setup.with(name, *value);
    }
    let database = Database::create().await;
    let token = database.token("default", "admin").await;
    (setup.start_on(database).await, token)
}

fn url(lab: &Lab) -> String {
    format!("https://localhost:{}", lab.server.address().port())
}

fn tea() -> Store {
    Store { display_name: "Tea".into(), admin_email: "owner@example.com".into(), ..Store::default() }
}

/// A request over HTTP/1.1 and TLS.
async fn https(
    to: SocketAddr,
    tls: &TlsConnector,
    line: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Answer, std::io::Error> {
    let stream = TcpStream::connect(to).await?;
    let stream = tls.connect("localhost".try_into().unwrap(), stream).await?;
    exchange(stream, to, line, headers, body).await
}

#[tokio::test]
async fn every_protocol_works_over_tls_with_client_certificates() {
    let authority = Authority::new();
    let end = in_days(90);
    let files = Files::new(&authority.sign("localhost", end));
    std::fs::write(files.path("ca.crt"), &authority.pem).unwrap();
    let probes = free_address();
    let (lab, token) = serve(
        &files,
        &[
            ("STOREPLANE_TLS_CLIENT_CA", &files.text("ca.crt")),
            ("STOREPLANE_HEALTH_LISTEN", &probes.to_string()),
            ("STOREPLANE_CONNECTIONS_FIRST_REQUEST_SECONDS", "2"),
        ],
    )
    .await;
    let (to, id, identity) = (lab.server.address(), fresh("tls"), authority.sign("a client", in_days(90)));

    // gRPC over HTTP/2.
    let connect = || Client::to(&url(&lab)).token(&token).authority(&authority.pem);
    let client = connect().identity(&identity.certificate, &identity.key).client().unwrap();
    client.create_store(&id, tea()).await.unwrap();
    let peer = lab.database.value("SELECT peer FROM audit_events WHERE action = 'CREATE_STORE'").await;
    assert_eq!(peer, "127.0.0.1", "the audit log has the address of an encrypted connection");
    assert_eq!(client.get_store(&id).await.unwrap().store_id, id);
    let error = connect().client().unwrap().get_store(&id).await.unwrap_err();
    assert!(error.is_unavailable(), "without a certificate: {error}");

    // grpc-web, Connect and pages over HTTP/1.1.
    let connector = |identity| TlsConnector::from(Arc::new(authority.client(identity, &[&TLS13], &["http/1.1"])));
    let (tls, authorization) = (connector(Some(&identity)), format!("Bearer {token}"));
    let known = ("authorization", authorization.as_str());
    let wanted = GetStoreRequest { store_id: id.clone(), ..GetStoreRequest::default() };
    let line = "POST /storeplane.v1.StoreService/GetStore";
    let web = [("content-type", "application/grpc-web+proto"), known];
    let answer = https(to, &tls, line, &web, &frame(&wanted)).await.unwrap();
    let (messages, trailers) = answer.frames::<Store>();
    assert_eq!((messages[0].store_id.as_str(), trailers["grpc-status"].as_str()), (id.as_str(), "0"));
    let json = [("content-type", "application/json"), known];
    let answer = https(to, &tls, line, &json, format!(r#"{{"storeId":"{id}"}}"#).as_bytes()).await.unwrap();
    assert_eq!((answer.status, answer.json()["storeId"].as_str()), (200, Some(id.as_str())));
    let ready = https(to, &tls, "GET /readyz", &[], b"").await.unwrap();
    let expires = ready.json()["tls"]["certificate_expires"].as_str().unwrap().to_owned();
    assert_eq!(OffsetDateTime::parse(&expires, &Rfc3339).unwrap().unix_timestamp(), end.unix_timestamp());
    assert!(https(to, &connector(None), "GET /readyz", &[], b"").await.is_err(), "without a certificate");

    // Health probes have no certificate, and their port serves nothing else.
    let status = async |line| http(probes, line, &[], b"").await.status;
    assert_eq!((status("GET /healthz").await, status("GET /readyz").await), (200, 200));
    assert_eq!((status("GET /").await, status(line).await), (404, 404));

    // A handshake that is not completed ends with the time limit of the first request.
    let (nothing, half) = tokio::join!(kept(to, b""), kept(to, &[22, 3, 1, 2, 0, 1]));
    for (what, kept) in [("nothing", nothing), ("half a handshake", half)] {
        assert!((1.5..30.0).contains(&kept.as_secs_f64()), "{what}: {kept:?}");
    }
}

fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Waits until new connections are served with a certificate of this authority.
async fn until_served(client: impl Fn() -> Client, id: &str, lab: &Lab) {
    let began = Instant::now();
    while client().get_store(id).await.is_err() {
        assert!(began.elapsed() < PATIENCE, "the certificate is not used:\n{}", lab.server.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn renewed_certificate_is_used_without_ending_open_connections() {
    let (old, new) = (Authority::new(), Authority::new());
    let files = Files::new(&old.sign("localhost", in_days(10)));
    let (lab, token) = serve(&files, &[]).await;
    assert!(lab.server.log().contains("the TLS certificate expires soon"), "{}", lab.server.log());
    let connect =
        |authority: &Authority| Client::to(&url(&lab)).token(&token).authority(&authority.pem).client().unwrap();
    let (before, id) = (connect(&old), fresh("renewed"));
    before.create_store(&id, tea()).await.unwrap();
    let mut watch = before.watch(&id, 0);
    while !matches!(watch.next().await.unwrap().unwrap(), Change::CaughtUp) {}

    files.replace(&new.sign("localhost", in_days(90)));
    until_served(|| connect(&new), &id, &lab).await;

    // It cannot have reconnected: the new certificate is of an authority that it does not know.
    connect(&new).delete_store(&id).await.unwrap();
    let event = tokio::time::timeout(PATIENCE, watch.next()).await.expect("an event").unwrap().unwrap();
    assert!(matches!(event, Change::Event(..)), "{event:?}");

    // A key that is not the certificate's.
    std::fs::write(files.path("tls.key"), old.sign("localhost", in_days(90)).key).unwrap();
    let began = Instant::now();
    while !lab.server.log().contains("the previous one stays in use") {
        assert!(began.elapsed() < PATIENCE, "{}", lab.server.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    until_served(|| connect(&new), &id, &lab).await;
    assert!(!lab.server.log().contains("PRIVATE KEY"));
}

#[test]
fn plain_text_beyond_loopback_is_refused_and_other_commands_are_not_affected() {
    let charts = crate::harness::charts();
    let run = |command: &str, settings: &[(&str, &str)]| {
        let common = [
            ("STOREPLANE_LISTEN", "0.0.0.0:0"),
            ("STOREPLANE_CHARTS_DIR", charts.to_str().unwrap()),
            ("STOREPLANE_DEFAULT_ENGINE", crate::harness::DEFAULT_ENGINE),
            ("DATABASE_URL", "postgres://u:hunter2@db.test/a"),
        ];
        let output = crate::command_line::run(&[command], &[&common, settings].concat());
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, _, error) = run("serve", &[]);
    assert_eq!(code, Some(1), "{error}");
    for remedy in ["0.0.0.0", "STOREPLANE_TLS_CERTIFICATE", "STOREPLANE_TLS_KEY", "--insecure-plaintext"] {
        assert!(error.contains(remedy), "{error}");
    }
    let missing = [("STOREPLANE_TLS_CERTIFICATE", "/no/such/tls.crt"), ("STOREPLANE_TLS_KEY", "/no/such/tls.key")];
    let (code, _, error) = run("serve", &missing);
    assert!(code == Some(1) && error.contains("tls.certificate: /no/such/tls.crt"), "{error}");

    let (code, printed, error) = run("config", &[("STOREPLANE_INSECURE_PLAINTEXT", "true")]);
    assert_eq!(code, Some(0), "{error}");
    assert!(printed.contains("# warning: database.url: ") && printed.contains("sslmode=verify-full"), "{printed}");
    let table: toml::Table = printed.parse().expect("TOML");
    assert_eq!(table["insecure_plaintext"].as_bool(), Some(true));
}

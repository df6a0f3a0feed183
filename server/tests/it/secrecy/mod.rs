//! Secrets stay where they belong: the whole life of stores, tokens and sessions with the log at level trace, and then a search for every
//! known value in everything that was written.
//!
//! [`search`]: the forms of a value, and where it may be. [`sampler`]: processes and files while the server works. [`backups`]: the same for a
//! backup.

mod backups;
mod sampler;
mod search;

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use rustls::version::TLS13;
use serde_json::{Value, json};
use storeplane_core::identity::Role;
use storeplane_proto::v1::{
    CreateTokenRequest, GetOverviewRequest, GetStoreCredentialsRequest, GetStoreLogsRequest, ListAuditEventsRequest,
    RevokeTokenRequest, RotateTokenRequest, Smtp, Store, StoreState, WatchStoresRequest, watch_stores_response,
};
use storeplane_server::secret::SecretText;
use tokio_rustls::TlsConnector;
use tonic::Status;

use self::sampler::{Sampler, files};
use self::search::{Places, Secret, leaks};
use crate::command_line::run;
use crate::failures::{OVER_QUOTA, charts_with_plan, with_plan};
use crate::grpc_raw::{edge_setup, exchange, http};
use crate::harness::{Api, Authority, CLIENT, Collector, Issuer, Lab, Server, Setup, fresh, in_days, print_line};
use crate::metrics::with_metrics;
use crate::sessions::{approve, call_back, post, sign_in};
use crate::smtp;

/// The Secrets of a store, with the keys whose values are secret.
const STORE_SECRETS: [(&str, &str); 5] = [
    ("store-db", "password"),
    ("store-db", "root-password"),
    ("store-admin", "password"),
    ("store-salts", "AUTH_KEY"),
    ("store-salts", "NONCE_SALT"),
];

/// What the server gets from files.
struct Files {
    dir: tempfile::TempDir,
    authority: Authority,
    tls_key: String,
    audit_key: String,
}

impl Files {
    fn new(issuer: &Issuer) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let pair = authority.sign("localhost", in_days(90));
        let document = ring::signature::Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
        let audit_key = base64_of(document.as_ref());
        let files = Self { dir, authority, tls_key: pair.key.clone(), audit_key };
        let write = |name: &str, text: &str| std::fs::write(files.path(name), text).unwrap();
        write("tls.crt", &pair.certificate);
        write("tls.key", &pair.key);
        write("audit.pem", &format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", files.audit_key));
        write("client-secret", CLIENT.1);
        let client =
            format!("[oidc.client]\nclient_id = '{}'\nsecret_file = '{}'\n", CLIENT.0, files.path("client-secret"));
        let configuration = format!("public_url = 'http://localhost:7'\n{}\n{client}", issuer.configuration());
        write("storeplane.toml", &configuration);
        files
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }
}

fn base64_of(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// The body of a PEM block without its first characters, which are the same in all keys of a kind.
fn pem_body(pem: &str) -> String {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    body[body.len() / 2..].to_owned()
}

/// Known values, and errors that callers got.
struct Known {
    secrets: Vec<Secret>,
    errors: Vec<Status>,
    /// Answers in which none may be.
    answers: Places,
}

impl Known {
    fn add(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.secrets.push(Secret::new(name, value));
    }

    async fn add_store(&mut self, lab: &Lab, store: &Store, when: &str) {
        for (name, key) in STORE_SECRETS {
            let secret = lab.kubernetes.cluster.read_secret(&store.namespace, name, key).await.unwrap();
            let secret = secret.map(|secret: SecretText| secret.expose().to_owned()).expect("the Secret exists");
            self.add(&format!("{name}/{key} {when}"), secret);
        }
    }

    fn refused<T: std::fmt::Debug>(&mut self, answer: Result<T, Status>) {
        self.errors.push(answer.expect_err("it is refused"));
    }
}

/// Keys and passwords that exist before the first request.
async fn configured(known: &mut Known, lab: &Lab, files: &Files, kubeconfig: &Path) {
    known.add("OIDC client secret", CLIENT.1);
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    known.add("OIDC client's basic authentication", format!("{}:{}", encoded(CLIENT.0), encoded(CLIENT.1)));
    known.add("TLS key", pem_body(&files.tls_key));
    known.add("audit signing key", pem_body(&files.audit_key));
    let url = url::Url::parse(&lab.database.url).unwrap();
    known.add("database password", url.password().unwrap());
    for (name, key) in [("cursor", "cursor key"), ("audit", "default audit key")] {
        let hex =
            lab.database.value(&format!("SELECT encode(key, 'hex') FROM server_keys WHERE name = '{name}'")).await;
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        known.add(key, bytes);
    }
    let kubeconfig = std::fs::read_to_string(kubeconfig).unwrap();
    let credential = regex::Regex::new(r#"\b(?:token|client-key-data)"?: *"?([\w+/=.-]{40,})"#).unwrap();
    let credential = credential.captures(&kubeconfig).expect("a credential").get(1).unwrap().as_str();
    known.add("credential for the cluster", &credential[credential.len() / 2..]);
}

/// Tokens, sign-in by code and by the provider, and what is refused.
async fn identities(known: &mut Known, lab: &Lab, issuer: &Issuer, admin: &str) {
    let (to, tokens) = (lab.server.address(), &lab.api.tokens);
    known.add("token of the command line", admin);
    let named = CreateTokenRequest { name: "ci".into(), role: "operator".into(), ..CreateTokenRequest::default() };
    let made = tokens.clone().create_token(named.clone()).await.unwrap().into_inner();
    known.add("created token", made.secret.clone());
    let token_id = made.token.unwrap().token_id;
    known.refused(tokens.clone().create_token(named).await);
    let own = Api::connect(to, &made.secret);
    own.platform.clone().get_overview(GetOverviewRequest::default()).await.unwrap();
    let rotate = RotateTokenRequest { token_id: token_id.clone(), ..RotateTokenRequest::default() };
    let rotated = tokens.clone().rotate_token(rotate).await.unwrap().into_inner().secret;
    known.add("rotated token", rotated.clone());
    Api::connect(to, &rotated).platform.clone().get_overview(GetOverviewRequest::default()).await.unwrap();
    tokens.clone().revoke_token(RevokeTokenRequest { token_id, ..RevokeTokenRequest::default() }).await.unwrap();

    let environment = [("DATABASE_URL", lab.database.url.as_str()), ("STOREPLANE_TOKEN", admin)];
    let output = run(&["token", "code"], &environment);
    let code = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    known.add("one-time code", code.clone());
    let cookie = sign_in(to, &json!({"code": code})).await;
    known.add("session by code", cookie.split_once('=').unwrap().1);
    for credentials in [json!({"code": code}), json!({"token": "spt_wrong"}), json!({"token": rotated, "code": code})] {
        let answer = post(to, "/auth/session", "", &credentials).await;
        assert_ne!(answer.status, 200);
        let text = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body));
        known.answers.push(("refused sign-in".to_owned(), text));
    }
    let overview = "/storeplane.v1.PlatformService/GetOverview";
    assert_eq!(post(to, overview, &cookie, &Value::Object(serde_json::Map::new())).await.status, 200);

    let (back, attempt) = approve(to, "/stores").await;
    let url = url::Url::parse(&format!("http://localhost{back}")).unwrap();
    let parameter = |wanted: &str| url.query_pairs().find(|(name, _)| name == wanted).unwrap().1.into_owned();
    known.add("authorization code", parameter("code"));
    known.add("secret of a sign-in", attempt.split_once('=').unwrap().1);
    let answer = call_back(to, &back, &attempt).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let session = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    known.add("session by the provider", session.split_once('=').unwrap().1);
    assert_eq!(post(to, "/auth/logout", &session, &json!({})).await.status, 204);

    let bearer = issuer.sign(&issuer.claims(300));
    let alice = Api::connect(to, &bearer);
    alice.platform.clone().get_overview(GetOverviewRequest::default()).await.unwrap();
    // Its signature: header and claims are no secret.
    known.add("JSON Web Token", bearer.rsplit_once('.').unwrap().1);
    let unknown = format!("spt_{}", "q".repeat(50));
    for token in [unknown.as_str(), &format!("{bearer}x"), "Basic c29tZWJvZHk6c29tZXRoaW5n"] {
        known.refused(Api::connect(to, token).get("tea").await);
    }
    known.add("unknown token", unknown);
}

/// The life of a store, and the failure of another one.
async fn stores(known: &mut Known, lab: &Lab) {
    let (id, api) = (fresh("secret"), &lab.api);
    let store = api.ready(&id).await;
    known.add_store(lab, &store, "at first").await;
    let credentials = GetStoreCredentialsRequest { store_id: id.clone(), ..GetStoreCredentialsRequest::default() };
    let login = api.stores.clone().get_store_credentials(credentials.clone()).await.unwrap().into_inner();
    known.add("password as it was returned", login.password);
    let logs = GetStoreLogsRequest { store_id: id.clone(), ..GetStoreLogsRequest::default() };
    let logs = api.stores.clone().get_store_logs(logs).await.unwrap().into_inner();
    known.answers.push(("logs of a store".to_owned(), format!("{logs:?}")));
    let (password, anonymous) = ("mail.pass/word+of=a&store", String::new());
    known.add("password of a mail server", password);
    let login =
        |username| Smtp { username, host: "smtp.example.com".into(), password: password.into(), ..Smtp::default() };
    known.refused(api.stores.clone().update_store(smtp::wanted(&id, Some(login(anonymous)))).await);
    api.stores.clone().update_store(smtp::wanted(&id, Some(login("shop".to_owned())))).await.unwrap();
    assert_eq!(api.settle(&id).await.0.state(), StoreState::Ready);
    api.rotate_credentials(&id).await.unwrap();
    let (rotated, seen) = api.settle(&id).await;
    assert_eq!(rotated.state(), StoreState::Ready, "{}", seen.text());
    known.add_store(lab, &store, "after the rotation").await;
    known.refused(api.create(Api::wanted(&id)).await);

    let broken = fresh("broken");
    api.create(with_plan(&broken, "broken")).await.unwrap();
    let (failed, seen) = api.settle(&broken).await;
    assert_eq!(failed.reason, "QUOTA_EXCEEDED", "{}", seen.text());
    known.add_store(lab, &failed, "of the failed store").await;
    api.retry(&broken).await.unwrap();
    assert_eq!(api.settle(&broken).await.0.reason, "QUOTA_EXCEEDED");
    for id in [&id, &broken] {
        api.delete(id).await.unwrap();
        assert_eq!(api.settle(id).await.0.state(), StoreState::Deleted);
    }
    known.refused(api.get("no-such-store").await);
    known.refused(api.stores.clone().get_store_credentials(credentials).await);
}

/// All events, as a watch returns them.
async fn events(lab: &Lab) -> String {
    let mut watch = lab.api.stores.clone().watch_stores(WatchStoresRequest::default()).await.unwrap().into_inner();
    let mut text = String::new();
    while let Some(message) = watch.message().await.unwrap() {
        writeln!(text, "{message:?}").unwrap();
        if matches!(message.update, Some(watch_stores_response::Update::CaughtUp(_))) {
            break;
        }
    }
    text
}

/// Every row of every table.
async fn rows(lab: &Lab) -> Places {
    let tables = "SELECT string_agg(tablename, ',' ORDER BY tablename) FROM pg_tables WHERE schemaname = 'public'";
    let mut places = Places::new();
    for table in lab.database.value(tables).await.split(',') {
        let sql = format!("SELECT string_agg(t::text, E'\\n') FROM \"{table}\" t");
        places.push((format!("table {table}"), lab.database.value(&sql).await));
    }
    places
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "each place that is searched is a line or two")]
async fn no_secret_is_anywhere_but_where_it_belongs() {
    let (issuer, collector) = (Issuer::start().await, Collector::default());
    let (files_given, charts) = (Files::new(&issuer), charts_with_plan("broken", OVER_QUOTA));
    let (endpoint, collecting) = collector.serve().await;
    let (setup, metrics) = with_metrics(Setup { charts: charts.path().to_owned(), ..Setup::default() });
    let setup = setup
        .with("STOREPLANE_LOG", "trace")
        .with("STOREPLANE_CONFIG", files_given.path("storeplane.toml"))
        .with("STOREPLANE_AUDIT_SIGNING_KEY_FILE", files_given.path("audit.pem"))
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    let kubeconfig = setup.kubeconfig.clone();
    let mut lab = setup.start().await;
    let (pid, directory) = (lab.server.pid(), lab.server.dir().to_owned());
    let sampler = Sampler::start(pid, directory.clone());
    let mut known = Known { secrets: Vec::new(), errors: Vec::new(), answers: Places::new() };
    configured(&mut known, &lab, &files_given, &kubeconfig).await;
    let (_, admin) = lab.database.issue("default", Role::Admin, "ada").await;
    identities(&mut known, &lab, &issuer, &admin).await;
    stores(&mut known, &lab).await;

    let mut places = vec![("events".to_owned(), events(&lab).await)];
    let listed = ListAuditEventsRequest { page_size: 1000, ..ListAuditEventsRequest::default() };
    let listed = lab.api.audit.clone().list_audit_events(listed).await.unwrap().into_inner();
    places.push(("audit records".to_owned(), format!("{listed:?}")));
    let exported = run(&["audit", "export", "--tenant", "default"], &[("DATABASE_URL", lab.database.url.as_str())]);
    places.push(("audit export".to_owned(), String::from_utf8_lossy(&exported.stdout).into_owned()));
    places.push(("errors".to_owned(), format!("{:?}", known.errors)));
    places.append(&mut known.answers);
    let page = http(metrics, "GET /metrics", &[], b"").await.body;
    places.push(("metrics".to_owned(), String::from_utf8(page).unwrap()));
    for (file, what) in [("cmdline", "arguments"), ("environ", "environment")] {
        let text = String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/{file}")).unwrap()).into_owned();
        places.push((format!("{what} of the server"), text));
    }
    let own = places.len();
    places.extend(sampler.stop());
    let while_running = places[own..].to_vec();
    // A server that speaks TLS, on the same database.
    let tls = edge_setup()
        .with("STOREPLANE_LOG", "trace")
        .with("STOREPLANE_TLS_CERTIFICATE", files_given.path("tls.crt"))
        .with("STOREPLANE_TLS_KEY", files_given.path("tls.key"));
    let encrypted = Server::start(&tls, &lab.database).await;
    let client = files_given.authority.client(None, &[&TLS13], &["http/1.1"]);
    let stream = tokio::net::TcpStream::connect(encrypted.address()).await.unwrap();
    let stream = TlsConnector::from(Arc::new(client)).connect("localhost".try_into().unwrap(), stream).await.unwrap();
    let overview = "POST /storeplane.v1.PlatformService/GetOverview";
    let bearer = format!("Bearer {admin}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let answer = exchange(stream, encrypted.address(), overview, &headers, b"{}").await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    places.push(("log of the server with TLS".to_owned(), encrypted.log()));
    drop(encrypted);
    // The last spans are exported when it stops.
    lab.server.terminate().await;
    places.push(("log".to_owned(), lab.server.log()));
    places.push(("spans".to_owned(), format!("{:?}", collector.spans())));
    files(&directory, u64::MAX, &mut |path, text| places.push((format!("file {}", path.display()), text)));
    places.extend(rows(&lab).await);
    collecting.abort();

    // The search has something to search.
    for wanted in [
        "events",
        "audit records",
        "audit export",
        "errors",
        "refused sign-in",
        "metrics",
        "log",
        "spans",
        "table tokens",
    ] {
        let there = places.iter().filter(|(place, _)| place.starts_with(wanted));
        assert!(there.map(|(_, text)| text.len()).sum::<usize>() > 100, "{wanted} is empty");
    }
    // Of h2 on both sides and of hyper's client, which would show headers and bodies, if any library does.
    for wanted in ["peer=Server", "peer=Client", "reuse idle connection"] {
        assert!(lab.server.log().contains(wanted), "the log has no {wanted:?}: it is not that of all libraries");
    }
    for wanted in ["arguments of a process below", "environment of a process below", "file"] {
        assert!(while_running.iter().any(|(place, _)| place.starts_with(wanted)), "no {wanted} was seen");
    }
    assert!(while_running.iter().any(|(_, text)| text.contains("install\n")), "helm was seen");
    let found = leaks(&known.secrets, &places);
    let sizes: usize = places.iter().map(|(_, text)| text.len()).sum();
    print_line(&format!(
        "searched {} values in {} places: {} MB, of which the log has {} MB in {} lines; {} found",
        known.secrets.len(),
        places.len(),
        sizes >> 20,
        lab.server.log().len() >> 20,
        lab.server.log().lines().count(),
        found.len()
    ));
    assert!(found.is_empty(), "{} leaks:\n{}", found.len(), found.join("\n"));

    planted_values_are_found(&known.secrets, &lab, places).await;
}

/// Whatever is put somewhere is found, in every form.
async fn planted_values_are_found(secrets: &[Secret], lab: &Lab, places: Places) {
    let secret = &secrets[0];
    let mut places: Places = places.into_iter().map(|(place, _)| (place, String::new())).collect();
    places.sort();
    places.dedup();
    for (form, value) in secret.forms() {
        for (place, text) in &mut places {
            *text = format!("before {value} after");
            assert!(
                !leaks(std::slice::from_ref(secret), &vec![(place.clone(), text.clone())]).is_empty(),
                "{form} in {place}"
            );
        }
    }
    lab.database.execute(&format!("CREATE TABLE planted AS SELECT convert_to('{}', 'UTF8') AS bytes", CLIENT.1)).await;
    std::fs::write(lab.server.dir().join("planted"), CLIENT.1).unwrap();
    let mut planted = rows(lab).await;
    files(lab.server.dir(), u64::MAX, &mut |path, text| planted.push((format!("file {}", path.display()), text)));
    let found = leaks(std::slice::from_ref(secret), &planted);
    assert_eq!(found.len(), 2, "{found:?}");
}

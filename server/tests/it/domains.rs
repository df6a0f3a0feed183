//! Custom domains: claimed, proved with a record in a real DNS message, served, and released.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use k8s_openapi::api::networking::v1::Ingress;
use kube::Api as Objects;
use kube::api::PostParams;
use prost_types::FieldMask;
use serde_json::json;
use storeplane_proto::v1::{
    CreateDomainRequest, DeleteDomainRequest, DomainCertificateState, DomainDnsState, DomainOwnershipState,
    GetDomainRequest, ListDomainsRequest, ListStoreRevisionsRequest, RollbackStoreRequest, Store, StoreDomain,
    StoreState, UpdateStoreRequest, VerifyDomainRequest,
};
use tonic::{Response, Status};
use uuid::Uuid;

use crate::harness::{Api, DnsServer, Lab, Setup, fields, fresh, reason};

/// Longer than the updates of a shop take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);
/// Where the test's domains must point.
const TARGET: &str = "192.0.2.7";

/// A request for a domain.
pub(crate) fn claim(store: &str, domain: &str) -> CreateDomainRequest {
    CreateDomainRequest { store_id: store.into(), domain: domain.into(), ..CreateDomainRequest::default() }
}

async fn create(api: &Api, store: &str, domain: &str) -> Result<StoreDomain, Status> {
    api.domains.clone().create_domain(claim(store, domain)).await.map(Response::into_inner)
}

async fn get(api: &Api, store: &str, domain: &str) -> Result<StoreDomain, Status> {
    let request = GetDomainRequest { store_id: store.into(), domain: domain.into(), ..Default::default() };
    api.domains.clone().get_domain(request).await.map(Response::into_inner)
}

async fn verify(api: &Api, store: &str, domain: &str) -> Result<StoreDomain, Status> {
    let request = VerifyDomainRequest { store_id: store.into(), domain: domain.into(), ..Default::default() };
    api.domains.clone().verify_domain(request).await.map(Response::into_inner)
}

async fn delete(api: &Api, store: &str, domain: &str) -> Result<StoreDomain, Status> {
    let request = DeleteDomainRequest { store_id: store.into(), domain: domain.into(), ..Default::default() };
    api.domains.clone().delete_domain(request).await.map(Response::into_inner)
}

async fn make_primary(api: &Api, store: &str, domain: &str, validate_only: bool) -> Result<Store, Status> {
    let request = UpdateStoreRequest {
        store_id: store.into(),
        store: Some(Store { primary_domain: domain.into(), ..Store::default() }),
        update_mask: Some(FieldMask { paths: vec!["primary_domain".into()] }),
        validate_only,
        ..UpdateStoreRequest::default()
    };
    api.stores.clone().update_store(request).await.map(Response::into_inner)
}

/// The state of a domain's ownership, and its reason.
fn ownership(domain: &StoreDomain) -> (DomainOwnershipState, &str) {
    let ownership = domain.ownership.as_ref().expect("ownership");
    (ownership.state(), &ownership.reason)
}

fn challenge(domain: &StoreDomain) -> (String, String) {
    let record = domain.verification_record.clone().expect("a record");
    (record.name, record.value)
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "it does not become true that {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The store once its shop serves these domains.
async fn serving(api: &Api, store: &str, domains: &[&str]) -> Store {
    until("the shop serves its domains", async || {
        let store = api.get(store).await.expect("a store");
        store.domains == domains && store.state() == StoreState::Ready
    })
    .await;
    api.get(store).await.expect("a store")
}

/// The host names in the Ingress of domains; none if there is no such Ingress.
async fn ingress_hosts(lab: &Lab, namespace: &str) -> Vec<String> {
    let ingresses = Objects::<Ingress>::namespaced(lab.kubernetes.client().await, namespace);
    let found = ingresses.get_opt("store-domains").await.expect("an answer");
    let rules = found.and_then(|ingress| ingress.spec?.rules).unwrap_or_default();
    rules.into_iter().filter_map(|rule| rule.host).collect()
}

/// A server that asks this DNS server, with shops that have TLS.
async fn lab(dns: &DnsServer, folder: &tempfile::TempDir) -> Lab {
    let (config, tls) = (folder.path().join("storeplane.toml"), folder.path().join("tls.yaml"));
    std::fs::write(&tls, "ingress: {tls: {enabled: true, secretName: wildcard}}\n").expect("written");
    let domains = format!("[domains]\nresolvers = ['{}']\ntargets = ['{TARGET}']\nmax_per_store = 3\n", dns.address);
    std::fs::write(&config, domains).expect("written");
    let values = format!("values-local.yaml,{}", tls.display());
    Setup::default()
        .with("STOREPLANE_CHART_VALUES", values)
        .with("STOREPLANE_CONFIG", config.display().to_string())
        .start()
        .await
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one domain, from the claim to its release")]
async fn domain_belongs_to_the_store_whose_owner_proved_it() {
    let (dns, folder) = (DnsServer::start().await, tempfile::tempdir().expect("a directory"));
    let lab = lab(&dns, &folder).await;
    let other = Api::connect(lab.server.address(), &lab.database.token("acme", "operator").await);
    let (api, ours, theirs) = (&lab.api, fresh("ours"), fresh("theirs"));
    let (store, rival) = tokio::join!(api.ready(&ours), other.ready(&theirs));
    let domain = &*format!("{}.example.com", fresh("shop"));

    // Names that nobody may have, and requests for what is not there.
    for name in
        ["", "*.example.com", "127.0.0.1", "Shop.example.com", "a.localhost", "a b.example.com", "x'--.example.com"]
    {
        let refused = create(api, &ours, name).await.expect_err(name);
        assert_eq!(fields(&refused), ["domain"], "{name}");
    }
    assert_eq!(reason(&create(api, "nobody", domain).await.unwrap_err()), "STORE_NOT_FOUND");
    assert_eq!(reason(&verify(api, &ours, domain).await.unwrap_err()), "DOMAIN_NOT_FOUND");

    // A claim blocks nobody, and shows nothing of other tenants.
    let request_id = Uuid::now_v7().to_string();
    let request =
        CreateDomainRequest { store_id: ours.clone(), domain: domain.into(), request_id, ..Default::default() };
    let planned = CreateDomainRequest { validate_only: true, ..request.clone() };
    let planned = api.domains.clone().create_domain(planned).await.unwrap().into_inner();
    assert!(challenge(&planned).1.is_empty());
    let claimed = api.domains.clone().create_domain(request.clone()).await.unwrap().into_inner();
    assert_eq!(api.domains.clone().create_domain(request).await.unwrap().into_inner(), claimed, "the same request");
    assert_eq!(reason(&create(api, &ours, domain).await.unwrap_err()), "DOMAIN_ALREADY_EXISTS");
    assert_eq!(claimed.address_records[0].value, TARGET);
    let claim = create(&other, &theirs, domain).await.unwrap();
    assert_ne!(challenge(&claim).1, challenge(&claimed).1);
    for refused in [
        get(&other, &ours, domain).await.map(drop),
        delete(&other, &ours, domain).await.map(drop),
        verify(&other, &ours, domain).await.map(drop),
        create(&other, &ours, "more.example.com").await.map(drop),
    ] {
        assert_eq!(reason(&refused.unwrap_err()), "STORE_NOT_FOUND");
    }

    // The record decides. Until then, nothing is said about where the name points.
    dns.addresses(domain, &[TARGET]);
    let pending = verify(api, &ours, domain).await.unwrap();
    assert_eq!(ownership(&pending), (DomainOwnershipState::Pending, "TXT_MISSING"));
    assert_eq!(pending.dns.unwrap().state(), DomainDnsState::Unknown);
    let (name, value) = challenge(&claimed);
    dns.texts(&name, &["storeplane-verification=guessed"]);
    assert_eq!(ownership(&verify(api, &ours, domain).await.unwrap()), (DomainOwnershipState::Failed, "TXT_MISMATCH"));
    dns.silence(true);
    assert_eq!(ownership(&verify(api, &ours, domain).await.unwrap()).1, "DNS_LOOKUP_FAILED");
    dns.silence(false);
    dns.texts(&name, &["v=unrelated", &value, &challenge(&claim).1]);
    let verified = verify(api, &ours, domain).await.unwrap();
    assert_eq!(ownership(&verified), (DomainOwnershipState::Verified, ""));
    assert!(verified.dns.unwrap().state() == DomainDnsState::PointsHere && verified.expire_time.is_none());
    let refused = verify(&other, &theirs, domain).await.unwrap();
    assert_eq!(ownership(&refused), (DomainOwnershipState::Failed, "DOMAIN_UNAVAILABLE"));
    assert!(!format!("{refused:?}").contains(&ours), "{refused:?}");

    // The shop is told by itself.
    serving(api, &ours, &[domain]).await;
    assert_eq!(ingress_hosts(&lab, &store.namespace).await, [domain]);
    assert!(ingress_hosts(&lab, &rival.namespace).await.is_empty());
    let told = api.until_told(&ours, "DOMAIN_CHANGED").await;
    assert_eq!(told.details["domain"], domain);

    // Its certificate is followed apart from the store.
    let missing = verify(api, &ours, domain).await.unwrap().certificate.unwrap();
    assert_eq!((missing.state(), missing.reason.as_str()), (DomainCertificateState::None, "CERTIFICATE_MISSING"));
    let pair = rcgen::generate_simple_self_signed(vec![domain.to_owned()]).expect("a certificate");
    let entries = [("tls.crt", &*pair.cert.pem()), ("tls.key", &*pair.signing_key.serialize_pem())];
    lab.kubernetes.secret(&store.namespace, &missing.secret, &entries).await;
    let there = verify(api, &ours, domain).await.unwrap().certificate.unwrap();
    assert!(there.state() == DomainCertificateState::Ready && there.expire_time.is_some(), "{there:?}");
    dns.addresses(domain, &[TARGET, "198.51.100.1"]);
    let elsewhere = verify(api, &ours, domain).await.unwrap().dns.unwrap();
    assert!(
        elsewhere.state() == DomainDnsState::Elsewhere && elsewhere.message.contains("198.51.100.1"),
        "{elsewhere:?}"
    );

    // The primary domain is in the shop's URL, and the platform's host name redirects to it.
    assert_eq!(
        fields(&make_primary(api, &ours, "other.example.com", false).await.unwrap_err()),
        ["store.primary_domain"]
    );
    let preview = make_primary(api, &ours, domain, true).await.unwrap().update_preview.unwrap();
    assert_eq!((preview.changes[0].field.as_str(), preview.changes[0].after.as_str()), ("primary_domain", domain));
    make_primary(api, &ours, domain, false).await.unwrap();
    let (primary, seen) = api.settle(&ours).await;
    assert_eq!(primary.state(), StoreState::Ready, "{}", seen.text());
    assert_eq!((primary.shop_url, primary.host.clone()), (format!("https://{domain}/"), store.host.clone()));
    let configuration = lab.kubernetes.configuration(&store.namespace).await;
    assert!(configuration.contains(&format!("https://{domain}")) && configuration.contains(&store.host));

    // A domain that was removed is the other's as soon as the shop does not answer to it any more, and not before.
    assert!(delete(api, &ours, domain).await.unwrap().removing);
    assert_eq!(ownership(&verify(&other, &theirs, domain).await.unwrap()).1, "DOMAIN_UNAVAILABLE");
    until("the domain is gone", async || get(api, &ours, domain).await.is_err()).await;
    let (back, _) = api.settle(&ours).await;
    assert_eq!((back.shop_url, back.domains.len()), (store.shop_url.clone(), 0));
    assert!(ingress_hosts(&lab, &store.namespace).await.is_empty());
    assert_eq!(ownership(&verify(&other, &theirs, domain).await.unwrap()).0, DomainOwnershipState::Verified);
    serving(&other, &theirs, &[domain]).await;

    // An earlier revision does not bring it back.
    let revisions = ListStoreRevisionsRequest { store_id: ours.clone(), ..Default::default() };
    let revisions = api.stores.clone().list_store_revisions(revisions).await.unwrap().into_inner().revisions;
    let revision = revisions.iter().map(|revision| revision.revision).nth(1).expect("the one with the domain");
    let request = RollbackStoreRequest { store_id: ours.clone(), revision, ..Default::default() };
    api.stores.clone().rollback_store(request).await.unwrap();
    let (rolled_back, seen) = api.settle(&ours).await;
    assert!(rolled_back.domains.is_empty() && rolled_back.shop_url == store.shop_url, "{}", seen.text());
    assert!(ingress_hosts(&lab, &store.namespace).await.is_empty());

    // The deletion of a store releases its domains.
    other.delete(&theirs).await.unwrap();
    other.settle(&theirs).await;
    let again = create(api, &ours, domain).await.unwrap();
    dns.texts(&name, &[&challenge(&again).1]);
    assert_eq!(ownership(&verify(api, &ours, domain).await.unwrap()).0, DomainOwnershipState::Verified);

    // A claim that nobody proves ends, and counts until then.
    for name in ["one.example.com", "two.example.com"] {
        create(api, &ours, name).await.unwrap();
    }
    assert_eq!(reason(&create(api, &ours, "three.example.com").await.unwrap_err()), "DOMAIN_LIMIT_EXCEEDED");
    lab.database
        .execute(
            "UPDATE store_domains SET created_at = created_at - interval '7 days', due_at = now() WHERE NOT verified",
        )
        .await;
    let list = ListDomainsRequest { store_id: ours.clone(), ..Default::default() };
    until("only the domain that was proved is left", async || {
        api.domains.clone().list_domains(list.clone()).await.unwrap().into_inner().domains.len() == 1
    })
    .await;
    serving(api, &ours, &[domain]).await;
    lab.database.assert_sound().await;
}

/// A web server that answers every request with this text, and counts them.
async fn web_server(text: Arc<Mutex<String>>) -> (u16, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.expect("a port");
    let (port, requests) = (listener.local_addr().expect("an address").port(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&requests);
    let router = axum::Router::new().fallback(move |uri: http::Uri| async move {
        counted.fetch_add(1, Ordering::Relaxed);
        if uri.path() == "/.well-known/storeplane-verification.txt" {
            Ok(text.lock().expect("no panic").clone())
        } else {
            Err(http::StatusCode::NOT_FOUND)
        }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    (port, requests)
}

#[tokio::test]
async fn file_on_the_web_server_of_a_domain_proves_it() {
    let (dns, folder) = (DnsServer::start().await, tempfile::tempdir().expect("a directory"));
    let text = Arc::new(Mutex::new(String::new()));
    let (port, requests) = web_server(Arc::clone(&text)).await;
    let file = folder.path().join("storeplane.toml");
    let files = format!("verification_file = {{networks = ['127.0.0.2', '127.0.0.3'], port = {port}}}");
    let domains = format!("[domains]\nresolvers = ['{}']\ntargets = ['127.0.0.3']\n{files}\n", dns.address);
    std::fs::write(&file, domains).expect("written");
    let lab = Setup::default().with("STOREPLANE_CONFIG", file.display().to_string()).start().await;
    let (api, store, domain) = (&lab.api, fresh("filed"), &*format!("{}.example.com", fresh("shop")));
    api.create(Api::wanted(&store)).await.expect("accepted");
    let claimed = create(api, &store, domain).await.expect("accepted");
    let wanted = claimed.verification_file.expect("a file");
    assert_eq!(wanted.url, format!("http://{domain}/.well-known/storeplane-verification.txt"));
    assert_eq!(wanted.line, claimed.verification_record.expect("a record").value);
    *text.lock().expect("no panic") = format!("storeplane-verification=another\r\n{}\r\n", wanted.line);

    // A platform's own web server, networks that are not public and unknown names are not asked, and look the same.
    let mut messages = Vec::new();
    for addresses in [&["127.0.0.3"][..], &["127.0.0.1", "127.0.0.4"], &[]] {
        dns.addresses(domain, addresses);
        let pending = verify(api, &store, domain).await.expect("an answer");
        assert_eq!(ownership(&pending), (DomainOwnershipState::Pending, "TXT_MISSING"));
        messages.push(pending.ownership.expect("ownership").message);
    }
    assert!(messages.iter().all(|message| *message == messages[0] && message.contains("no public")), "{messages:?}");
    assert_eq!(requests.load(Ordering::Relaxed), 0);

    dns.addresses(domain, &["127.0.0.2", "127.0.0.1"]);
    assert_eq!(ownership(&verify(api, &store, domain).await.expect("an answer")), (DomainOwnershipState::Verified, ""));
    assert_eq!(requests.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn failed_update_counts_for_all_domains_of_a_store() {
    let (dns, folder) = (DnsServer::start().await, tempfile::tempdir().expect("a directory"));
    let lab = lab(&dns, &folder).await;
    let id = fresh("held");
    let store = lab.api.ready(&id).await;
    // Helm does not take over what it has not created.
    let backend = json!({"service": {"name": "store", "port": {"number": 80}}});
    let foreign = json!({"metadata": {"name": "store-domains"}, "spec": {"defaultBackend": backend}});
    let foreign: Ingress = serde_json::from_value(foreign).expect("an Ingress");
    let ingresses = Objects::<Ingress>::namespaced(lab.kubernetes.client().await, &store.namespace);
    ingresses.create(&PostParams::default(), &foreign).await.expect("created");
    for name in ["one", "two"].map(|name| format!("{}.example.com", fresh(name))) {
        let (record, value) = challenge(&create(&lab.api, &id, &name).await.expect("accepted"));
        dns.texts(&record, &[&value]);
        verify(&lab.api, &id, &name).await.expect("an answer");
    }
    let updates = async || {
        lab.database.value("SELECT count(*) || ' ' || count(ended_at) FROM operations WHERE kind = 'UPDATE'").await
    };
    until("an update has failed", async || updates().await.ends_with(" 1")).await;
    // Domains that wait are looked at every 3 s.
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(updates().await, "1 1", "{}", lab.server.log());
}

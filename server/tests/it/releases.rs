//! ListReleases.

use std::time::{Duration, Instant};

use storeplane_proto::v1::{ListReleasesRequest, ListReleasesResponse, Release, ReleaseOwnership, ReleaseScope};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::harness::{Account, Api, Database, Gateway, Lab, Server, Setup, env, fresh, reason};
use crate::kube_support::helm;

pub(crate) async fn list(api: &Api, request: ListReleasesRequest) -> Result<ListReleasesResponse, Status> {
    api.platform.clone().list_releases(request).await.map(tonic::Response::into_inner)
}

pub(crate) fn filtered(filter: &str) -> ListReleasesRequest {
    ListReleasesRequest { filter: filter.into(), ..ListReleasesRequest::default() }
}

/// The releases that match, as soon as there are that many.
async fn until(api: &Api, filter: &str, count: usize) -> Vec<Release> {
    let began = Instant::now();
    loop {
        let found = list(api, filtered(filter)).await;
        if let Ok(found) = &found
            && found.releases.len() == count
        {
            return found.releases.clone();
        }
        assert!(began.elapsed() < Duration::from_mins(1), "{filter}: {found:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A chart without objects.
fn empty_chart() -> tempfile::TempDir {
    let chart = tempfile::tempdir().unwrap();
    std::fs::write(chart.path().join("Chart.yaml"), "{apiVersion: v2, name: empty, version: 1.0.0}\n").unwrap();
    chart
}

#[tokio::test]
async fn releases_are_listed_with_their_owners_to_those_who_may_see_them() {
    let setup = Setup::of(Account::of("it-releases")).with_small_chart();
    let lab = setup.clone().start().await;
    let (id, foreign, chart) = (fresh("listed"), fresh("foreign"), empty_chart());
    let store = lab.api.ready(&id).await;
    let arguments = ["install", "extra", chart.path().to_str().unwrap(), "--create-namespace", "--namespace"];
    for namespace in [&foreign, &store.namespace] {
        helm(&env("STOREPLANE_TEST_HELM3"), &[&arguments[..], &[namespace.as_str()]].concat()).await;
    }

    let own = format!("namespace = {} OR namespace = {foreign}", store.namespace);
    let [theirs, extra, ours]: [Release; 3] = until(&lab.api, &own, 3).await.try_into().expect("three");
    assert_eq!(
        (theirs.ownership(), theirs.name.as_str(), theirs.store_id.as_str()),
        (ReleaseOwnership::Foreign, "extra", "")
    );
    assert_eq!((extra.ownership(), extra.name.as_str()), (ReleaseOwnership::Orphan, "extra"));
    assert_eq!(ours.ownership(), ReleaseOwnership::Store);
    let texts = [&ours.name, &ours.store_id, &ours.store_uid, &ours.tenant, &ours.status];
    assert_eq!(texts, [&format!("store-{id}"), &id, &store.uid, "default", "deployed"]);
    assert_eq!((ours.revision, ours.chart.as_str(), ours.chart_version.as_str()), (1, "sample", "1.0.0"));
    let age = std::time::SystemTime::try_from(ours.update_time.expect("a time")).unwrap().elapsed().unwrap_or_default();
    assert!(age < Duration::from_mins(5), "{age:?}");

    // Filters, orders and pages of the same list.
    assert_eq!(until(&lab.api, &format!("({own}) ownership = STORE"), 1).await, std::slice::from_ref(&ours));
    let mut request = ListReleasesRequest { page_size: 2, order_by: "name desc".into(), ..filtered(&own) };
    let first = list(&lab.api, request.clone()).await.unwrap();
    assert_eq!((first.releases.len(), first.total_size, first.scope()), (2, 3, ReleaseScope::Cluster));
    request.page_token.clone_from(&first.next_page_token);
    let second = list(&lab.api, request.clone()).await.unwrap();
    assert_eq!((second.releases.len(), second.next_page_token.as_str()), (1, ""));
    assert_eq!([&first.releases[..], &second.releases[..]].concat()[0], ours);
    for wrong in [
        filtered("age = 1"),
        ListReleasesRequest { order_by: "age".into(), ..filtered("") },
        ListReleasesRequest { filter: "a".into(), ..request },
    ] {
        assert_eq!(list(&lab.api, wrong).await.unwrap_err().code(), Code::InvalidArgument);
    }

    // Other tenants see nothing of it, viewers nothing at all.
    let of = |token: String| Api::connect(lab.server.address(), &token);
    let acme = of(lab.database.token("acme", "admin").await);
    let seen = list(&acme, filtered("")).await.unwrap();
    assert_eq!((seen.releases.len(), seen.total_size, seen.scope()), (0, 0, ReleaseScope::Tenant));
    let viewer = of(lab.database.token("default", "viewer").await);
    assert_eq!(reason(&list(&viewer, filtered("")).await.unwrap_err()), "PERMISSION_DENIED");

    // A server that does not reconcile lists them as well.
    let second = Server::start(&setup, &lab.database).await;
    let other = Api::connect(second.address(), &lab.database.token("default", "operator").await);
    assert_eq!(until(&other, &own, 3).await, [theirs, extra, ours]);
    lab.kubernetes.drop_namespace(&foreign).await;
    lab.api.delete(&id).await.unwrap();
    lab.api.settle(&id).await;
}

#[tokio::test]
async fn list_is_refused_while_cluster_is_not_observed() {
    let gateway = Gateway::open().await;
    gateway.answer_with(503);
    let database = Database::create().await;
    let setup = Setup { kubeconfig: gateway.kubeconfig.clone(), ..Setup::small() };
    let lab: Lab = setup.start_on(database).await;
    let refused = list(&lab.api, filtered("")).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unavailable, "CLUSTER_UNREACHABLE"));
    assert!(refused.get_details_retry_info().is_some_and(|info| info.retry_delay.is_some()));
    gateway.answer_with(0);
    let began = Instant::now();
    while let Err(error) = list(&lab.api, filtered("")).await {
        assert!(began.elapsed() < Duration::from_mins(1), "{error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

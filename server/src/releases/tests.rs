use storeplane_core::ids::{OperationId, StoreUid};
use storeplane_core::store::State;
use uuid::Uuid;

use super::*;
use crate::kube::{ReleaseObservation, ReleaseStatus};

fn uid(number: u128) -> StoreUid {
    StoreUid(Uuid::from_u128(number))
}

fn namespace(name: &str, instance: Option<&str>, store: Option<u128>) -> OwnedNamespace {
    OwnedNamespace {
        instance: instance.map(str::to_owned),
        store_id: instance.map(|_| name.to_owned()),
        store_uid: store.map(uid),
        tenant: instance.map(|_| "default".to_owned()),
        ..OwnedNamespace::unlabelled(name)
    }
}

fn observed(namespace: &str, name: &str, store: Option<u128>) -> Observed {
    let observation = ReleaseObservation {
        status: ReleaseStatus::Deployed,
        revision: 2,
        last_deployed: Some(2),
        updated: None,
        store_uid: store.map(uid),
    };
    (ListedRelease { namespace: namespace.into(), name: name.into(), observation }, Some("shop-1.0.0".into()))
}

#[test]
fn each_release_has_one_owner() {
    let live = [LiveStore {
        uid: uid(1),
        store_id: "tea".into(),
        tenant: "acme".into(),
        namespace: "store-tea".into(),
        release: "store-tea".into(),
        engine: "woocommerce".into(),
        chart_version: "1".into(),
        state: State::Ready,
        operation: OperationId(Uuid::nil()),
        revision: 1,
        active: false,
        deleting: false,
        was_ready: true,
        shop_url: "http://store-tea.localhost/".into(),
        has_domain: false,
        host: String::new(),
    }];
    let namespaces = [
        namespace("store-tea", Some("prod"), Some(1)),
        namespace("store-old", Some("prod"), Some(2)),
        namespace("store-theirs", Some("staging"), Some(3)),
        namespace("stripped", None, None),
        namespace("monitoring", None, None),
    ];
    let releases = vec![
        observed("store-tea", "store-tea", Some(1)),
        observed("store-tea", "extra", None),
        observed("store-old", "store-old", Some(2)),
        observed("store-theirs", "store-theirs", Some(3)),
        observed("stripped", "store-gone", Some(4)),
        observed("stripped", "neighbour", None),
        observed("monitoring", "grafana", None),
        observed("unseen", "shop", None),
    ];
    let listed = list("prod", &namespaces, releases, &live);
    let mut lines: Vec<_> = listed
        .iter()
        .map(|it| format!("{}/{} {} {}/{}", it.namespace, it.name, it.ownership.as_str(), it.tenant, it.store_id))
        .collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "monitoring/grafana FOREIGN /",
            "store-old/store-old ORPHAN default/store-old",
            "store-tea/extra ORPHAN acme/tea",
            "store-tea/store-tea STORE acme/tea",
            "store-theirs/store-theirs FOREIGN /",
            "stripped/neighbour FOREIGN /",
            "stripped/store-gone ORPHAN /",
            "unseen/shop FOREIGN /",
        ]
    );
    assert!(listed.iter().all(|it| (it.chart.as_str(), it.chart_version.as_str()) == ("shop", "1.0.0")));
    assert!(listed.iter().all(|it| it.store_uid.is_some() == (it.ownership != Ownership::Foreign)));
}

#[test]
fn chart_label_is_split_into_name_and_version() {
    for (label, expected) in [
        ("woocommerce-1.2.3", ("woocommerce", "1.2.3")),
        ("cert-manager-v1.19.0", ("cert-manager", "v1.19.0")),
        ("app-2-go-1.0.0-beta.1", ("app-2-go", "1.0.0-beta.1")),
        ("shop-1.0.0_build.5", ("shop", "1.0.0_build.5")),
        ("no-version", ("no-version", "")),
        ("", ("", "")),
    ] {
        assert_eq!(split_chart(label), expected, "{label}");
    }
}

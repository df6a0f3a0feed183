use std::path::PathBuf;

use storeplane_core::engine::{LostSecrets, Plan, PlanSize, Verification, VersionInfo};
use uuid::Uuid;

use super::*;
use crate::kube::{ClusterConfig, ReleaseObservation, ReleaseStatus};

const UID: StoreUid = StoreUid(Uuid::from_u128(0x0192_f0c1_0000_7000_8000_0000_0000_0001));

fn catalog() -> Catalog {
    let plan = |name: &str, cpu: &str| Plan {
        name: name.into(),
        values: PathBuf::new(),
        size: PlanSize { cpu: cpu.into(), memory: "1Gi".into(), ..PlanSize::default() },
    };
    let engine = |name: &str| Engine {
        name: name.into(),
        chart: PathBuf::from("/charts").join(name),
        chart_name: name.into(),
        values: Vec::new(),
        plans: vec![plan("small", "1"), plan("large", "4")],
        default_plan: "small".into(),
        secrets: Vec::new(),
        lost_secrets: LostSecrets::Refuse,
        admin_path: None,
        credentials: None,
        backup: None,
        domains: false,
        smtp: true,
        plugins: None,
        verify: Verification::None,
        versions: Versions::default(),
        info: VersionInfo::default(),
        images: Vec::new(),
        secure: true,
    };
    Catalog::new(vec![engine("woocommerce"), engine("sample")]).expect("engines")
}

fn namespace() -> OwnedNamespace {
    OwnedNamespace {
        store_id: Some("tea".into()),
        tenant: Some("acme".into()),
        ..OwnedNamespace::unlabelled("store-tea--acme")
    }
}

fn record() -> StoreRecord {
    StoreRecord {
        display_name: "Tea".into(),
        admin_email: "a@b.co".into(),
        staging: false,
        smtp: None,
        plugins: storeplane_core::plugins::Plugins::new(),
        host: "tea.test".into(),
        engine: Some("sample".into()),
        plan: Some("large".into()),
        chart: "woocommerce".into(),
        ..StoreRecord::default()
    }
}

fn read(assumed: Assumed, namespace: &OwnedNamespace, record: &StoreRecord) -> Result<RecordedStore, Vec<String>> {
    let (cluster, catalog) = (Cluster::new(ClusterConfig::new("prod")), catalog());
    let now = OffsetDateTime::from_unix_timestamp(1_800_000_000).expect("in range");
    Reader { cluster: &cluster, catalog: &catalog, assumed, now }.recorded(namespace, UID, "store-tea", record)
}

#[test]
fn labels_name_engine_plan_id_and_tenant() {
    let store = read(Assumed::default(), &namespace(), &record()).expect("recorded");
    let texts = [&store.engine, &store.plan, &store.display_name, &store.placement.host, &store.placement.namespace];
    assert_eq!(texts, ["sample", "large", "Tea", "tea.test", "store-tea--acme"]);
    assert_eq!((store.id.as_str(), store.tenant.as_str(), store.secure), ("tea", "acme", true));
    assert_eq!(store.created_at.year(), 2024, "the time in the uid");
}

#[test]
fn older_records_are_completed_from_chart_size_and_values() {
    let size = |cpu: &str| [Some(cpu.to_owned()), Some("1Gi".to_owned()), None];
    let (tenant, store_id) = ("acme".to_owned(), "tea".to_owned());
    let old = StoreRecord { engine: None, plan: None, size: size("4"), tenant, store_id, ..record() };
    let stripped = OwnedNamespace::unlabelled("store-tea--acme");
    let store = read(Assumed::default(), &stripped, &old).expect("recorded");
    assert_eq!((store.engine.as_str(), store.plan.as_str(), store.id.as_str()), ("woocommerce", "large", "tea"));
    let unknown = StoreRecord { size: size("3"), chart: "other".into(), ..old };
    let problems = read(Assumed::default(), &stripped, &unknown).expect_err("not recorded");
    assert!(problems.len() == 1 && problems[0].contains("--engine"), "{problems:?}");
    let assumed = |plan: &str| Assumed { engine: Some("sample".into()), plan: Some(plan.into()) };
    assert_eq!(read(assumed("small"), &stripped, &unknown).expect("assumed").plan, "small");
    assert!(read(assumed("huge"), &stripped, &unknown).expect_err("no such plan")[0].contains("huge"));
    let sizeless = StoreRecord { size: [None, None, None], chart: "sample".into(), ..unknown };
    assert!(read(Assumed::default(), &stripped, &sizeless).expect_err("not recorded")[0].contains("--plan"));
}

#[test]
fn all_missing_and_contradicting_records_are_named() {
    let other = StoreRecord { store_uid: Uuid::nil().to_string(), ..StoreRecord::default() };
    let problems = read(Assumed::default(), &OwnedNamespace::unlabelled("x"), &other).expect_err("nothing recorded");
    for text in ["another store", "displayName", "adminEmail", "ingress.host", "store's id", "tenant", "--engine"] {
        assert!(problems.iter().any(|problem| problem.contains(text)), "{text}: {problems:?}");
    }
}

#[test]
fn release_is_identified_by_the_store_s_uid() {
    let release = |name: &str, store_uid| ListedRelease {
        namespace: "store-tea".into(),
        name: name.into(),
        observation: ReleaseObservation {
            status: ReleaseStatus::Deployed,
            revision: 1,
            last_deployed: None,
            updated: None,
            store_uid,
        },
    };
    let other = [release("extra", None), release("other", Some(StoreUid(Uuid::nil())))];
    assert!(release_of(&other, UID).expect_err("none").contains("no release"));
    let [extra, other] = other;
    let ours = [extra, release("store-tea", Some(UID)), other];
    assert_eq!(release_of(&ours, UID).map(|it| it.name.as_str()), Ok("store-tea"));
    let twice = [release("a", Some(UID)), release("b", Some(UID))];
    assert!(release_of(&twice, UID).expect_err("two").contains("several"));
}

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::*;

fn zip(record: &Value) -> String {
    let mut zip = GzEncoder::new(Vec::new(), Compression::best());
    zip.write_all(record.to_string().as_bytes()).expect("memory");
    STANDARD.encode(zip.finish().expect("memory"))
}

#[test]
fn compressed_and_plain_records_are_read() {
    let record = json!({"name": "store-demo", "config": {"secret": "values"}, "manifest": "kind: Service"});
    let manifest = |packed: &str| decode::<Manifest>(packed.as_bytes()).map(|record| record.manifest);
    assert_eq!(manifest(&zip(&record)).as_deref(), Some("kind: Service"));
    assert_eq!(manifest(&STANDARD.encode(record.to_string())).as_deref(), Some("kind: Service"), "helm's old format");
    let applied: Applied = decode(zip(&record).as_bytes()).expect("a record");
    assert_eq!((applied.config, images(&applied.manifest)), (json!({"secret": "values"}), Vec::new()));
    let chart = |chart: Value| {
        let applied: Applied = decode(zip(&json!({"chart": chart})).as_bytes()).expect("a record");
        DeployedWith::from(applied).chart_content
    };
    let (file, empty) = (json!({"name": "a", "data": "aGk="}), json!({"name": "b", "data": null}));
    let packed = chart(json!({"templates": [file, empty], "files": null}));
    assert_eq!(packed, chart(json!({"templates": [empty, file], "files": null})), "in any order");
    assert_ne!(packed, chart(json!({"templates": [file], "files": null})));
    let schema = |text: &str| {
        let file = json!({"name": "storeplane.yaml", "data": STANDARD.encode(text)});
        let record = json!({"chart": {"files": [{"name": "README.md", "data": null}, file]}});
        let applied: Applied = decode(zip(&record).as_bytes()).expect("a record");
        DeployedWith::from(applied).schema
    };
    assert_eq!(schema("release: {schema: '2', notes: x}\nsmtp: true").as_deref(), Some("2"));
    assert_eq!((schema("smtp: true").as_deref(), schema("a: b: c")), (Some(""), None));
    for broken in ["%%%", "aGVsbG8=", "H4sIAAAA"] {
        assert_eq!(manifest(broken), None, "{broken}");
    }
}

#[test]
fn store_is_read_from_values_and_chart() {
    let plugins = json!({"faq": {"version": "1.2", "image": "r.test/faq:1.2", "path": "/plugin"}});
    let record = json!({
        "info": {"first_deployed": "2026-11-01T10:00:00.5+01:00", "status": "deployed"},
        "chart": {"metadata": {"name": "woocommerce", "version": "1.2.3", "appVersion": "11"}, "values": {"store": {"id": "default"}}},
        "config": {
            "store": {"id": "tea", "uid": "0191", "tenant": "acme", "displayName": "Tea", "adminEmail": "a@b.co", "plugins": plugins},
            "ingress": {"host": "tea.test", "tls": {"enabled": true}}, "plan": {"cpu": "2", "order": 1}, "other": [1],
        },
        "manifest": "kind: Deployment\nmetadata: {name: store}",
    });
    let read = store_record(decode(zip(&record).as_bytes()).expect("a record"), "store-tea");
    let texts = [&read.store_id, &read.store_uid, &read.tenant, &read.display_name, &read.admin_email, &read.host];
    assert_eq!(texts, ["tea", "0191", "acme", "Tea", "a@b.co", "tea.test"]);
    assert_eq!(
        (read.chart.as_str(), read.chart_version.as_str(), read.app_version.as_str()),
        ("woocommerce", "1.2.3", "11")
    );
    assert_eq!(json!(read.plugins), plugins);
    assert_eq!((read.size, read.workloads.len()), ([Some("2".into()), None, None], 1));
    assert_eq!(read.first_deployed.map(OffsetDateTime::unix_timestamp), Some(1_793_523_600));
    let empty = store_record(decode(zip(&json!({"name": "x"})).as_bytes()).expect("a record"), "x");
    assert_eq!(empty, StoreRecord::default());
}

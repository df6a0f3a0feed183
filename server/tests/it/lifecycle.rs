//! A store from its creation to its deletion.

use storeplane_proto::v1::{ConditionStatus, StoreState};

use crate::harness::{Api, Lab, Setup, env, fresh};

#[tokio::test]
async fn store_becomes_ready_with_an_event_for_every_step() {
    let lab = Lab::start().await;
    let id = fresh("life");
    let answer = lab.api.create(Api::wanted(&id)).await.unwrap();
    assert_eq!(answer.state(), StoreState::Provisioning);

    let (store, seen) = lab.api.settle(&id).await;

    assert_eq!(store.state(), StoreState::Ready, "{}", seen.text());
    assert!(store.simulated, "the test cluster is simulated, and says so");
    assert_eq!(store.shop_url, format!("http://store-{id}.shops.test/"));
    let isolated =
        store.conditions.iter().find(|condition| condition.r#type == "NetworkIsolated").expect("a condition");
    assert_eq!((isolated.status(), isolated.reason.as_str()), (ConditionStatus::Unknown, "SIMULATED"));
    assert_eq!(seen.sequences(), (1..=store.last_sequence).collect::<Vec<_>>());
    let text = seen.text();
    for step in ["NAMESPACE", "SECRETS", "INSTALL", "ROLLOUT", "VERIFY"] {
        assert!(text.contains(&format!("STEP_STARTED {step}")), "{text}");
        assert!(text.contains(&format!("STEP_SUCCEEDED {step}")), "{text}");
    }
    let skipped = "STEP_SKIPPED VERIFY Skipped: the cluster is simulated, nothing runs in it";
    assert!(text.contains(skipped), "{text}");
    for resource in ["StatefulSet store-db", "Deployment store", "PersistentVolumeClaim data-store-db-0"] {
        assert!(text.contains(resource), "{resource} is not configuration:\n{text}");
    }
    lab.kubernetes.assert_installed(&id).await;
    lab.database.assert_sound().await;
    lab.api.delete(&id).await.unwrap();
    lab.api.settle(&id).await;
}

#[tokio::test]
async fn store_becomes_ready_with_helm_4() {
    let lab = Setup { helm: env("STOREPLANE_TEST_HELM4"), ..Setup::default() }.start().await;
    let id = fresh("helm4");
    lab.api.ready(&id).await;
    lab.kubernetes.assert_installed(&id).await;
    lab.api.delete(&id).await.unwrap();
    assert_eq!(lab.api.settle(&id).await.0.state(), StoreState::Deleted);
    lab.kubernetes.assert_gone(&id).await;
}

#[tokio::test]
async fn caller_input_reaches_cluster_as_plain_text() {
    let lab = Lab::start().await;
    let id = fresh("text");
    let name = r#"{{ .Release.Name }} $(id) `id` ; "x" 'y' \ #, a=b: {c} ключ 店"#;
    let mut request = Api::wanted(&id);
    request.store.as_mut().unwrap().display_name = name.to_owned();
    request.store.as_mut().unwrap().admin_email = "o'neil+{x}`$HOME`|#@example.com".to_owned();
    lab.api.create(request).await.unwrap();
    let (store, seen) = lab.api.settle(&id).await;
    assert_eq!(store.state(), StoreState::Ready, "{}", seen.text());
    assert_eq!(store.display_name, name);

    let configuration = lab.kubernetes.configuration(&format!("store-{id}")).await;

    assert!(configuration.contains(&name.to_owned()), "{configuration:?}");
    assert!(configuration.contains(&"o'neil+{x}`$HOME`|#@example.com".to_owned()), "{configuration:?}");
    lab.api.delete(&id).await.unwrap();
    lab.api.settle(&id).await;
}

#[tokio::test]
async fn twenty_stores_become_ready_within_helm_process_limit() {
    let lab = Setup::default().with("STOREPLANE_MAX_HELM_PROCESSES", "3").start().await;
    let ids: Vec<_> = (0..20).map(|n| fresh(&format!("many{n}"))).collect();
    let creations = ids.iter().map(|id| lab.api.create(Api::wanted(id)));
    for created in futures::future::join_all(creations).await {
        created.unwrap();
    }

    let watching = crate::harness::peak_helms(lab.server.pid());
    let settled = futures::future::join_all(ids.iter().map(|id| lab.api.settle(id))).await;
    let peak = watching.stop();

    for (store, seen) in settled {
        assert_eq!(store.state(), StoreState::Ready, "{}", seen.text());
        assert_eq!(seen.sequences(), (1..=store.last_sequence).collect::<Vec<_>>());
    }
    assert!((1..=3).contains(&peak), "{peak} helm processes at once");
    for id in &ids {
        lab.kubernetes.assert_installed(id).await;
    }
    lab.database.assert_sound().await;
    futures::future::join_all(ids.iter().map(|id| lab.api.delete(id))).await;
    for (store, seen) in futures::future::join_all(ids.iter().map(|id| lab.api.settle(id))).await {
        assert_eq!(store.state(), StoreState::Deleted, "{}", seen.text());
    }
}

#[tokio::test]
async fn tenants_are_isolated_even_with_equal_ids() {
    let lab = Lab::start().await;
    let other = Api::connect(lab.server.address(), &lab.database.token("acme", "operator").await);
    let id = fresh("tenant");
    lab.api.ready(&id).await;

    assert_eq!(other.get(&id).await.unwrap_err().code(), tonic::Code::NotFound);
    assert_eq!(other.delete(&id).await.unwrap_err().code(), tonic::Code::NotFound);
    let theirs = other.ready(&id).await;

    assert_eq!(theirs.tenant, "acme");
    assert_eq!(theirs.namespace, format!("store-{id}--acme"));
    other.delete(&id).await.unwrap();
    other.settle(&id).await;
    assert_eq!(lab.api.get(&id).await.unwrap().state(), StoreState::Ready);
    lab.api.delete(&id).await.unwrap();
    lab.api.settle(&id).await;
}

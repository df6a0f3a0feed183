//! A kubeconfig whose credentials come from a plugin that needs a variable of the environment.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{AuthInfo, ExecConfig, Kubeconfig};
use secrecy::ExposeSecret as _;
use serde_json::json;
use storeplane_proto::health::HealthCheckRequest;
use storeplane_proto::health::health_check_response::ServingStatus;
use storeplane_proto::health::health_client::HealthClient;
use tonic::transport::Endpoint;

use crate::harness::{Lab, Setup, fresh};
use crate::remedies::script;

const VARIABLE: &str = "STOREPLANE_TEST_PROFILE";

/// The test cluster's kubeconfig, with a plugin in place of its token.
fn with_plugin(kubeconfig: &Path, dir: &Path) -> PathBuf {
    let mut file = Kubeconfig::read_from(kubeconfig).expect("the kubeconfig");
    let user = file.auth_infos[0].auth_info.as_mut().expect("a user");
    let token = user.token.as_ref().map(|token| token.expose_secret().to_owned()).expect("a token");
    let credential =
        json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token}});
    let plugin = dir.join("plugin");
    script(&plugin, &format!("#!/bin/sh\n[ \"${VARIABLE}\" = shops ] || exit 1\ncat <<'END'\n{credential}\nEND\n"));
    let exec = json!({"apiVersion": "client.authentication.k8s.io/v1", "command": plugin, "interactiveMode": "Never"});
    let exec: ExecConfig = serde_json::from_value(exec).expect("a plugin");
    *user = AuthInfo { exec: Some(exec), ..AuthInfo::default() };
    let path = dir.join("kubeconfig");
    std::fs::write(&path, serde_json::to_vec(&file).expect("JSON is YAML")).expect("a file");
    path
}

async fn status(lab: &Lab, service: &str) -> ServingStatus {
    let endpoint = Endpoint::from_shared(format!("http://{}", lab.server.address())).expect("an address");
    let mut health = HealthClient::new(endpoint.connect().await.expect("a connection"));
    let request = HealthCheckRequest { service: service.to_owned() };
    health.check(request).await.expect("a status").into_inner().status()
}

async fn until(lab: &Lab, what: &str, mut reached: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !reached().await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_mins(1), waiting).await;
    assert!(ended.is_ok(), "{what}: {}", lab.server.log());
}

#[tokio::test]
async fn helm_gets_the_configured_environment_and_its_health_says_if_it_cannot_sign_in() {
    let dir = tempfile::tempdir().unwrap();
    let small = Setup::small();
    let kubeconfig = with_plugin(&small.kubeconfig, dir.path());
    let setup = Setup { kubeconfig, ..small }.with(VARIABLE, "shops");
    let lab = setup.clone().start().await;
    until(&lab, "helm's problem is reported", async || lab.server.log().contains("getting credentials")).await;
    assert_eq!(status(&lab, "helm").await, ServingStatus::NotServing);
    until(&lab, "Kubernetes is usable", async || status(&lab, "kubernetes").await == ServingStatus::Serving).await;
    drop(lab);

    let configuration = small_configuration(dir.path());
    let lab = setup.with("STOREPLANE_CONFIG", configuration.to_str().unwrap()).start().await;
    until(&lab, "helm is usable", async || status(&lab, "helm").await == ServingStatus::Serving).await;
    let id = fresh("plugin");
    lab.api.ready(&id).await;
    lab.api.delete(&id).await.unwrap();
    lab.api.settle(&id).await;
}

fn small_configuration(dir: &Path) -> PathBuf {
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/harness/charts/storeplane.toml");
    let text = std::fs::read_to_string(original).unwrap();
    let path = dir.join("storeplane.toml");
    std::fs::write(&path, format!("{text}\n[helm]\npass_env = [\"{VARIABLE}\"]\n")).unwrap();
    path
}

//! Helm's inputs and outputs.

use std::time::Duration;

use storeplane_server::helm::{Chart, HelmErrorKind};
use tokio::time::sleep;

use super::stage::{Stage, is_gone, release};

fn chart(values: serde_json::Value) -> Chart {
    Chart { dir: "/charts/woocommerce".into(), values_files: Vec::new(), values, labels: Vec::new() }
}

#[tokio::test]
async fn helm_gets_values_and_only_its_own_environment() {
    let stage = Stage::new();
    let values = serde_json::json!({"store": {"displayName": "\"Ünï\" `id` $(id) {{ .x }}\n--set a=b,c"}});

    stage.helm.install(&stage.run(), &release("reports"), &chart(values.clone())).await.unwrap();

    assert_eq!(serde_json::from_str::<serde_json::Value>(&stage.read("values")).unwrap(), values);
    let env = stage.read("env");
    let stray: Vec<_> = env.lines().filter(|line| line.starts_with("CARGO") || line.contains("DATABASE")).collect();
    assert!(stray.is_empty(), "{stray:?}");
    assert!(env.contains("HELM_DRIVER=secret"));
    assert!(stage.read("scratch").starts_with("drwx------"));
    stage.is_clean("reports").await;
}

#[tokio::test]
async fn values_of_any_size_neither_block_nor_truncate() {
    let stage = Stage::new();
    let chart = chart(serde_json::json!("x".repeat(1_000_000)));
    stage.tell_to_go_on();
    stage.helm.upgrade(&stage.run(), &release("reads-nothing"), &chart).await.unwrap();
    stage.helm.upgrade(&stage.run(), &release("reports"), &chart).await.unwrap();
    assert_eq!(stage.read("values").len(), 1_000_002);
}

#[tokio::test]
async fn flag_like_name_is_passed_as_name() {
    let stage = Stage::new();
    let error = stage.play("--help", &stage.run()).await.unwrap_err();
    assert!(error.to_string().contains("no scenario --help for uninstall"), "{error}");
}

#[tokio::test]
async fn binary_output_is_an_unknown_error_without_its_bytes() {
    let stage = Stage::new();
    let error = stage.play("prints-garbage", &stage.run()).await.unwrap_err();
    assert_eq!(error.kind(), HelmErrorKind::Unknown);
    assert!(!error.failure().details.iter().any(|line| line.chars().any(char::is_control)), "{error:?}");
}

#[tokio::test]
async fn gigabyte_of_output_neither_blocks_nor_is_kept() {
    let stage = Stage::new();
    let error = stage.play("prints-a-gigabyte", &stage.run()).await.unwrap_err();
    assert_eq!(error.kind(), HelmErrorKind::ReleaseNotFound, "the end of the output is kept");
    stage.is_clean("prints-a-gigabyte").await;
}

#[tokio::test]
async fn grandchild_holding_the_pipe_is_killed_with_helm() {
    for scenario in ["grandchild-holds-pipe", "grandchild-escapes"] {
        let stage = Stage::new();
        stage.play(scenario, &stage.run()).await.unwrap();
        assert!(is_gone(stage.pid("grandchild")), "{scenario}");
        stage.is_clean(scenario).await;
    }
}

#[tokio::test]
async fn closed_outputs_do_not_end_the_run() {
    let stage = Stage::new();
    let (task, helm) = stage.start("closes-its-outputs", &stage.run()).await;
    sleep(Duration::from_millis(50)).await;
    assert!(!is_gone(helm) && !task.is_finished());
    stage.tell_to_go_on();
    task.await.unwrap().unwrap();
}

//! The engine in docs/engines.md: a folder outside of the repository and a configuration, and nothing else.

use std::path::Path;

use storeplane_server::config::{Config, Overrides};

use super::{listed, login, of, ready};
use crate::drift::finish;
use crate::harness::{Setup, catalog, fresh, reason};

/// Writes the files of the page: blocks whose first line is `# ` and a path.
fn unpack(page: &str, dir: &Path) {
    for block in page.split("\n```").filter_map(|block| block.strip_prefix("yaml\n").or(block.strip_prefix("toml\n"))) {
        let Some((path, text)) = block.strip_prefix("# ").and_then(|block| block.split_once('\n')) else { continue };
        let text = text.replace("\"/charts\"", &format!("{:?}", dir.display().to_string()));
        let file = dir.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text + "\n").unwrap();
    }
}

#[tokio::test]
async fn engine_of_the_documentation_needs_only_its_folder_and_a_configuration() {
    let dir = tempfile::tempdir().unwrap();
    unpack(include_str!("../../../../docs/engines.md"), dir.path());
    let file = dir.path().join("storeplane.toml");
    let configuration = Config::parse(&std::fs::read_to_string(&file).unwrap(), &Overrides::default()).unwrap();
    let known = catalog(&configuration).await;
    let purchase = known.engines()[0].verify.purchase().expect("a test purchase");
    assert_eq!(purchase.steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>(), ["shop", "products"]);

    let setup = Setup { charts: dir.path().to_owned(), env: Vec::new(), ..Setup::default() };
    let lab = setup.with("STOREPLANE_CONFIG", file.to_str().unwrap()).start().await;
    let engines = listed(&lab).await;
    let [tea] = &engines[..] else { panic!("one engine: {engines:?}") };
    assert_eq!((tea.name.as_str(), tea.chart_version.as_str(), tea.app_version.as_str()), ("tea", "0.1.0", "1.29"));
    assert_eq!((tea.plans[0].name.as_str(), tea.plans[0].memory.as_str()), ("small", "64Mi"));

    let id = fresh("third");
    let store = ready(&lab.api, "tea", &id).await;
    let events = lab.api.settle(&id).await.1.text();
    assert!(events.contains("Deployment store") && events.contains("STEP_SKIPPED VERIFY"), "{events}");
    let texts = lab.kubernetes.configuration(&store.namespace).await;
    assert!(texts.contains(&"<h1>Test &amp; Söhne</h1>".to_owned()), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains(&store.shop_url)), "it knows its URL: {texts:?}");
    let login = login(&lab, &store).await;
    assert_eq!((login.admin_url, login.username.as_str()), (format!("{}admin/", store.shop_url), "owner"));
    assert_eq!(login.password.len(), 24);
    let domain = crate::domains::claim(&id, "tea.example.com");
    let refused = lab.api.domains.clone().create_domain(domain).await.unwrap_err();
    assert_eq!(reason(&refused), "DOMAINS_UNSUPPORTED");
    assert!(lab.api.create(of("woocommerce", &fresh("other"))).await.is_err(), "only what is named is offered");
    finish(&lab, &id).await;
}

//! Passwords exist only in the cluster's Secrets.

use storeplane_server::secret::SecretText;

use crate::harness::{Lab, fresh};

#[tokio::test]
async fn no_secret_is_in_the_log_or_the_database() {
    let lab = Lab::start().await;
    let id = fresh("secret");
    let store = lab.api.ready(&id).await;
    let mut secrets = Vec::new();
    for (name, key) in [
        ("store-db", "password"),
        ("store-db", "root-password"),
        ("store-admin", "password"),
        ("store-salts", "AUTH_KEY"),
    ] {
        let secret = lab.kubernetes.cluster.read_secret(&store.namespace, name, key).await.unwrap();
        secrets.push(secret.map(|secret: SecretText| secret.expose().to_owned()).expect("the Secret exists"));
    }
    lab.api.delete(&id).await.unwrap();
    lab.api.settle(&id).await;

    let rows = lab.database.value(
        "SELECT string_agg(t, ' ') FROM (SELECT s::text t FROM stores s UNION ALL SELECT o::text FROM operations o
         UNION ALL SELECT e::text FROM events e UNION ALL SELECT a::text FROM audit_events a) x",
    );
    let (rows, log) = (rows.await, lab.server.log());

    assert!(rows.contains(&id) && log.contains(&id), "the test searches the right places");
    for secret in &secrets {
        assert!(secret.len() >= 16, "a secret of {} characters", secret.len());
        assert!(!rows.contains(secret.as_str()), "a secret is in the database");
        assert!(!log.contains(secret.as_str()), "a secret is in the log");
    }
    let token = lab.database.value("SELECT encode(hash, 'hex') FROM tokens").await;
    assert_eq!(token.len(), 64, "tokens are stored as hashes");
}

//! UpdateStore of the mail server: its password is only in the cluster, and returns with the settings that it belongs to.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use kube::Api as Objects;
use kube::api::{DeleteParams, ListParams};
use prost_types::FieldMask;
use storeplane_proto::v1::{
    ListAuditEventsRequest, ListStoreRevisionsRequest, RollbackStoreRequest, Smtp, SmtpEncryption, Store, StoreState,
    UpdateStoreRequest,
};
use time::{Duration, OffsetDateTime};
use tonic::Status;
use uuid::Uuid;

use crate::failures::charts_with_plan;
use crate::harness::{Api, Lab, Setup, fields, fresh, reason};

const PASSWORD: &str = "smtp-password-of-the-first";
const SECOND: &str = "smtp-password-of-the-second";

fn server(password: &str) -> Smtp {
    Smtp {
        host: "smtp.example.com".to_owned(),
        username: "shop".to_owned(),
        password: password.to_owned(),
        from_name: "Käse & mehr".to_owned(),
        ..Smtp::default()
    }
}

pub(crate) fn wanted(id: &str, smtp: Option<Smtp>) -> UpdateStoreRequest {
    UpdateStoreRequest {
        store_id: id.to_owned(),
        store: Some(Store { smtp: smtp.map(Box::new), ..Store::default() }),
        update_mask: Some(FieldMask { paths: vec!["smtp".to_owned()] }),
        ..UpdateStoreRequest::default()
    }
}

async fn update(api: &Api, request: UpdateStoreRequest) -> Result<Store, Status> {
    api.stores.clone().update_store(request).await.map(tonic::Response::into_inner)
}

async fn ready(lab: &Lab, id: &str) -> Store {
    let (store, seen) = lab.api.settle(id).await;
    assert_eq!(store.state(), StoreState::Ready, "{}", seen.text());
    store
}

/// The names of the Secrets with logins, sorted.
async fn logins(lab: &Lab, namespace: &str) -> Vec<String> {
    let secrets = Objects::<Secret>::namespaced(lab.kubernetes.client().await, namespace);
    let found = secrets.list_metadata(&ListParams::default()).await.expect("the Secrets");
    let names = found.items.into_iter().filter_map(|secret| secret.metadata.name);
    let mut names: Vec<_> = names.filter(|name| name.starts_with("store-smtp-")).collect();
    names.sort();
    names
}

/// The password that the shop's pods get; `None` if they get none.
async fn password_of_pods(lab: &Lab, namespace: &str) -> Option<String> {
    let deployments = Objects::<Deployment>::namespaced(lab.kubernetes.client().await, namespace);
    let pod = deployments.get("store").await.expect("the Deployment").spec.template.spec;
    let containers = pod.expect("a pod").containers.into_iter();
    let variables = containers.flat_map(|container| container.env.unwrap_or_default());
    let from = variables.filter(|variable| variable.name == "STORE_SMTP_PASSWORD").find_map(|it| it.value_from);
    let secret = from?.secret_key_ref.expect("from a Secret");
    let text = lab.kubernetes.cluster.read_secret(namespace, &secret.name, &secret.key).await.unwrap();
    Some(text.expect("the Secret exists").expose().to_owned())
}

#[tokio::test]
async fn password_is_stored_in_the_cluster_only_and_follows_the_settings() {
    let charts = charts_with_plan("rejected", "noSuchValue: 1\n");
    let lab = Setup { charts: charts.path().to_owned(), ..Setup::default() }.start().await;
    let id = fresh("mail");
    let created = lab.api.ready(&id).await;
    let namespace = created.namespace.clone();

    refused_request_leaves_nothing(&lab, &id, &namespace).await;
    let request_id = Uuid::now_v7().to_string();
    let request = UpdateStoreRequest { request_id, ..wanted(&id, Some(server(PASSWORD))) };
    let updating = update(&lab.api, request.clone()).await.unwrap();
    let set = Smtp { port: 587, encryption: SmtpEncryption::Starttls.into(), password_set: true, ..server("") };
    assert_eq!((updating.state(), updating.smtp.as_deref()), (StoreState::Updating, Some(&set)));
    assert_eq!(update(&lab.api, request).await.unwrap().operation, updating.operation, "the same request");
    let updated = ready(&lab, &id).await;
    assert_eq!((updated.smtp.as_deref(), updated.revision), (Some(&set), 2));
    assert_ne!(updated.etag, created.etag);
    let first = logins(&lab, &namespace).await;
    assert_eq!(first.len(), 1, "one for a repeated request: {first:?}");
    assert_eq!(password_of_pods(&lab, &namespace).await.as_deref(), Some(PASSWORD));
    let configuration = lab.kubernetes.configuration(&namespace).await;
    for text in ["smtp.example.com", "Käse & mehr", &created.admin_email] {
        assert!(configuration.iter().any(|it| it == text), "{text}: {configuration:?}");
    }

    // Without a password the former one is kept, and with the same settings nothing changes.
    let renamed = Smtp { from_name: String::new(), from_address: "shop@example.com".to_owned(), ..server("") };
    update(&lab.api, wanted(&id, Some(renamed.clone()))).await.unwrap();
    let kept = ready(&lab, &id).await;
    assert_eq!(update(&lab.api, wanted(&id, Some(renamed))).await.unwrap().operation, kept.operation);
    assert_eq!(password_of_pods(&lab, &namespace).await.as_deref(), Some(PASSWORD));

    // A new password for the same login is a new Secret, so that an undo and a rollback have the former one.
    update(&lab.api, wanted(&id, Some(server(SECOND)))).await.unwrap();
    ready(&lab, &id).await;
    assert_eq!(password_of_pods(&lab, &namespace).await.as_deref(), Some(SECOND));
    let mut failing = wanted(&id, Some(Smtp { username: "other".to_owned(), ..server(PASSWORD) }));
    failing.store.as_mut().unwrap().plan = "rejected".to_owned();
    failing.update_mask.as_mut().unwrap().paths.push("plan".to_owned());
    update(&lab.api, failing).await.unwrap();
    let undone = ready(&lab, &id).await;
    assert_eq!((undone.smtp.as_deref(), undone.plan.as_str()), (Some(&set), "small"));
    assert_eq!(password_of_pods(&lab, &namespace).await.as_deref(), Some(SECOND));
    let back = RollbackStoreRequest { store_id: id.clone(), revision: 2, ..RollbackStoreRequest::default() };
    lab.api.stores.clone().rollback_store(back).await.unwrap();
    ready(&lab, &id).await;
    assert_eq!(password_of_pods(&lab, &namespace).await.as_deref(), Some(PASSWORD));

    unused_logins_are_found(&lab, &id, &namespace, &set).await;
    lost_login_is_created_without_a_password(&lab, &id, &namespace, &first[0]).await;
    update(&lab.api, wanted(&id, None)).await.unwrap();
    let cleared = ready(&lab, &id).await;
    assert_eq!((cleared.smtp, password_of_pods(&lab, &namespace).await), (None, None));
    assert!(!lab.kubernetes.configuration(&namespace).await.contains(&"smtp.example.com".to_owned()));
    let audit = ListAuditEventsRequest { page_size: 100, ..ListAuditEventsRequest::default() };
    let audit = format!("{:?}", lab.api.audit.clone().list_audit_events(audit).await.unwrap().into_inner());
    assert!(audit.contains("smtp.example.com") && !audit.contains(PASSWORD), "{audit}");
    lab.database.assert_sound().await;
    lab.api.delete(&id).await.unwrap();
    lab.api.settle(&id).await;
}

/// What is refused, or only previewed, leaves no Secret.
async fn refused_request_leaves_nothing(lab: &Lab, id: &str, namespace: &str) {
    let stale = UpdateStoreRequest { etag: "0123456789abcdef".to_owned(), ..wanted(id, Some(server(PASSWORD))) };
    assert_eq!(reason(&update(&lab.api, stale).await.unwrap_err()), "STALE_ETAG");
    let bad = Smtp { host: "localhost".to_owned(), port: 70_000, ..server("") };
    let refused = update(&lab.api, wanted(id, Some(bad))).await.unwrap_err();
    assert_eq!(fields(&refused), ["store.smtp.host", "store.smtp.port"]);
    let refused = update(&lab.api, wanted(id, Some(server("")))).await.unwrap_err();
    assert_eq!(fields(&refused), ["store.smtp.password"]);
    let plain = Smtp { encryption: SmtpEncryption::None.into(), ..server(PASSWORD) };
    let preview = UpdateStoreRequest { validate_only: true, ..wanted(id, Some(plain)) };
    let preview = update(&lab.api, preview).await.unwrap().update_preview.expect("a preview");
    let changes: Vec<_> =
        preview.changes.iter().map(|it| format!("{} {:?} {:?}", it.field, it.before, it.after)).collect();
    let expected = [
        r#"smtp.host "" "smtp.example.com""#,
        r#"smtp.port "" "25""#,
        r#"smtp.encryption "" "NONE""#,
        r#"smtp.username "" "shop""#,
        r#"smtp.from_name "" "Käse & mehr""#,
        r#"smtp.password "" "set""#,
    ];
    assert_eq!(changes, expected);
    assert!(preview.restarts_pods && preview.notes.len() == 1, "{preview:?}");
    let mut request = Api::wanted(&fresh("mail"));
    request.store.as_mut().unwrap().smtp = Some(Box::new(server(PASSWORD)));
    assert_eq!(fields(&lab.api.create(request).await.unwrap_err()), ["store.smtp"]);
    assert_eq!(logins(lab, namespace).await, Vec::<String>::new());
}

/// Logins that no revision names are removed, once they are old.
async fn unused_logins_are_found(lab: &Lab, id: &str, namespace: &str, set: &Smtp) {
    let (cluster, now) = (&lab.kubernetes.cluster, OffsetDateTime::now_utc());
    assert_eq!(logins(lab, namespace).await.len(), 3, "of the first, of the second, and of the failed update");
    assert_eq!(cluster.old_smtp_logins(namespace, now).await.unwrap(), Vec::<String>::new());
    let later = now + Duration::hours(2);
    assert_eq!(cluster.old_smtp_logins(namespace, later).await.unwrap().len(), 3);
    let listed = ListStoreRevisionsRequest { store_id: id.to_owned(), ..ListStoreRevisionsRequest::default() };
    let revisions = lab.api.stores.clone().list_store_revisions(listed).await.unwrap().into_inner().revisions;
    assert!(revisions.iter().any(|revision| revision.smtp.as_ref() == Some(set)), "{revisions:?}");
    assert!(!format!("{revisions:?}").contains(PASSWORD));
}

/// As with its namespace: the shop starts without it.
async fn lost_login_is_created_without_a_password(lab: &Lab, id: &str, namespace: &str, secret: &str) {
    let secrets = Objects::<Secret>::namespaced(lab.kubernetes.client().await, namespace);
    secrets.delete(secret, &DeleteParams::default()).await.expect("it is deleted");
    lab.api.retry(id).await.unwrap();
    let (retried, seen) = lab.api.settle(id).await;
    assert_eq!(retried.state(), StoreState::Ready, "{}", seen.text());
    assert!(seen.text().contains("SECRETS_RENEWED"), "{}", seen.text());
    assert_eq!(password_of_pods(lab, namespace).await.as_deref(), Some(""));
}

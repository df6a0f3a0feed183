//! The server's own role may add to the audit log and read it, and nothing else, with everything else working.

use std::process::{Command, Output};
use std::time::Duration;

use sea_orm::ConnectionTrait as _;
use serde_json::json;
use storeplane_proto::v1::{CreateTokenRequest, GetStoreCredentialsRequest, StoreState};
use storeplane_server::postgres::{self, Pool, RefusalCounts, Retention, RetentionPolicy};

use crate::grpc_raw::http;
use crate::harness::{Api, Database, Setup, fresh};

/// A database with a schema of the role `owner`, and the URL of the role `serving`. Both names are fresh.
struct Roles {
    database: Database,
    owner: String,
    serving: String,
}

fn with_user(url: &str, user: &str) -> String {
    let (_, rest) = url.split_once('@').expect("a user in the URL");
    format!("postgres://{user}:secret@{rest}")
}

fn migrate(url: &str, serving: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_storeplane-server"))
        .args(["migrate", "--serving-role", serving])
        .env_clear()
        .env("DATABASE_URL", url)
        .output()
        .expect("the server's binary")
}

impl Roles {
    async fn create() -> Self {
        let database = Database::empty().await;
        let fresh = |name: &str| format!("{name}_{}", uuid::Uuid::new_v4().simple());
        let (owner, serving, name) =
            (fresh("owner"), fresh("serving"), database.value("SELECT current_database()").await);
        for role in [&owner, &serving] {
            database.execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'secret'")).await;
        }
        database
            .execute(&format!("ALTER DATABASE {name} OWNER TO {owner}; ALTER SCHEMA public OWNER TO {owner}"))
            .await;
        let migrated = migrate(&with_user(&database.url, &owner), &serving);
        assert!(migrated.status.success(), "{migrated:?}");
        Self { database, owner, serving }
    }

    fn pool(&self) -> Pool {
        postgres::connect(&with_user(&self.database.url, &self.serving), 2).expect("a Postgres URL")
    }
}

/// What Postgres says about a statement.
async fn refusal(pool: &Pool, sql: &str) -> String {
    pool.execute_unprepared(sql).await.expect_err(sql).to_string()
}

#[tokio::test]
async fn serving_role_cannot_change_the_audit_log() {
    let roles = Roles::create().await;
    roles.database.token("default", "viewer").await;
    let pool = roles.pool();
    // As little as the owner can permit.
    roles.database.execute("UPDATE audit_settings SET kept_seconds = 2592000").await;
    for statement in [
        "UPDATE audit_events SET actor = 'nobody'",
        "UPDATE audit_events SET hash = NULL",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
        "UPDATE audit_chain_heads SET anchor_sequence = 1",
        "DELETE FROM audit_chain_heads",
        "INSERT INTO audit_chain_heads (tenant, sequence, hash) VALUES ('x', 1, '')",
        "ALTER TABLE audit_events DISABLE TRIGGER audit_append",
        "DROP TRIGGER audit_append ON audit_events",
        "CREATE OR REPLACE FUNCTION audit_append() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "DROP TABLE audit_events",
        "UPDATE audit_settings SET kept_seconds = 2592000",
        "INSERT INTO audit_settings VALUES (true, 2592000) ON CONFLICT DO NOTHING",
        "DELETE FROM audit_settings",
        "UPDATE server_keys SET key = sha256('')",
        "DELETE FROM seaql_migrations",
        "SET session_replication_role = replica",
    ] {
        let refused = refusal(&pool, statement).await;
        assert!(refused.contains("permission denied") || refused.contains("must be owner"), "{statement}: {refused}");
    }
    // Its own place in the chain and a time in the past change nothing.
    let insert = "INSERT INTO audit_events (id, at, tenant, actor, action, target, outcome, reason, sequence, hash, last_at)
        VALUES (gen_random_uuid(), now() - interval '400 days', 'default', 'x', 'CREATE_STORE', 'x', 'ACCEPTED', '', 1, '', now() - interval '10 days')";
    pool.execute_unprepared(insert).await.unwrap();
    let placed = "SELECT string_agg(sequence || ' ' || length(hash), ', ' ORDER BY sequence) FROM audit_events";
    assert_eq!(roles.database.value(placed).await, "1 32, 2 32");
    pool.execute_unprepared("SELECT audit_remove('default', now() + interval '1 year', 1000)").await.unwrap();
    assert_eq!(roles.database.value("SELECT count(*) FROM audit_events").await, "2", "they are younger than 30 days");
    roles.database.assert_sound().await;
}

#[tokio::test]
async fn store_is_created_and_deleted_with_the_serving_role() {
    let mut roles = Roles::create().await;
    roles.database.url = with_user(&roles.database.url, &roles.serving);
    let pool = postgres::connect(&roles.database.url, 2).unwrap();
    let lab = Setup::small().start_on(roles.database).await;
    let id = fresh("serving");
    lab.api.ready(&id).await;
    let request = GetStoreCredentialsRequest { store_id: id.clone(), ..GetStoreCredentialsRequest::default() };
    lab.api.stores.clone().get_store_credentials(request).await.unwrap();
    let token = CreateTokenRequest { name: "serving".into(), role: "viewer".into(), ..CreateTokenRequest::default() };
    lab.api.tokens.clone().create_token(token).await.unwrap();
    let session = json!({"token": lab.database.token("default", "viewer").await}).to_string();
    let origin = format!("http://{}", lab.server.address());
    let headers = [("origin", origin.as_str()), ("content-type", "application/json")];
    assert_eq!(http(lab.server.address(), "POST /auth/session", &headers, session.as_bytes()).await.status, 200);
    let viewer = Api::connect(lab.server.address(), &lab.database.token("default", "viewer").await);
    for _ in 0..2 {
        viewer.delete(&id).await.unwrap_err();
    }
    lab.api.delete(&id).await.unwrap();
    assert_eq!(lab.api.settle(&id).await.0.state(), StoreState::Deleted);
    lab.database.execute("UPDATE audit_refusal_counts SET hour = hour - interval '1 hour'").await;
    assert!(RefusalCounts::new(pool.clone()).close().await.unwrap() > 0);
    let day = Duration::from_hours(24);
    let keep = RetentionPolicy { events: day, operations: day, audit: Some(day * 30) };
    Retention::new(pool, keep).round().await.unwrap();
    lab.database.assert_sound().await;
    let log = lab.server.log();
    assert!(!log.contains("permission denied"), "{log}");
}

#[tokio::test]
async fn unrestricted_serving_role_is_refused() {
    let roles = Roles::create().await;
    let owner = with_user(&roles.database.url, &roles.owner);
    for (role, expected) in [(roles.owner.as_str(), "the owner of the schema"), ("nobody_at_all", "does not exist")] {
        let refused = migrate(&owner, role);
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && text.contains(expected), "{refused:?}");
    }
    assert!(migrate(&owner, &roles.serving).status.success(), "again");
}

#[tokio::test]
async fn migrate_sets_how_long_audit_records_are_kept_and_only_as_the_owner() {
    let roles = Roles::create().await;
    let kept =
        async || roles.database.value("SELECT coalesce(kept_seconds::text, 'forever') FROM audit_settings").await;
    assert_eq!(kept().await, "forever", "by default");
    let migrate = |user: &str, period: &str| {
        let migrated = Command::new(env!("CARGO_BIN_EXE_storeplane-server"))
            .arg("migrate")
            .env_clear()
            .env("DATABASE_URL", with_user(&roles.database.url, user))
            .env("STOREPLANE_RETENTION_AUDIT", period)
            .output()
            .expect("the server's binary");
        assert!(migrated.status.success(), "{migrated:?}");
    };
    migrate(&roles.owner, "90d");
    assert_eq!(kept().await, "7776000");
    migrate(&roles.serving, "30d");
    assert_eq!(kept().await, "7776000", "the server's own role cannot change it");
}

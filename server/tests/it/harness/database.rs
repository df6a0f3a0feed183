//! One database per test, dropped afterwards.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DatabaseBackend, Statement};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, query_scalar};
use storeplane_core::access::Scope;
use storeplane_core::identity::Role;
use storeplane_core::ids::{Tenant, TokenId};
use storeplane_core::ports::Tokens as _;
use storeplane_core::token::{Author, CreateToken, IssuedToken, RevokeToken};
use storeplane_server::postgres::{self, AuditLog, Pool, PoolOptions, Tokens};
use storeplane_server::system::{RandomIds, SystemClock};
use tokio::sync::OnceCell;

use super::env;

pub(crate) struct Database {
    pub(crate) url: String,
    pub(crate) pool: Pool,
    name: String,
    server: String,
}

/// Connections of one test.
const CONNECTIONS: u32 = 4;
/// How long a test waits for a connection or a statement: longer than a server's callers.
const TIMEOUT: Duration = Duration::from_mins(2);
/// What the names of templates begin with.
const TEMPLATES: &str = "storeplane_template_";
/// Marks the connections of tests, so that [`Database::end_connections`] spares them.
const APPLICATION_NAME: &str = "storeplane-tests";

fn connect(url: &str) -> Pool {
    let options = PoolOptions {
        connections: CONNECTIONS,
        acquire_timeout: TIMEOUT,
        statement_timeout: TIMEOUT,
        application_name: APPLICATION_NAME,
        ..PoolOptions::default()
    };
    options.connect(url).expect("a Postgres URL")
}

/// The audit log with the refusals that are counted and have no record yet.
pub(crate) const COUNTED: &str = "(SELECT a.id, a.at, a.tenant, a.token, a.action, a.outcome, a.reason, a.target, a.count
    + coalesce((SELECT sum(c.count) FROM audit_refusal_counts c WHERE c.record = a.id), 0) AS count FROM audit_events a) audited";

/// The URL of another database of the same Postgres.
fn url_of(base: &str, name: &str) -> String {
    let (before, query) = base.split_once('?').map_or((base, None), |(url, query)| (url, Some(query)));
    let root = before.rsplit_once('/').expect("a database in the URL").0;
    query.map_or_else(|| format!("{root}/{name}"), |query| format!("{root}/{name}?{query}"))
}

/// The name of a migrated database, which is copied for each test: that takes a fifth of the time of migrating one. There is one for each
/// build of the tests, which may have another schema; those of earlier builds are dropped.
async fn template(base: &str) -> String {
    let built =
        std::env::current_exe().and_then(std::fs::metadata).and_then(|file| file.modified()).expect("this test");
    let built = built.duration_since(std::time::UNIX_EPOCH).expect("a time after 1970").as_nanos();
    let name = format!("{TEMPLATES}{built}");
    let mut lock = PgConnection::connect(base).await.expect("Postgres");
    lock.execute("SELECT pg_advisory_lock(hashtext('storeplane-test-template'))").await.expect("a lock");
    let others = "SELECT datname FROM pg_database WHERE starts_with(datname, $1)";
    let known: Vec<String> = query_scalar(others).bind(TEMPLATES).fetch_all(&mut lock).await.expect("the databases");
    if known.contains(&name) {
        return name;
    }
    for other in known {
        // Another build's tests may be copying it.
        let _ = lock.execute(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {other}"))).await;
    }
    let unfinished = format!("storeplane_test_{}", uuid::Uuid::new_v4().simple());
    lock.execute(AssertSqlSafe(format!("CREATE DATABASE {unfinished}"))).await.expect("a new database");
    postgres::migrate(&url_of(base, &unfinished)).await.expect("migrations apply");
    // Only now it has the name: a test that is killed leaves no template without a schema.
    lock.execute(AssertSqlSafe(format!("ALTER DATABASE {unfinished} RENAME TO {name}")))
        .await
        .expect("no connection to it is left");
    name
}

fn author() -> Author {
    Author::system("test")
}

impl Database {
    /// With the current schema: a copy of the template, and keys of its own.
    pub(crate) async fn create() -> Self {
        static TEMPLATE: OnceCell<String> = OnceCell::const_new();
        let base = env("STOREPLANE_TEST_DATABASE_URL");
        let template = TEMPLATE.get_or_init(|| template(&base)).await;
        let database = Self::copy_on(&base, template).await;
        database.execute("UPDATE server_keys SET key = sha256(gen_random_uuid()::text::bytea)").await;
        database
    }

    /// On another Postgres than the tests' shared one.
    pub(crate) async fn create_on(base: &str) -> Self {
        let database = Self::empty_on(base).await;
        postgres::migrate(&database.url).await.expect("migrations apply");
        database
    }

    /// Without a schema.
    pub(crate) async fn empty() -> Self {
        Self::empty_on(&env("STOREPLANE_TEST_DATABASE_URL")).await
    }

    /// The same on another Postgres.
    pub(crate) async fn empty_on(base: &str) -> Self {
        Self::copy_on(base, "template1").await
    }

    async fn copy_on(base: &str, template: &str) -> Self {
        let name = format!("storeplane_test_{}", uuid::Uuid::new_v4().simple());
        let server = connect(base);
        server
            .execute_unprepared(&format!("CREATE DATABASE {name} TEMPLATE {template}"))
            .await
            .expect("a new database");
        let url = url_of(base, &name);
        let pool = connect(&url);
        Self { url, pool, name, server: base.to_owned() }
    }

    /// A token's secret. The name of a tenant's first one is `test`.
    pub(crate) async fn token(&self, tenant: &str, role: &str) -> String {
        let others = self.value(&format!("SELECT count(*) FROM tokens WHERE tenant = '{tenant}'")).await;
        let name = if others == "0" { "test".to_owned() } else { format!("test {others}") };
        self.issue(tenant, Role::parse(role).expect("role"), &name).await.1
    }

    /// A new token's id and secret.
    pub(crate) async fn issue(&self, tenant: &str, role: Role, name: &str) -> (TokenId, String) {
        let (name, lifetime) = (name.to_owned(), Some(time::Duration::DAY));
        let wanted = CreateToken { name, role, scope: Scope::All, lifetime, idempotency: None };
        let tenant = tenant.parse().expect("a tenant");
        let IssuedToken { token, secret } = self.tokens().create(&tenant, wanted, &author()).await.expect("a token");
        (token.id, secret)
    }

    /// Revokes a token of the tenant `default`.
    pub(crate) async fn revoke(&self, id: TokenId) {
        let command = RevokeToken { token: id, idempotency: None };
        self.tokens().revoke(&Tenant::default(), command, &author()).await.expect("revoked");
    }

    pub(crate) fn tokens(&self) -> Tokens {
        Tokens::new(self.pool.clone(), std::sync::Arc::new(SystemClock), std::sync::Arc::new(RandomIds))
    }

    /// The first column of the first row, as text.
    pub(crate) async fn value(&self, sql: &str) -> String {
        let sql = format!("SELECT ({sql})::text");
        let row =
            self.pool.query_one_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await.expect("a query");
        row.and_then(|row| row.try_get_by_index::<Option<String>>(0).expect("text")).unwrap_or_default()
    }

    /// The id of a new backup of a store, which no operation makes: a server with a storage of backups fails it within seconds.
    pub(crate) async fn backup(&self, store_uid: &str) -> String {
        let id = uuid::Uuid::now_v7().to_string();
        let row = format!(
            "INSERT INTO backups (id, store, store_id, tenant, state, trigger, description, requested_by, operation, engine, \
                 chart_version, app_version, simulated, parts, created_at) \
             SELECT '{id}', uid, store_id, tenant, 'CREATING', 'ON_DEMAND', '', 'test', gen_random_uuid(), engine, '', '', false, \
                 '[]', now() FROM stores WHERE uid = '{store_uid}'"
        );
        self.execute(&row).await;
        id
    }

    /// Runs a statement.
    pub(crate) async fn execute(&self, sql: &str) {
        self.pool.execute_unprepared(sql).await.expect("a statement");
    }

    /// Closes servers' connections to this database, as a failover does, and waits until they are gone. `query` limits
    /// that to those whose last statement matches it. The tests' own connections are kept.
    pub(crate) async fn end_connections(&self, query: &str) {
        let others = format!(
            "FROM pg_stat_activity WHERE datname = current_database() AND application_name <> '{APPLICATION_NAME}' \
             AND backend_type = 'client backend' AND query LIKE '{query}'"
        );
        // Chosen first: as a condition of the same query it would be evaluated before the join that tells databases apart.
        let chosen = format!("SELECT pid {others} OFFSET 0");
        let pids = self
            .value(&format!(
                "SELECT string_agg(pid::text, ',') FROM ({chosen}) AS chosen WHERE pg_terminate_backend(pid)"
            ))
            .await;
        if pids.is_empty() {
            return;
        }
        let left =
            format!("SELECT count(*) FROM pg_stat_activity WHERE pid IN ({pids}) AND datname = current_database()");
        let began = Instant::now();
        while self.value(&left).await != "0" {
            assert!(began.elapsed() < TIMEOUT, "connections do not end: {pids}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Asserts the general invariants: events of each store are 1..n, one audit record for each
    /// requested operation, no active operation on a settled store.
    pub(crate) async fn assert_sound(&self) {
        let holes = "SELECT count(*) FROM stores s WHERE s.last_sequence <> (SELECT count(*) FROM events e WHERE e.store = s.uid)
            OR s.last_sequence <> (SELECT coalesce(max(sequence), 0) FROM events e WHERE e.store = s.uid)";
        assert_eq!(self.value(holes).await, "0", "stores whose events have holes");
        let unaccounted = "SELECT count(*) FROM operations o WHERE 1 <> (SELECT count(*) FROM audit_events a
            WHERE a.operation = o.id AND a.action IN ('CREATE_STORE', 'RETRY_STORE', 'UPDATE_STORE', 'ROLLBACK_STORE', 'ROTATE_CREDENTIALS', 'CREATE_BACKUP', 'RESTORE_STORE', 'COPY_STORE', 'UNDELETE_STORE', 'TEST_RESTORE', 'DELETE_STORE', 'FORCE_DELETE_STORE', 'ADOPT_STORE', 'APPLY_DOMAINS') AND a.outcome = 'ACCEPTED')";
        assert_eq!(self.value(unaccounted).await, "0", "operations without exactly one audit record");
        // A backup leaves its store in its state.
        let contradictions = "SELECT count(*) FROM stores s JOIN operations o ON o.id = s.operation
            WHERE (o.state IN ('PENDING', 'RUNNING') AND o.kind <> 'BACKUP') <> (s.state IN ('PROVISIONING', 'UPDATING', 'DELETING'))";
        assert_eq!(self.value(contradictions).await, "0", "stores whose state and operation disagree");
        let unended = "SELECT count(*) FROM backups b LEFT JOIN operations o ON o.id = b.operation
            WHERE (b.state = 'CREATING') <> coalesce(o.state IN ('PENDING', 'RUNNING'), false) AND b.state <> 'DELETING'";
        assert_eq!(self.value(unended).await, "0", "backups whose state and operation disagree");
        let audit = AuditLog::new(self.pool.clone(), None, std::sync::Arc::new(SystemClock));
        for tenant in audit.tenants().await.expect("tenants") {
            let verified = audit.verify(&tenant, None, None).await.expect("a verification");
            assert_eq!(verified.broken, None, "the audit log of {tenant:?}");
        }
        let leases =
            "SELECT count(*) FROM operations WHERE state NOT IN ('PENDING', 'RUNNING') AND lease_owner IS NOT NULL";
        assert_eq!(self.value(leases).await, "0", "ended operations with a lease");
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (name, url) = (self.name.clone(), self.server.clone());
        // Its own runtime: the test's may be gone.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                let _ = connect(&url).execute_unprepared(&drop).await;
            });
        });
        let _ = dropping.join();
    }
}

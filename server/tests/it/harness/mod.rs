//! The test environment: the real server as a process, a real Postgres with a database per test,
//! the real helm, and a real Kubernetes API server with simulated nodes. `make test` provides them; a test that finds
//! one missing fails with a message.

mod account;
mod api;
mod backup_storage;
mod balancer;
mod bouncer;
mod certificates;
mod cluster;
mod collector;
mod database;
mod dns;
mod failpoints;
mod gate;
mod gateway;
mod issuer;
mod job_player;
mod postgres;
mod proxy;
mod registry;
mod s3;
mod server;
mod volume_player;
mod wire;
mod writer;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use storeplane_core::engine::Catalog;
use storeplane_server::app::helm_config;
use storeplane_server::config::Config;
use storeplane_server::helm::Helm;
use tokio_util::sync::CancellationToken;

pub(crate) use account::{Account, admin_kubeconfig};
pub(crate) use api::{Api, Seen, fields, reason};
pub(crate) use backup_storage::{BackupStorage, PART_SIZE};
pub(crate) use balancer::Balancer;
pub(crate) use bouncer::Bouncer;
pub(crate) use certificates::{Authority, Pair, in_days};
pub(crate) use cluster::Kubernetes;
pub(crate) use collector::Collector;
pub(crate) use database::{COUNTED, Database};
pub(crate) use dns::DnsServer;
pub(crate) use failpoints::{Failpoints, Hold};
pub(crate) use gate::{Gate, Intervention, Seen as Requests, Set, Which};
pub(crate) use gateway::Gateway;
pub(crate) use issuer::{CLIENT, Issuer};
pub(crate) use job_player::{JobPlayer, Run};
pub(crate) use postgres::Postgres;
pub(crate) use proxy::{Proxy, authority};
pub(crate) use registry::{Registry, sha256};
pub(crate) use s3::{S3_KEYS, S3Server};
pub(crate) use server::{Server, descendants, helms_of, peak_helms, signal};
pub(crate) use volume_player::{DRIVER, FromSnapshots, VolumePlayer, without_snapshots};
pub(crate) use wire::Wire;
pub(crate) use writer::{SLOW_WRITES, Write, Writer};

/// A variable that `make test` sets.
pub(crate) fn env(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run `make test`, or eval \"$(dev/test-env up)\" first"))
}

/// A store id that no other test uses.
pub(crate) fn fresh(name: &str) -> String {
    let unique = uuid::Uuid::new_v4().simple().to_string();
    format!("{name}-{}", &unique[..10])
}

/// Prints past the test runner, which hides a passing test's output.
pub(crate) fn print_line(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The engine of stores that name none, unless a test has other charts.
pub(crate) const DEFAULT_ENGINE: &str = "woocommerce";

/// The charts of this repository.
pub(crate) fn charts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts")
}

/// The catalogue of a configuration.
pub(crate) async fn catalog(config: &Config) -> Arc<Catalog> {
    let helm = Helm::new(helm_config(config));
    storeplane_server::charts::load(config, &helm, &CancellationToken::new()).await.expect("charts").catalog
}

/// A server and everything that it needs.
pub(crate) struct Lab {
    pub(crate) database: Database,
    pub(crate) server: Server,
    pub(crate) api: Api,
    pub(crate) kubernetes: Kubernetes,
}

/// How the server is started.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) helm: String,
    /// What it may do in the cluster.
    pub(crate) account: Account,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) charts: PathBuf,
    /// A proxy between the server and Postgres.
    pub(crate) database_proxy: Option<SocketAddr>,
    pub(crate) env: Vec<(String, String)>,
    /// A wrapper that starts the server. Gets the server's directory as its last argument.
    pub(crate) launcher: Vec<String>,
}

impl Default for Setup {
    fn default() -> Self {
        Self::of(Account::usual())
    }
}

impl Setup {
    /// For an instance of its own.
    pub(crate) fn of(account: Account) -> Self {
        Self {
            helm: env("STOREPLANE_TEST_HELM3"),
            kubeconfig: account.kubeconfig.clone(),
            account,
            charts: charts(),
            database_proxy: None,
            env: vec![("STOREPLANE_CHART_VALUES".into(), "values-local.yaml".into())],
            launcher: Vec::new(),
        }
        .with("STOREPLANE_DEFAULT_ENGINE", DEFAULT_ENGINE)
    }

    /// With a small chart, which takes helm a fifth of a shop's time.
    pub(crate) fn small() -> Self {
        Self::default().with_small_chart()
    }

    /// The same for another instance.
    pub(crate) fn with_small_chart(self) -> Self {
        let charts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/harness/charts");
        let configuration = charts.join("storeplane.toml").to_str().expect("a path in UTF-8").to_owned();
        Self { charts, env: Vec::new(), ..self }.with("STOREPLANE_CONFIG", configuration)
    }

    /// With this storage of backups, besides what its configuration file sets. Each server of a storage needs a setup of its own.
    pub(crate) fn with_backups(self, storage: &BackupStorage) -> Self {
        let known = self.env.iter().rev().find(|(name, _)| name == "STOREPLANE_CONFIG");
        let before = known.map(|(_, file)| std::fs::read_to_string(file).expect("a configuration")).unwrap_or_default();
        self.with("STOREPLANE_CONFIG", storage.configure(&before))
    }

    /// Adds an environment variable.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Creates the database, a token and the server.
    pub(crate) async fn start(self) -> Lab {
        let database = Database::create().await;
        self.start_on(database).await
    }

    /// The same on an existing database.
    pub(crate) async fn start_on(self, database: Database) -> Lab {
        let kubernetes = Kubernetes::of(&self.account.instance);
        let token = database.token("default", "admin").await;
        let server = Server::start(&self, &database).await;
        let api = Api::connect(server.address(), &token);
        Lab { database, server, api, kubernetes }
    }
}

impl Lab {
    /// The default lab.
    pub(crate) async fn start() -> Self {
        Setup::default().start().await
    }
}

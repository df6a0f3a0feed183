//! The components of the server: wired, started, and why it may not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use storeplane_core::engine::Catalog;
use storeplane_core::ports::{Clock, Ids, Stores};
use storeplane_core::service::{Ports, Service};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::components::{audit_log, authenticator, cluster_config, domain_checks, pools, ports, releases, tools};
use crate::backup_schedule::BackupScheduler;
use crate::backups::Backups;
use crate::backups::s3::S3Error;
use crate::charts::Charts;
use crate::checkpoint::CheckpointFault;
use crate::circuit::Circuit;
use crate::config::{CatalogError, Config, ConfigError};
use crate::domains::{Checks, DomainFollower};
use crate::grpc::auth::AuthLayer;
use crate::health::Part;
use crate::helm::Helm;
use crate::http::tls::TlsError;
use crate::https::CaError;
use crate::kube::{Cluster, ClusterCache};
use crate::limits::Limits;
use crate::outage::OutageLog;
use crate::postgres::{
    self, AuditLog, AuthFailures, BackupRetention, BackupSchedule, ConnectError, EventLog, LiveStoreRepository,
    PgDomains, PgRollouts, PgStores, Pool, Pools, QuotaPolicy, RefusalCounts, RestoreTests, Retention, RetentionPolicy,
    RolloutEngine, Schema, ServerKey, TenantStates, Tokens,
};
use crate::reconciler::Reconciler;
use crate::restore_tests::RestoreTester;
use crate::rollouts::Rollouts;
use crate::sales_test::SalesTest;
use crate::system::{RandomIds, SystemClock};
use crate::watch::{Hub, Watches};
use crate::worker::Tools;

static PROBE: OutageLog = OutageLog::new("probe the database");

/// Why the server does not start. Waiting does not help.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A required setting is missing.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A chart is missing or invalid.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The database's URL is invalid.
    #[error(transparent)]
    Database(#[from] ConnectError),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The authorities that verify the identity provider cannot be used.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// The system's DNS servers are not known.
    #[error("domains.resolvers: the DNS servers of the system are not known: {0}; name some")]
    Resolvers(#[source] hickory_resolver::net::NetError),
    /// The bucket for backups cannot be used.
    #[error(transparent)]
    Backups(#[from] S3Error),
    /// Plain text would leave this machine.
    #[error(
        "listen: {address} is not a loopback address, and without TLS tokens and passwords would cross the network in \
         plain text. Set tls.certificate and tls.key (STOREPLANE_TLS_CERTIFICATE, STOREPLANE_TLS_KEY); or, if a proxy \
         in front of the server terminates TLS, insecure_plaintext (--insecure-plaintext, \
         STOREPLANE_INSECURE_PLAINTEXT=true)"
    )]
    Plaintext {
        /// Where the server would listen.
        address: SocketAddr,
    },
    /// The port cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The key that signs the audit log's checkpoints cannot be used.
    #[error("audit.signing_key_file: {} {problem}", file.display())]
    SigningKey {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: CheckpointFault,
    },
    /// The descriptors for server reflection are invalid.
    #[error("reflection cannot serve the descriptors: {0}")]
    Reflection(#[from] prost::DecodeError),
    /// The descriptors for JSON calls are invalid.
    #[error("the descriptors cannot be read: {0}")]
    Descriptors(#[from] prost_reflect::DescriptorError),
}

/// The commands, with the settings that they need.
fn service(config: &Config, ports: Ports, catalog: Arc<Catalog>) -> Service {
    let (platform_tenant, lifetimes) = (config.platform_tenant.parse().ok(), config.tokens.into());
    let service = Service::new(ports, catalog, &config.domain, platform_tenant, lifetimes, (&config.quotas).into());
    service.with_domain_rules((&config.domains).into())
}

/// The components, not yet running.
pub(super) struct Parts {
    pub(super) pools: Pools,
    hub: Hub,
    log: EventLog,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) cluster: Cluster,
    cache: Arc<ClusterCache>,
    quotas: QuotaPolicy,
    pub(super) service: Service,
    pub(super) watches: Watches,
    pub(super) auth: AuthLayer,
    pub(super) audit: AuditLog,
    pub(super) helm: Helm,
    pub(super) tools: Tools,
    domain_checks: Checks,
}

impl Parts {
    pub(super) fn new(
        config: &Config,
        (helm, charts): (Helm, Charts),
        shutdown: &CancellationToken,
    ) -> Result<Self, StartError> {
        let catalog = Arc::clone(&charts.catalog);
        let pools = pools(config)?;
        let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) = (Arc::new(SystemClock), Arc::new(RandomIds));
        let (hub, log) = (Hub::default(), EventLog::new(pools.watch.clone()));
        let quotas = QuotaPolicy::new((&config.quotas).into(), &catalog);
        let stores = |pool: &Pool| -> Arc<dyn Stores> {
            Arc::new(PgStores::new(pool.clone(), Arc::clone(&clock), quotas.clone()))
        };
        let tokens = Tokens::new(pools.api.clone(), Arc::clone(&clock), Arc::clone(&ids));
        let tenant_states = TenantStates::new(pools.api.clone());
        let authenticator = authenticator(config, &pools.api, &tokens, &clock)?;
        let watches = Watches::new(
            (stores(&pools.watch), Arc::new(PgRollouts::new(pools.watch.clone()))),
            log.clone(),
            (authenticator.on(&pools.watch), tenant_states.on(pools.watch.clone())),
            (hub.clone(), pools.watch.notifier().clone()),
            Arc::clone(&clock),
            shutdown.clone(),
        );
        let cluster = Cluster::new(cluster_config(config));
        let cache = Arc::new(ClusterCache::new(cluster.clone()));
        let releases = releases(config, &cache, &pools.api, &clock);
        let domain_checks = domain_checks(config, &cluster, &clock)?;
        let ports = ports(
            (stores(&pools.api), &pools.api),
            (&clock, &ids),
            (&cluster, releases, &domain_checks),
            (&tokens, authenticator.sessions()),
        );
        let shared_key = Arc::new(ServerKey::new(pools.api.clone()));
        let backups = Backups::new(&config.backups, shared_key, &clock)?;
        let service = service(config, ports, Arc::clone(&catalog)).with_backups(backups.is_some());
        let tools = tools(config, &pools, ids, (&helm, &cluster), (charts, backups));
        let failures = AuthFailures::new(pools.work.clone(), Arc::clone(&clock), Arc::clone(&tools.ids));
        let audit = audit_log(config, &pools, &clock)?;
        let limits = Limits::new(config.limits);
        let auth = AuthLayer { authenticator, limits, tenants: tenant_states, service: service.clone(), failures };
        Ok(Self {
            pools,
            hub,
            log,
            clock,
            cluster,
            cache,
            quotas,
            service,
            watches,
            auth,
            audit,
            helm,
            tools,
            domain_checks,
        })
    }

    /// Starts the notifications from Postgres, the event hub, retention, the last use of tokens, and the cache of the cluster.
    pub(super) fn start(
        &self,
        config: &Config,
        tasks: &TaskTracker,
        shutdown: &CancellationToken,
    ) -> Result<(), ConfigError> {
        let url = config.session_url()?;
        tasks.spawn(postgres::listen(url.expose().to_owned(), self.pools.work.notifier().clone(), shutdown.clone()));
        let keep = RetentionPolicy {
            events: config.retention.events.into(),
            operations: config.retention.operations.into(),
            audit: config.retention.audit.map(Into::into),
        };
        let retention = Retention::new(self.pools.work.clone(), keep);
        tasks.spawn(retention.run(shutdown.clone()));
        let tokens = self.auth.authenticator.tokens().on(self.pools.work.clone());
        tasks.spawn(tokens.record_use_until(shutdown.clone()));
        let audit = self.audit.on(self.pools.work.clone());
        tasks.spawn(audit.sign_until(config.audit.checkpoint_interval.into(), shutdown.clone()));
        tasks.spawn(self.tools.charts.clone().maintain_until(shutdown.clone()));
        tasks.spawn(RefusalCounts::new(self.pools.work.clone()).run(shutdown.clone()));
        tasks.spawn(self.auth.failures.clone().record_until(shutdown.clone()));
        let sessions = self.auth.authenticator.sessions().on(self.pools.work.clone());
        tasks.spawn(sessions.maintain_until(shutdown.clone()));
        let (cache, until) = (Arc::clone(&self.cache), shutdown.clone());
        tasks.spawn(async move { until.run_until_cancelled(cache.run()).await });
        tasks.spawn(self.hub.clone().run(self.log.clone(), self.pools.watch.notifier().events(), shutdown.clone()));
        Ok(())
    }

    /// Starts the reconciler.
    pub(super) fn reconciler(&self, config: &Config, tasks: &TaskTracker) -> Result<Reconciler, ConfigError> {
        let Tools { catalog, verifier, .. } = &self.tools;
        Ok(Reconciler {
            live_stores: LiveStoreRepository::new(self.pools.work.clone(), Arc::clone(&self.clock)),
            cluster: self.cluster.clone(),
            cache: Arc::clone(&self.cache),
            catalog: Arc::clone(catalog),
            verifier: verifier.clone(),
            domain_checks: self.domain_checks.clone(),
            sales_test: self.sales_test(),
            url: config.session_url()?.clone(),
            tasks: tasks.clone(),
        })
    }

    fn sales_test(&self) -> SalesTest {
        let Tools { catalog, verifier, .. } = &self.tools;
        SalesTest { catalog: Arc::clone(catalog), cluster: self.cluster.clone(), verifier: verifier.clone() }
    }

    /// What starts the stores of rollouts.
    pub(super) fn rollouts(&self, config: &Config) -> Result<Rollouts, ConfigError> {
        let Tools { notifier, catalog, ids, backups, .. } = &self.tools;
        let pool = self.pools.work.clone();
        let means = (Arc::clone(catalog), Arc::clone(ids));
        let engine = RolloutEngine::new(pool.clone(), means, self.quotas.clone(), backups.is_some());
        Ok(Rollouts {
            engine,
            live_stores: LiveStoreRepository::new(pool, Arc::clone(&self.clock)),
            sales_test: self.sales_test(),
            notifier: notifier.clone(),
            url: config.session_url()?.clone(),
        })
    }

    /// What checks domains.
    pub(super) fn domain_follower(&self, config: &Config) -> Result<DomainFollower, ConfigError> {
        let ids = &self.tools.ids;
        let (pool, clock) = (self.pools.work.clone(), Arc::clone(&self.clock));
        Ok(DomainFollower {
            domains: PgDomains::new(pool, clock, Arc::clone(ids)),
            checks: self.domain_checks.clone(),
            url: config.session_url()?.clone(),
        })
    }

    /// What makes scheduled backups.
    pub(super) fn backup_scheduler(&self, config: &Config) -> Result<BackupScheduler, ConfigError> {
        let Tools { catalog, ids, .. } = &self.tools;
        let (pool, schedule) = (&self.pools.work, &config.backups.schedule);
        Ok(BackupScheduler {
            schedule: BackupSchedule::new(pool.clone(), Arc::clone(catalog), Arc::clone(ids)),
            retention: BackupRetention::new(pool.clone(), Arc::clone(ids)),
            live_stores: LiveStoreRepository::new(pool.clone(), Arc::clone(&self.clock)),
            policies: schedule.into(),
            max_running: schedule.max_running,
            tester: RestoreTester {
                tests: RestoreTests::new(
                    pool.clone(),
                    Arc::clone(catalog),
                    config.domain.as_str().into(),
                    Arc::clone(ids),
                ),
                every: config.backups.restore_tests.every.duration(),
                max_running: config.backups.restore_tests.max_running,
            },
            url: config.session_url()?.clone(),
        })
    }

    /// The circuit breakers of what the server depends on.
    pub(super) fn circuits(&self) -> Vec<Circuit> {
        vec![self.pools.circuit.clone(), self.cluster.circuit().clone()]
    }

    /// Starts the probes of components that may be unavailable.
    pub(super) fn probes(&self, tasks: &TaskTracker, shutdown: &CancellationToken) -> Vec<Part> {
        let (pool, cluster, helm) = (self.pools.work.clone(), self.cluster.clone(), self.helm.clone());
        let postgres = Part::probe("postgres", tasks, shutdown.clone(), move || {
            let pool = pool.clone();
            async move { postgres_usable(&pool).await }
        });
        let kubernetes = Part::probe("kubernetes", tasks, shutdown.clone(), move || {
            let cluster = cluster.clone();
            async move { cluster.check().await.map_err(|error| error.to_string()) }
        });
        let helms_cluster = self.cluster.clone();
        let helm = Part::probe("helm", tasks, shutdown.clone(), move || {
            let (helm, unreachable) = (helm.clone(), helms_cluster.circuit().is_open());
            // A cluster that does not answer is no fault of helm's: it need not try.
            let checked = async move { if unreachable { helm.version().await } else { helm.check().await } };
            async move { checked.await.map_err(|error| error.to_string()) }
        });
        vec![postgres, kubernetes, helm]
    }
}

async fn postgres_usable(pool: &Pool) -> Result<(), String> {
    match postgres::schema(pool).await {
        Ok(Schema::Current) => {
            PROBE.worked();
            Ok(())
        }
        Ok(Schema::Behind(missing)) => {
            Err(format!("{missing} migrations are missing: run `storeplane-server migrate`"))
        }
        Ok(Schema::ReadOnly) => Err("the database is read-only: it is a standby".into()),
        // The cause is only logged: it may contain host names, and health requests are not authenticated.
        Err(error) => {
            PROBE.failed(&error);
            Err("the database is not available".into())
        }
    }
}

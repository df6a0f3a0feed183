//! Single components, from the configuration.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use storeplane_core::ports::{Clock, Ids, Stores};
use storeplane_core::service::Ports;

use super::parts::StartError;
use crate::authentication::Authenticator;
use crate::backups::Backups;
use crate::charts::{ChartLibrary, Charts};
use crate::checkpoint::SigningKey;
use crate::config::{Config, VerificationFiles};
use crate::domains::{Checks, FileReader, Resolver};
use crate::helm::{Helm, HelmConfig};
use crate::kube::{Cluster, ClusterCache, ClusterConfig, StoreAccess};
use crate::oidc::Oidc;
use crate::postgres::{
    AuditLog, LiveStoreRepository, PgBackups, PgCharts, PgDomains, PgRollouts, Pool, PoolSizes, Pools, Queue,
    SessionLifetimes, Sessions, Tenants, Tokens,
};
use crate::releases::ClusterReleases;
use crate::verify::Verifier;
use crate::worker::Tools;

/// Maximum time between SIGTERM and SIGKILL for helm. Together with half a lease of silence it stays within the lease.
const HELM_GRACE: Duration = Duration::from_secs(5);

/// What commands and queries use.
pub(super) fn ports(
    (stores, pool): (Arc<dyn Stores>, &Pool),
    (clock, ids): (&Arc<dyn Clock>, &Arc<dyn Ids>),
    (cluster, releases, domain_checks): (&Cluster, ClusterReleases, &Checks),
    (tokens, sessions): (&Tokens, &Sessions),
) -> Ports {
    let domains = PgDomains::new(pool.clone(), Arc::clone(clock), Arc::clone(ids));
    Ports {
        stores,
        backups: Arc::new(PgBackups::new(pool.clone())),
        rollouts: Arc::new(PgRollouts::new(pool.clone())),
        domains: Arc::new(domains),
        domain_checks: Arc::new(domain_checks.clone()),
        credentials: Arc::new(cluster.clone()),
        live_view: Arc::new(cluster.clone()),
        releases: Arc::new(releases),
        tenants: Arc::new(Tenants::new(tokens)),
        tokens: Arc::new(tokens.clone()),
        sessions: Arc::new(sessions.clone()),
        clock: Arc::clone(clock),
        ids: Arc::clone(ids),
    }
}

/// What workers use.
pub(super) fn tools(
    config: &Config,
    pools: &Pools,
    ids: Arc<dyn Ids>,
    (helm, cluster): (&Helm, &Cluster),
    (charts, backups): (Charts, Option<Backups>),
) -> Tools {
    let lease = Duration::from_secs(config.worker.lease_seconds);
    Tools {
        queue: Queue::new(pools.work.clone(), lease),
        notifier: pools.work.notifier().clone(),
        helm: helm.clone(),
        helm_timeout: Duration::from_secs(config.helm.timeout_seconds),
        cluster: cluster.clone(),
        verifier: Verifier::new(cluster.clone(), config.verify.via),
        backups,
        catalog: Arc::clone(&charts.catalog),
        charts: ChartLibrary::new(charts, PgCharts::new(pools.work.clone())),
        issuer: config.domains.issuer.clone(),
        ids,
    }
}

pub(super) fn audit_log(config: &Config, pools: &Pools, clock: &Arc<dyn Clock>) -> Result<AuditLog, StartError> {
    Ok(AuditLog::new(pools.api.clone(), signing_key(config)?, Arc::clone(clock))
        .keeping(config.retention.audit.map(Into::into))
        .sharing(config.database.pool_size))
}

fn file_reader(files: &VerificationFiles) -> Option<FileReader> {
    files.enabled.then(|| FileReader::new(files.networks.clone(), files.port))
}

pub(super) fn domain_checks(config: &Config, cluster: &Cluster, clock: &Arc<dyn Clock>) -> Result<Checks, StartError> {
    Ok(Checks {
        resolver: Resolver::new(&config.domains.resolvers).map_err(StartError::Resolvers)?,
        targets: config.domains.targets.clone(),
        files: file_reader(&config.domains.verification_file),
        cluster: cluster.clone(),
        issues: config.domains.issuer.is_some(),
        clock: Arc::clone(clock),
    })
}

pub(super) fn releases(
    config: &Config,
    cache: &Arc<ClusterCache>,
    database: &Pool,
    clock: &Arc<dyn Clock>,
) -> ClusterReleases {
    ClusterReleases {
        instance: config.instance.clone(),
        cache: Arc::clone(cache),
        live_stores: LiveStoreRepository::new(database.clone(), Arc::clone(clock)),
    }
}

pub(super) fn authenticator(
    config: &Config,
    database: &Pool,
    tokens: &Tokens,
    clock: &Arc<dyn Clock>,
) -> Result<Authenticator, StartError> {
    let oidc = config.oidc.clone().map(|oidc| Oidc::new(oidc, Arc::clone(clock))).transpose()?;
    let lifetimes = SessionLifetimes { idle: config.sessions.idle.into(), max: config.sessions.max.into() };
    let sessions = Sessions::new(database.clone(), tokens.clone(), lifetimes);
    let identities = config.tls.as_ref().map_or(&[][..], |tls| &tls.identities);
    Ok(Authenticator::new(tokens.clone(), sessions, Arc::clone(clock))
        .with_provider(oidc)
        .with_public_url(config.public_url.as_deref())
        .with_identities(identities))
}

/// The configured key that signs the audit log's checkpoints.
pub(crate) fn signing_key(config: &Config) -> Result<Option<SigningKey>, StartError> {
    let of = |file: &PathBuf| {
        SigningKey::from_file(file).map_err(|problem| StartError::SigningKey { file: file.clone(), problem })
    };
    config.audit.signing_key_file.as_ref().map(of).transpose()
}

pub(super) fn pools(config: &Config) -> Result<Pools, StartError> {
    let database = &config.database;
    let sizes = PoolSizes { work: database.worker_pool_size, watch: database.watch_pool_size, api: database.pool_size };
    let pooler = database.listen_url.is_some();
    Ok(Pools::new(config.database_url()?.expose(), sizes, pooler)?)
}

/// The helm settings of a configuration.
pub fn helm_config(config: &Config) -> HelmConfig {
    HelmConfig {
        binary: config.helm.binary.clone(),
        max_processes: config.helm.max_processes,
        kubeconfig: config.kubernetes.kubeconfig.clone(),
        kube_context: config.kubernetes.context.clone(),
        pass_env: config.helm.pass_env.clone(),
        grace: HELM_GRACE.min(Duration::from_secs(config.worker.lease_seconds) / 3),
        ..HelmConfig::default()
    }
}

fn store_access(config: &Config) -> Option<StoreAccess> {
    let account = config.kubernetes.service_account.clone()?;
    let role = config.kubernetes.store_role.clone()?;
    Some(StoreAccess { role, account_namespace: account.namespace, account_name: account.name })
}

/// The cluster settings of a configuration.
pub fn cluster_config(config: &Config) -> ClusterConfig {
    ClusterConfig {
        kubeconfig: config.kubernetes.kubeconfig.clone(),
        context: config.kubernetes.context.clone(),
        limits: config.obstacles.0,
        namespace_labels: config.kubernetes.namespace_labels.clone(),
        namespace_annotations: config.kubernetes.namespace_annotations.clone(),
        copied_secrets: config.kubernetes.copied_secrets.clone(),
        access: store_access(config),
        scope: config.kubernetes.scope,
        ..ClusterConfig::new(config.instance.as_str())
    }
}

//! From the cluster's records of a store to its row: the namespace's labels and annotations, and helm's record of the release.

use storeplane_core::engine::{Catalog, Engine};
use storeplane_core::ids::{StoreUid, Tenant};
use storeplane_core::names::Placement;
use storeplane_core::store::{Environment, Versions};
use storeplane_core::transition::adopt::RecordedStore;
use storeplane_core::transition::health::Health;
use time::OffsetDateTime;

use super::owner::{NamespaceOwner, Owners};
use crate::kube::{Cluster, ClusterError, Examined, Expected, ListedRelease, OwnedNamespace, StoreRecord};

/// What an operator says of stores whose engine or plan is not recorded.
#[derive(Debug, Clone, Default)]
pub struct Assumed {
    /// The engine.
    pub engine: Option<String>,
    /// The plan.
    pub plan: Option<String>,
}

/// A store without a row, as the cluster records it.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The store.
    pub store: RecordedStore,
    /// The fence of the last claim that acted in its namespace.
    pub fence: i64,
}

/// Reads stores from the cluster.
#[derive(Debug)]
pub struct Reader<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// The engines.
    pub catalog: &'a Catalog,
    /// For what is not recorded.
    pub assumed: Assumed,
    /// The time.
    pub now: OffsetDateTime,
}

/// Everything that prevents an adoption, or a failed request.
#[derive(Debug)]
pub enum Refused {
    /// The problems.
    Problems(Vec<String>),
    /// The cluster did not answer.
    Cluster(ClusterError),
}

impl From<ClusterError> for Refused {
    fn from(error: ClusterError) -> Self {
        Self::Cluster(error)
    }
}

impl From<String> for Refused {
    fn from(problem: String) -> Self {
        Self::Problems(vec![problem])
    }
}

impl Reader<'_> {
    /// The store in a namespace that belongs to no row.
    pub async fn read(&self, namespace: &OwnedNamespace, owners: &Owners<'_>) -> Result<Candidate, Refused> {
        let releases = self.cluster.releases_in(&namespace.name).await?;
        let uid = uid(namespace, owners, &releases)?;
        let release = release_of(&releases, uid)?;
        let revision = release.observation.revision;
        let record = self.cluster.store_record(&namespace.name, &release.name, revision).await?;
        let record = record.ok_or_else(|| format!("the record of the release {} is gone", release.name))?;
        let mut store = self.recorded(namespace, uid, &release.name, &record).map_err(Refused::Problems)?;
        if let Some(smtp) = &mut store.smtp {
            let username = self.cluster.read_secret(&namespace.name, &smtp.secret, "username").await?;
            smtp.username = username.map(|username| username.expose().to_owned()).unwrap_or_default();
        }
        let (health, simulated) = self.health(&store, &record).await?;
        Ok(Candidate { store: RecordedStore { health, simulated, ..store }, fence: namespace.fence })
    }

    fn recorded(
        &self,
        namespace: &OwnedNamespace,
        uid: StoreUid,
        release: &str,
        record: &StoreRecord,
    ) -> Result<RecordedStore, Vec<String>> {
        let mut problems = Vec::new();
        if !record.store_uid.is_empty() && record.store_uid.parse() != Ok(uid) {
            problems.push(format!("the release's values name another store: {:?}", record.store_uid));
        }
        let mut text = |what: &str, text: &str| {
            if text.is_empty() {
                problems.push(format!("{what} is not recorded"));
            }
            text.to_owned()
        };
        let display_name = text("the display name (store.displayName in the release's values)", &record.display_name);
        let admin_email = text("the administrator's e-mail address (store.adminEmail)", &record.admin_email);
        let host = text("the host name (ingress.host)", &record.host);
        // Labels win: the control plane itself wrote them. Values remain if the namespace lost its labels.
        let id = namespace.store_id.as_deref().unwrap_or(&record.store_id).parse();
        let tenant = namespace.tenant.as_deref().unwrap_or(&record.tenant).parse::<Tenant>();
        problems.extend(id.as_ref().err().map(|error| format!("the store's id {error}")));
        problems.extend(tenant.as_ref().err().map(|error| format!("the tenant {error}")));
        let engine = self.engine(record).map_err(|problem| problems.push(problem)).ok();
        let plan = engine.and_then(|engine| self.plan(engine, record).map_err(|problem| problems.push(problem)).ok());
        let (Ok(id), Ok(tenant), Some(engine), Some(plan), true) = (id, tenant, engine, plan, problems.is_empty())
        else {
            return Err(problems);
        };
        let installed_at = record.first_deployed.unwrap_or(self.now);
        Ok(RecordedStore {
            uid,
            id,
            tenant,
            display_name,
            engine: engine.name.clone(),
            plan,
            admin_email,
            environment: if record.staging { Environment::Staging } else { Environment::Production },
            smtp: record.smtp.clone(),
            plugins: record.plugins.clone(),
            placement: Placement { namespace: namespace.name.clone(), release: release.to_owned(), host },
            versions: self.versions(&engine.name, record),
            secure: engine.secure,
            simulated: false,
            created_at: requested_at(uid).unwrap_or(installed_at).min(self.now),
            installed_at,
            health: Health::Healthy,
        })
    }

    fn engine(&self, record: &StoreRecord) -> Result<&Engine, String> {
        let named = record.engine.as_ref().or(self.assumed.engine.as_ref());
        if let Some(name) = named {
            return self.catalog.engine(name).ok_or_else(|| format!("the engine {name:?} is not configured"));
        }
        let uses = |engine: &&Engine| engine.chart_name == record.chart;
        let mut engines = self.catalog.engines().iter().filter(uses);
        match (engines.next(), engines.next()) {
            (Some(engine), None) => Ok(engine),
            _ => Err(format!("the engine is not recorded (chart {:?}): name it with --engine", record.chart)),
        }
    }

    /// The recorded version. Digest and schema are those of the same version in the catalogue.
    fn versions(&self, engine: &str, record: &StoreRecord) -> Versions {
        let known = self.catalog.engine_at(engine, &record.chart_version).map(|engine| engine.versions.clone());
        Versions { chart: record.chart_version.clone(), app: record.app_version.clone(), ..known.unwrap_or_default() }
    }

    /// The recorded plan, otherwise the only one of the recorded size.
    fn plan(&self, engine: &Engine, record: &StoreRecord) -> Result<String, String> {
        if let Some(name) = &record.plan {
            return Ok(name.clone());
        }
        if let Some(name) = &self.assumed.plan {
            let plan = engine.plan(name).map(|plan| plan.name.clone());
            return plan.ok_or_else(|| format!("the engine {} has no plan {name:?}", engine.name));
        }
        let mut fitting = engine.plans.iter().filter(|plan| {
            let size = [&plan.size.cpu, &plan.size.memory, &plan.size.storage];
            let known = record.size.iter().zip(size).filter_map(|(recorded, size)| Some(recorded.as_ref()? == size));
            let known: Vec<_> = known.collect();
            !known.is_empty() && known.iter().all(|is_same| *is_same)
        });
        match (fitting.next(), fitting.next()) {
            (Some(plan), None) => Ok(plan.name.clone()),
            _ => Err("the plan is not recorded: name it with --plan".to_owned()),
        }
    }

    /// The store's health, and whether the cluster is simulated.
    async fn health(&self, store: &RecordedStore, record: &StoreRecord) -> Result<(Health, bool), ClusterError> {
        // Another version of the chart may have other Secrets.
        let engine = self.catalog.engine_at(&store.engine, &store.versions.chart);
        let secrets = engine.map(|engine| engine.secrets.iter().map(|secret| secret.name.clone()).collect());
        let expected = Expected {
            namespace: store.placement.namespace.clone(),
            store_uid: store.uid,
            release: store.placement.release.clone(),
            secrets: secrets.unwrap_or_default(),
            workloads: record.workloads.clone(),
        };
        let health = match self.cluster.examine(&expected).await? {
            Examined::Healthy => Health::Healthy,
            Examined::Settling(failure) | Examined::Unhealthy(failure) => Health::Unhealthy(failure),
        };
        Ok((health, self.cluster.check().await?.simulated))
    }
}

fn uid(namespace: &OwnedNamespace, owners: &Owners<'_>, releases: &[ListedRelease]) -> Result<StoreUid, String> {
    match owners.of(namespace, releases.iter().filter_map(|release| release.observation.store_uid)) {
        NamespaceOwner::Foreign => Err(match &namespace.instance {
            Some(instance) => format!("it belongs to the control plane {instance:?}"),
            None => "it does not belong to this control plane".to_owned(),
        }),
        NamespaceOwner::Store(store) => {
            Err(format!("it belongs to store {} of tenant {}", store.store_id, store.tenant))
        }
        NamespaceOwner::Orphan { .. } if namespace.terminating => Err("it is being deleted".to_owned()),
        NamespaceOwner::Orphan { store_uid, .. } => store_uid.ok_or_else(|| "no store's uid is recorded".to_owned()),
    }
}

fn release_of(releases: &[ListedRelease], uid: StoreUid) -> Result<&ListedRelease, String> {
    let mut ours = releases.iter().filter(|release| release.observation.store_uid == Some(uid));
    match (ours.next(), ours.next()) {
        (Some(release), None) => Ok(release),
        (None, _) => Err(format!("it has no release of store {uid}: name, plan and host name are not recorded")),
        (Some(one), Some(other)) => {
            Err(format!("it has several releases of store {uid}: {}, {}", one.name, other.name))
        }
    }
}

/// When a store was requested: a UUID v7 contains the time.
fn requested_at(uid: StoreUid) -> Option<OffsetDateTime> {
    let (seconds, nanoseconds) = uid.0.get_timestamp()?.to_unix();
    let whole = OffsetDateTime::from_unix_timestamp(seconds.try_into().ok()?).ok()?;
    whole.replace_nanosecond(nanoseconds).ok()
}

#[cfg(test)]
mod tests;

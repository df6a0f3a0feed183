//! `adopt`: takes releases whose stores are missing in the database back into it.

use std::fmt::Write;
use std::sync::Arc;

use clap::Args;
use storeplane_core::audit::COMMAND_LINE;
use storeplane_core::error::PortError;
use storeplane_core::ids::OperationId;
use storeplane_core::ports::{Clock as _, Ids as _};
use storeplane_core::store::Store;
use storeplane_core::transition::adopt;
use tokio_util::sync::CancellationToken;

use super::{Failure, print};
use crate::app::{cluster_config, helm_config};
use crate::charts;
use crate::config::Config;
use crate::helm::Helm;
use crate::kube::{Cluster, OwnedNamespace};
use crate::postgres::{self, Adoption, LiveStoreRepository};
use crate::releases::adopt::{Assumed, Candidate, Reader, Refused};
use crate::releases::owner::Owners;
use crate::system::{RandomIds, SystemClock};

/// What cannot be known of any adopted store.
const UNKNOWN: &str = "Not recorded in the cluster: earlier events, operations and audit records (lost), the time of the first READY \
    (the time of installation is used) and the cleanup policy (KEEP is used).\n";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only this namespace; default: all namespaces of this control plane that belong to no store.
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// Engine of stores whose release does not record it.
    #[arg(long, value_name = "NAME")]
    engine: Option<String>,
    /// Plan of stores whose release does not record it.
    #[arg(long, value_name = "NAME")]
    plan: Option<String>,
    /// Writes to the database; without it, only prints what would be written.
    #[arg(long)]
    apply: bool,
}

pub(super) async fn run(arguments: Arguments, config: &Config) -> Result<(), Failure> {
    let database = postgres::connect(config.session_url()?.expose(), 2)?;
    let live_stores = LiveStoreRepository::new(database.clone(), Arc::new(SystemClock));
    let (cluster, helm) = (Cluster::new(cluster_config(config)), Helm::new(helm_config(config)));
    let catalog = charts::load(config, &helm, &CancellationToken::new()).await?.catalog;
    let Arguments { namespace, engine, plan, apply } = arguments;
    let all = cluster.every_namespace().await?;
    // Rows are read last: a store's row exists before any of its objects.
    let live = live_stores.live().await?;
    let owners = Owners::new(cluster.instance(), &live);
    let wanted = wanted(&all, namespace.as_deref(), &owners)?;
    let reader =
        Reader { cluster: &cluster, catalog: &catalog, assumed: Assumed { engine, plan }, now: SystemClock.now() };
    let adoption = Adoption::new(database);
    let (mut text, mut refused) = (String::new(), 0);
    for namespace in &wanted {
        match Box::pin(adopt_one(&reader, &owners, &adoption, namespace, apply)).await {
            Ok(described) => writeln!(text, "{described}")?,
            Err(Refusal::Problems(problems)) => {
                refused += 1;
                writeln!(text, "{}: cannot be adopted", namespace.name)?;
                problems.iter().try_for_each(|problem| writeln!(text, "    {problem}"))?;
            }
            Err(Refusal::Failure(failure)) => {
                print(&text)?;
                return Err(failure);
            }
        }
    }
    match (wanted.len(), apply) {
        (0, _) => text.push_str("every namespace of this control plane belongs to a store\n"),
        (all, _) if all == refused => {}
        (_, true) => text.push_str(UNKNOWN),
        (_, false) => writeln!(text, "{UNKNOWN}Nothing was written: repeat with --apply.")?,
    }
    print(&text)?;
    if refused > 0 { Err(format!("{refused} of {} cannot be adopted", wanted.len()).into()) } else { Ok(()) }
}

/// The namespaces to adopt. Those without our labels are considered only by name: that needs no permission to list all releases.
fn wanted<'a>(
    all: &'a [OwnedNamespace],
    name: Option<&str>,
    owners: &Owners<'_>,
) -> Result<Vec<&'a OwnedNamespace>, Failure> {
    match name {
        Some(name) => {
            let named = all.iter().find(|namespace| namespace.name == name);
            Ok(vec![named.ok_or_else(|| format!("there is no namespace {name}"))?])
        }
        None => Ok(all.iter().filter(|namespace| owners.is_orphan(namespace) && !namespace.terminating).collect()),
    }
}

/// Why a namespace was not adopted.
enum Refusal {
    Problems(Vec<String>),
    /// A request failed; so would the next.
    Failure(Failure),
}

impl<E: Into<Failure>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Failure(error.into())
    }
}

async fn adopt_one(
    reader: &Reader<'_>,
    owners: &Owners<'_>,
    adoption: &Adoption,
    namespace: &OwnedNamespace,
    apply: bool,
) -> Result<String, Refusal> {
    let Candidate { store, fence } = match reader.read(namespace, owners).await {
        Ok(candidate) => candidate,
        Err(Refused::Problems(problems)) => return Err(Refusal::Problems(problems)),
        // Only this namespace: a record that is not helm's, or one that may not be read.
        Err(Refused::Cluster(error)) if !error.retryable() => return Err(Refusal::Problems(vec![error.to_string()])),
        Err(Refused::Cluster(error)) => return Err(error.into()),
    };
    let ids = (OperationId(RandomIds.uuid()), RandomIds.uuid());
    let by = adopt::Adoption { actor: COMMAND_LINE, now: SystemClock.now(), operation: ids.0, audit: ids.1 };
    let change = adopt::adopt(store, &by);
    let described = describe(&change.store, if apply { "adopted" } else { "can be adopted" });
    let conflicts =
        if apply { Box::pin(adoption.adopt(change, fence)).await } else { adoption.conflicts(&change.store).await };
    match conflicts {
        Ok(conflicts) if conflicts.is_empty() => Ok(described),
        Ok(conflicts) => Err(Refusal::Problems(conflicts)),
        // A concurrent request took the id or the host name.
        Err(PortError::Refused(refusal)) => Err(Refusal::Problems(vec![refusal.to_string()])),
        Err(error) => Err(error.into()),
    }
}

/// What is written. Texts from the cluster are quoted.
fn describe(store: &Store, what: &str) -> String {
    let Store { uid, id, tenant, spec, placement, versions, state, failure, created_at, .. } = store;
    let cause = failure.as_ref().map(|failure| format!(" ({})", failure.reason.as_str())).unwrap_or_default();
    format!(
        "{}: {what}\n    store {id} of tenant {tenant}, uid {uid}, created {created_at}\n    display name {:?}, administrator {:?}\n    \
         engine {:?}, plan {:?}, chart {:?}, host {:?}\n    release {:?}, state {}{cause}",
        placement.namespace,
        spec.display_name,
        spec.admin_email,
        spec.engine,
        spec.plan,
        versions.chart,
        placement.host,
        placement.release,
        state.as_str(),
    )
}

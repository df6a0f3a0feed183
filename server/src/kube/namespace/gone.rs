//! Waits for a namespace's deletion.

use std::pin::pin;
use std::time::Duration;

use ::kube::Api;
use ::kube::runtime::watcher::{self, Event, watcher};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Namespace;

use super::state::{self, NamespaceState};
use crate::backoff::Backoff;
use crate::kube::cluster::{self, Cluster};
use crate::kube::error::{ClusterError, ClusterErrorKind};

impl Cluster {
    /// Watches until the namespace is gone, for at most `within`.
    ///
    /// `on_change` is called with what blocks it, whenever that changes. A new namespace with the same name counts as
    /// gone. While the API server is unavailable the wait continues. At the time limit: [`ClusterErrorKind::Stuck`] with what
    /// blocks it, or the outage's own error.
    pub async fn wait_namespace_gone(
        &self,
        name: &str,
        within: Duration,
        mut on_change: impl FnMut(&[String]) + Send,
    ) -> Result<(), ClusterError> {
        let mut wait = Wait { cluster: self, name, uid: None, blocked_by: Vec::new(), outage: None };
        match tokio::time::timeout(within, wait.run(&mut on_change)).await {
            Ok(result) => result,
            Err(_) => Err(wait.outage.unwrap_or_else(|| {
                let message = format!("the namespace {name} was not deleted within {} s", within.as_secs());
                ClusterError::new(ClusterErrorKind::Stuck, message).with_details(wait.blocked_by)
            })),
        }
    }
}

struct Wait<'a> {
    cluster: &'a Cluster,
    name: &'a str,
    uid: Option<String>,
    blocked_by: Vec<String>,
    outage: Option<ClusterError>,
}

impl Wait<'_> {
    async fn run(&mut self, on_change: &mut (impl FnMut(&[String]) + Send)) -> Result<(), ClusterError> {
        let mut backoff = cluster::backoff();
        loop {
            let error = match self.watch(on_change, &mut backoff).await {
                Ok(()) => return Ok(()),
                Err(error) if matches!(error.kind(), ClusterErrorKind::Forbidden) => return Err(error),
                Err(error) => error,
            };
            tracing::debug!(namespace = self.name, %error, "wait interrupted");
            self.outage = Some(error);
            self.cluster.pause(backoff.next(), None).await;
        }
    }

    /// Ok when it is gone.
    async fn watch(
        &mut self,
        on_change: &mut (impl FnMut(&[String]) + Send),
        backoff: &mut Backoff,
    ) -> Result<(), ClusterError> {
        let what = format!("watch the namespace {}", self.name);
        let connected = self.cluster.connected().await?;
        let opened = connected.watch_client(1).await;
        let watching = opened.map_err(|error| ClusterError::from_client(&what, &error))?;
        let only_this = watcher::Config::default().fields(&format!("metadata.name={}", self.name));
        let mut events = pin!(watcher(Api::<Namespace>::all(watching.client.clone()), only_this));
        let mut listed = false;
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => listed = false,
                Ok(Event::InitApply(namespace)) => {
                    listed = true;
                    if self.observe(&namespace, on_change) {
                        return Ok(());
                    }
                }
                Ok(Event::Apply(namespace)) => {
                    if self.observe(&namespace, on_change) {
                        return Ok(());
                    }
                }
                Ok(Event::InitDone) if listed => {
                    self.outage = None;
                    backoff.reset();
                }
                Ok(Event::InitDone | Event::Delete(_)) => return Ok(()),
                Err(watcher::Error::WatchError(status)) if status.code == 410 => {}
                Err(error) => {
                    let error = ClusterError::from_watch(&what, &error);
                    self.cluster.note_failure(&connected, &error).await;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// True if this is another namespace with the same name.
    fn observe(&mut self, namespace: &Namespace, on_change: &mut (impl FnMut(&[String]) + Send)) -> bool {
        let uid = namespace.metadata.uid.clone();
        if self.uid.get_or_insert_with(|| uid.clone().unwrap_or_default()) != &uid.unwrap_or_default() {
            return true;
        }
        if let NamespaceState::Terminating { blocked_by } = state::read(namespace)
            && blocked_by != self.blocked_by
        {
            on_change(&blocked_by);
            self.blocked_by = blocked_by;
        }
        false
    }
}

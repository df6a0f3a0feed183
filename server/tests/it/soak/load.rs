//! Clients that create, delete, retry and cancel at random, and record the responses.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng as _;
use rand::rngs::StdRng;
use storeplane_client::{Client, Error, v1};
use tokio_util::sync::CancellationToken;

use super::watchers::Watchers;
use crate::harness::fresh;

/// Stores that one client has at a time.
const STORES: usize = 3;

/// The responses that one client got.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Stores whose creation was accepted, by uid.
    pub(super) created: Vec<v1::Store>,
    /// Stores whose deletion was accepted.
    pub(super) deleted: Vec<String>,
    /// Operations that were accepted.
    pub(super) begun: Vec<String>,
    /// Operations whose cancellation was accepted.
    pub(super) cancelled: Vec<String>,
    /// The number of calls of each kind.
    pub(super) counts: BTreeMap<&'static str, usize>,
    /// Wrong responses.
    pub(super) nonsense: Vec<String>,
}

pub(super) struct Load {
    client: Client,
    watchers: Watchers,
    random: StdRng,
    /// Ids with the uid from the response.
    stores: Vec<(String, String)>,
    answers: Answers,
}

impl Load {
    pub(super) fn new(client: Client, watchers: Watchers, random: StdRng) -> Self {
        Self { client, watchers, random, stores: Vec::new(), answers: Answers::default() }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) -> Answers {
        while !stop.is_cancelled() {
            let pause = Duration::from_millis(self.random.random_range(50..1500));
            tokio::time::sleep(pause).await;
            let choice = self.random.random_range(0..100);
            if self.stores.is_empty() || (choice < 35 && self.stores.len() < STORES) {
                self.create().await;
                continue;
            }
            let at = self.random.random_range(0..self.stores.len());
            let (id, uid) = self.stores[at].clone();
            match choice {
                0..60 => self.delete(at, id, uid).await,
                60..80 => self.retry(&id).await,
                _ => self.cancel(&id).await,
            }
        }
        self.answers
    }

    fn count(&mut self, what: &'static str) {
        *self.answers.counts.entry(what).or_default() += 1;
    }

    /// The meaning of an error: a rejection by the server is a response, with one of these reasons.
    fn failed(&mut self, what: &'static str, error: &Error, reasons: &[&str]) {
        if error.is_unavailable() {
            self.count("unanswered");
        } else if error.reason().is_some_and(|reason| reasons.contains(&reason.as_str())) {
            self.count("refused");
        } else {
            self.answers.nonsense.push(format!("{what}: {error:?}"));
        }
    }

    async fn create(&mut self) {
        let id = fresh("soak");
        let store = v1::Store { display_name: "Soak".into(), admin_email: "a@b.co".into(), ..v1::Store::default() };
        match self.client.create_store(&id, store).await {
            Ok(store) => {
                self.count("creates");
                self.watchers.watch(self.client.clone(), &store);
                self.answers.begun.push(store.operation.clone());
                self.stores.push((id, store.uid.clone()));
                self.answers.created.push(store);
            }
            Err(error) => self.failed("create", &error, &[]),
        }
    }

    async fn delete(&mut self, at: usize, id: String, uid: String) {
        match self.client.delete_store(&id).await {
            Ok(store) => {
                self.count("deletes");
                if store.uid != uid {
                    self.answers.nonsense.push(format!("deleted {} instead of {uid}", store.uid));
                }
                self.answers.begun.push(store.operation);
                self.answers.deleted.push(uid);
                self.stores.remove(at);
            }
            Err(error) => self.failed("delete", &error, &[]),
        }
    }

    async fn retry(&mut self, id: &str) {
        match self.client.retry_store(id).await {
            Ok(store) => {
                self.count("retries");
                self.answers.begun.push(store.operation);
            }
            Err(error) => self.failed("retry", &error, &["NOT_RETRYABLE"]),
        }
    }

    async fn cancel(&mut self, id: &str) {
        let store = match self.client.get_store(id).await {
            Ok(store) => store,
            Err(error) => return self.failed("get", &error, &[]),
        };
        match self.client.cancel_operation(&store.operation).await {
            Ok(operation) if operation.cancel_requested => {
                self.count("cancels");
                self.answers.cancelled.push(store.operation);
            }
            // It had ended before.
            Ok(_) => self.count("late cancels"),
            Err(error) => self.failed("cancel", &error, &["NOT_CANCELLABLE"]),
        }
    }
}

pub(super) fn summary(answers: &[Answers]) -> String {
    let mut counts = BTreeMap::<&str, usize>::new();
    for (what, count) in answers.iter().flat_map(|one| &one.counts) {
        *counts.entry(what).or_default() += count;
    }
    let counts: Vec<_> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
    format!("{} clients: {}", answers.len(), counts.join(", "))
}

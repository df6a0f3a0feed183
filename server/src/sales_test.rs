//! Whether a store that looks healthy also sells. The reconciler makes a store READY only if its shop passes the same test as
//! after an operation, and a rollout goes on only if the shops that it changed pass it.

use std::sync::Arc;
use std::time::Duration;

use storeplane_core::engine::{Catalog, PurchaseTest};
use storeplane_core::transition::health::Health;

use crate::kube::Cluster;
use crate::postgres::LiveStore;
use crate::verify::{Demand, Shop, Unverified, Verifier};

/// A shop with ready pods that keeps answering with passing errors for this long does not sell.
const ANSWERS_WITHIN: Duration = Duration::from_mins(1);

/// Tests the shops of stores. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SalesTest {
    /// How the shops of an engine are tested.
    pub catalog: Arc<Catalog>,
    /// Where they run.
    pub cluster: Cluster,
    /// Tests one shop.
    pub verifier: Verifier,
}

impl SalesTest {
    /// `calm_for` is the time without symptoms. `None` if it is not known whether the shop sells.
    pub async fn sells(&self, store: &LiveStore, calm_for: Duration) -> Option<Health> {
        let engine = self.catalog.engine_at(&store.engine, &store.chart_version);
        let engine = engine.or_else(|| self.catalog.engine(&store.engine));
        let Some(test) = engine.and_then(|engine| engine.verify.purchase()) else { return Some(Health::Healthy) };
        match self.cluster.check().await {
            // Nothing runs in it that could be tested.
            Ok(cluster) if cluster.simulated => return Some(Health::Healthy),
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(store_id = store.store_id, %error, "a shop cannot be tested");
                return None;
            }
        }
        match self.verifier.verify(&shop(store, test)).await {
            Ok(_) => Some(Health::Healthy),
            Err(Unverified::Cluster(error)) => {
                tracing::debug!(store_id = store.store_id, %error, "a shop cannot be tested");
                None
            }
            Err(Unverified::Shop(failed)) if failed.is_passing() && calm_for < ANSWERS_WITHIN => None,
            Err(Unverified::Shop(failed)) => {
                Some(Health::Unhealthy(self.cluster.masked(&store.namespace, failed.failure()).await))
            }
        }
    }
}

fn shop(store: &LiveStore, test: &Arc<PurchaseTest>) -> Shop {
    let demand = if store.was_ready { Demand::AsMerchantLeft } else { Demand::AsInstalled };
    let has_domain = store.has_domain;
    Shop { has_domain, ..Shop::online(store.shop_url.clone(), store.namespace.clone(), test, demand) }
}

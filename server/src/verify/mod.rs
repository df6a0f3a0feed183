//! Tests a shop like a customer: are there products, can one be added to a cart, and how can it be paid? The requests are data of the
//! engine's chart ([`PurchaseTest`]); no order remains.
//!
//! - [`Verifier`] (here) selects the route to a shop: its URL if that reaches the shop, otherwise the API server's service proxy.
//! - `transport` sends one request and reads the response, within limits. `purchase` is the test purchase.
//! - `reachable` checks whether customers can reach the shop, whatever the route of the test.
//! - `probe_failure` describes what went wrong, and how often that may happen.
//!
//! To add a check: a step in the chart's `storeplane.yaml`.

mod probe_failure;
mod purchase;
mod reachable;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use storeplane_core::engine::PurchaseTest;
use storeplane_core::store::Store;
use tokio::net::TcpStream;
use url::Url;

use crate::config::Via;
use crate::kube::{Cluster, ClusterError, ClusterErrorKind};
pub use probe_failure::{ProbeFailure, RetryPolicy};
pub use purchase::{Demand, Report};
pub use reachable::Reachability;
use transport::{Answer, Transport};
pub(crate) use transport::{tls, web_at};

/// Time limits for connecting to the shop's URL, DNS included, and for
/// its first response, before the API server's proxy is used instead.
const NEAR: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(3));
/// The same if the API server's proxy does not reach the shop.
const FAR: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(10));

/// The Service of a shop's pods.
const SERVICE: &str = "store";

/// A shop to test, and the requirements.
#[derive(Debug, Clone)]
pub struct Shop {
    /// The shop's URL.
    pub url: String,
    /// The namespace of the Service.
    pub namespace: String,
    /// The Service of its pods, for the API server's proxy.
    pub service: String,
    /// A page answers at its URL: it is tested through the Service only.
    pub is_offline: bool,
    /// True if its URL has a custom domain, whose DNS its owner controls: it is tested through the Service, unless `verify.via` is configured.
    pub has_domain: bool,
    /// The test purchase.
    pub test: Arc<PurchaseTest>,
    /// The requirements.
    pub demand: Demand,
}

impl Shop {
    /// The shop of a store.
    pub fn of(store: &Store, test: &Arc<PurchaseTest>) -> Self {
        let demand = if store.ready_at.is_none() { Demand::AsInstalled } else { Demand::AsMerchantLeft };
        let has_domain = store.spec.domains.primary.is_some();
        Self { has_domain, ..Self::online(store.shop_url(), store.placement.namespace.clone(), test, demand) }
    }

    /// A shop that answers at its URL.
    pub fn online(url: String, namespace: String, test: &Arc<PurchaseTest>, demand: Demand) -> Self {
        let test = Arc::clone(test);
        Self { url, namespace, service: SERVICE.to_owned(), is_offline: false, has_domain: false, test, demand }
    }

    /// The same, but a test purchase must be possible.
    #[must_use]
    pub fn that_sold(self) -> Self {
        Self { demand: Demand::AsBefore, ..self }
    }

    /// The same while a page answers at its URL; `service` selects its own pods.
    #[must_use]
    pub fn behind_page(self, service: String) -> Self {
        Self { service, is_offline: true, ..self }
    }
}

/// Why it is not known whether a shop sells.
#[derive(Debug)]
pub enum Unverified {
    /// The shop could not be reached: the API server is unavailable or forbids it.
    Cluster(ClusterError),
    /// The shop gave a wrong answer, or none.
    Shop(ProbeFailure),
}

/// Tests shops. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Verifier {
    cluster: Cluster,
    via: Via,
    tls: rustls::ClientConfig,
    web: transport::Web,
}

impl Verifier {
    /// Tests shops in this cluster, by this route.
    pub fn new(cluster: Cluster, via: Via) -> Self {
        let tls = tls();
        Self { cluster, via, web: transport::web(tls.clone()), tls }
    }

    /// Tests a shop once, and reports the requests and their durations. May be dropped at any time.
    pub async fn verify(&self, shop: &Shop) -> Result<Report, Unverified> {
        let proxy = Transport::Proxy { cluster: &self.cluster, namespace: &shop.namespace, service: &shop.service };
        let url = Transport::Url { web: &self.web, base: shop.url.trim_end_matches('/') };
        match self.via {
            _ if shop.is_offline => all(&proxy, shop).await,
            Via::Proxy => all(&proxy, shop).await,
            // Another shop may answer there, or something in the platform's network.
            Via::Auto if shop.has_domain => all(&proxy, shop).await,
            Via::Url => all(&url, shop).await,
            Via::Auto => {
                if let Some(first) = first_answer(&url, shop, NEAR).await {
                    return purchase::run(&url, (&shop.test, shop.demand), Ok(first)).await;
                }
                match all(&proxy, shop).await {
                    // If the API server cannot reach pods at all, only the shop's URL remains.
                    Err(error) if is_unreached(&error) => match first_answer(&url, shop, FAR).await {
                        Some(first) => purchase::run(&url, (&shop.test, shop.demand), Ok(first)).await,
                        None => Err(error),
                    },
                    done => done,
                }
            }
        }
    }
}

async fn all(transport: &Transport<'_>, shop: &Shop) -> Result<Report, Unverified> {
    purchase::run(transport, (&shop.test, shop.demand), purchase::begin(transport, &shop.test).await).await
}

/// The proxy did not reach the shop.
fn is_unreached(error: &Unverified) -> bool {
    match error {
        Unverified::Shop(failed) => failed.is_passing(),
        Unverified::Cluster(error) => error.kind() == ClusterErrorKind::Forbidden,
    }
}

/// The first answer by the shop's URL, if that reaches this very shop in time: its host name may lead elsewhere.
async fn first_answer(transport: &Transport<'_>, shop: &Shop, (near, answer): (Duration, Duration)) -> Option<Answer> {
    let url = Url::parse(&shop.url).ok()?;
    let (host, port) = (url.host_str()?, url.port_or_known_default()?);
    tokio::time::timeout(near, TcpStream::connect((host, port))).await.ok()?.ok()?;
    let answer = tokio::time::timeout(answer, purchase::begin(transport, &shop.test)).await.ok()?.ok()?;
    let link = answer.json.pointer(&shop.test.identity)?.as_str()?.parse::<Url>().ok()?;
    (link.host_str() == Some(host)).then_some(answer)
}

#[cfg(test)]
mod tests;

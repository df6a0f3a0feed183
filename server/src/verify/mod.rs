//! Asks a shop as a customer would: are there products, can one be put into a cart, and would the checkout take cash on
//! delivery? All of it by WooCommerce's Store API with a `Cart-Token`, so without a session and without a page. The checkout
//! is a draft, which WooCommerce throws away by itself: no order is left, and the cart is emptied again.
//!
//! - [`Verifier`] (here) finds the way to a shop: its URL where that leads there, else the API server's service proxy.
//! - `transport` sends one request and takes in the answer, within bounds. `checkout_probe` is the customer's way through the shop.
//! - `reachable` says whether customers get to the shop, whatever way it was asked.
//! - `trouble` says what went wrong, and how often it may.
//!
//! To add a question: a `Probe` in `checkout_probe`, what its answer must be there, and what a shop may do wrong
//! about it in `tests/scripted`.

mod checkout_probe;
mod reachable;
mod transport;
mod trouble;

use std::time::Duration;

use storeplane_core::store::Store;
use tokio::net::TcpStream;
use url::Url;

use crate::config::Via;
use crate::kube::{Cluster, ClusterError, ClusterErrorKind};
use checkout_probe::PRODUCTS;
pub use checkout_probe::{Demand, Report};
pub use reachable::Reachability;
use transport::{Answer, Transport};
pub use trouble::{RetryPolicy, Trouble};

/// How long the shop's URL may take to be resolved and connected to before the API server is asked instead, and how long for
/// the first answer.
const NEAR: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(3));
/// The same where the API server's proxy does not lead to the shop.
const FAR: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(10));

/// Which shop is asked, and what it must be able to do.
#[derive(Debug, Clone)]
pub struct Shop {
    /// Where customers shop.
    pub url: String,
    /// Where the Service `store` is.
    pub namespace: String,
    /// What is expected of it.
    pub demand: Demand,
}

impl Shop {
    /// The shop of a store.
    pub fn of(store: &Store) -> Self {
        let demand = if store.ready_at.is_none() { Demand::AsInstalled } else { Demand::AsMerchantLeft };
        Self { url: store.shop_url(), namespace: store.placement.namespace.clone(), demand }
    }
}

/// Why it is not known that a shop sells.
#[derive(Debug)]
pub enum Unverified {
    /// The shop could not be asked: the API server did not let us, or is away.
    Cluster(ClusterError),
    /// It was asked, and answered wrongly or not at all.
    Shop(Trouble),
}

/// Asks shops. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Verifier {
    cluster: Cluster,
    via: Via,
    web: transport::Web,
}

impl Verifier {
    /// Asks shops in this cluster, by that way.
    pub fn new(cluster: Cluster, via: Via) -> Self {
        Self { cluster, via, web: transport::web() }
    }

    /// Tests once, and says what was asked and how long it took. May be dropped at any time.
    pub async fn verify(&self, shop: &Shop) -> Result<Report, Unverified> {
        let proxy = Transport::Proxy { cluster: &self.cluster, namespace: &shop.namespace };
        let url = Transport::Url { web: &self.web, base: shop.url.trim_end_matches('/') };
        match self.via {
            Via::Proxy => all(&proxy, shop).await,
            Via::Url => all(&url, shop).await,
            Via::Auto => {
                if let Some(first) = first_answer(&url, shop, NEAR).await {
                    return checkout_probe::run(&url, shop.demand, Ok(first)).await;
                }
                match all(&proxy, shop).await {
                    // The API server may not reach pods at all: then the slow way is the only one.
                    Err(error) if is_unreached(&error) => match first_answer(&url, shop, FAR).await {
                        Some(first) => checkout_probe::run(&url, shop.demand, Ok(first)).await,
                        None => Err(error),
                    },
                    done => done,
                }
            }
        }
    }
}

async fn all(transport: &Transport<'_>, shop: &Shop) -> Result<Report, Unverified> {
    checkout_probe::run(transport, shop.demand, transport.send(&PRODUCTS, None, None).await).await
}

/// The proxy did not lead to the shop.
fn is_unreached(error: &Unverified) -> bool {
    match error {
        Unverified::Shop(trouble) => trouble.is_passing(),
        Unverified::Cluster(error) => error.kind() == ClusterErrorKind::Forbidden,
    }
}

/// The products by the shop's URL, if that leads there in time, and to this shop: something else may answer to its name.
async fn first_answer(transport: &Transport<'_>, shop: &Shop, (near, answer): (Duration, Duration)) -> Option<Answer> {
    let url = Url::parse(&shop.url).ok()?;
    let (host, port) = (url.host_str()?, url.port_or_known_default()?);
    tokio::time::timeout(near, TcpStream::connect((host, port))).await.ok()?.ok()?;
    let answer = tokio::time::timeout(answer, transport.send(&PRODUCTS, None, None)).await.ok()?.ok()?;
    let link = answer.json.get(0)?.get("permalink")?.as_str()?.parse::<Url>().ok()?;
    (link.host_str() == Some(host)).then_some(answer)
}

#[cfg(test)]
mod tests;

//! A client for the storeplane control plane, which creates online stores on Kubernetes.
//!
//! - [`Client`]: connection and calls. Calls are retried where that is safe, under the same request id;
//!   at a limit that ends within 5 s, after the delay that the server names.
//! - [`Watch`]: the events of one store or of all stores, as a [`Stream`](futures::Stream) that survives lost
//!   connections and restarts of the server: each event once and in order.
//! - [`Client::wait_ready`]: waits for a store, and returns its failure if it fails.
//! - [`Error`]: why a call failed, with a stable reason.
//! - [`v1`]: the messages.
//!
//! ```no_run
//! # async fn example() -> Result<(), storeplane_client::Error> {
//! use std::time::Duration;
//!
//! use futures::StreamExt as _;
//! use storeplane_client::{Change, Client, v1};
//!
//! let client = Client::connect("https://shops.example.com", "spt_…")?;
//! let store = v1::Store { display_name: "Tea".into(), admin_email: "me@example.com".into(), ..Default::default() };
//! client.create_store("tea", store).await?;
//!
//! // Either watch its events ...
//! let mut watch = client.watch_until_settled("tea", 0);
//! while let Some(change) = watch.next().await {
//!     if let Change::Event(event, _) = change? {
//!         println!("{} {}", event.step, event.message);
//!     }
//! }
//! // ... or wait for the result.
//! let store = client.wait_ready("tea", Duration::from_secs(300)).await?;
//! println!("{}", store.shop_url);
//! # Ok(())
//! # }
//! ```
//!
//! The folder `examples` contains `list_stores`, `create_store`, `watch_stores` and `wait_ready`.
#![warn(missing_docs)]

mod address;
mod backups;
mod calls;
mod client;
mod connect;
mod domains;
mod error;
mod sessions;
mod tenants;
mod tokens;
mod wait;
mod watch;

pub use client::Client;
pub use connect::Connect;
pub use error::Error;
/// The timestamp type of the messages.
pub use storeplane_proto::Timestamp;
pub use storeplane_proto::v1;
pub use watch::{Change, CursorChange, Watch};

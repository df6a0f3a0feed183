//! A client for the storeplane control plane, which turns "I want a shop" into a running WooCommerce store.
//!
//! - [`Client`]: connect, and the calls. What may be repeated is repeated, under the same request id.
//! - [`Watch`]: what happens to one store or to all of them, as a [`Stream`](futures::Stream) that survives lost
//!   connections and restarts of the server: each event once and in order.
//! - [`Client::wait_ready`]: waits for a store, and says why it failed.
//! - [`Error`]: why a call did not do what it was asked, with a stable reason.
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
//! // Either look on…
//! let mut watch = client.watch_until_settled("tea", 0);
//! while let Some(change) = watch.next().await {
//!     if let Change::Event(event) = change? {
//!         println!("{} {}", event.step, event.message);
//!     }
//! }
//! // …or wait for the end.
//! let store = client.wait_ready("tea", Duration::from_secs(300)).await?;
//! println!("{}", store.shop_url);
//! # Ok(())
//! # }
//! ```
//!
//! The folder `examples` has a program for each: `list_stores`, `create_store`, `watch_stores`, `wait_ready`.
#![warn(missing_docs)]

mod calls;
mod client;
mod connect;
mod error;
mod wait;
mod watch;

pub use client::Client;
pub use connect::Connect;
pub use error::Error;
/// A point in time, as the messages have it.
pub use storeplane_proto::Timestamp;
pub use storeplane_proto::v1;
pub use watch::{Change, Told, Watch};

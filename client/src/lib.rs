//! A client for the storeplane control plane.
//!
//! - [`Client`]: connect, and the calls. What may be repeated is repeated, under the same request id.
//! - [`Watch`]: what happens to a store, as a [`Stream`](futures::Stream) that survives lost connections and restarts.
//! - [`Error`]: why a call did not do what it was asked, with the server's stable reason.
//! - [`v1`]: the messages.
//!
//! ```no_run
//! # async fn example() -> Result<(), storeplane_client::Error> {
//! use std::time::Duration;
//! use storeplane_client::{Client, v1};
//!
//! let client = Client::connect("http://127.0.0.1:8080", "spt_…")?;
//! let store = v1::Store { display_name: "Tea".into(), admin_email: "me@example.com".into(), ..Default::default() };
//! client.create_store("tea", store).await?;
//! let ready = client.wait_settled("tea", Duration::from_secs(300)).await?;
//! assert_eq!(ready.state(), v1::StoreState::Ready);
//! # Ok(())
//! # }
//! ```

mod calls;
mod client;
mod error;
mod watch;

pub use client::Client;
pub use error::Error;
/// A point in time, as the messages have it.
pub use storeplane_proto::Timestamp;
pub use storeplane_proto::v1;
pub use watch::{Change, Watch};

//! Connects, and lists the stores that match a filter.
//!
//!     STOREPLANE_ADDR=127.0.0.1:8080 STOREPLANE_TOKEN=… list_stores --filter "state = READY"

#![allow(clippy::print_stdout, reason = "it is a program for a terminal")]

mod access;

use clap::Parser;
use futures::TryStreamExt as _;

/// Lists stores.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    access: access::Access,
    /// The filter; lists all stores if empty.
    #[arg(long, default_value = "")]
    filter: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let client = args.access.client()?;
    let mut stores = std::pin::pin!(client.all_stores(&args.filter));
    while let Some(store) = stores.try_next().await? {
        println!("{:<40} {:<12} {}", store.store_id, access::state(&store), store.shop_url);
    }
    Ok(())
}

//! Prints the events of one store, or of all stores in their global order. It continues when the server is killed and restarted.
//!
//!     STOREPLANE_ADDR=127.0.0.1:8080 STOREPLANE_TOKEN=… watch_stores --id tea
//!     STOREPLANE_ADDR=127.0.0.1:8080 STOREPLANE_TOKEN=… watch_stores --cursor "$last_one_seen"

#![allow(clippy::print_stdout, reason = "it is a program for a terminal")]

mod access;

use std::error::Error;

use clap::Parser;
use futures::StreamExt as _;
use storeplane_client::{Change, v1};

/// Prints events of stores.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    access: access::Access,
    /// Only this store, from its first event until it is deleted. Without it: all stores, from now on.
    #[arg(long)]
    id: Option<String>,
    /// With --id: only events after this one.
    #[arg(long, default_value_t = 0)]
    after: i64,
    /// Without --id: the cursor at which an earlier run ended. Cursors are base64url, so one may begin with a hyphen.
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    cursor: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let client = args.access.client()?;
    if let Some(id) = &args.id {
        let mut watch = client.watch_until_deleted(id, args.after);
        while let Some(change) = watch.next().await {
            print_change(&change?, "");
        }
    } else {
        let mut watch = client.watch_all("", &args.cursor);
        while let Some(update) = watch.next().await {
            let update = update?;
            print_change(&update.change, &update.cursor);
        }
    }
    Ok(())
}

fn print_change(change: &Change, cursor: &str) {
    match change {
        Change::Snapshot(store) => println!("{} is {} {cursor}", store.store_id, access::state(store)),
        Change::Event(event, _) => {
            let v1::StoreEvent { store_id, sequence, r#type, message, .. } = &**event;
            println!("{store_id} {sequence} {type} {message} {cursor}");
        }
        Change::CaughtUp => println!("-- caught up; live events follow {cursor}"),
    }
}

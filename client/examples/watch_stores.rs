//! Tells what happens: to one store, or to all of them in one order. Kill the server, start it again: it goes on.
//!
//!     STOREPLANE_ADDR=127.0.0.1:8080 STOREPLANE_TOKEN=… watch_stores --id tea
//!     STOREPLANE_ADDR=127.0.0.1:8080 STOREPLANE_TOKEN=… watch_stores --cursor "$last_one_seen"

#![allow(clippy::print_stdout, reason = "it is a program for a terminal")]

mod access;

use std::error::Error;

use clap::Parser;
use futures::StreamExt as _;
use storeplane_client::{Change, v1};

/// Tells what happens to stores.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    access: access::Access,
    /// Only this store, from its first event on until it is deleted. Else all of them, from now on without end.
    #[arg(long)]
    id: Option<String>,
    /// With --id: only what came after this event.
    #[arg(long, default_value_t = 0)]
    after: i64,
    /// Without --id: where an earlier run ended.
    #[arg(long, default_value = "")]
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
        while let Some(told) = watch.next().await {
            let told = told?;
            print_change(&told.change, &told.cursor);
        }
    }
    Ok(())
}

fn print_change(change: &Change, cursor: &str) {
    match change {
        Change::Snapshot(store) => println!("{} is {} {cursor}", store.store_id, access::state(store)),
        Change::Event(event) => {
            let v1::StoreEvent { store_id, sequence, r#type, message, .. } = &**event;
            println!("{store_id} {sequence} {type} {message} {cursor}");
        }
        Change::CaughtUp => println!("-- that was so far; now live {cursor}"),
    }
}

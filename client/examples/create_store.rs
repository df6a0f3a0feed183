//! Creates a store unless it exists, and prints its events until no operation is active.
//!
//!     STOREPLANE_ADDR=127.0.0.1:8080 STOREPLANE_TOKEN=… create_store --id tea --name "Tea & Co"

#![allow(clippy::print_stdout, reason = "it is a program for a terminal")]

mod access;

use std::process::ExitCode;

use clap::Parser;
use futures::StreamExt as _;
use storeplane_client::{Change, v1};

/// Creates a store unless it exists, and prints its events until it is ready.
#[derive(Parser)]
struct Args {
    /// The store's id.
    #[arg(long)]
    id: String,
    /// The shop's name.
    #[arg(long)]
    name: String,
    /// The administrator's e-mail address.
    #[arg(long, default_value = "owner@example.com")]
    admin_email: String,
    /// The plan; the engine's default one if empty.
    #[arg(long, default_value = "")]
    plan: String,
    #[command(flatten)]
    access: access::Access,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<bool, Box<dyn std::error::Error>> {
    let client = args.access.client()?;
    let wanted =
        v1::Store { display_name: args.name, admin_email: args.admin_email, plan: args.plan, ..v1::Store::default() };
    match client.create_store(&args.id, wanted).await {
        Ok(_) => {}
        Err(error) if error.reason().as_deref() == Some("STORE_ALREADY_EXISTS") => println!("  it already exists"),
        Err(error) => return Err(error.into()),
    }
    let mut watch = client.watch_until_settled(&args.id, 0);
    let mut began = None;
    while let Some(change) = watch.next().await {
        if let Change::Event(event, _) = change? {
            let at = event.time.map_or(0.0, |time| seconds(&time));
            println!("  {:8.3} s  {:<14}  {}", at - *began.get_or_insert(at), event.step, event.message);
        }
    }
    let store = client.get_store(&args.id).await?;
    Ok(conclude(&store))
}

#[allow(clippy::cast_precision_loss, reason = "seconds since 1970 fit into 53 bits for a long time")]
fn seconds(time: &storeplane_client::Timestamp) -> f64 {
    time.seconds as f64 + f64::from(time.nanos) / 1e9
}

fn conclude(store: &v1::Store) -> bool {
    let ready = store.state() == v1::StoreState::Ready;
    println!("  {} is {}", store.store_id, access::state(store));
    if ready {
        println!("  {}", store.shop_url);
    } else if !store.reason.is_empty() {
        println!("  {}: {}\n  {}", store.reason, store.message, store.remedy);
        for detail in &store.details {
            println!("    {detail}");
        }
    }
    if store.simulated {
        println!("  simulated: nothing runs behind this URL");
    }
    ready
}

//! Waits until a store is ready, or prints why it is not. For scripts: the exit code is 0 only if the store is ready.
//!
//!     STOREPLANE_ADDR=127.0.0.1:8080 STOREPLANE_TOKEN=… wait_ready --id tea --seconds 300

#![allow(clippy::print_stdout, reason = "it is a program for a terminal")]

mod access;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

/// Waits until a store is ready.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    access: access::Access,
    /// The store's id.
    #[arg(long)]
    id: String,
    /// The maximum time to wait.
    #[arg(long, default_value_t = 300)]
    seconds: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let args = Args::parse();
    let client = args.access.client()?;
    Ok(match client.wait_ready(&args.id, Duration::from_secs(args.seconds)).await {
        Ok(store) => {
            println!("{} is {}: {}", store.store_id, access::state(&store), store.shop_url);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    })
}

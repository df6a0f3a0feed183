//! SIGTERM and SIGINT: the first one asks the server to stop in order, the second one ends it at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancels `shutdown` at the first signal; at the second one the process exits.
pub async fn stop_on_signals(shutdown: CancellationToken) -> io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let name = either(&mut terminate, &mut interrupt).await;
    tracing::info!(signal = name, "stopping; once more to stop at once");
    shutdown.cancel();
    let name = either(&mut terminate, &mut interrupt).await;
    tracing::warn!(signal = name, "stopping at once");
    std::process::exit(1)
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

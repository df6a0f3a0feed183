//! SIGTERM and SIGINT: the first one starts a clean shutdown, the second one exits immediately.

use std::convert::Infallible;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The signals that end the process, caught from the creation of this value.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches the signals. Call it before starting anything that needs a clean shutdown.
    pub fn catch() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Cancels `shutdown` at the first signal; at the second one the process exits.
    pub async fn stop(mut self, shutdown: CancellationToken) -> Infallible {
        let name = self.next().await;
        tracing::info!(signal = name, "stopping; send the signal again to exit immediately");
        shutdown.cancel();
        let name = self.next().await;
        tracing::warn!(signal = name, "stopping at once");
        std::process::exit(1)
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

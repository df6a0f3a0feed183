//! Accepts and serves connections within limits: their number, also of each address, their idle time, their age, and how long clients
//! may take to send a request and to read a response.
//!
//! Replaces tonic's server, which has no limit for silent sockets, answers a passed deadline with
//! CANCELLED, and closes an aged connection without GOAWAY.
//!
//! - This file: accepting. [`addresses`]: the number of connections of each address. [`connection`]: one connection.
//! - [`request_body`]: the time limit of a request's body. [`unread`]: ends what a client does not read.

mod addresses;
mod connection;
mod request_body;
mod unread;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures::StreamExt as _;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::server::TcpIncoming;

use self::addresses::Addresses;
use self::connection::Connection;
use super::tls::Tls;

/// First and longest delay after accepting failed because of missing file descriptors or memory.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Limits of connections.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Maximum number of connections; further ones wait in the listener's queue.
    pub connections: usize,
    /// Maximum number of connections of one client address; further ones are closed.
    pub per_address: usize,
    /// Time from a connection's start to the end of its first request's head, including a TLS handshake.
    pub first_request: Duration,
    /// Time from a request's head to the end of its body.
    pub request_body: Duration,
    /// How long a client may leave a part of a response unread.
    pub unread_response: Duration,
    /// Age at which a connection accepts no further requests; each one's differs by up to 10 %.
    pub max_age: Duration,
    /// How long its requests may continue after that.
    pub max_age_grace: Duration,
}

/// Serves until `shutdown`, and then until all connections have ended. Without `tls`, in plain text.
pub async fn serve(
    incoming: TcpIncoming,
    router: Router,
    limits: Limits,
    tls: Option<Tls>,
    shutdown: CancellationToken,
) {
    let connections = TaskTracker::new();
    let (free, addresses) = (Arc::new(Semaphore::new(limits.connections)), Addresses::new(limits.per_address));
    let connection = Connection { router, limits, tls, shutdown: shutdown.clone() };
    let accepting = accept(incoming, &free, |stream, place| {
        // Without an address it is closed already.
        let Ok(peer) = stream.peer_addr() else { return };
        let Some(slot) = addresses.enter(peer.ip()) else { return };
        let connection = connection.clone();
        connections.spawn(async move {
            connection.serve(stream, peer.ip()).await;
            drop((slot, place));
        });
    });
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = accepting => {}
    }
    connections.close();
    connections.wait().await;
}

async fn accept(
    mut incoming: TcpIncoming,
    free: &Arc<Semaphore>,
    mut begin: impl FnMut(TcpStream, tokio::sync::OwnedSemaphorePermit),
) {
    let mut wait = BACKOFF.0;
    loop {
        let Ok(place) = Arc::clone(free).acquire_owned().await else { return };
        match incoming.next().await {
            Some(Ok(stream)) => {
                wait = BACKOFF.0;
                begin(stream, place);
            }
            Some(Err(error)) if is_about_one_connection(&error) => {}
            Some(Err(error)) => {
                tracing::warn!(%error, "cannot accept connections; waiting");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(BACKOFF.1);
            }
            None => return,
        }
    }
}

/// True if accepting the next connection may succeed.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, InvalidInput, NotConnected,
    };
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | InvalidInput | NotConnected
    )
}

/// Leaves half of the process' file descriptors for everything else: helm, Postgres, the cluster. The soft limit, which is low by
/// default for programs that use select(2), is raised as far as it is needed and allowed.
pub fn affordable(connections: usize) -> usize {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((u64::MAX, u64::MAX));
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX).saturating_mul(2).min(hard);
    let soft = if soft < wanted && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_ok() { wanted } else { soft };
    let affordable = usize::try_from(soft / 2).unwrap_or(usize::MAX).max(1);
    if affordable < connections {
        tracing::warn!(
            connections = affordable,
            wanted = connections,
            "the limit on open files allows fewer connections"
        );
    }
    connections.min(affordable)
}

//! A connection that can be cut: a TCP proxy between the server and Postgres or the API server.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// `host:port` in a URL.
pub(crate) fn authority(url: &str) -> String {
    let after = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = after.rsplit_once('@').map_or(after, |(_, rest)| rest);
    host.split(['/', '?']).next().unwrap_or_default().to_owned()
}

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    up: watch::Sender<bool>,
    /// Incremented with each silence; a connection made before the last one carries nothing any more.
    silences: watch::Sender<u64>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// Forwards to `target` (`host:port`).
    pub(crate) async fn to(target: impl Into<String>) -> Self {
        let target = target.into();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (up, silences) = (watch::Sender::new(true), watch::Sender::new(0));
        let (watching, listening) = (up.subscribe(), silences.subscribe());
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *watching.borrow() {
                    tokio::spawn(carry(client, target.clone(), watching.clone(), listening.clone()));
                }
            }
        });
        Self { address, up, silences, task }
    }

    /// Cuts every connection and refuses new ones.
    pub(crate) fn cut(&self) {
        self.up.send_replace(false);
    }

    /// From now on existing connections silently drop all packets. New ones work.
    pub(crate) fn silence(&self) {
        self.silences.send_modify(|silences| *silences += 1);
    }

    /// New connections work again.
    pub(crate) fn mend(&self) {
        self.up.send_replace(true);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(
    mut client: TcpStream,
    target: String,
    mut up: watch::Receiver<bool>,
    mut silences: watch::Receiver<u64>,
) {
    silences.mark_unchanged();
    let Ok(mut server) = TcpStream::connect(&target).await else { return };
    let dropping = tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => false,
        _ = up.wait_for(|up| !*up) => false,
        changed = silences.changed() => changed.is_ok(),
    };
    if dropping {
        // Both ends stay open.
        std::future::pending::<()>().await;
    }
}

//! A proxy for Postgres that can lose one response: the one to the COMMIT of a transaction about a certain store.
//! The transaction is stored, but its client does not learn that.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use uuid::Uuid;

/// Which response to lose, by the store's uid, and a flag to set then.
type Wanted = Arc<Mutex<HashMap<Uuid, watch::Sender<bool>>>>;

pub(crate) struct Wire {
    pub(crate) address: SocketAddr,
    wanted: Wanted,
    task: tokio::task::JoinHandle<()>,
}

impl Wire {
    /// Forwards to `target` (`host:port`).
    pub(crate) async fn to(target: impl Into<String>) -> Self {
        let target = target.into();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let wanted = Wanted::default();
        let ours = Arc::clone(&wanted);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, target.clone(), Arc::clone(&ours)));
            }
        });
        Self { address, wanted, task }
    }

    /// Loses the response to the next commit about this store; the returned flag becomes true then.
    pub(crate) fn lose_next_commit(&self, store: Uuid) -> watch::Receiver<bool> {
        let (sender, receiver) = watch::channel(false);
        self.wanted.lock().expect("no panic").insert(store, sender);
        receiver
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(client: TcpStream, target: String, wanted: Wanted) {
    let Ok(server) = TcpStream::connect(&target).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, mut to_client), (mut from_server, to_server)) = (client.into_split(), server.into_split());
    let lost = watch::Sender::new(false);
    let up = requests(from_client, to_server, &wanted, &lost);
    let down = async {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
            // The response to that commit: Postgres has stored it by now.
            if *lost.borrow() || to_client.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! { () = up => {} () = down => {} }
}

/// Forwards the client's messages, and inspects them.
async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, wanted: &Wanted, lost: &watch::Sender<bool>) {
    let (mut buffer, mut chunk) = (Vec::new(), vec![0; 16 * 1024]);
    let mut transaction = Vec::new();
    let mut begun = false;
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        buffer.extend_from_slice(&chunk[..read]);
        while let Some(length) = message(&buffer, begun) {
            let message: Vec<u8> = buffer.drain(..length).collect();
            // The first messages have no type; a request for TLS is one of them.
            begun = begun || !message.ends_with(&80_877_103_u32.to_be_bytes());
            if message.starts_with(b"Q") && contains(&message, b"BEGIN") {
                transaction.clear();
            }
            transaction.extend_from_slice(&message);
            if message.starts_with(b"Q") && contains(&message, b"COMMIT") {
                let mut wanted = wanted.lock().expect("no panic");
                let about = wanted.keys().find(|uid| contains(&transaction, uid.as_bytes())).copied();
                if let Some(heard) = about.and_then(|uid| wanted.remove(&uid)) {
                    lost.send_replace(true);
                    heard.send_replace(true);
                }
            }
            if to.write_all(&message).await.is_err() {
                return;
            }
        }
    }
}

/// The length of the first message, if it is complete.
fn message(buffer: &[u8], begun: bool) -> Option<usize> {
    let start = usize::from(begun);
    let length: [u8; 4] = buffer.get(start..start + 4)?.try_into().ok()?;
    let length = start + u32::from_be_bytes(length) as usize;
    (buffer.len() >= length).then_some(length)
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

//! One address for several servers, like a Kubernetes Service: each connection goes to one that answers.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

/// A server that does not accept a connection in this time is skipped.
const CONNECT: Duration = Duration::from_millis(500);

pub(crate) struct Balancer {
    pub(crate) address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Balancer {
    pub(crate) async fn before(servers: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let task = tokio::spawn(async move {
            let mut turn = 0;
            while let Ok((client, _)) = listener.accept().await {
                turn += 1;
                let mut order = servers.clone();
                order.rotate_left(turn % servers.len());
                tokio::spawn(carry(client, order));
            }
        });
        Self { address, task }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(mut client: TcpStream, servers: Vec<SocketAddr>) {
    for address in servers {
        if let Ok(Ok(mut server)) = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            return;
        }
    }
}

//! Clusters that can only be reached through a proxy.

use std::path::PathBuf;

use kube::config::Kubeconfig;
use storeplane_server::kube::{Cluster, ClusterConfig, NamespaceState};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use crate::harness::authority;
use crate::kube_support::{config, kubeconfig};

/// The cluster's address in the kubeconfig. Only the proxy knows where that is.
const CLUSTER: &str = "cluster.invalid:6443";

/// An HTTP proxy that asks for a password, and a kubeconfig that names it.
struct ConnectProxy {
    kubeconfig: PathBuf,
    _directory: tempfile::TempDir,
    _task: AbortOnDropHandle<()>,
}

impl ConnectProxy {
    /// The kubeconfig has `login` in its proxy-url.
    async fn start(login: &str) -> Self {
        let mut file = Kubeconfig::read_from(kubeconfig()).expect("the kubeconfig");
        let cluster = file.clusters[0].cluster.as_mut().expect("a cluster");
        let target = authority(cluster.server.as_deref().expect("an address"));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let here = listener.local_addr().expect("an address");
        cluster.server = Some(format!("https://{CLUSTER}"));
        cluster.tls_server_name = target.split(':').next().map(str::to_owned);
        cluster.proxy_url = Some(format!("http://{login}@{here}"));
        let directory = tempfile::tempdir().expect("a directory");
        let kubeconfig = directory.path().join("config");
        std::fs::write(&kubeconfig, serde_json::to_vec(&file).expect("JSON is YAML")).expect("a file");
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(tunnel(client, target.clone()));
            }
        });
        Self { kubeconfig, _directory: directory, _task: AbortOnDropHandle::new(task) }
    }

    fn cluster(&self) -> Cluster {
        Cluster::new(ClusterConfig { kubeconfig: Some(self.kubeconfig.clone()), ..config() })
    }
}

async fn tunnel(client: TcpStream, target: String) {
    let mut client = BufReader::new(client);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if client.read_line(&mut head).await.is_ok_and(|read| read == 0) {
            return;
        }
    }
    let known = head.starts_with(&format!("CONNECT {CLUSTER} HTTP/1.1\r\n"));
    // storeplane:pa@ss
    let allowed = head.to_lowercase().contains("proxy-authorization: basic c3rvcmvwbgfuztpwyubzcw==");
    if !known || !allowed {
        let _ = client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
        return;
    }
    let mut server = TcpStream::connect(target).await.expect("the API server");
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.expect("a client");
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}

#[tokio::test]
async fn proxy_url_of_the_kubeconfig_is_used() {
    let proxy = ConnectProxy::start("storeplane:pa%40ss").await;
    let cluster = proxy.cluster();
    cluster.check().await.expect("the API server answers through the proxy");
    assert_eq!(cluster.namespace_state("no-such-namespace").await.expect("an answer"), NamespaceState::Absent);
}

#[tokio::test]
async fn refused_proxy_login_is_reported_without_the_password() {
    let proxy = ConnectProxy::start("storeplane:wr0ng").await;
    let error = proxy.cluster().check().await.expect_err("the proxy refuses");
    let text = format!("{error} {error:?}");
    assert!(error.to_string().contains("proxy"), "{text}");
    assert!(!text.contains("wr0ng"), "{text}");
}

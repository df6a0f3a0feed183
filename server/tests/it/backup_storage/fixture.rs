//! Storage under test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use storeplane_core::backup_storage::{BackupStorage, ObjectKey};
use storeplane_core::error::PortError;
use storeplane_core::ports::Clock;
use storeplane_server::backups::s3::S3;
use storeplane_server::backups::volume::{SharedKey, Volume};
use storeplane_server::config::{BackupBucket, BackupVolume};
use storeplane_server::http::connections::{self, Limits};
use storeplane_server::secret::SecretText;
use storeplane_server::system::SystemClock;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;

use crate::harness::{Proxy, S3_KEYS, S3Server, fresh};

/// The least that S3 accepts.
pub(super) const PART: usize = 5 << 20;

pub(super) enum Fixture {
    Volume { folder: tempfile::TempDir, config: BackupVolume, listener: Listener },
    S3 { config: BackupBucket, proxy: Proxy },
}

/// A clock that is late.
struct Late(Duration);

impl Clock for Late {
    fn now(&self) -> time::OffsetDateTime {
        SystemClock.now() - self.0
    }
}

/// The key that servers share.
struct Key;

#[async_trait]
impl SharedKey for Key {
    async fn read(&self) -> Result<[u8; 32], PortError> {
        Ok([1; 32])
    }
}

impl Fixture {
    pub(super) fn volume() -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("volume");
        std::fs::create_dir(&path).expect("created");
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
        let config = BackupVolume { path, listen: free, url: format!("http://{free}") };
        let listener = Listener::start(&volume_of(&config, Duration::ZERO), free);
        Self::Volume { folder, config, listener }
    }

    pub(super) async fn s3() -> Self {
        let server = S3Server::running().await;
        let (bucket, proxy) = (fresh("bucket"), Proxy::to(server.address.to_string()).await);
        server.create_bucket(&bucket);
        let config = BackupBucket {
            endpoint: format!("http://{}", proxy.address),
            region: "us-east-1".to_owned(),
            bucket,
            path_style: true,
            prefix: "below/".to_owned(),
            access_key: Some(SecretText::new(S3_KEYS.0)),
            access_key_file: None,
            secret_key: Some(SecretText::new(S3_KEYS.1)),
            secret_key_file: None,
            ca_file: None,
        };
        Self::S3 { config, proxy }
    }

    /// The storage, as a server sees it.
    pub(super) fn storage(&self) -> Arc<dyn BackupStorage> {
        self.late(Duration::ZERO)
    }

    /// The same for a server whose clock is late.
    pub(super) fn late(&self, by: Duration) -> Arc<dyn BackupStorage> {
        match self {
            Self::Volume { config, .. } => Arc::new(volume_of(config, by)),
            Self::S3 { config, .. } => Arc::new(S3::new(config, Arc::new(Late(by))).expect("a bucket")),
        }
    }

    /// Restarts what the server runs.
    pub(super) async fn restart(&mut self) {
        if let Self::Volume { config, listener, .. } = self {
            listener.stop().await;
            *listener = Listener::start(&volume_of(config, Duration::ZERO), config.listen);
        }
    }

    /// From now on the storage cannot be reached.
    pub(super) fn stop(&self) {
        match self {
            Self::Volume { folder, config, .. } => {
                std::fs::rename(&config.path, folder.path().join("unmounted")).expect("renamed");
            }
            Self::S3 { proxy, .. } => proxy.cut(),
        }
    }

    /// Changes a byte in the middle of an object, behind the storage's back.
    pub(super) fn damage(&self, object: &ObjectKey) {
        let file = match self {
            Self::Volume { config, .. } => config.path.join("objects").join(object.as_str()).join("_00001"),
            Self::S3 { config, .. } => {
                S3Server::get().bucket(&config.bucket).join(format!("{}{object}", config.prefix))
            }
        };
        let mut content = std::fs::read(&file).expect("the object's file");
        let middle = content.len() / 2;
        content[middle] ^= 1;
        std::fs::write(&file, content).expect("written");
    }
}

fn volume_of(config: &BackupVolume, late: Duration) -> Volume {
    Volume::new(config, u64::try_from(PART).expect("small"), Arc::new(Key), Arc::new(Late(late)))
}

/// The listener of a volume.
pub(super) struct Listener {
    end: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Listener {
    fn start(volume: &Volume, address: SocketAddr) -> Self {
        let incoming = TcpIncoming::bind(address).expect("a free port");
        let (end, second) = (CancellationToken::new(), Duration::from_secs(1));
        let limits = Limits {
            connections: 64,
            per_address: 64,
            first_request: 10 * second,
            request_body: 60 * second,
            unread_response: 60 * second,
            max_age: 600 * second,
            max_age_grace: 60 * second,
        };
        let serving = connections::serve(incoming, volume.router(), limits, None, end.clone());
        Self { end, task: Some(tokio::spawn(serving)) }
    }

    async fn stop(&mut self) {
        self.end.cancel();
        if let Some(task) = self.task.take() {
            task.await.expect("it ended");
        }
    }
}

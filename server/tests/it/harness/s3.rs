//! A real S3 server: versitygw.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use super::env;

/// Its access key and its secret key.
pub(crate) const S3_KEYS: (&str, &str) = ("test", "a secret of tests only");

/// A real S3 server for all tests of this process.
pub(crate) struct S3Server {
    pub(crate) address: SocketAddr,
    folder: PathBuf,
    /// Its standard input is open until this process ends.
    _shell: Child,
}

impl S3Server {
    /// It accepts connections.
    pub(crate) async fn running() -> &'static Self {
        let server = Self::get();
        for _ in 0..100 {
            if tokio::net::TcpStream::connect(server.address).await.is_ok() {
                return server;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let log = std::fs::read_to_string(server.folder.join("log")).unwrap_or_default();
        panic!("versitygw does not listen on {}: {log}", server.address);
    }

    /// It has been started.
    pub(crate) fn get() -> &'static Self {
        static SERVER: OnceLock<S3Server> = OnceLock::new();
        SERVER.get_or_init(Self::start)
    }

    /// The directory with the objects of a bucket.
    pub(crate) fn bucket(&self, name: &str) -> PathBuf {
        self.folder.join("data").join(name)
    }

    pub(crate) fn create_bucket(&self, name: &str) {
        std::fs::create_dir(self.bucket(name)).expect("a bucket");
    }

    fn start() -> Self {
        let binary = env("STOREPLANE_TEST_VERSITYGW");
        assert!(Path::new(&binary).exists(), "there is no {binary}: dev/tools versitygw installs it");
        let folder = tempfile::tempdir().expect("a directory").keep();
        for name in ["data", "metadata"] {
            std::fs::create_dir(folder.join(name)).expect("created");
        }
        let address = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
        // It ends with this process, whose end closes the shell's standard input.
        let script = r#"
            "$1" --quiet --port "$2" posix --sidecar "$3/metadata" "$3/data" >"$3/log" 2>&1 </dev/null & server=$!
            read -r _
            kill "$server"; wait "$server"; rm -rf "$3"
        "#;
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh", &binary, &address.to_string()]).arg(&folder);
        shell.env("ROOT_ACCESS_KEY_ID", S3_KEYS.0).env("ROOT_SECRET_ACCESS_KEY", S3_KEYS.1);
        let shell = shell.stdin(Stdio::piped()).spawn().expect("a shell");
        Self { address, folder, _shell: shell }
    }
}

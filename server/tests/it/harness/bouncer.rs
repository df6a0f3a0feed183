//! `PgBouncer` in transaction mode in front of the tests' Postgres.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Where Debian and other distributions install it.
const PLACES: [&str; 3] = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"];

pub(crate) struct Bouncer {
    pub(crate) address: SocketAddr,
    dir: tempfile::TempDir,
    child: Child,
}

impl Bouncer {
    /// In front of this URL's database, with fewer connections to Postgres than to clients. `None` if it is not
    /// installed.
    pub(crate) async fn before(url: &str) -> Option<Self> {
        let program = PLACES.into_iter().find(|place| Path::new(place).exists())?;
        let url = url::Url::parse(url).expect("a URL");
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let dir = tempfile::tempdir().expect("a directory");
        // It may run as another user than this test.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("permissions");
        let ini = format!(
            "[databases]\n* = host={} port={} user={} password={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {}\n\
             unix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 3\nmax_client_conn = 100\n",
            url.host_str().expect("a host"),
            url.port().unwrap_or(5432),
            url.username(),
            url.password().unwrap_or_default(),
            address.port(),
        );
        let path = dir.path().join("pgbouncer.ini");
        fs::write(&path, ini).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("permissions");
        let mut command = Command::new(program);
        // It refuses to run as root.
        if std::os::unix::fs::MetadataExt::uid(&fs::metadata("/proc/self").expect("proc")) == 0 {
            command.args(["-u", "nobody"]);
        }
        let log = fs::File::create(dir.path().join("log")).expect("a file");
        let child = command.arg(&path).stdout(Stdio::null()).stderr(log).spawn().expect("pgbouncer");
        let bouncer = Self { address, dir, child };
        for _ in 0..200 {
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return Some(bouncer);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("pgbouncer does not start:\n{}", bouncer.log());
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

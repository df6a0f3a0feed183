#![allow(clippy::disallowed_methods, reason = "a test's own tasks and clock")]

#[path = "../../../tests/it/harness/certificates.rs"]
mod certificates;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_rustls::TlsConnector;

use self::certificates::{Authority, Pair, in_days};
use super::*;
use crate::config::ClientAuth;
use crate::system::SystemClock;

const ALL: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// A directory as Kubernetes mounts a Secret: the files are links into `..data`, which is a link that is replaced.
struct Mount {
    dir: tempfile::TempDir,
    generation: u32,
}

impl Mount {
    fn new(pair: &Pair, client_ca: Option<&str>) -> Self {
        let mut mount = Self { dir: tempfile::tempdir().expect("a directory"), generation: 0 };
        mount.replace(&pair.certificate, &pair.key, client_ca);
        for name in ["tls.crt", "tls.key", "ca.crt"] {
            symlink(Path::new("..data").join(name), mount.path(name)).expect("a link");
        }
        mount
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn replace(&mut self, certificate: &str, key: &str, client_ca: Option<&str>) {
        self.generation += 1;
        let data = self.path(&format!("..{}", self.generation));
        std::fs::create_dir(&data).expect("a directory");
        std::fs::write(data.join("tls.crt"), certificate).expect("a file");
        std::fs::write(data.join("tls.key"), key).expect("a file");
        if let Some(pem) = client_ca {
            std::fs::write(data.join("ca.crt"), pem).expect("a file");
        }
        symlink(&data, self.path("..new")).expect("a link");
        std::fs::rename(self.path("..new"), self.path("..data")).expect("an atomic replacement");
    }

    fn config(&self, client_auth: Option<ClientAuth>) -> config::Tls {
        let client_ca = client_auth.map(|_| self.path("ca.crt"));
        config::Tls {
            certificate: self.path("tls.crt"),
            key: self.path("tls.key"),
            client_ca,
            client_auth,
            identities: Vec::new(),
        }
    }

    fn load(&self, client_auth: Option<ClientAuth>) -> Result<(Tls, Reloader), TlsError> {
        Tls::load(&self.config(client_auth), Arc::new(SystemClock))
    }
}

/// The protocol that a client and the server agree on, after one byte in each direction.
async fn handshake(tls: &Tls, client: rustls::ClientConfig) -> Result<Option<String>, String> {
    let (ours, theirs) = duplex(64 * 1024);
    let serving = async {
        let mut stream = tls.accept(ours).await.map_err(|error| error.to_string())?;
        stream.write_all(b"!").await.map_err(|error| error.to_string())?;
        stream.read_u8().await.map_err(|error| error.to_string())?;
        Ok::<_, String>(())
    };
    let calling = async {
        let name = "localhost".try_into().expect("a name");
        let connecting = TlsConnector::from(Arc::new(client)).connect(name, theirs);
        let mut stream = connecting.await.map_err(|error| error.to_string())?;
        stream.write_all(b"?").await.map_err(|error| error.to_string())?;
        stream.read_u8().await.map_err(|error| error.to_string())?;
        let agreed = stream.get_ref().1.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
        Ok::<_, String>(agreed)
    };
    let (served, called) = tokio::join!(serving, calling);
    served.and(called)
}

#[tokio::test]
async fn versions_and_protocols_are_negotiated() {
    let authority = Authority::new();
    let mount = Mount::new(&authority.sign("localhost", in_days(90)), None);
    let (tls, _reloader) = mount.load(None).expect("valid files");
    for (versions, offered, agreed) in [
        (&[&TLS13][..], &["h2", "http/1.1"][..], Some(Some("h2"))),
        (&[&TLS12], &["http/1.1", "h2"], Some(Some("h2"))),
        (&ALL, &["http/1.1"], Some(Some("http/1.1"))),
        (&ALL, &[], Some(None)),
        (&ALL, &["spdy/3"], None),
    ] {
        let result = handshake(&tls, authority.client(None, versions, offered)).await;
        let expected = agreed.map(|name| name.map(str::to_owned));
        assert_eq!(result.as_ref().ok(), expected.as_ref(), "{offered:?}: {result:?}");
    }
    assert!(handshake(&tls, Authority::new().client(None, &ALL, &["h2"])).await.is_err(), "another authority");
}

/// rustls cannot offer an old version, so this writes the record: a `ClientHello` of this version, with one cipher suite and
/// one signature algorithm.
async fn alert_for(tls: &Tls, minor: u8) -> [u8; 7] {
    let mut hello = vec![3, minor];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x13, 1, 0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3]);
    let length = u8::try_from(hello.len()).expect("a short message");
    let (ours, mut theirs): (DuplexStream, DuplexStream) = duplex(1024);
    theirs.write_all(&[22, 3, 1, 0, length + 4, 1, 0, 0, length]).await.expect("room");
    theirs.write_all(&hello).await.expect("room");
    assert!(tls.accept(ours).await.is_err());
    let mut alert = [0; 7];
    theirs.read_exact(&mut alert).await.expect("an alert");
    alert
}

#[tokio::test]
async fn tls_1_1_and_older_are_refused_with_protocol_version() {
    let authority = Authority::new();
    let mount = Mount::new(&authority.sign("localhost", in_days(90)), None);
    let (tls, _reloader) = mount.load(None).expect("valid files");
    // 70 is protocol_version. 40 is handshake_failure: the version of TLS 1.2 is not the obstacle, but the cipher suite.
    for (minor, description) in [(0, 70), (1, 70), (2, 70), (3, 40)] {
        let alert = alert_for(&tls, minor).await;
        assert_eq!((alert[0], &alert[5..]), (21, &[2, description][..]), "3.{minor}: a fatal alert");
    }
}

#[tokio::test]
async fn client_certificates_are_verified() {
    let (authority, strangers) = (Authority::new(), Authority::new());
    let mount = Mount::new(&authority.sign("localhost", in_days(90)), Some(&authority.pem));
    let known = authority.sign("a client", in_days(90));
    let (expired, stranger) = (authority.sign("a client", in_days(-1)), strangers.sign("a client", in_days(90)));
    for (auth, identity, accepted) in [
        (Some(ClientAuth::Required), Some(&known), true),
        (Some(ClientAuth::Required), None, false),
        (Some(ClientAuth::Required), Some(&stranger), false),
        (Some(ClientAuth::Required), Some(&expired), false),
        (Some(ClientAuth::Optional), Some(&known), true),
        (Some(ClientAuth::Optional), None, true),
        (Some(ClientAuth::Optional), Some(&stranger), false),
        (None, None, true),
        (None, Some(&stranger), true),
    ] {
        let (tls, _reloader) = mount.load(auth).expect("valid files");
        for version in ALL {
            let result = handshake(&tls, authority.client(identity, &[version], &["h2"])).await;
            assert_eq!(result.is_ok(), accepted, "{auth:?}, a certificate: {}: {result:?}", identity.is_some());
        }
    }
}

#[tokio::test]
async fn unusable_files_are_named() {
    let authority = Authority::new();
    let (good, other) = (authority.sign("localhost", in_days(90)), authority.sign("localhost", in_days(90)));
    let ca = Some(authority.pem.as_str());
    for (certificate, key, client_ca, file) in [
        ("", good.key.as_str(), ca, "tls.crt"),
        ("nonsense", &good.key, ca, "tls.crt"),
        (&good.key, &good.key, ca, "tls.crt"),
        (&good.certificate[..200], &good.key, ca, "tls.crt"),
        (&good.certificate, "", ca, "tls.key"),
        (&good.certificate, &good.certificate, ca, "tls.key"),
        (&good.certificate, &other.key, ca, "tls.key"),
        (&good.certificate, &good.key, Some(""), "ca.crt"),
        (&good.certificate, &good.key, Some("nonsense"), "ca.crt"),
        (&good.certificate, &good.key, None, "ca.crt"),
    ] {
        let mut mount = Mount::new(&good, ca);
        mount.replace(certificate, key, client_ca);
        let error = mount.load(Some(ClientAuth::Required)).expect_err(file).to_string();
        assert!(error.contains(file) && error.starts_with("tls."), "{error}");
        assert!(!error.contains("PRIVATE"), "{error}");
    }
}

#[tokio::test]
async fn new_files_are_applied_and_unusable_ones_are_not() {
    let (first, second) = (Authority::new(), Authority::new());
    let old = first.sign("localhost", in_days(60));
    let new = second.sign("localhost", in_days(90));
    let mut mount = Mount::new(&old, None);
    let (tls, mut reloader) = mount.load(None).expect("valid files");
    let served = async |authority: &Authority| handshake(&tls, authority.client(None, &ALL, &["h2"])).await.is_ok();
    reloader.poll().await;
    assert!(served(&first).await);
    let before = tls.certificate();

    // A key of another certificate, found twice.
    mount.replace(&new.certificate, &old.key, None);
    reloader.poll().await;
    assert!(!tls.certificate().rejected, "the files may be half written");
    reloader.poll().await;
    assert!(served(&first).await && tls.certificate().rejected);
    assert_eq!(tls.certificate().expires, before.expires);

    mount.replace(&new.certificate, &new.key, None);
    reloader.poll().await;
    assert!(served(&second).await && !served(&first).await);
    assert!(!tls.certificate().rejected && tls.certificate().expires > before.expires);

    // Files that are missing, and then as before.
    let data = mount.path("..data");
    let target = std::fs::read_link(&data).expect("a link");
    std::fs::remove_file(&data).expect("a link");
    reloader.poll().await;
    reloader.poll().await;
    assert!(served(&second).await && tls.certificate().rejected);
    symlink(target, data).expect("a link");
    reloader.poll().await;
    assert!(served(&second).await && !tls.certificate().rejected);
}

#[tokio::test]
async fn certificate_that_expires_within_14_days_is_warned_about() {
    let authority = Authority::new();
    for (days, warned) in [(90, false), (15, false), (13, true), (-1, true)] {
        let mount = Mount::new(&authority.sign("localhost", in_days(days)), None);
        let (tls, reloader) = mount.load(None).expect("valid files");
        assert_eq!(reloader.warned.is_some(), warned, "{days} days");
        let left = tls.certificate().expires - in_days(days);
        assert!(left.abs() < time::Duration::minutes(5), "{left}");
    }
}

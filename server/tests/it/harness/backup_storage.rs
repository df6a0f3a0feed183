//! Where servers under test keep backups, and what is there.

use std::path::{Path, PathBuf};

use storeplane_server::backups::OperatorKeys;
use storeplane_server::backups::keys::new_operator_key;

use super::certificates::Authority;
use super::{S3_KEYS, S3Server, fresh};

/// Size of a piece: the least that a server accepts.
pub(crate) const PART_SIZE: usize = 5 << 20;

/// Begins what is written of it into a configuration file, after everything else.
const SECTION: &str = "\n[backups]\n";

/// A storage of its own for a test, with a key of the operator's.
pub(crate) struct BackupStorage {
    folder: tempfile::TempDir,
    /// Its bucket, unless it is a volume.
    bucket: Option<String>,
}

impl BackupStorage {
    /// A volume.
    pub(crate) fn volume() -> Self {
        let storage = Self::new(None);
        std::fs::create_dir(storage.path("volume")).expect("created");
        storage
    }

    /// A bucket of a real S3 server.
    pub(crate) async fn bucket() -> Self {
        let bucket = fresh("bucket");
        S3Server::running().await.create_bucket(&bucket);
        let storage = Self::new(Some(bucket));
        std::fs::write(storage.path("ca.pem"), Authority::new().pem).expect("an authority");
        storage
    }

    /// The authorities that pods trust; `None` for those of their image.
    pub(crate) fn authorities(&self) -> Option<String> {
        std::fs::read_to_string(self.path("ca.pem")).ok()
    }

    fn new(bucket: Option<String>) -> Self {
        let storage = Self { folder: tempfile::tempdir().expect("a directory"), bucket };
        std::fs::write(storage.key_file(), new_operator_key().expose()).expect("a key");
        storage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The file with the operator's keys.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.path("key.txt")
    }

    /// The operator's keys.
    pub(crate) fn keys(&self) -> OperatorKeys {
        OperatorKeys::new(&self.key_file())
    }

    /// Writes a server's configuration file: this text and the storage, instead of one that it names. The listener of a volume has a
    /// port that is free now. Returns the path.
    pub(super) fn configure(&self, text: &str) -> String {
        let listen = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
        let file = self.path(&format!("storeplane-{}.toml", listen.port()));
        let before = text.split_once(SECTION).map_or(text, |(before, _)| before);
        let (kind, place) = match &self.bucket {
            None => {
                let path = self.path("volume");
                ("volume", format!("path = '{}'\nlisten = '{listen}'\nurl = 'http://{listen}'\n", path.display()))
            }
            Some(bucket) => {
                let (endpoint, (id, secret)) = (S3Server::get().address, S3_KEYS);
                let keys = format!("access_key = '{id}'\nsecret_key = '{secret}'\n");
                let authority = format!("ca_file = '{}'\n", self.path("ca.pem").display());
                ("s3", format!("endpoint = 'http://{endpoint}'\nbucket = '{bucket}'\n{keys}{authority}"))
            }
        };
        let keys = self.key_file();
        let general = format!(
            "storage = '{kind}'\nkey_file = '{}'\npart_size = '5Mi'\nsnapshot_timeout_seconds = 15\n",
            keys.display()
        );
        std::fs::write(&file, format!("{before}{SECTION}{general}[backups.{kind}]\n{place}")).expect("a configuration");
        file.to_str().expect("a path in UTF-8").to_owned()
    }

    /// Where objects are.
    fn objects(&self) -> PathBuf {
        self.bucket.as_ref().map_or_else(|| self.path("volume/objects"), |bucket| S3Server::get().bucket(bucket))
    }

    /// From now on the volume cannot be reached.
    pub(crate) fn stop(&self) {
        std::fs::rename(self.path("volume"), self.path("unmounted")).expect("renamed");
    }

    /// It can be reached again.
    pub(crate) fn start(&self) {
        std::fs::rename(self.path("unmounted"), self.path("volume")).expect("renamed");
    }

    /// The files of a backup: of its objects, and of uploads that are not completed.
    pub(crate) fn files_of(&self, backup_id: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for folder in [self.objects(), self.path("volume/uploads")] {
            files(&folder, &mut found);
        }
        found.retain(|file| file.components().any(|part| part.as_os_str() == backup_id));
        found.sort();
        found
    }

    /// The content of an object; `None` if it does not exist.
    pub(crate) fn content(&self, object: &str) -> Option<Vec<u8>> {
        let path = self.objects().join(object);
        if path.is_file() {
            return Some(std::fs::read(path).expect("a file"));
        }
        let mut pieces = Vec::new();
        files(&path, &mut pieces);
        pieces.sort();
        let content = pieces.iter().flat_map(|piece| std::fs::read(piece).expect("a file")).collect();
        (!pieces.is_empty()).then_some(content)
    }

    /// Changes a byte of what is stored of a part, behind the storage's back.
    pub(crate) fn damage(&self, backup_id: &str, part: &str) {
        let object = format!("{part}.zst.age");
        let files = self.files_of(backup_id);
        let mut of_part = files.iter().filter(|file| file.components().any(|it| it.as_os_str() == object.as_str()));
        let file = of_part.next().expect("something is stored");
        let mut content = std::fs::read(file).expect("a file");
        let middle = content.len() / 2;
        content[middle] ^= 1;
        std::fs::write(file, content).expect("written");
    }
}

/// Every file below a folder, which may be missing.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

//! Stands in for the kubelet and the images of Jobs that make and restore backups: simulated nodes leave pods with an image of these tests alone, so
//! nothing would make a backup.
//!
//! It reads a Job's Secret as the containers read their files, encrypts a known content with age, uploads it in pieces, and writes the
//! pod's status with the termination messages; or it downloads and decrypts a backup; or it fails as a script says. Nothing is compressed, since
//! the control plane decompresses nothing. The page of a shop in maintenance is ready at once. The Job controller is Kubernetes' own.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use age::x25519::{Identity, Recipient};
use axum::body::Body;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};
use serde_json::json;
use storeplane_server::checkpoint::hex;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::backup_storage::PART_SIZE;
use crate::kube_jobs::{current_pod, end_pod, run_pod, write_status};
use crate::kube_support::plain_client;

/// Between two looks for new Jobs.
const LOOK: Duration = Duration::from_millis(200);
/// Longer than a Job takes to start on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);
/// Our Jobs.
const OURS: &str = "app.kubernetes.io/managed-by=storeplane,storeplane.io/operation";
/// Size of the pieces of small parts, in bytes: a volume takes pieces of any size.
const SMALL_PIECE: usize = 20_000;
/// Begins the names of Jobs that serve the page of a shop in maintenance.
const PAGE: &str = "store-maintenance-";
/// Begins the names of Jobs that only mount a volume, and succeed.
const MOUNT: &str = "store-mount-";
/// Ends the names of files with URLs.
const URLS: &str = ".urls";

/// How a Job's run goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Run {
    /// It uploads and reports everything.
    Succeeds,
    /// The same with a database that is larger than a piece, in pieces of the size that the Job is given.
    Large,
    /// The same, but not before [`JobPlayer::release`].
    Held,
    /// As [`Self::Large`], and after the upload it does not end before [`JobPlayer::release`].
    UploadsAndHolds,
    /// A container uploads nothing and ends with this exit code and message.
    Exits(&'static str, i32, &'static str),
    /// The database's container ends with exit code 20 and tells its first URL.
    TellsUrl,
    /// The first container is killed because of its memory.
    OutOfMemory,
    /// The node evicts the pod.
    Evicted,
    /// It reports another checksum than that of what it uploaded.
    WrongChecksum,
    /// It does not upload the first piece of each part.
    PieceMissing,
    /// It reports nothing.
    Silent,
}

impl Run {
    fn is_large(self) -> bool {
        matches!(self, Self::Large | Self::UploadsAndHolds)
    }
}

/// A Job that has started.
#[derive(Debug, Clone)]
pub(crate) struct Played {
    pub(crate) job: String,
    /// The files of its Secret.
    pub(crate) files: BTreeMap<String, String>,
    /// What is to be backed up, or was restored, by part.
    pub(crate) sources: BTreeMap<String, Vec<u8>>,
}

/// Plays the Jobs of a namespace until it is dropped.
pub(crate) struct JobPlayer {
    played: watch::Receiver<Vec<Played>>,
    go: watch::Sender<bool>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Stage {
    namespace: String,
    secrets: Api<Secret>,
    played: Arc<Mutex<watch::Sender<Vec<Played>>>>,
    go: watch::Receiver<bool>,
}

impl JobPlayer {
    /// Plays the first Job by the first entry of the script, and so on; the last entry is for all others.
    pub(crate) async fn start(namespace: &str, script: &[Run]) -> Self {
        let client = plain_client().await;
        let jobs = Api::<Job>::namespaced(client.clone(), namespace);
        let (played, seen) = watch::channel(Vec::new());
        let (go, going) = watch::channel(false);
        let stage = Stage {
            namespace: namespace.to_owned(),
            secrets: Api::namespaced(client, namespace),
            played: Arc::new(Mutex::new(played)),
            go: going,
        };
        let task = tokio::spawn(play_all(stage, jobs, script.to_vec()));
        Self { played: seen, go, task }
    }

    /// The Jobs that have started, in order.
    pub(crate) fn played(&self) -> Vec<Played> {
        self.played.borrow().clone()
    }

    /// Waits until that many Jobs have started.
    pub(crate) async fn started(&self, count: usize) -> Vec<Played> {
        let mut played = self.played.clone();
        let started = played.wait_for(|played| played.len() >= count);
        let started = tokio::time::timeout(PATIENCE, started).await.expect("a Job starts");
        started.expect("the player runs").clone()
    }

    /// Lets held runs end.
    pub(crate) fn release(&self) {
        self.go.send_replace(true);
    }
}

impl Drop for JobPlayer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn play_all(stage: Stage, jobs: Api<Job>, script: Vec<Run>) {
    let (mut known, mut running, mut runs) = (HashSet::new(), JoinSet::new(), script.into_iter());
    let mut last = Run::Succeeds;
    loop {
        // While the API server is away, there are none.
        let found = jobs.list(&ListParams::default().labels(OURS)).await.map(|list| list.items).unwrap_or_default();
        let is_started = |job: &Job| job.spec.as_ref().is_some_and(|spec| spec.suspend != Some(true));
        for job in found.into_iter().filter(is_started) {
            if !known.insert(job.uid()) {
                continue;
            }
            let (stage, name) = (stage.clone(), job.name_any());
            if name.starts_with(MOUNT) {
                running.spawn(async move {
                    run_pod(&stage.namespace, &name).await;
                    end_pod(&stage.namespace, &name, "Succeeded", &[("mount", 0, "")]).await;
                });
                continue;
            }
            if name.starts_with(PAGE) {
                running.spawn(async move { run_pod(&stage.namespace, &name).await });
                continue;
            }
            last = runs.next().unwrap_or(last);
            running.spawn(play(stage, name, last));
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn play(mut stage: Stage, job: String, run: Run) {
    let secret = stage.secrets.get(&job).await.expect("the Job's Secret");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let files: BTreeMap<_, _> =
        secret.data.unwrap_or_default().into_iter().map(|(name, it)| (name, text(it.0))).collect();
    let parts = files.keys().filter_map(|name| name.strip_suffix(URLS));
    let mut sources: BTreeMap<_, _> = parts.map(|part| (part.to_owned(), source(part, run))).collect();
    let restores = files.contains_key("identity");
    if restores {
        for part in files.keys().filter_map(|name| name.strip_suffix(".url")) {
            sources.insert(part.to_owned(), download(&files, part).await);
        }
    }
    run_pod(&stage.namespace, &job).await;
    let played = Played { job: job.clone(), files, sources };
    stage.played.lock().expect("no panic").send_modify(|all| all.push(played.clone()));
    match run {
        Run::Held => drop(stage.go.wait_for(|go| *go).await),
        Run::Succeeds | Run::Large | Run::UploadsAndHolds | Run::WrongChecksum | Run::PieceMissing | Run::Silent => {}
        Run::Exits(container, code, message) => {
            return end_pod(&stage.namespace, &job, "Failed", &[(container, code, message)]).await;
        }
        Run::TellsUrl => {
            let url = played.files["database.urls"].lines().next().expect("a URL");
            let message = format!("PUT {url}: 403");
            return end_pod(&stage.namespace, &job, "Failed", &[("database", 20, &message)]).await;
        }
        Run::OutOfMemory => {
            let killed = json!([{"name": "database", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]);
            let status = json!({"phase": "Failed", "containerStatuses": killed});
            return write_status(&stage.namespace, &current_pod(&stage.namespace, &job).await, status).await;
        }
        Run::Evicted => {
            let status =
                json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."});
            return write_status(&stage.namespace, &current_pod(&stage.namespace, &job).await, status).await;
        }
    }
    let mut messages = Vec::new();
    for (part, source) in &played.sources {
        let message = if restores {
            json!({"source_bytes": source.len()}).to_string()
        } else {
            upload(&played.files, part, source, run).await
        };
        messages.push((part.as_str(), message));
    }
    if matches!(run, Run::UploadsAndHolds) {
        drop(stage.go.wait_for(|go| *go).await);
    }
    let ends: Vec<_> = messages.iter().map(|(part, message)| (*part, 0, message.as_str())).collect();
    end_pod(&stage.namespace, &job, "Succeeded", &ends).await;
}

/// Downloads a part in two ranges, as the images do in more, and decrypts it.
async fn download(files: &BTreeMap<String, String>, part: &str) -> Vec<u8> {
    let file = |kind: &str| files[&format!("{part}.{kind}")].clone();
    let (url, bytes): (String, usize) = (file("url"), file("bytes").parse().expect("a size"));
    let mut encrypted = get(&url, 0, bytes / 2).await;
    encrypted.extend(get(&url, bytes / 2, bytes).await);
    assert_eq!(hex(ring::digest::digest(&ring::digest::SHA256, &encrypted).as_ref()), file("sha256"), "{part}");
    let identity: Identity = files["identity"].parse().expect("an identity");
    age::decrypt(&identity, &encrypted).expect("its own key decrypts it")
}

async fn get(url: &str, from: usize, to: usize) -> Vec<u8> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    let request = Request::get(url).header("range", format!("bytes={from}-{}", to - 1));
    let answer = client.request(request.body(Body::empty()).expect("a request")).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);
    answer.into_body().collect().await.expect("a body").to_bytes().to_vec()
}

fn source(part: &str, run: Run) -> Vec<u8> {
    let is_large = run.is_large() && part == "database";
    let length = if is_large { PART_SIZE + 1000 } else { 3 * SMALL_PIECE };
    part.bytes().cycle().zip((0_u8..=250).cycle()).map(|(a, b)| a ^ b).take(length).collect()
}

/// Uploads a part, the last piece first; returns the termination message.
async fn upload(files: &BTreeMap<String, String>, part: &str, source: &[u8], run: Run) -> String {
    let recipient: Recipient = files["recipient"].parse().expect("a recipient");
    let encrypted = age::encrypt(&recipient, source).expect("encrypted");
    let given: usize = files["part-size"].parse().expect("a size");
    let size = if run.is_large() { given } else { SMALL_PIECE };
    let urls: Vec<_> = files[&format!("{part}{URLS}")].lines().collect();
    let pieces: Vec<_> = encrypted.chunks(size).zip(urls).collect();
    let count = pieces.len();
    for (at, (piece, url)) in pieces.into_iter().enumerate().rev() {
        if at > 0 || !matches!(run, Run::PieceMissing) {
            assert_eq!(put(url, piece).await, StatusCode::OK, "piece {at} of {part}");
        }
    }
    let digest = match run {
        Run::Silent => return String::new(),
        Run::WrongChecksum => "0".repeat(64),
        _ => hex(ring::digest::digest(&ring::digest::SHA256, &encrypted).as_ref()),
    };
    json!({"bytes": encrypted.len(), "sha256": digest, "source_bytes": source.len(), "parts": count}).to_string()
}

/// Repeats what was not answered, as the images do while a server restarts.
async fn put(url: &str, content: &[u8]) -> StatusCode {
    let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
    let began = Instant::now();
    loop {
        let body = Body::from(content.to_vec());
        let request = Request::builder().method(Method::PUT).uri(url).body(body).expect("a request");
        match client.request(request).await {
            Ok(answer) => return answer.status(),
            Err(error) => assert!(began.elapsed() < PATIENCE, "{error}"),
        }
        tokio::time::sleep(LOOK).await;
    }
}

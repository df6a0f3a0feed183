//! The control plane's own database, restored from a dump into another Postgres: docs/operations.md, After restoring the database.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use storeplane_proto::v1::watch_stores_response::Update;
use storeplane_proto::v1::{
    GetStoreRequest, Store, StoreState, UpdateStoreRequest, WatchStoresRequest, WatchStoresResponse, WatchUntil,
};
use tonic::{Code, Status, Streaming};

use crate::harness::{Account, Api, Database, Kubernetes, Postgres, Server, Setup, charts, fields, fresh, reason};

/// Longer than a watch or the reconciler takes.
const WITHIN: Duration = Duration::from_mins(1);

fn account() -> Account {
    Account::of("it-restore")
}

/// A program of Postgres.
fn postgres_program(name: &str) -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dev/tools");
    let output = Command::new(tools).arg("postgres").output().expect("dev/tools runs");
    Path::new(String::from_utf8_lossy(&output.stdout).trim()).join(name)
}

fn succeed(command: &mut Command) {
    let output = command.output().expect("a program of Postgres");
    assert!(output.status.success(), "{output:?}");
}

/// `storeplane-server` with these arguments.
fn run(database: &Database, arguments: &[&str]) -> String {
    let configuration = charts().join("../server/tests/it/harness/charts/storeplane.toml");
    let output: Output = Command::new(env!("CARGO_BIN_EXE_storeplane-server"))
        .args(arguments)
        .env_clear()
        .env("DATABASE_URL", &database.url)
        .envs(account().settings)
        .env("STOREPLANE_CONFIG", &configuration)
        .env("STOREPLANE_CHARTS_DIR", configuration.parent().unwrap())
        .output()
        .expect("the server's binary");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

async fn watch(api: &Api, cursor: &str) -> Result<Streaming<WatchStoresResponse>, Status> {
    let request = WatchStoresRequest { cursor: cursor.to_owned(), ..WatchStoresRequest::default() };
    api.stores.clone().watch_stores(request).await.map(tonic::Response::into_inner)
}

/// The next message that is wanted, within the time limit.
async fn next<T>(
    stream: &mut Streaming<WatchStoresResponse>,
    wanted: impl Fn(&WatchStoresResponse) -> Option<T>,
) -> (T, String) {
    let reading = async {
        loop {
            let message = stream.message().await.expect("the watch goes on").expect("the watch goes on");
            if let Some(found) = wanted(&message) {
                return (found, message.cursor);
            }
        }
    };
    tokio::time::timeout(WITHIN, reading).await.expect("the message arrives")
}

/// Protects the store from deletion.
async fn protect(api: &Api, store: &Store) {
    let changed = Store { deletion_protection: true, store_id: store.store_id.clone(), ..Store::default() };
    let mask = prost_types::FieldMask { paths: vec!["deletion_protection".into()] };
    let request = UpdateStoreRequest {
        store_id: store.store_id.clone(),
        store: Some(changed),
        update_mask: Some(mask),
        ..UpdateStoreRequest::default()
    };
    api.stores.clone().update_store(request).await.expect("changed");
}

/// What became of the stores of the dump, and that all can be deleted.
async fn stores_follow_the_cluster(api: &Api, [kept, created]: [&Store; 2], deleted: &Store) {
    // The one that was deleted is missing, and can be deleted again.
    let began = Instant::now();
    while api.get(&deleted.store_id).await.unwrap().reason != "NAMESPACE_MISSING" {
        assert!(began.elapsed() < WITHIN, "{:?}", api.get(&deleted.store_id).await);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    api.delete(&deleted.store_id).await.unwrap();
    assert_eq!(api.settle(&deleted.store_id).await.0.state(), StoreState::Deleted);

    // The protection is as in the dump. The namespace has the fence of later claims than the dump, which hold up nothing.
    let began = Instant::now();
    api.retry(&kept.store_id).await.unwrap();
    let (retried, seen) = api.settle(&kept.store_id).await;
    assert_eq!((retried.state(), retried.deletion_protection), (StoreState::Ready, false), "{}", seen.text());
    assert!(began.elapsed() < WITHIN, "{:?}", began.elapsed());
    for store in [kept, created] {
        api.delete(&store.store_id).await.unwrap();
        assert_eq!(api.settle(&store.store_id).await.0.state(), StoreState::Deleted);
        let request = GetStoreRequest { store_id: store.store_id.clone(), uid: store.uid.clone() };
        assert!(api.stores.clone().get_store(request).await.is_ok());
    }
}

#[tokio::test]
async fn restored_dump_expires_cursors_and_adopt_finds_later_stores() {
    Kubernetes::of(&account().instance).drop_all().await;
    let setup = Setup::of(account()).with_small_chart();
    let source = Database::create().await;
    assert!(!run(&source, &["migrate"]).contains("restored"));
    let token = source.token("default", "admin").await;
    let mut lab = setup.clone().start_on(source).await;
    let (kept, deleted) = (lab.api.ready(&fresh("kept")).await, lab.api.ready(&fresh("deleted")).await);

    // Dumped beside the running server, which goes on.
    let folder = tempfile::tempdir().unwrap();
    let dump = folder.path().join("storeplane.dump");
    let mut dumping = Command::new(postgres_program("pg_dump"));
    succeed(dumping.args(["--format=custom", "--no-owner", "--file"]).arg(&dump).arg(&lab.database.url));
    let created = lab.api.ready(&fresh("created")).await;
    protect(&lab.api, &kept).await;
    for _ in 0..2 {
        lab.api.retry(&kept.store_id).await.unwrap();
        assert_eq!(lab.api.settle(&kept.store_id).await.0.state(), StoreState::Ready);
    }
    let last = lab.api.get(&kept.store_id).await.unwrap().last_sequence;
    lab.api.delete(&deleted.store_id).await.unwrap();
    assert_eq!(lab.api.settle(&deleted.store_id).await.0.state(), StoreState::Deleted);
    let mut before = watch(&lab.api, "").await.unwrap();
    let ((), cursor) =
        next(&mut before, |message| matches!(message.update, Some(Update::CaughtUp(_))).then_some(())).await;
    lab.server.terminate().await;
    let newest = "SELECT max(transaction)::text::bigint FROM events";
    let newest: i64 = lab.database.value(newest).await.parse().unwrap();

    // Restored into a Postgres whose transactions have lower numbers.
    let postgres = Postgres::start();
    let database = Database::empty_on(&postgres.url).await;
    let mut restoring = Command::new(postgres_program("pg_restore"));
    restoring.args(["--no-owner", "--single-transaction", "--exit-on-error", "--dbname", &database.url]);
    succeed(restoring.arg(&dump));
    let now: i64 = database.value("SELECT pg_current_xact_id()::text::bigint").await.parse().unwrap();
    assert!(now < newest, "{now} {newest}");
    assert!(run(&database, &["migrate"]).contains("was restored"));
    assert!(!run(&database, &["migrate"]).contains("restored"), "only once");
    let mut server = Server::start(&setup, &database).await;
    let api = Api::connect(server.address(), &token);

    // Watches: the documented answers, and a position from which they go on.
    let expired = watch(&api, &cursor).await.unwrap_err();
    assert_eq!((expired.code(), reason(&expired).as_str()), (Code::OutOfRange, "CURSOR_EXPIRED"));
    let oldest = storeplane_client::Error::from(expired).oldest().expect("a position");
    let mut live = watch(&api, &oldest).await.unwrap();
    let beyond = api.watch(&kept.store_id, last, WatchUntil::Settled).await.unwrap_err();
    assert_eq!((beyond.code(), fields(&beyond)), (Code::InvalidArgument, vec!["after_sequence".to_owned()]));
    assert_eq!(api.get(&created.store_id).await.unwrap_err().code(), Code::NotFound);

    // The store that was created after the dump is taken back, with an event in the new numbers.
    let adopted = run(&database, &["adopt", "--namespace", &created.namespace, "--apply"]);
    assert!(adopted.contains(": adopted"), "{adopted}");
    let of_created = |message: &WatchStoresResponse| match &message.update {
        Some(Update::Event(event)) if event.uid == created.uid => Some(event.r#type.clone()),
        _ => None,
    };
    let (first, cursor) = next(&mut live, of_created).await;
    assert_eq!(first, "ADOPTED");
    assert!(watch(&api, &cursor).await.is_ok(), "a cursor from after the restore");
    assert_eq!(api.settle(&created.store_id).await.0.state(), StoreState::Ready);

    stores_follow_the_cluster(&api, [&kept, &created], &deleted).await;
    database.assert_sound().await;

    // What cannot be recognized is said by the operator.
    server.terminate().await;
    assert!(run(&database, &["migrate", "--restored"]).contains("was restored"));
    server.restart().await;
    assert_eq!(reason(&watch(&api, &cursor).await.unwrap_err()), "CURSOR_EXPIRED");
}

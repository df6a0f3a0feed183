//! How many calls a server answers, beside a bare tonic server that answers with the same bytes. `make bench` runs it;
//! prints one JSON object. Answers are not decoded: what is measured is the server, not who asks.
//!
//!     calls --addr 127.0.0.1:8080 list_all=ListStores page=ListStores:50 one=GetStore:demo 'two=GetStore:demo|tea' 'ready=ListStores:50/state = READY'

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]
#![allow(clippy::disallowed_methods, reason = "a program of its own, outside of the server")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement that fails is none"
)]

mod raw;

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Parser;
use std::future::ready;

use futures::future::BoxFuture;
use prost::Message as _;
use serde_json::{Map, Value, json};
use storeplane_proto::v1::{GetStoreRequest, ListStoresRequest};
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::server::{NamedService, UnaryService};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

use self::raw::Raw;

/// Before what is measured.
const WARM: Duration = Duration::from_secs(1);

#[derive(Parser)]
struct Args {
    #[arg(long, default_value = "")]
    addr: String,
    #[arg(long, env = "STOREPLANE_TOKEN", hide_env_values = true, default_value = "")]
    token: String,
    /// Seconds for each call, and again for the bare server.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Calls at once, on one connection.
    #[arg(long, default_value_t = 8)]
    at_once: usize,
    /// Instead: be the bare server that answers everything with this file.
    #[arg(long)]
    bare: Option<PathBuf>,
    /// Measures no bare server.
    #[arg(long)]
    without_bare: bool,
    /// NAME=METHOD or NAME=METHOD:ARGUMENT|ARGUMENT…; an argument is a store's id, or a page's size with /FILTER. Callers begin at different
    /// arguments and take them in turn.
    calls: Vec<String>,
}

#[tokio::main]
async fn main() {
    let args = Args::parse();
    if let Some(file) = &args.bare {
        return serve(std::fs::read(file).expect("an answer").into()).await;
    }
    let mut figures = Map::new();
    for wanted in &args.calls {
        let (name, call) = wanted.split_once('=').expect("NAME=METHOD");
        let (path, requests) = requests(call);
        let answer = Caller::connect(&args.addr, &args.token).await.call(&path, requests[0].clone()).await;
        let mut figure = json!({"bytes": answer.len(), "ours": load(&args, &args.addr, &path, &requests).await});
        if !args.without_bare {
            let file = tempfile::NamedTempFile::new().expect("a file");
            std::fs::write(file.path(), &answer).expect("an answer");
            let bare = Bare::start(file.path());
            figure["bare"] = load(&args, &bare.addr, &path, &requests).await;
        }
        figures.insert(name.to_owned(), figure);
    }
    println!("{}", Value::Object(figures));
}

/// The method's path, and the requests to choose from.
fn requests(call: &str) -> (String, Vec<Bytes>) {
    let (method, arguments) = call.split_once(':').unwrap_or((call, ""));
    let request = |argument: &str| match method {
        "ListStores" => {
            let (size, filter) = argument.split_once('/').unwrap_or((argument, ""));
            let page_size = size.parse().unwrap_or(0);
            ListStoresRequest { page_size, filter: filter.into(), ..Default::default() }.encode_to_vec().into()
        }
        "GetStore" => GetStoreRequest { store_id: argument.into(), ..Default::default() }.encode_to_vec().into(),
        other => panic!("{other} is not measured"),
    };
    (format!("/{}/{method}", Fixed::NAME), arguments.split('|').map(request).collect())
}

/// Calls for a while; how many a second were answered, and how long each took.
async fn load(args: &Args, addr: &str, path: &str, requests: &[Bytes]) -> Value {
    let caller = Caller::connect(addr, &args.token).await;
    let begin = Instant::now() + WARM;
    let end = begin + Duration::from_secs(args.seconds);
    let callers = (0..args.at_once).map(|number| {
        let (mut caller, path, requests) = (caller.clone(), path.to_owned(), requests.to_vec());
        let first = number * requests.len() / args.at_once;
        let mut turns = requests.into_iter().cycle().skip(first);
        tokio::spawn(async move {
            let mut took = Vec::new();
            loop {
                let asked = Instant::now();
                if asked >= end {
                    return took;
                }
                caller.call(&path, turns.next().expect("a request")).await;
                if asked >= begin {
                    took.push(asked.elapsed().as_secs_f64() * 1e3);
                }
            }
        })
    });
    let mut took = Vec::new();
    for each in futures::future::join_all(callers).await {
        took.extend(each.expect("a caller"));
    }
    took.sort_by(f64::total_cmp);
    let at = |percent: usize| took.get(took.len().saturating_sub(1) * percent / 100);
    #[allow(clippy::cast_precision_loss, reason = "a rate")]
    let rate = took.len() as f64 / args.seconds as f64;
    json!({"rate": rate, "p50": at(50), "p99": at(99), "count": took.len()})
}

#[derive(Clone)]
struct Caller {
    client: tonic::client::Grpc<Channel>,
    bearer: MetadataValue<Ascii>,
}

impl Caller {
    async fn connect(addr: &str, token: &str) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{addr}")).expect("an address");
        let client = tonic::client::Grpc::new(endpoint.connect().await.expect("a server"));
        Self { client, bearer: format!("Bearer {token}").parse().expect("a token") }
    }

    async fn call(&mut self, path: &str, message: Bytes) -> Bytes {
        self.client.ready().await.expect("a connection");
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.bearer.clone());
        let answer = self.client.unary(request, path.parse().expect("a path"), Raw).await;
        answer.expect("an answer").into_inner()
    }
}

/// The bare server, as a process of its own as ours is.
struct Bare {
    child: Child,
    addr: String,
}

impl Bare {
    fn start(answer: &std::path::Path) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        let mut child = command.arg("--bare").arg(answer).stdout(Stdio::piped()).spawn().expect("a process");
        let mut addr = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut addr).expect("its address");
        Self { child, addr: addr.trim().to_owned() }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn serve(answer: Bytes) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Server::builder().add_service(Fixed(answer)).serve_with_incoming(incoming).await.expect("it serves");
}

/// Answers every call with the same bytes.
#[derive(Clone)]
struct Fixed(Bytes);

impl NamedService for Fixed {
    const NAME: &'static str = "storeplane.v1.StoreService";
}

impl tower::Service<http::Request<Body>> for Fixed {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let fixed = self.clone();
        Box::pin(async move { Ok(tonic::server::Grpc::new(Raw).unary(fixed, request).await) })
    }
}

impl UnaryService<Bytes> for Fixed {
    type Response = Bytes;
    type Future = std::future::Ready<Result<Response<Bytes>, Status>>;

    fn call(&mut self, _: Request<Bytes>) -> Self::Future {
        ready(Ok(Response::new(self.0.clone())))
    }
}

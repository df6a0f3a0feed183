//! A server that does what the test says, call by call, behind a wire that it can cut.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use futures::stream::{self, BoxStream, StreamExt as _};
use storeplane_client::{Client, v1};
use storeplane_proto::v1::store_service_server::{StoreService, StoreServiceServer};
use storeplane_proto::v1::watch_store_response::Update;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// What becomes of one call.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// It is answered; a watch ends in order.
    Answer,
    /// It arrives, then all connections break.
    Cut,
    /// It ends with this status.
    End(Status),
    /// Nothing more is heard of it.
    Hang,
    /// A watch tells a snapshot and these events, then goes on so.
    Tell(Vec<i64>, Box<Act>),
}

#[derive(Default)]
struct Asked {
    acts: VecDeque<Act>,
    creations: Vec<v1::CreateStoreRequest>,
    gets: Vec<v1::GetStoreRequest>,
    watches: Vec<v1::WatchStoreRequest>,
}

#[derive(Clone)]
pub(crate) struct Played {
    asked: Arc<Mutex<Asked>>,
    cut: broadcast::Sender<()>,
}

type Answer<T> = Result<Response<T>, Status>;
type Updates = BoxStream<'static, Result<v1::WatchStoreResponse, Status>>;

impl Played {
    /// A server with its script, and a client of it. Calls beyond the script are answered.
    pub(crate) async fn start(acts: impl IntoIterator<Item = Act>) -> (Client, Self) {
        let asked = Asked { acts: acts.into_iter().collect(), ..Asked::default() };
        let played = Self { asked: Arc::new(Mutex::new(asked)), cut: broadcast::Sender::new(8) };
        let behind = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (target, address) = (behind.local_addr().unwrap(), wire.local_addr().unwrap());
        let server = tonic::transport::Server::builder().add_service(StoreServiceServer::new(played.clone()));
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(behind)));
        let cut = played.cut.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = wire.accept().await {
                let mut cut = cut.subscribe();
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(target).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                        _ = cut.recv() => {}
                    }
                });
            }
        });
        (Client::connect(&address.to_string(), "token").unwrap(), played)
    }

    pub(crate) fn creations(&self) -> Vec<v1::CreateStoreRequest> {
        self.asked.lock().unwrap().creations.clone()
    }

    pub(crate) fn gets(&self) -> Vec<v1::GetStoreRequest> {
        self.asked.lock().unwrap().gets.clone()
    }

    pub(crate) fn watches(&self) -> Vec<v1::WatchStoreRequest> {
        self.asked.lock().unwrap().watches.clone()
    }

    fn next(&self, note: impl FnOnce(&mut Asked)) -> Act {
        let mut asked = self.asked.lock().unwrap();
        note(&mut asked);
        asked.acts.pop_front().unwrap_or(Act::Answer)
    }

    async fn play(&self, act: Act) -> Result<(), Status> {
        match act {
            Act::Answer | Act::Tell(..) => return Ok(()),
            Act::End(status) => return Err(status),
            Act::Cut => {
                // What was sent before goes out first.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                self.cut.send(()).unwrap();
            }
            Act::Hang => {}
        }
        std::future::pending().await
    }
}

fn store(store_id: &str) -> v1::Store {
    v1::Store { store_id: store_id.to_owned(), uid: "uid".to_owned(), ..v1::Store::default() }
}

#[tonic::async_trait]
impl StoreService for Played {
    type WatchStoreStream = Updates;
    type WatchStoresStream = BoxStream<'static, Result<v1::WatchStoresResponse, Status>>;

    async fn create_store(&self, request: Request<v1::CreateStoreRequest>) -> Answer<v1::Store> {
        let request = request.into_inner();
        self.play(self.next(|asked| asked.creations.push(request.clone()))).await?;
        Ok(Response::new(store(&request.store_id)))
    }

    async fn get_store(&self, request: Request<v1::GetStoreRequest>) -> Answer<v1::Store> {
        let request = request.into_inner();
        self.play(self.next(|asked| asked.gets.push(request.clone()))).await?;
        Ok(Response::new(store(&request.store_id)))
    }

    async fn watch_store(&self, request: Request<v1::WatchStoreRequest>) -> Answer<Updates> {
        let request = request.into_inner();
        let act = self.next(|asked| asked.watches.push(request.clone()));
        let Act::Tell(sequences, then) = act else {
            self.play(act).await?;
            return Ok(Response::new(stream::empty().boxed()));
        };
        let events = sequences.into_iter().map(|sequence| {
            let event = v1::StoreEvent { sequence, ..v1::StoreEvent::default() };
            (Update::Event(event), sequence)
        });
        let updates = [(Update::Snapshot(store(&request.store_id)), request.after_sequence)].into_iter().chain(events);
        let told = updates.map(|(update, sequence)| Ok(v1::WatchStoreResponse { update: Some(update), sequence }));
        let played = self.clone();
        let end = stream::once(async move { played.play(*then).await.err() });
        let end = end.filter_map(|status| std::future::ready(status.map(Err)));
        Ok(Response::new(stream::iter(told.collect::<Vec<_>>()).chain(end).boxed()))
    }

    async fn list_stores(&self, _: Request<v1::ListStoresRequest>) -> Answer<v1::ListStoresResponse> {
        Err(Status::unimplemented(""))
    }

    async fn get_store_credentials(&self, _: Request<v1::GetStoreCredentialsRequest>) -> Answer<v1::StoreCredentials> {
        Err(Status::unimplemented(""))
    }

    async fn delete_store(&self, _: Request<v1::DeleteStoreRequest>) -> Answer<v1::Store> {
        Err(Status::unimplemented(""))
    }

    async fn retry_store(&self, _: Request<v1::RetryStoreRequest>) -> Answer<v1::Store> {
        Err(Status::unimplemented(""))
    }

    async fn watch_stores(&self, _: Request<v1::WatchStoresRequest>) -> Answer<Self::WatchStoresStream> {
        Err(Status::unimplemented(""))
    }
}

//! A scripted server, call by call, behind a connection that the test can cut.

mod tokens;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures::stream::{self, BoxStream, StreamExt as _};
use storeplane_client::{Client, v1};
use storeplane_proto::v1::operation_service_server::{OperationService, OperationServiceServer};
use storeplane_proto::v1::store_service_server::{StoreService, StoreServiceServer};
use storeplane_proto::v1::token_service_server::TokenServiceServer;
use storeplane_proto::v1::watch_store_response::Update;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// The outcome of one call.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// It is answered; a watch ends with OK.
    Answer,
    /// It is answered with a store in this state.
    Is(v1::StoreState),
    /// It arrives, then all connections are cut.
    Cut,
    /// It ends with this status.
    End(Status),
    /// It is never answered.
    Hang,
    /// A watch sends an event with sequence 1 and, beside it, a store in this state, and stays open.
    Beside(v1::StoreState),
    /// A watch sends a snapshot (one of all stores only if the request has no cursor) and these events, then ends like this.
    Send(Vec<i64>, Box<Act>),
}

#[derive(Default)]
struct Received {
    acts: VecDeque<Act>,
    creations: Vec<v1::CreateStoreRequest>,
    gets: Vec<v1::GetStoreRequest>,
    watches: Vec<v1::WatchStoreRequest>,
    cursors: Vec<String>,
    waits: Vec<v1::WaitOperationRequest>,
    /// The ids of tokens that were revoked.
    revocations: Vec<String>,
    /// `grpc-encoding` and `grpc-accept-encoding` of each GetStore.
    encodings: Vec<(String, String)>,
}

#[derive(Clone)]
pub(crate) struct ScriptedServer {
    received: Arc<Mutex<Received>>,
    cut: broadcast::Sender<()>,
}

type Answer<T> = Result<Response<T>, Status>;
type Updates = BoxStream<'static, Result<v1::WatchStoreResponse, Status>>;

impl ScriptedServer {
    /// A server with its script, and a client for it. Calls beyond the script are answered.
    pub(crate) async fn start(acts: impl IntoIterator<Item = Act>) -> (Client, Self) {
        let (address, server) = Self::serve(acts, Server::builder()).await;
        (Client::connect(&address.to_string(), "token").unwrap(), server)
    }

    /// Without a client, and with TLS if `server` has it.
    pub(crate) async fn serve(acts: impl IntoIterator<Item = Act>, mut server: Server) -> (SocketAddr, Self) {
        let received = Received { acts: acts.into_iter().collect(), ..Received::default() };
        let script = Self { received: Arc::new(Mutex::new(received)), cut: broadcast::Sender::new(8) };
        let behind = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (target, address) = (behind.local_addr().unwrap(), wire.local_addr().unwrap());
        let stores = StoreServiceServer::new(script.clone()).accept_compressed(Gzip).send_compressed(Gzip);
        let server = server.add_service(stores).add_service(OperationServiceServer::new(script.clone()));
        let server = server.add_service(TokenServiceServer::new(script.clone()));
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(behind)));
        let cut = script.cut.clone();
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
        (address, script)
    }

    pub(crate) fn creations(&self) -> Vec<v1::CreateStoreRequest> {
        self.received.lock().unwrap().creations.clone()
    }

    pub(crate) fn gets(&self) -> Vec<v1::GetStoreRequest> {
        self.received.lock().unwrap().gets.clone()
    }

    pub(crate) fn watches(&self) -> Vec<v1::WatchStoreRequest> {
        self.received.lock().unwrap().watches.clone()
    }

    pub(crate) fn cursors(&self) -> Vec<String> {
        self.received.lock().unwrap().cursors.clone()
    }

    pub(crate) fn waits(&self) -> Vec<v1::WaitOperationRequest> {
        self.received.lock().unwrap().waits.clone()
    }

    pub(crate) fn encodings(&self) -> Vec<(String, String)> {
        self.received.lock().unwrap().encodings.clone()
    }

    pub(crate) fn revocations(&self) -> Vec<String> {
        self.received.lock().unwrap().revocations.clone()
    }

    fn next(&self, note: impl FnOnce(&mut Received)) -> Act {
        let mut received = self.received.lock().unwrap();
        note(&mut received);
        received.acts.pop_front().unwrap_or(Act::Answer)
    }

    /// How a stream ends.
    fn end<T: Send + 'static>(&self, act: Act) -> BoxStream<'static, Result<T, Status>> {
        let server = self.clone();
        let end = stream::once(async move { server.play(act).await.err() });
        end.filter_map(|status| std::future::ready(status.map(Err))).boxed()
    }

    async fn play(&self, act: Act) -> Result<(), Status> {
        match act {
            Act::Answer | Act::Is(_) | Act::Beside(_) | Act::Send(..) => return Ok(()),
            Act::End(status) => return Err(status),
            Act::Cut => {
                // Messages sent before are flushed first.
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

fn event(sequence: i64) -> v1::StoreEvent {
    let details = [("state".to_owned(), "SOME".to_owned())].into();
    v1::StoreEvent { sequence, details, ..v1::StoreEvent::default() }
}

#[tonic::async_trait]
impl StoreService for ScriptedServer {
    type WatchStoreStream = Updates;
    type WatchStoresStream = BoxStream<'static, Result<v1::WatchStoresResponse, Status>>;

    async fn create_store(&self, request: Request<v1::CreateStoreRequest>) -> Answer<v1::Store> {
        let request = request.into_inner();
        self.play(self.next(|received| received.creations.push(request.clone()))).await?;
        Ok(Response::new(store(&request.store_id)))
    }

    async fn get_store(&self, request: Request<v1::GetStoreRequest>) -> Answer<v1::Store> {
        let header =
            |name: &str| request.metadata().get(name).and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
        let encodings = (header("grpc-encoding"), header("grpc-accept-encoding"));
        let request = request.into_inner();
        let act = self.next(|received| {
            received.gets.push(request.clone());
            received.encodings.push(encodings);
        });
        let mut store = store(&request.store_id);
        if let Act::Is(state) = &act {
            store.set_state(*state);
            "IMAGE_PULL_FAILED".clone_into(&mut store.reason);
        }
        self.play(act).await?;
        Ok(Response::new(store))
    }

    async fn get_store_resources(&self, _: Request<v1::GetStoreResourcesRequest>) -> Answer<v1::StoreResources> {
        Err(Status::unimplemented(""))
    }

    async fn get_store_logs(&self, _: Request<v1::GetStoreLogsRequest>) -> Answer<v1::StoreLogs> {
        Err(Status::unimplemented(""))
    }

    async fn watch_store(&self, request: Request<v1::WatchStoreRequest>) -> Answer<Updates> {
        let request = request.into_inner();
        let act = self.next(|received| received.watches.push(request.clone()));
        if let Act::Beside(state) = act {
            let mut store = store(&request.store_id);
            store.set_state(state);
            let update = Some(Update::Event(event(1)));
            let message = v1::WatchStoreResponse { update, sequence: 1, store: Some(store) };
            return Ok(Response::new(stream::iter([Ok(message)]).chain(stream::pending()).boxed()));
        }
        let Act::Send(sequences, then) = act else {
            self.play(act).await?;
            return Ok(Response::new(stream::empty().boxed()));
        };
        let events = sequences.into_iter().map(|sequence| (Update::Event(event(sequence)), sequence));
        let updates = [(Update::Snapshot(store(&request.store_id)), request.after_sequence)].into_iter().chain(events);
        let messages = updates
            .map(|(update, sequence)| Ok(v1::WatchStoreResponse { update: Some(update), sequence, store: None }));
        Ok(Response::new(stream::iter(messages.collect::<Vec<_>>()).chain(self.end(*then)).boxed()))
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

    async fn update_store(&self, _: Request<v1::UpdateStoreRequest>) -> Answer<v1::Store> {
        Err(Status::unimplemented(""))
    }

    async fn retry_store(&self, _: Request<v1::RetryStoreRequest>) -> Answer<v1::Store> {
        Err(Status::unimplemented(""))
    }

    async fn copy_store(&self, _: Request<v1::CopyStoreRequest>) -> Answer<v1::Store> {
        Err(Status::unimplemented(""))
    }

    async fn undelete_store(&self, _: Request<v1::UndeleteStoreRequest>) -> Answer<v1::Store> {
        Err(Status::unimplemented(""))
    }

    async fn rollback_store(&self, _: Request<v1::RollbackStoreRequest>) -> Answer<v1::Store> {
        Err(Status::unimplemented(""))
    }

    async fn list_store_revisions(
        &self,
        _: Request<v1::ListStoreRevisionsRequest>,
    ) -> Answer<v1::ListStoreRevisionsResponse> {
        Err(Status::unimplemented(""))
    }

    async fn restore_store(&self, _: Request<v1::RestoreStoreRequest>) -> Answer<v1::Store> {
        Err(Status::unimplemented(""))
    }

    async fn rotate_store_credentials(&self, _: Request<v1::RotateStoreCredentialsRequest>) -> Answer<v1::Store> {
        Err(Status::unimplemented(""))
    }

    async fn watch_stores(&self, request: Request<v1::WatchStoresRequest>) -> Answer<Self::WatchStoresStream> {
        use v1::watch_stores_response::Update;
        let cursor = request.into_inner().cursor;
        let act = self.next(|received| received.cursors.push(cursor.clone()));
        let Act::Send(sequences, then) = act else {
            self.play(act).await?;
            return Ok(Response::new(stream::empty().boxed()));
        };
        let snapshot = cursor.is_empty().then(|| (Update::Snapshot(store("tea")), String::new()));
        let events = sequences.into_iter().map(|sequence| (Update::Event(event(sequence)), sequence.to_string()));
        let messages = snapshot.into_iter().chain(events);
        let messages =
            messages.map(|(update, cursor)| Ok(v1::WatchStoresResponse { update: Some(update), cursor, store: None }));
        Ok(Response::new(stream::iter(messages.collect::<Vec<_>>()).chain(self.end(*then)).boxed()))
    }
}

#[tonic::async_trait]
impl OperationService for ScriptedServer {
    async fn get_operation(&self, _: Request<v1::GetOperationRequest>) -> Answer<v1::Operation> {
        Err(Status::unimplemented(""))
    }

    async fn list_operations(&self, _: Request<v1::ListOperationsRequest>) -> Answer<v1::ListOperationsResponse> {
        Err(Status::unimplemented(""))
    }

    /// [`Act::Is`]: it still runs when the time is up; [`Act::Answer`]: it has ended.
    async fn wait_operation(&self, request: Request<v1::WaitOperationRequest>) -> Answer<v1::Operation> {
        let request = request.into_inner();
        let act = self.next(|received| received.waits.push(request.clone()));
        let end_time = (!matches!(act, Act::Is(_))).then(storeplane_proto::Timestamp::default);
        self.play(act).await?;
        let operation_id = request.operation_id;
        Ok(Response::new(v1::Operation { operation_id, end_time, ..v1::Operation::default() }))
    }

    async fn cancel_operation(&self, _: Request<v1::CancelOperationRequest>) -> Answer<v1::Operation> {
        Err(Status::unimplemented(""))
    }
}

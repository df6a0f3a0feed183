//! The API for tests.

use std::net::SocketAddr;
use std::time::Duration;

use storeplane_proto::v1::audit_service_client::AuditServiceClient;
use storeplane_proto::v1::backup_service_client::BackupServiceClient;
use storeplane_proto::v1::operation_service_client::OperationServiceClient;
use storeplane_proto::v1::platform_service_client::PlatformServiceClient;
use storeplane_proto::v1::rollout_service_client::RolloutServiceClient;
use storeplane_proto::v1::store_service_client::StoreServiceClient;
use storeplane_proto::v1::tenant_service_client::TenantServiceClient;
use storeplane_proto::v1::token_service_client::TokenServiceClient;
use storeplane_proto::v1::watch_store_response::Update;
use storeplane_proto::v1::{
    CreateStoreRequest, DeleteStoreRequest, GetStoreRequest, RetryStoreRequest, RotateStoreCredentialsRequest, Store,
    StoreEvent, StoreState, WatchStoreRequest, WatchUntil,
};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_types::StatusExt as _;

/// Longer than any test's operation takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);

#[derive(Clone)]
pub(crate) struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

pub(crate) type Stores = StoreServiceClient<InterceptedService<Channel, Bearer>>;
pub(crate) type Backups = BackupServiceClient<InterceptedService<Channel, Bearer>>;
pub(crate) type Operations = OperationServiceClient<InterceptedService<Channel, Bearer>>;
pub(crate) type Platform = PlatformServiceClient<InterceptedService<Channel, Bearer>>;
pub(crate) type Rollouts = RolloutServiceClient<InterceptedService<Channel, Bearer>>;
pub(crate) type Tenants = TenantServiceClient<InterceptedService<Channel, Bearer>>;
pub(crate) type Tokens = TokenServiceClient<InterceptedService<Channel, Bearer>>;
pub(crate) type Audit = AuditServiceClient<InterceptedService<Channel, Bearer>>;

#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) stores: Stores,
    pub(crate) backups: Backups,
    pub(crate) operations: Operations,
    pub(crate) platform: Platform,
    /// Boxed: clients are large, and tests hold several.
    pub(crate) rollouts: Box<Rollouts>,
    pub(crate) audit: Audit,
    pub(crate) tenants: Tenants,
    pub(crate) tokens: Tokens,
}

/// What a watch received until it ended.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) snapshots: Vec<Store>,
    pub(crate) events: Vec<StoreEvent>,
    pub(crate) caught_up: usize,
    pub(crate) end: Option<Status>,
}

impl Seen {
    pub(crate) fn sequences(&self) -> Vec<i64> {
        self.events.iter().map(|event| event.sequence).collect()
    }

    pub(crate) fn types(&self) -> Vec<&str> {
        self.events.iter().map(|event| event.r#type.as_str()).collect()
    }

    /// The messages, one per line.
    pub(crate) fn text(&self) -> String {
        self.events.iter().map(line).collect::<Vec<_>>().join(
            "
",
        )
    }
}

fn line(event: &StoreEvent) -> String {
    format!("{} {} {}", event.r#type, event.step, event.message)
}

/// The stable reason in a status.
pub(crate) fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

/// The fields with violations in a status.
pub(crate) fn fields(status: &Status) -> Vec<String> {
    let violations = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
    violations.into_iter().map(|violation| violation.field).collect()
}

impl Api {
    pub(crate) fn connect(address: SocketAddr, token: &str) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
        let channel = endpoint.connect_lazy();
        let bearer = Bearer(format!("Bearer {token}").parse().expect("a token in ASCII"));
        Self {
            stores: StoreServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            backups: BackupServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            operations: OperationServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            platform: PlatformServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            rollouts: Box::new(RolloutServiceClient::with_interceptor(channel.clone(), bearer.clone())),
            audit: AuditServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            tenants: TenantServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            tokens: TokenServiceClient::with_interceptor(channel, bearer),
        }
    }

    /// A valid request for a store.
    pub(crate) fn wanted(store_id: &str) -> CreateStoreRequest {
        CreateStoreRequest {
            store_id: store_id.to_owned(),
            store: Some(Store {
                display_name: "Test & Söhne".to_owned(),
                admin_email: "owner@example.com".to_owned(),
                ..Store::default()
            }),
            ..CreateStoreRequest::default()
        }
    }

    pub(crate) async fn create(&self, request: CreateStoreRequest) -> Result<Store, Status> {
        self.stores.clone().create_store(request).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn get(&self, store_id: &str) -> Result<Store, Status> {
        let request = GetStoreRequest { store_id: store_id.to_owned(), ..GetStoreRequest::default() };
        self.stores.clone().get_store(request).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn delete(&self, store_id: &str) -> Result<Store, Status> {
        let request = DeleteStoreRequest { store_id: store_id.to_owned(), ..DeleteStoreRequest::default() };
        self.stores.clone().delete_store(request).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn retry(&self, store_id: &str) -> Result<Store, Status> {
        let request = RetryStoreRequest { store_id: store_id.to_owned(), ..RetryStoreRequest::default() };
        self.stores.clone().retry_store(request).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn rotate_credentials(&self, store_id: &str) -> Result<Store, Status> {
        let request = RotateStoreCredentialsRequest { store_id: store_id.to_owned(), ..Default::default() };
        self.stores.clone().rotate_store_credentials(request).await.map(tonic::Response::into_inner)
    }

    /// Watches until the stream ends.
    pub(crate) async fn watch(&self, store_id: &str, after: i64, until: WatchUntil) -> Result<Seen, Status> {
        let request = WatchStoreRequest {
            store_id: store_id.to_owned(),
            after_sequence: after,
            until: until.into(),
            ..WatchStoreRequest::default()
        };
        let mut stream = self.stores.clone().watch_store(request).await?.into_inner();
        let mut seen = Seen::default();
        let reading = async {
            loop {
                match stream.message().await {
                    Ok(Some(message)) => match message.update.expect("an update") {
                        Update::Snapshot(store) => seen.snapshots.push(store),
                        Update::Event(event) => seen.events.push(event),
                        Update::CaughtUp(_) => seen.caught_up += 1,
                        Update::Heartbeat(_) => {}
                    },
                    Ok(None) => return,
                    Err(status) => {
                        seen.end = Some(status);
                        return;
                    }
                }
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("the watch ends in time");
        Ok(seen)
    }

    /// Watches from the beginning until no operation is active, and returns the store.
    pub(crate) async fn settle(&self, store_id: &str) -> (Store, Seen) {
        let mut after = 0;
        let mut all = Seen::default();
        let began = std::time::Instant::now();
        loop {
            assert!(began.elapsed() < PATIENCE, "store {store_id} does not settle: {}", all.text());
            match self.watch(store_id, after, WatchUntil::Settled).await {
                Ok(seen) => {
                    let ended = seen.end.is_none();
                    after = seen.events.last().map_or(after, |event| event.sequence);
                    all.events.extend(seen.events);
                    if ended {
                        return (self.get(store_id).await.expect("the store"), all);
                    }
                }
                Err(status) if storeplane_client::Error::from(status.clone()).is_unavailable() => {}
                Err(status) => panic!("watching {store_id}: {status:?}"),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Creates a store and waits until it is ready.
    pub(crate) async fn ready(&self, store_id: &str) -> Store {
        self.create(Self::wanted(store_id)).await.expect("the store is accepted");
        let (store, seen) = self.settle(store_id).await;
        assert_eq!(store.state(), StoreState::Ready, "{}", seen.text());
        store
    }

    /// Waits until the store's events contain this text.
    pub(crate) async fn until_told(&self, store_id: &str, text: &str) -> StoreEvent {
        let request = WatchStoreRequest { store_id: store_id.to_owned(), ..WatchStoreRequest::default() };
        let mut stream = self.stores.clone().watch_store(request).await.expect("a watch").into_inner();
        let reading = async {
            while let Ok(Some(message)) = stream.message().await {
                if let Some(Update::Event(event)) = message.update
                    && line(&event).contains(text)
                {
                    return event;
                }
            }
            panic!("the watch of {store_id} ended before {text:?} was reported");
        };
        tokio::time::timeout(PATIENCE, reading)
            .await
            .unwrap_or_else(|_| panic!("{text:?} is not reported of {store_id}"))
    }
}

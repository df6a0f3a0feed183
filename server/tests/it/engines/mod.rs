//! What differs between engines: the charts of this repository besides the default one, and an engine that only configuration adds.
//! Most tests have one engine, because nothing in the control plane depends on it. `backups::engines` has backups.
//!
//! - `second`: a store of each further chart. `third`: the engine in docs/engines.md.

mod second;
mod third;

use storeplane_proto::v1::{
    CreateStoreRequest, Engine, GetStoreCredentialsRequest, ListEnginesRequest, Store, StoreCredentials, StoreState,
};

use crate::harness::{Api, Lab};

/// A valid request for a store of this engine.
pub(crate) fn of(engine: &str, store_id: &str) -> CreateStoreRequest {
    let mut request = Api::wanted(store_id);
    engine.clone_into(&mut request.store.as_mut().expect("a store").engine);
    request
}

/// A READY store of this engine.
pub(crate) async fn ready(api: &Api, engine: &str, store_id: &str) -> Store {
    api.create(of(engine, store_id)).await.expect("accepted");
    let (store, seen) = api.settle(store_id).await;
    assert_eq!((store.state(), store.engine.as_str()), (StoreState::Ready, engine), "{}", seen.text());
    store
}

async fn listed(lab: &Lab) -> Vec<Engine> {
    lab.api.platform.clone().list_engines(ListEnginesRequest {}).await.expect("the engines").into_inner().engines
}

async fn login(lab: &Lab, store: &Store) -> StoreCredentials {
    let request = GetStoreCredentialsRequest { store_id: store.store_id.clone(), ..Default::default() };
    lab.api.stores.clone().get_store_credentials(request).await.expect("the login").into_inner()
}

//! Lists: pages that stay correct while stores are added and removed, and filters.

use storeplane_proto::v1::{ListOperationsRequest, ListStoresRequest};
use tonic::Code;

use crate::grpc_raw::edge;
use crate::harness::{Api, Lab, Setup, fresh};

async fn list(lab: &Lab, request: ListStoresRequest) -> (Vec<String>, String, i64) {
    let page = lab.api.stores.clone().list_stores(request).await.unwrap().into_inner();
    (page.stores.into_iter().map(|store| store.store_id).collect(), page.next_page_token, page.total_size)
}

#[tokio::test]
async fn pages_neither_repeat_nor_skip_stores() {
    // Without a cluster, so that the stores do not change.
    let lab = Setup { kubeconfig: "/no/such/kubeconfig".into(), ..Setup::default() }.start().await;
    let mut ids = Vec::new();
    for n in 0..7 {
        let id = fresh(&format!("page{n}"));
        lab.api.create(Api::wanted(&id)).await.unwrap();
        ids.push(id);
    }
    let request =
        |token: &str| ListStoresRequest { page_size: 3, page_token: token.into(), ..ListStoresRequest::default() };

    let (first, token, total) = list(&lab, request("")).await;
    assert_eq!((first.len(), total), (3, 7));
    assert_eq!(list(&lab, request("")).await, (first.clone(), token.clone(), total), "nothing was committed meanwhile");
    lab.api.create(Api::wanted(&fresh("late"))).await.unwrap();
    assert_eq!(list(&lab, request("")).await.2, 8, "the page is read again");
    let (second, token, _) = list(&lab, request(&token)).await;
    let (third, end, _) = list(&lab, request(&token)).await;

    let seen: Vec<_> = first.into_iter().chain(second).chain(third).collect();
    let newest_first: Vec<_> = ids.iter().rev().cloned().collect();
    assert_eq!(seen, newest_first);
    assert_eq!(end, "");

    let by_id =
        ListStoresRequest { order_by: "store_id".into(), filter: "page".into(), ..ListStoresRequest::default() };
    assert_eq!(list(&lab, by_id).await.0, ids);
    let one = ListStoresRequest {
        filter: format!("store_id = {} OR store_id = nobody", ids[0]),
        ..ListStoresRequest::default()
    };
    assert_eq!(list(&lab, one).await.0, [ids[0].as_str()]);
    for (filter, expected) in [
        ("state = PROVISIONING", 8),
        ("state = READY", 0),
        ("state != PROVISIONING", 0),
        ("engine = woocommerce AND plan = small", 8),
        ("SÖHNE", 8),
        ("\"%\"", 0),
        ("NOT page", 1),
        ("state = DELETED", 0),
    ] {
        let (found, ..) = list(&lab, ListStoresRequest { filter: filter.into(), ..ListStoresRequest::default() }).await;
        assert_eq!(found.len(), expected, "{filter}");
    }
}

#[tokio::test]
async fn search_ignores_case_in_every_script() {
    let lab = edge().await;
    for name in ["Äpfel & Co", "Магазин ЁЖ", "Σοφία"] {
        let mut wanted = Api::wanted(&fresh("folded"));
        wanted.store.as_mut().unwrap().display_name = name.into();
        lab.api.create(wanted).await.unwrap();
    }
    for text in ["Äpfel", "äpfel", "ÄPFEL", "МАГАЗИН ёж", "магазин", "ΣΟΦΊΑ", "FOLDED Äpfel"] {
        let filter = format!("\"{text}\"");
        let filter = if text.starts_with("FOLDED") { text.to_owned() } else { filter };
        let (found, ..) =
            list(&lab, ListStoresRequest { filter: filter.clone(), ..ListStoresRequest::default() }).await;
        assert_eq!(found.len(), 1, "{filter}");
    }
}

#[tokio::test]
async fn invalid_list_requests_are_rejected() {
    let lab = Lab::start().await;
    for request in [
        ListStoresRequest { page_size: -1, ..ListStoresRequest::default() },
        ListStoresRequest { page_token: "nonsense".into(), ..ListStoresRequest::default() },
        ListStoresRequest { filter: "state = SLEEPY".into(), ..ListStoresRequest::default() },
        ListStoresRequest { filter: "'; DROP TABLE stores; --".into(), ..ListStoresRequest::default() },
        ListStoresRequest { order_by: "price".into(), ..ListStoresRequest::default() },
    ] {
        let status = lab.api.stores.clone().list_stores(request.clone()).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{request:?}");
    }
}

#[tokio::test]
async fn operations_of_a_store_are_listed() {
    let lab = Lab::start().await;
    let id = fresh("history");
    lab.api.ready(&id).await;
    lab.api.delete(&id).await.unwrap();
    lab.api.settle(&id).await;
    let request = ListOperationsRequest { store_id: id, ..ListOperationsRequest::default() };
    let operations = lab.api.operations.clone().list_operations(request).await.unwrap().into_inner().operations;
    let shown: Vec<_> = operations.iter().map(|op| (op.kind().as_str_name(), op.state().as_str_name())).collect();
    assert_eq!(
        shown,
        [
            ("OPERATION_KIND_DELETE", "OPERATION_STATE_SUCCEEDED"),
            ("OPERATION_KIND_CREATE", "OPERATION_STATE_SUCCEEDED"),
        ]
    );
}

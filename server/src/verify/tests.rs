//! Tests against a scripted shop, by its URL and through an API server's proxy.

mod scripted;

use std::fmt::Write as _;
use std::time::Duration;

use scripted::{Scenario, Scripted};

use super::*;

async fn verify(scenario: Scenario, via: Via, demand: Demand) -> Result<Report, Unverified> {
    let shop = Scripted::open(scenario).await;
    shop.verifier(via).verify(&shop.shop(demand)).await
}

async fn failed(scenario: Scenario) -> ProbeFailure {
    match verify(scenario, Via::Url, Demand::AsInstalled).await {
        Err(Unverified::Shop(failed)) => failed,
        other => panic!("{scenario:?}: {other:?}"),
    }
}

#[tokio::test]
async fn selling_shop_passes_all_probes_and_is_left_unchanged() {
    for via in [Via::Url, Via::Proxy] {
        let shop = Scripted::open(Scenario::Sells).await;
        let report = shop.verifier(via).verify(&shop.shop(Demand::AsInstalled)).await.expect("it sells");
        let keys: Vec<_> = report.took.iter().map(|(key, _)| key.as_str()).collect();
        let all = ["products_seconds", "cart_seconds", "add_item_seconds", "checkout_seconds", "remove_item_seconds"];
        assert_eq!(keys, all);
        assert_eq!(report.payment_methods, ["cod"]);
        assert!(report.message.starts_with("The shop sells, and offers cash on delivery"), "{}", report.message);
        assert_eq!((shop.items(), shop.orders()), (0, 0), "the cart is empty again, and nothing was ordered");
    }
}

#[tokio::test]
async fn wrong_answer_is_reported_with_request_and_response() {
    let mut said = String::new();
    for scenario in [
        Scenario::NoProducts,
        Scenario::NoCashOnDelivery,
        Scenario::Redirects,
        Scenario::HtmlInsteadOfJson,
        Scenario::NoCartToken,
        Scenario::HugeBody,
    ] {
        let failed = failed(scenario).await;
        assert!(!failed.is_passing(), "{scenario:?}");
        let failure = failed.failure();
        assert_eq!(failure.reason.as_str(), "VERIFICATION_FAILED");
        let _ = writeln!(said, "{scenario:?}: {}", failure.message);
        for line in failure.details {
            let _ = writeln!(said, "  {line}");
        }
    }
    insta::assert_snapshot!(said, @r#"
    NoProducts: The shop has no product.
      request: GET /index.php?rest_route=/wc/store/v1/products&type=simple&stock_status=instock&per_page=10&_fields=id,permalink,is_purchasable
      status: 200 OK
      body: []
    NoCashOnDelivery: The shop does not offer cash on delivery.
      request: POST /index.php?rest_route=/wc/store/v1/cart/add-item
      status: 200 OK
      body: {"items":[{"id":17,"key":"k-1","quantity":1}],"items_count":1,"payment_methods":["bacs"]}
    Redirects: The shop redirects the product list to https://login.example.com/.
      request: GET /index.php?rest_route=/wc/store/v1/products&type=simple&stock_status=instock&per_page=10&_fields=id,permalink,is_purchasable
      status: 307 Temporary Redirect
    HtmlInsteadOfJson: The shop's answer to the product list is not JSON but "text/html; charset=utf-8".
      request: GET /index.php?rest_route=/wc/store/v1/products&type=simple&stock_status=instock&per_page=10&_fields=id,permalink,is_purchasable
      status: 200 OK
      body: <h1>Coming soon</h1>
    NoCartToken: The shop's cart has no Cart-Token.
      request: GET /index.php?rest_route=/wc/store/v1/cart
      status: 200 OK
      body: {"items":[],"items_count":0,"payment_methods":["cod"]}
    HugeBody: The shop's answer to the product list has more than 256 KiB.
      request: GET /index.php?rest_route=/wc/store/v1/products&type=simple&stock_status=instock&per_page=10&_fields=id,permalink,is_purchasable
      status: 200 OK
    "#);
}

#[tokio::test]
async fn transient_shop_errors_are_retryable() {
    let shop = Scripted::open(Scenario::Http500ThenFine).await;
    let (verifier, wanted) = (shop.verifier(Via::Url), shop.shop(Demand::AsInstalled));
    let Err(Unverified::Shop(failed)) = verifier.verify(&wanted).await else { panic!("the first answer is a 500") };
    assert!(failed.is_passing());
    assert_eq!(failed.failure().details[1], "status: 500 Internal Server Error");
    assert!(verifier.verify(&wanted).await.is_ok());
}

#[tokio::test]
async fn service_without_pods_is_a_passing_shop_problem() {
    let shop = Scripted::open(Scenario::NoEndpointsThenFine).await;
    let (verifier, wanted) = (shop.verifier(Via::Proxy), shop.shop(Demand::AsInstalled));
    let Err(Unverified::Shop(failed)) = verifier.verify(&wanted).await else { panic!("no pod answers yet") };
    assert!(failed.is_passing() && failed.failure().details[2].contains("no endpoints available"), "{failed:?}");
    assert!(verifier.verify(&wanted).await.is_ok());
}

#[tokio::test]
async fn api_server_refusal_is_not_a_shop_problem() {
    match verify(Scenario::ProxyForbidden, Via::Proxy, Demand::AsInstalled).await {
        Err(Unverified::Cluster(error)) => assert_eq!(error.failure().reason.as_str(), "CLUSTER_FORBIDDEN"),
        other => panic!("{other:?}"),
    }
}

/// Time is paused until nothing else can happen: 10 seconds pass at once.
#[tokio::test(start_paused = true)]
async fn hanging_shop_times_out() {
    let began = tokio::time::Instant::now();
    let failed = failed(Scenario::Hangs).await;
    assert!(failed.is_passing() && began.elapsed() <= Duration::from_secs(11), "{:?}", began.elapsed());
    assert!(failed.failure().message.contains("did not answer the product list within 10 s"), "{failed:?}");
}

#[tokio::test]
async fn refused_connection_is_a_passing_shop_problem() {
    let shop = Scripted::open(Scenario::Sells).await;
    let nowhere = Shop { url: "http://127.0.0.1:1/".into(), ..shop.shop(Demand::AsInstalled) };
    let Err(Unverified::Shop(failed)) = shop.verifier(Via::Url).verify(&nowhere).await else {
        panic!("nobody is there")
    };
    assert!(failed.is_passing() && failed.failure().message.contains("refused"), "{failed:?}");
}

#[tokio::test]
async fn merchant_removing_products_is_not_a_failure() {
    let report = verify(Scenario::NoProducts, Via::Url, Demand::AsMerchantLeft).await.expect("it answers");
    assert!(report.message.contains("The shop has no product"), "{}", report.message);
    let report = verify(Scenario::NoCashOnDelivery, Via::Url, Demand::AsMerchantLeft).await.expect("it sells");
    assert_eq!(report.payment_methods, ["bacs"]);
}

#[tokio::test]
async fn next_product_is_tried_if_newest_is_not_purchasable() {
    for demand in [Demand::AsInstalled, Demand::AsMerchantLeft] {
        let shop = Scripted::open(Scenario::OneProductWithoutPrice).await;
        let report = shop.verifier(Via::Url).verify(&shop.shop(demand)).await.expect("it sells tea");
        assert!(report.message.starts_with("The shop sells"), "{}", report.message);
        assert_eq!((shop.items(), shop.orders()), (0, 0));
    }
}

#[tokio::test]
async fn merchant_settings_do_not_fail_a_ready_shop() {
    for (scenario, said) in [
        (
            Scenario::NoProductWithPrice,
            "a test purchase was not possible: The shop answered the cart with a product with status 400",
        ),
        (Scenario::ApiClosed, "a test purchase was not possible: The shop answered the product list with status 401"),
        (Scenario::NoCartToken, "a test purchase was not possible: The shop's cart has no Cart-Token"),
    ] {
        let report = verify(scenario, Via::Proxy, Demand::AsMerchantLeft).await.expect("it answers");
        assert!(report.message.contains(said), "{scenario:?}: {}", report.message);
        let Err(Unverified::Shop(failed)) = verify(scenario, Via::Proxy, Demand::AsInstalled).await else {
            panic!("a new shop must sell: {scenario:?}")
        };
        assert!(!failed.is_passing(), "{scenario:?}");
    }
    for scenario in [Scenario::Redirects, Scenario::HtmlInsteadOfJson, Scenario::HugeBody] {
        let Err(Unverified::Shop(_)) = verify(scenario, Via::Url, Demand::AsMerchantLeft).await else {
            panic!("that is no answer of the Store API: {scenario:?}")
        };
    }
}

#[tokio::test]
async fn shop_response_is_not_mistaken_for_api_server_response() {
    let Err(Unverified::Shop(failed)) = verify(Scenario::ShopSaysUnauthorized, Via::Proxy, Demand::AsInstalled).await
    else {
        panic!("the API server knows us: the shop said that")
    };
    assert!(failed.failure().message.contains("status 401"), "{failed:?}");
}

/// The first request by URL hangs, and time is paused until its limit.
#[tokio::test(start_paused = true)]
async fn url_gets_longer_timeout_if_proxy_cannot_reach_shop() {
    let report = verify(Scenario::ProxyCutOffAndSlowUrl, Via::Auto, Demand::AsInstalled).await.expect("it sells");
    assert_eq!(report.via, "url");
}

#[tokio::test]
async fn url_is_used_if_it_reaches_this_shop_otherwise_proxy() {
    let via = async |scenario| verify(scenario, Via::Auto, Demand::AsInstalled).await.expect("it sells").via;
    assert_eq!(via(Scenario::Sells).await, "url");
    assert_eq!(via(Scenario::AnotherShopByUrl).await, "proxy");
    let shop = Scripted::open(Scenario::Sells).await;
    let nowhere = Shop { url: "http://store-demo.invalid/".into(), ..shop.shop(Demand::AsInstalled) };
    assert_eq!(shop.verifier(Via::Auto).verify(&nowhere).await.expect("it sells").via, "proxy");
}

#[tokio::test]
async fn shop_that_sold_before_a_change_must_sell_afterwards() {
    for scenario in [Scenario::NoProducts, Scenario::NoProductWithPrice, Scenario::ApiClosed] {
        let before = verify(scenario, Via::Proxy, Demand::AsMerchantLeft).await.expect("it answers");
        assert!(!before.sold, "{scenario:?}: nothing is demanded of it");
        match verify(scenario, Via::Proxy, Demand::AsBefore).await {
            Err(Unverified::Shop(failed)) => assert!(!failed.is_passing(), "{scenario:?}"),
            other => panic!("{scenario:?}: {other:?}"),
        }
    }
    for scenario in [Scenario::Sells, Scenario::NoCashOnDelivery] {
        assert!(verify(scenario, Via::Proxy, Demand::AsMerchantLeft).await.expect("it sells").sold, "{scenario:?}");
        assert!(verify(scenario, Via::Proxy, Demand::AsBefore).await.expect("it sells").sold, "{scenario:?}");
    }
}

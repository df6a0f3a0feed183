//! A test purchase, up to the point of payment.

use std::time::Duration;

use http::{HeaderValue, Method};
use serde_json::{Value, json};

use super::transport::{Answer, Probe, Transport};
use super::{ProbeFailure, Unverified};

pub(super) const PRODUCTS: Probe = Probe {
    name: "product list",
    key: "products_seconds",
    method: Method::GET,
    route: "products&type=simple&stock_status=instock&per_page=10&_fields=id,permalink,is_purchasable",
};
const CART: Probe = Probe { name: "cart", key: "cart_seconds", method: Method::GET, route: "cart" };
const ADD: Probe =
    Probe { name: "cart with a product", key: "add_item_seconds", method: Method::POST, route: "cart/add-item" };
const CHECKOUT: Probe = Probe { name: "checkout", key: "checkout_seconds", method: Method::GET, route: "checkout" };
const EMPTY: Probe =
    Probe { name: "emptied cart", key: "remove_item_seconds", method: Method::POST, route: "cart/remove-item" };

/// Number of products that are tried, newest first: one without a price, for example, cannot be bought.
const PRODUCTS_TRIED: usize = 5;
/// WooCommerce's name for cash on delivery.
const CASH_ON_DELIVERY: &str = "cod";
/// The status of an unpaid checkout. Since WooCommerce 10.8 no row exists for it.
const DRAFT: &str = "checkout-draft";

/// What a shop must be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// It was just installed: it has products, and offers cash on delivery.
    AsInstalled,
    /// It was ready once, and its merchant decides on products and payment methods.
    AsMerchantLeft,
    /// A test purchase was possible before a change: it still is, whatever the products and the payment methods are.
    AsBefore,
}

/// The requests and their durations.
#[derive(Debug, Default)]
pub struct Report {
    /// By the probes' keys, in order.
    pub took: Vec<(&'static str, Duration)>,
    /// The route: `url` or `proxy`.
    pub via: &'static str,
    /// A one-sentence summary.
    pub message: String,
    /// The payment methods on offer.
    pub payment_methods: Vec<String>,
    /// The purchase was possible up to the payment, for which there is a method.
    pub sold: bool,
    names: Vec<&'static str>,
}

impl Report {
    fn note(&mut self, probe: &Probe, answer: &Answer) {
        self.took.push((probe.key, answer.took));
        self.names.push(probe.name);
    }

    /// The total duration.
    pub fn total(&self) -> Duration {
        self.took.iter().map(|(_, took)| *took).sum()
    }

    fn finish(mut self, transport: &Transport<'_>, what: &str) -> Self {
        let (names, seconds) = (self.names.join(", "), self.total().as_secs_f64());
        self.message = format!("{what} (tested through {} for {names} in {seconds:.2} s)", transport.name());
        self.via = transport.key();
        self
    }
}

/// A customer's session.
struct Customer<'a> {
    transport: &'a Transport<'a>,
    token: Option<HeaderValue>,
    report: Report,
}

impl Customer<'_> {
    async fn send(&mut self, probe: &Probe, body: Option<Value>) -> Result<Answer, Unverified> {
        let answer = self.transport.send(probe, self.token.as_ref(), body).await?;
        self.report.note(probe, &answer);
        if answer.token.is_some() {
            self.token.clone_from(&answer.token);
        }
        Ok(answer)
    }
}

/// Continues from the product list.
pub(super) async fn run(
    transport: &Transport<'_>,
    demand: Demand,
    first: Result<Answer, Unverified>,
) -> Result<Report, Unverified> {
    let mut customer = Customer { transport, token: None, report: Report::default() };
    match purchase(&mut customer, demand, first).await {
        Ok(sells) => Ok(customer.report.finish(transport, sells)),
        // Products and payment methods are the merchant's decision: a shop with well-formed answers is up.
        Err(Unverified::Shop(failed)) if demand == Demand::AsMerchantLeft && failed.is_well_formed() => {
            let what = format!("The shop answers, but a test purchase was not possible: {}", failed.what());
            Ok(customer.report.finish(transport, what.trim_end_matches('.')))
        }
        Err(error) => Err(error),
    }
}

async fn purchase(
    customer: &mut Customer<'_>,
    demand: Demand,
    first: Result<Answer, Unverified>,
) -> Result<&'static str, Unverified> {
    let first = first?;
    customer.report.note(&PRODUCTS, &first);
    let products = products(&first)?;
    if products.is_empty() {
        return match demand {
            Demand::AsInstalled | Demand::AsBefore => Err(first.wrong(&PRODUCTS, "The shop has no product.")),
            Demand::AsMerchantLeft => Ok("The shop answers; it has no product in stock to buy"),
        };
    }
    let cart = customer.send(&CART, None).await?;
    if customer.token.is_none() {
        return Err(cart.wrong(&CART, "The shop's cart has no Cart-Token."));
    }
    let (cart, key) = add_one_of(customer, &products).await?;
    customer.report.payment_methods = payment_methods(&cart, demand)?;
    let checkout = customer.send(&CHECKOUT, None).await?;
    if checkout.json.get("status").and_then(Value::as_str) != Some(DRAFT) {
        return Err(checkout.wrong(&CHECKOUT, "The shop's checkout creates no draft order."));
    }
    let cart = customer.send(&EMPTY, Some(json!({"key": key}))).await?;
    if cart.json.get("items_count").and_then(Value::as_u64) != Some(0) {
        return Err(cart.wrong(&EMPTY, "The cart could not be emptied."));
    }
    customer.report.sold = !customer.report.payment_methods.is_empty();
    Ok(match demand {
        Demand::AsInstalled => "The shop sells, and offers cash on delivery",
        Demand::AsMerchantLeft | Demand::AsBefore => "The shop sells",
    })
}

/// The products' ids, those marked as purchasable first.
fn products(first: &Answer) -> Result<Vec<u64>, Unverified> {
    let Some(products) = first.json.as_array() else {
        return Err(first.wrong(&PRODUCTS, "The shop's product list is not a list."));
    };
    let mut products: Vec<_> = products.iter().collect();
    products.sort_by_key(|product| product.get("is_purchasable") == Some(&Value::Bool(false)));
    let ids = products.into_iter().map(|product| product.get("id").and_then(Value::as_u64));
    ids.collect::<Option<_>>().ok_or_else(|| first.wrong(&PRODUCTS, "The shop's product has no id."))
}

/// Adds the first product that can be added, and returns the cart and the item's key.
async fn add_one_of(customer: &mut Customer<'_>, products: &[u64]) -> Result<(Answer, String), Unverified> {
    let mut refused = None;
    for id in products.iter().take(PRODUCTS_TRIED) {
        match customer.send(&ADD, Some(json!({"id": id, "quantity": 1}))).await {
            Ok(cart) => match cart.json.pointer("/items/0/key").and_then(Value::as_str).map(str::to_owned) {
                Some(key) => return Ok((cart, key)),
                None => refused = Some(cart.wrong(&ADD, "The product did not stay in the cart.")),
            },
            Err(Unverified::Shop(failed)) if failed.is_well_formed() => refused = Some(Unverified::Shop(failed)),
            Err(error) => return Err(error),
        }
    }
    Err(refused.unwrap_or_else(|| {
        Unverified::Shop(ProbeFailure::wrong(&ADD.line(), "The shop has no product that can be added to a cart."))
    }))
}

fn payment_methods(cart: &Answer, demand: Demand) -> Result<Vec<String>, Unverified> {
    let methods = cart.json.get("payment_methods").and_then(Value::as_array).into_iter().flatten();
    let methods: Vec<String> = methods.filter_map(Value::as_str).map(str::to_owned).collect();
    if demand == Demand::AsInstalled && !methods.iter().any(|method| method == CASH_ON_DELIVERY) {
        let offered = if methods.is_empty() { "nothing".to_owned() } else { methods.join(", ") };
        let what = format!("The shop does not offer cash on delivery (it offers: {offered}).");
        return Err(cart.wrong(&ADD, what));
    }
    if demand == Demand::AsBefore && methods.is_empty() {
        return Err(cart.wrong(&ADD, "The shop offers no payment method."));
    }
    Ok(methods)
}

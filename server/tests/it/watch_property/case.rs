//! A random case: writes, clients with their interruptions, faults.

use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::harness::Write;

/// Maximum number of stores in a case.
const STORES: usize = 3;
/// Everything starts within this time.
const SPAN: u64 = 400;

#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) stores: usize,
    /// Each on the store of that number, modulo their count, after that time.
    pub(super) writes: Vec<(Duration, usize, Write)>,
    pub(super) clients: Vec<Client>,
    pub(super) faults: Vec<(Duration, Fault)>,
}

#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) begins: Duration,
    pub(super) wants: Wants,
    /// The server it starts on.
    pub(super) server: usize,
    /// Its connections' ends; the last connection lasts.
    pub(super) cuts: Vec<Cut>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Wants {
    One(usize),
    All,
    /// All stores that match a filter, which is one store.
    Filtered(usize),
}

/// What happens to a client after this number of messages on one connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    pub(super) after: usize,
    pub(super) how: How,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum How {
    /// The stream is dropped.
    Dropped,
    /// The client reconnects to the other server.
    Moved,
    /// It reads nothing for a while, then continues.
    Stalled(Duration),
    /// The same, and it is disconnected before it continues.
    StalledAndDropped(Duration),
}

/// What is killed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    /// All LISTEN connections.
    Listeners,
    /// All connections to this database: readers', writers', listeners'.
    Connections,
    /// A server, which is started again.
    Server(usize),
}

fn millis(most: u64) -> impl Strategy<Value = Duration> {
    (0..=most).prop_map(Duration::from_millis)
}

/// Mostly none, otherwise up to this number.
fn seldom(most: u64) -> impl Strategy<Value = Duration> {
    prop_oneof![3 => Just(Duration::ZERO), 1 => millis(most)]
}

fn write() -> impl Strategy<Value = Write> {
    let shape = (1..4_usize, seldom(60), seldom(250), any::<bool>(), prop::bool::weighted(0.1));
    shape.prop_map(|(events, insert, commit, as_request, fails)| Write {
        events,
        insert,
        commit,
        as_request,
        fails,
        text: 0,
    })
}

fn cut() -> impl Strategy<Value = Cut> {
    let how = prop_oneof![
        3 => Just(How::Dropped),
        2 => Just(How::Moved),
        1 => millis(300).prop_map(How::Stalled),
        1 => millis(300).prop_map(How::StalledAndDropped),
    ];
    (0..6_usize, how).prop_map(|(after, how)| Cut { after, how })
}

fn client() -> impl Strategy<Value = Client> {
    let wants = prop_oneof![
        2 => (0..STORES).prop_map(Wants::One),
        2 => Just(Wants::All),
        1 => (0..STORES).prop_map(Wants::Filtered),
    ];
    (millis(SPAN), wants, 0..2_usize, vec(cut(), 0..5)).prop_map(|(begins, wants, server, cuts)| Client {
        begins,
        wants,
        server,
        cuts,
    })
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        3 => Just(Fault::Listeners),
        2 => Just(Fault::Connections),
        1 => (0..2_usize).prop_map(Fault::Server),
    ]
}

pub(super) fn cases() -> impl Strategy<Value = Case> {
    let writes = vec((millis(SPAN), 0..STORES, write()), 1..24);
    let faults = option::of((millis(SPAN), fault()));
    (1..=STORES, writes, vec(client(), 1..6), faults).prop_map(|(stores, writes, clients, fault)| Case {
        stores,
        writes,
        clients,
        faults: fault.into_iter().collect(),
    })
}

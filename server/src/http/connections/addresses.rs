//! Counts open connections by client address.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::limits::client;

/// Between two warnings about addresses with too many connections.
const WARN_EVERY: Duration = Duration::from_mins(1);

/// The number of connections of each address. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    open: Arc<Mutex<Open>>,
    max: usize,
}

#[derive(Debug, Default)]
struct Open {
    counts: HashMap<IpAddr, usize>,
    warned: Option<Instant>,
}

/// One connection of an address, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    open: Arc<Mutex<Open>>,
    client: IpAddr,
}

impl Addresses {
    /// At most `max` connections for each address.
    pub(super) fn new(max: usize) -> Self {
        Self { open: Arc::default(), max }
    }

    /// Counts a connection, unless its address has the maximum already.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Slot> {
        let client = client(address);
        let mut open = lock(&self.open);
        let count = open.counts.entry(client).or_insert(0);
        if *count < self.max {
            *count += 1;
            return Some(Slot { open: Arc::clone(&self.open), client });
        }
        if open.warned.is_none_or(|warned| warned.elapsed() >= WARN_EVERY) {
            open.warned = Some(Instant::now());
            tracing::warn!(
                %address,
                max = self.max,
                "an address has connections.max_per_address connections; further ones are closed"
            );
        }
        None
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = lock(&self.open).counts.entry(self.client) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn address_has_at_most_the_maximum_and_others_are_unaffected() {
        let addresses = Addresses::new(2);
        let enter = |address: &str| addresses.enter(address.parse().expect("an address"));
        let (first, second) = (enter("192.0.2.1"), enter("::ffff:192.0.2.1"));
        assert!(first.is_some() && second.is_some());
        assert!(enter("192.0.2.1").is_none(), "mapped addresses are the same client");
        assert!(enter("192.0.2.2").is_some());
        drop(first);
        let again = enter("192.0.2.1");
        assert!(again.is_some());

        let (one, other) = (enter("2001:db8::1"), enter("2001:db8::ffff:1"));
        assert!(one.is_some() && other.is_some() && enter("2001:db8:0:0:1::").is_none(), "one /64 is one client");
        assert!(enter("2001:db8:0:1::1").is_some());

        drop((second, again, one, other));
        assert_eq!(lock(&addresses.open).counts, HashMap::new(), "nothing is kept about addresses that are gone");
    }
}

//! Whether the stores of a wave kept working while they were observed.

use super::Cause;
use crate::ids::StoreUid;

/// How a changed store is after the soak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// It passes the test, or something else changes it at present.
    Works,
    /// It could not be tested.
    Unknown,
    /// The reconciler made it DEGRADED, for this reason.
    Degraded(Cause),
    /// It looks healthy, but does not sell.
    Fails(Cause),
}

/// A share of stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// Those that are DEGRADED.
    pub degraded: u32,
    /// All.
    pub total: u32,
}

/// The stores that count as failed. DEGRADED ones do so only if a larger share of the wave is DEGRADED than of the stores that were not
/// changed yet: otherwise the change is not the cause.
pub fn failures(wave: Vec<(StoreUid, Observed)>, untouched: Share) -> Vec<(StoreUid, Cause)> {
    let count = |degraded: usize| u64::try_from(degraded).unwrap_or(u64::MAX);
    let degraded = count(wave.iter().filter(|(_, observed)| matches!(observed, Observed::Degraded(_))).count());
    let ours = degraded * u64::from(untouched.total);
    let theirs = u64::from(untouched.degraded) * count(wave.len());
    let by_change = untouched.total == 0 || ours > theirs;
    let failed = wave.into_iter().filter_map(|(store, observed)| match observed {
        Observed::Fails(cause) => Some((store, cause)),
        Observed::Degraded(cause) => by_change.then_some((store, cause)),
        Observed::Works | Observed::Unknown => None,
    });
    failed.collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn failed(wave: &[Observed], untouched: Share) -> usize {
        let stores = wave.iter().cloned().map(|observed| (StoreUid(Uuid::nil()), observed));
        failures(stores.collect(), untouched).len()
    }

    #[test]
    fn degraded_stores_fail_only_if_more_of_the_wave_is_degraded_than_of_the_rest() {
        let degraded = || Observed::Degraded(Cause::new("CRASH_LOOP", "A pod crashes."));
        let wave = [degraded(), Observed::Works, Observed::Works, Observed::Works];
        let share = |degraded| Share { degraded, total: 100 };
        assert_eq!(failed(&wave, share(0)), 1);
        assert_eq!(failed(&wave, share(24)), 1);
        assert_eq!(failed(&wave, share(25)), 0, "the rest is no better");
        assert_eq!(failed(&wave, Share::default()), 1, "nothing to compare with");
        let unsold = [Observed::Fails(Cause::new("NOT_SELLING", "It does not sell.")), degraded()];
        assert_eq!(failed(&unsold, share(100)), 1, "a shop that does not sell is compared with nothing");
    }
}

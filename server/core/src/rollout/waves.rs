//! Divides the stores of a rollout into waves.

use serde::{Deserialize, Serialize};

/// The size of all waves up to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// Number of stores.
    Stores(u32),
    /// Share of all stores, in percent.
    Percent(u32),
}

/// The waves of a rollout that names none.
pub const DEFAULT: [Size; 5] =
    [Size::Stores(1), Size::Percent(1), Size::Percent(10), Size::Percent(50), Size::Percent(100)];

/// A wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wave {
    /// What was requested.
    pub upto: Size,
    /// Its number of stores.
    pub stores: u32,
}

/// The waves of this many stores. Shares are rounded up; waves without a store are left out, and what is left over is the last one.
pub fn divide(sizes: &[Size], total: u32) -> Vec<Wave> {
    let (mut waves, mut before) = (Vec::new(), 0);
    for upto in sizes.iter().copied().chain([Size::Percent(100)]) {
        let end = match upto {
            Size::Stores(stores) => stores,
            Size::Percent(percent) => share(total, percent),
        };
        let stores = end.min(total).saturating_sub(before);
        if stores > 0 {
            waves.push(Wave { upto, stores });
            before += stores;
        }
    }
    waves
}

fn share(total: u32, percent: u32) -> u32 {
    let exact = (u64::from(total) * u64::from(percent)).div_ceil(100);
    u32::try_from(exact).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(sizes: &[Size], total: u32) -> Vec<u32> {
        divide(sizes, total).into_iter().map(|wave| wave.stores).collect()
    }

    #[test]
    fn every_store_is_in_exactly_one_wave() {
        assert_eq!(sizes(&DEFAULT, 1000), [1, 9, 90, 400, 500]);
        assert_eq!(sizes(&DEFAULT, 100), [1, 9, 40, 50], "the wave of 1 % has no store of its own");
        assert_eq!(sizes(&DEFAULT, 3), [1, 1, 1]);
        assert_eq!(sizes(&DEFAULT, 1), [1]);
        assert_eq!(sizes(&[Size::Stores(5)], 7), [5, 2], "the rest is the last wave");
        assert_eq!(sizes(&[Size::Stores(50), Size::Percent(10)], 20), [20]);
        assert_eq!(sizes(&[], 4), [4]);
    }
}

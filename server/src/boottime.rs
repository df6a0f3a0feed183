//! The clock of leases: it includes suspended time and cannot be set.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// A time on that clock, comparable between processes of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootTime(Duration);

impl BootTime {
    /// The current time.
    pub fn now() -> Self {
        // Every supported Linux has it; the other clock is a fallback.
        let now = clock_gettime(ClockId::CLOCK_BOOTTIME).or_else(|_| clock_gettime(ClockId::CLOCK_MONOTONIC));
        Self(now.map(Duration::from).unwrap_or_default())
    }

    /// The time since then.
    pub fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }

    /// The time after a duration, as the time since boot.
    pub fn after(self, time: Duration) -> Duration {
        self.0 + time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_includes_suspended_time() {
        let kernel = Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME).expect("a clock"));
        let ours = BootTime::now();
        assert!(ours.0 >= kernel && ours.0 < kernel + Duration::from_mins(1));
        assert_eq!(ours.after(Duration::from_secs(7)), ours.0 + Duration::from_secs(7));
    }
}

//! Helm's version.

use std::fmt;

/// A version of helm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HelmVersion {
    /// 3 or 4 if it is supported.
    pub major: u32,
    /// Minor version.
    pub minor: u32,
    /// Patch version; 0 if the build does not report it.
    pub patch: u32,
}

impl HelmVersion {
    /// The oldest supported version.
    pub(super) const OLDEST: Self = Self { major: 3, minor: 17, patch: 0 };

    /// 3.17 and later, and all of 4.
    pub fn is_supported(self) -> bool {
        self >= Self::OLDEST && self.major <= 4
    }
}

impl HelmVersion {
    /// Reads `v3.17.3`, `v4.3` (some builds) and `v4.0.0-rc.1+g1234567`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let core = text.trim().strip_prefix('v')?.split(['-', '+']).next()?;
        let mut numbers = core.split('.').map(|number| number.parse().ok());
        let (major, minor, patch) = (numbers.next()??, numbers.next()??, numbers.next());
        Some(Self { major, minor, patch: patch.unwrap_or(Some(0))? })
    }
}

impl fmt::Display for HelmVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helm_versions_are_parsed() {
        for (text, shown, supported) in [
            ("v3.17.3\n", "3.17.3", true),
            ("v3.16.4", "3.16.4", false),
            ("v3.22.0", "3.22.0", true),
            ("v4.3", "4.3.0", true),
            ("v4.0.0-rc.1+g99cd196", "4.0.0", true),
            ("v2.17.0", "2.17.0", false),
            ("v5.0.1", "5.0.1", false),
        ] {
            let version = HelmVersion::read(text).unwrap();
            assert_eq!((version.to_string().as_str(), version.is_supported()), (shown, supported), "{text}");
        }
    }

    #[test]
    fn other_texts_are_not_versions() {
        for text in ["", "v", "v3", "3.17.3", "v3.x", "helm: command not found", "v3.17.-"] {
            assert_eq!(HelmVersion::read(text), None, "{text}");
        }
    }
}

//! The header `Range` (RFC 9110, section 14) with one range of bytes.

/// What a `Range` header asks of a representation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    /// All of it: there is no header, or one that servers ignore, with several ranges or another unit.
    All,
    /// The bytes from this one, and their number, which is not 0.
    Part(u64, u64),
    /// There are no such bytes.
    Unsatisfiable,
}

impl Range {
    /// The range of `size` bytes that a header asks for.
    pub(super) fn parse(header: Option<&str>, size: u64) -> Self {
        let Some(range) = header.and_then(|header| header.strip_prefix("bytes=")) else { return Self::All };
        let Some((first, last)) = range.split_once('-') else { return Self::All };
        let number =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
        match (first, number(first), last, number(last)) {
            // The last bytes.
            ("", _, _, Some(0)) => Self::Unsatisfiable,
            ("", _, _, Some(length)) => Self::of(size.saturating_sub(length), size.saturating_sub(1), size),
            (_, Some(first), "", _) => Self::of(first, size.saturating_sub(1), size),
            (_, Some(first), _, Some(last)) if first <= last => Self::of(first, last.min(size.saturating_sub(1)), size),
            _ => Self::All,
        }
    }

    fn of(first: u64, last: u64, size: u64) -> Self {
        if first < size { Self::Part(first, last - first + 1) } else { Self::Unsatisfiable }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_the_standard() {
        for (header, expected) in [
            (None, Range::All),
            (Some("bytes=0-0"), Range::Part(0, 1)),
            (Some("bytes=0-9"), Range::Part(0, 10)),
            (Some("bytes=4-7"), Range::Part(4, 4)),
            (Some("bytes=4-99"), Range::Part(4, 6)),
            (Some("bytes=9-"), Range::Part(9, 1)),
            (Some("bytes=-3"), Range::Part(7, 3)),
            (Some("bytes=-99"), Range::Part(0, 10)),
            (Some("bytes=10-"), Range::Unsatisfiable),
            (Some("bytes=10-12"), Range::Unsatisfiable),
            (Some("bytes=-0"), Range::Unsatisfiable),
            (Some("bytes=7-4"), Range::All),
            (Some("bytes=0-1,4-5"), Range::All),
            (Some("bytes=-"), Range::All),
            (Some("bytes=+1-2"), Range::All),
            (Some("bytes=99999999999999999999-"), Range::All),
            (Some("lines=0-1"), Range::All),
        ] {
            assert_eq!(Range::parse(header, 10), expected, "{header:?}");
        }
        assert_eq!(Range::parse(Some("bytes=0-"), 0), Range::Unsatisfiable);
        assert_eq!(Range::parse(Some("bytes=-1"), 0), Range::Unsatisfiable);
    }

    mod fuzz {
        use proptest::prelude::*;
        use storeplane_fuzz::{Outcome, check};

        use super::super::*;

        #[test]
        fn ranges_are_within_the_object() {
            let number = || prop_oneof![any::<u64>().prop_map(|it| it.to_string()), "[0-9]{0,3}", "[ -~]{0,5}"];
            let header = prop_oneof![
                4 => (number(), number()).prop_map(|(first, last)| format!("bytes={first}-{last}")),
                1 => any::<String>(),
            ];
            check("range", &(header, prop_oneof![any::<u64>(), 0..1000_u64]), |(header, size)| {
                let range = Range::parse(Some(&header), size);
                if let Range::Part(start, length) = range {
                    let end = start.checked_add(length);
                    prop_assert!(length > 0 && end.is_some_and(|end| end <= size), "{header} of {size}: {range:?}");
                }
                Ok(if matches!(range, Range::Part(..)) { Outcome::Accepted } else { Outcome::Refused })
            });
        }
    }
}

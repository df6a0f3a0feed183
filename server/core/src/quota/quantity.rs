//! Kubernetes quantities: `500m`, `2`, `1536Mi`, `20Gi`.

/// Suffixes and their factors, in thousandths.
const SUFFIXES: [(&str, i128); 14] = [
    ("Ki", 1000 << 10),
    ("Mi", 1000 << 20),
    ("Gi", 1000 << 30),
    ("Ti", 1000 << 40),
    ("Pi", 1000 << 50),
    ("Ei", 1000 << 60),
    ("m", 1),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000_000),
    ("", 1000),
];
/// Maximum length of a quantity, in bytes.
const LENGTH_MAX: usize = 20;

/// A CPU quantity in millicores, rounded up. `None` if it is not a quantity of at least 0, or too large.
pub fn millis(text: &str) -> Option<i64> {
    scaled(text, 1)
}

/// Bytes, rounded up. `None` as above.
pub fn bytes(text: &str) -> Option<i64> {
    scaled(text, 1000)
}

/// A quantity in units of so many thousandths, rounded up.
fn scaled(text: &str, unit: i128) -> Option<i64> {
    if text.len() > LENGTH_MAX {
        return None;
    }
    let (number, factor) = SUFFIXES.iter().find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, *factor)))?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || (number.contains('.') && !digits(fraction)) {
        return None;
    }
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let value: i128 = format!("{whole}{fraction}").parse().ok()?;
    let (product, divisor) = (value.checked_mul(factor)?, scale.checked_mul(unit)?);
    i64::try_from(product.checked_add(divisor - 1)? / divisor).ok()
}

/// Millicores as a quantity.
pub fn cpu_text(millis: i64) -> String {
    if millis % 1000 == 0 { (millis / 1000).to_string() } else { format!("{millis}m") }
}

/// Bytes as a quantity, in the largest unit that divides them.
pub fn bytes_text(bytes: i64) -> String {
    let units = [("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
    let unit = units.into_iter().find(|(_, bits)| bytes != 0 && bytes % (1_i64 << bits) == 0);
    let (suffix, bits) = unit.unwrap_or(("", 0));
    format!("{}{suffix}", bytes >> bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_without_exponents_and_rounded_up() {
        for (text, expected) in [
            ("500m", Some(500)),
            ("2", Some(2000)),
            ("0", Some(0)),
            ("1.5", Some(1500)),
            ("0.0001", Some(1)),
            ("1k", Some(1_000_000)),
            ("", None),
            ("m", None),
            ("-1", None),
            ("+1", None),
            ("1 ", None),
            ("1.", None),
            (".5", None),
            ("1e3", None),
            ("1mi", None),
            ("99999999999999999999", None),
            ("0.00000000000000000000000000000000000001", None),
        ] {
            assert_eq!(millis(text), expected, "{text}");
        }
        for (text, expected) in [
            ("1536Mi", Some(1536 << 20)),
            ("20Gi", Some(20 << 30)),
            ("4Pi", Some(4 << 50)),
            ("1.5Gi", Some(3 << 29)),
            ("1M", Some(1_000_000)),
            ("100", Some(100)),
            ("1500m", Some(2)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("7Ei", Some(7 << 60)),
            ("8Ei", None),
            ("1KiMi", None),
            ("1MiGi", None),
            ("1mKi", None),
            ("20GB", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }

    #[test]
    fn quantities_are_shown_in_their_usual_units() {
        for (millis, text) in [(0, "0"), (500, "500m"), (2000, "2"), (1500, "1500m")] {
            assert_eq!(cpu_text(millis), text);
        }
        for text in ["0", "1", "1536Mi", "20Gi", "1Ti", "1025"] {
            assert_eq!(bytes(text).map(bytes_text).as_deref(), Some(text));
        }
    }
}

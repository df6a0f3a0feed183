//! gzip-compressed bodies.

use std::io::{self, Read as _, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

/// Responses shorter than this are not compressed.
const WORTHWHILE: usize = 1024;

/// Decompresses a body; `None` if it exceeds `max` bytes.
pub(super) fn decompress(body: &[u8], max: usize) -> io::Result<Option<Bytes>> {
    let mut whole = Vec::new();
    let limit = u64::try_from(max).unwrap_or(u64::MAX);
    MultiGzDecoder::new(body).take(limit.saturating_add(1)).read_to_end(&mut whole)?;
    Ok((whole.len() <= max).then(|| whole.into()))
}

/// Compresses a body; `None` if it is too short for that.
pub(super) fn compress(body: &[u8]) -> Option<Bytes> {
    if body.len() < WORTHWHILE {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oversized_decompressed_body_is_rejected() {
        let packed = compress(&vec![b'a'; 100_000]).expect("long enough");
        assert!(packed.len() < 1000);
        assert_eq!(decompress(&packed, 100_000).expect("gzip").map(|body| body.len()), Some(100_000));
        assert_eq!(decompress(&packed, 99_999).expect("gzip"), None);
        assert!(decompress(b"{}", 100).is_err());
        assert_eq!(compress(b"{}"), None);
    }
}

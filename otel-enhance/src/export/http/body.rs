//! The compression that the settings ask for, whatever the official exporter read elsewhere.

use bytes::Bytes;
use http::HeaderValue;

use super::super::erased::Shared;
use super::response::Notices;
use crate::config::Compression;

/// `body` and its encoding as `asked`. The official exporter has no explicit "none": told nothing,
/// it compresses if `OTEL_EXPORTER_OTLP_COMPRESSION` says so, although the code overrides it.
pub(super) fn as_asked(
    body: Bytes,
    encoding: Option<HeaderValue>,
    asked: Compression,
    notices: &Notices,
    shared: &Shared,
) -> (Bytes, Option<HeaderValue>) {
    let Some(encoding) = encoding else {
        return (body, None);
    };
    if asked != Compression::None {
        return (body, Some(encoding));
    }
    match undo(&body, &encoding) {
        Some(plain) => (plain, None),
        None => {
            notices.strange_encoding(shared);
            (body, Some(encoding))
        }
    }
}

/// The plain body. It was made by the official exporter in this process from a body within its own
/// limit, so its size needs no bound of ours.
pub(crate) fn undo(body: &Bytes, encoding: &HeaderValue) -> Option<Bytes> {
    #[cfg(feature = "gzip")]
    if encoding == "gzip" {
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&**body), &mut plain).ok()?;
        return Some(plain.into());
    }
    #[cfg(feature = "zstd")]
    if encoding == "zstd" {
        return zstd::stream::decode_all(&**body).ok().map(Into::into);
    }
    let _ = (body, encoding);
    None
}

/// `body` in the encoding that is asked for.
#[cfg(any(feature = "otlp-json", feature = "simd", feature = "ebpf"))]
pub(super) fn compress(
    body: Bytes,
    asked: Compression,
) -> std::io::Result<(Bytes, Option<HeaderValue>)> {
    let (body, encoding) = super::super::compress::compress(body, asked)?;
    Ok((body, encoding.map(HeaderValue::from_static)))
}

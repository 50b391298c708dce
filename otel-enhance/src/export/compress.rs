//! Requests in the coding that the settings ask for.

use std::io;

use bytes::Bytes;

use crate::config::Compression;

/// `body` in that coding, and the coding's name. One that this build lacks was refused before.
pub(super) fn compress(
    body: Bytes,
    asked: Compression,
) -> io::Result<(Bytes, Option<&'static str>)> {
    match asked {
        #[cfg(feature = "gzip")]
        Compression::Gzip => {
            let level = flate2::Compression::default();
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            io::Write::write_all(&mut encoder, &body)?;
            Ok((encoder.finish()?.into(), Some("gzip")))
        }
        #[cfg(feature = "zstd")]
        Compression::Zstd => Ok((zstd::bulk::compress(&body, 0)?.into(), Some("zstd"))),
        _ => Ok((body, None)),
    }
}

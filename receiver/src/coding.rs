//! Content codings, undone within a bound.

use std::io::{self, Cursor, Read};

use bytes::Bytes;

use crate::budget::Charge;
use crate::outcome::Refusal;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// `gzip`.
    Gzip,
    /// `zstd`.
    Zstd,
    /// `deflate`, which is the zlib format.
    Deflate,
    /// `tracezip1`, or the gRPC service of tracezip.
    #[cfg(feature = "tracezip")]
    Tracezip,
}

/// Every coding understood, for `Accept-Encoding`.
pub(crate) const ACCEPTED: &str = "gzip, zstd, deflate, identity";
/// The same where frames are taken.
#[cfg(feature = "tracezip")]
pub(crate) const ACCEPTED_WITH_TRACEZIP: &str = "gzip, zstd, deflate, identity, tracezip1";

/// Output grows by this much at a time, and control returns to the runtime every [`YIELD_EVERY`].
const STEP: usize = 64 * 1024;
const YIELD_EVERY: usize = 16 * STEP;

/// 8 MiB, what RFC 8878 tells every decoder to support: a frame that wants more costs its sender
/// nothing and us memory.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

impl Encoding {
    /// Its name in `Content-Encoding` and `grpc-encoding`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Deflate => "deflate",
            #[cfg(feature = "tracezip")]
            Self::Tracezip => crate::tracezip::CONTENT_CODING,
        }
    }

    /// Reads the name of a coding that bodies have by themselves, in any case; `x-gzip` is `gzip` (RFC 9110, section 8.4.1.3).
    ///
    /// ```
    /// use otel_enhance_receiver::Encoding;
    ///
    /// assert_eq!(Encoding::from_name("GZIP"), Some(Encoding::Gzip));
    /// assert_eq!(Encoding::from_name("br"), None);
    /// ```
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.trim();
        if name.is_empty() {
            return Some(Self::Identity);
        }
        if name.eq_ignore_ascii_case("x-gzip") {
            return Some(Self::Gzip);
        }
        [Self::Identity, Self::Gzip, Self::Zstd, Self::Deflate]
            .into_iter()
            .find(|known| name.eq_ignore_ascii_case(known.as_str()))
    }
}

/// Undoes `encoding`, to at most `limit` bytes, each of them charged before it is written.
pub(crate) async fn decompress(
    encoding: Encoding,
    wire: Bytes,
    limit: usize,
    charge: &mut Charge,
) -> Result<Bytes, Refusal> {
    if encoding == Encoding::Identity {
        return if wire.len() > limit {
            Err(too_large(limit))
        } else {
            Ok(wire)
        };
    }
    let corrupt = |error: io::Error| {
        Refusal::malformed(format!(
            "the body is no valid {}: {error}",
            encoding.as_str()
        ))
    };
    let mut reader = reader(encoding, wire).map_err(corrupt)?;
    let mut out = Vec::new();
    let mut charged = 0;
    let mut filled = 0;
    loop {
        if filled == out.len() {
            // One byte beyond the limit is enough to know that it is exceeded.
            let target = (filled + STEP.max(filled)).min(limit.saturating_add(1));
            if target <= filled {
                return Err(too_large(limit));
            }
            charge
                .grow(target - charged)
                .map_err(|_| Refusal::busy("the receiver is out of memory for requests"))?;
            charged = target;
            out.resize(target, 0);
        }
        let end = out.len().min(filled + STEP);
        match reader.read(&mut out[filled..end]) {
            Ok(0) => break,
            Ok(read) => {
                let before = filled / YIELD_EVERY;
                filled += read;
                if filled / YIELD_EVERY != before {
                    tokio::task::yield_now().await;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(corrupt(error)),
        }
    }
    if filled > limit {
        return Err(too_large(limit));
    }
    out.truncate(filled);
    // What doubling took too much goes back, from the allocator and from the charge.
    out.shrink_to_fit();
    charge.shrink(charged - filled);
    Ok(Bytes::from(out))
}

fn too_large(limit: usize) -> Refusal {
    Refusal::too_large("the decompressed body", limit)
}

fn reader(encoding: Encoding, wire: Bytes) -> io::Result<Box<dyn Read + Send>> {
    let wire = Cursor::new(wire);
    Ok(match encoding {
        Encoding::Identity => Box::new(wire),
        // Not by names, and hence not here: a frame is nothing without the frames before it.
        #[cfg(feature = "tracezip")]
        Encoding::Tracezip => return Err(io::Error::other("a frame of tracezip")),
        Encoding::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(wire)),
        Encoding::Deflate => Box::new(flate2::bufread::ZlibDecoder::new(wire)),
        Encoding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(wire)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Box::new(decoder)
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::budget::Budget;

    fn compress(encoding: Encoding, data: &[u8]) -> Bytes {
        match encoding {
            Encoding::Identity => data.to_vec(),
            #[cfg(feature = "tracezip")]
            Encoding::Tracezip => unreachable!("not among those tested"),
            Encoding::Gzip => {
                let mut encoder =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
                encoder.write_all(data).unwrap();
                encoder.finish().unwrap()
            }
            Encoding::Deflate => {
                let mut encoder =
                    flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
                encoder.write_all(data).unwrap();
                encoder.finish().unwrap()
            }
            Encoding::Zstd => zstd::encode_all(data, 19).unwrap(),
        }
        .into()
    }

    const ALL: [Encoding; 4] = [
        Encoding::Identity,
        Encoding::Gzip,
        Encoding::Zstd,
        Encoding::Deflate,
    ];

    #[tokio::test]
    async fn every_coding_given_data_of_any_size_returns_it_and_charges_its_length() {
        for encoding in ALL {
            for size in [0, 1, STEP - 1, STEP, STEP + 1, 3 * STEP, 1_000_000] {
                let data: Vec<u8> = (0..size).map(|i| (i * i % 251) as u8).collect();
                let budget = Budget::new(64 * 1024 * 1024);
                let mut charge = budget.charge();
                let out = decompress(encoding, compress(encoding, &data), size, &mut charge)
                    .await
                    .unwrap();
                assert_eq!(out, data, "{encoding:?} {size}");
                if encoding != Encoding::Identity {
                    assert_eq!(budget.used(), size, "{encoding:?} {size}");
                }
            }
        }
    }

    #[tokio::test]
    async fn every_coding_given_one_byte_too_many_is_refused() {
        for encoding in ALL {
            let data = vec![7; STEP + 1];
            let mut charge = Budget::new(usize::MAX).charge();
            let refusal = decompress(encoding, compress(encoding, &data), STEP, &mut charge)
                .await
                .unwrap_err();
            assert_eq!(refusal.status, http::StatusCode::PAYLOAD_TOO_LARGE);
        }
    }

    #[tokio::test]
    async fn truncated_input_is_malformed_for_every_compressing_coding() {
        for encoding in &ALL[1..] {
            let whole = compress(*encoding, b"some spans, some more spans");
            let mut charge = Budget::new(usize::MAX).charge();
            let refusal = decompress(*encoding, whole.slice(..whole.len() - 3), 1000, &mut charge)
                .await
                .unwrap_err();
            assert_eq!(
                refusal.status,
                http::StatusCode::BAD_REQUEST,
                "{encoding:?}"
            );
        }
    }

    #[tokio::test]
    async fn bomb_beyond_the_budget_is_told_to_come_again() {
        let bomb = compress(Encoding::Gzip, &vec![0; 4 * 1024 * 1024]);
        let budget = Budget::new(1024 * 1024);
        let mut charge = budget.charge();
        let refusal = decompress(Encoding::Gzip, bomb, 16 * 1024 * 1024, &mut charge)
            .await
            .unwrap_err();
        assert_eq!(refusal.status, http::StatusCode::TOO_MANY_REQUESTS);
        drop(charge);
        assert_eq!(budget.used(), 0);
    }
}

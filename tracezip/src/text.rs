//! Text of a message, compressed by zstd.

use core::fmt;
use std::sync::LazyLock;

use zeroize::Zeroize;
use zstd::dict::EncoderDictionary;

use crate::error::{DecodeError, Result};
use crate::frame::TEXT_COMPRESSED;

/// What compressed text may refer to: names that OpenTelemetry has for things, as `dictionary/make.py` puts them.
static DICTIONARY: &[u8] = include_bytes!("../dictionary/v1.bin");

/// Level 4 would save half a percent of the bytes, and cost up to five of the time.
pub(crate) const LEVEL: i32 = 1;
/// The largest window that a decoder accepts: 1 MiB.
const WINDOW_LOG: u32 = 20;
/// What every zstd frame begins with, and ours leave out.
const MAGIC: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();
/// Bits of what follows the magic bytes: a frame that states its size.
const STATES_SIZE: u8 = 0xe0;
/// Room that decompressed text gets at first, and for each byte of the compressed; more once it is seen to need it.
const LIKELY_ROOM: usize = 64 * 1024;
const LIKELY_RATIO: usize = 32;
/// Room that is kept for the next text.
const LARGEST: usize = 1 << 20;
/// What zstd says then.
const TOO_SMALL: &str = "Destination buffer is too small";
/// Shorter text is left as it is.
const SHORTEST: usize = 48;

pub(crate) struct TextCompressor {
    level: i32,
    context: Option<zstd::bulk::Compressor<'static>>,
    out: Vec<u8>,
}

impl Default for TextCompressor {
    fn default() -> Self {
        Self::at(LEVEL)
    }
}

impl fmt::Debug for TextCompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextCompressor").finish_non_exhaustive()
    }
}

impl TextCompressor {
    /// At a level of zstd's.
    pub(crate) const fn at(level: i32) -> Self {
        Self {
            level,
            context: None,
            out: Vec::new(),
        }
    }

    /// The text, compressed if that helps, and the flag that says so.
    pub(crate) fn compress<'a>(&'a mut self, text: &'a [u8]) -> (&'a [u8], u8) {
        if text.len() < SHORTEST {
            return (text, 0);
        }
        if self.context.is_none() {
            self.context = context(self.level);
        }
        let Some(context) = &mut self.context else {
            return (text, 0);
        };
        self.out.clear();
        self.out
            .reserve(zstd::zstd_safe::compress_bound(text.len()));
        match context.compress_to_buffer(text, &mut self.out) {
            Ok(len) if len < text.len() => (&self.out[MAGIC.len()..], TEXT_COMPRESSED),
            _ => (text, 0),
        }
    }
}

impl TextCompressor {
    /// Forgets the text, which has a key in it.
    pub(crate) fn wipe(&mut self) {
        self.out.zeroize();
    }
}

impl TextDecompressor {
    /// Forgets the text, which has a key in it.
    pub(crate) fn wipe(&mut self) {
        self.frame.zeroize();
        self.out.zeroize();
    }
}

static PREPARED: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, LEVEL));

fn context(level: i32) -> Option<zstd::bulk::Compressor<'static>> {
    use zstd::zstd_safe::CParameter;
    let mut context = if level == LEVEL {
        zstd::bulk::Compressor::with_prepared_dictionary(&PREPARED).ok()?
    } else {
        zstd::bulk::Compressor::with_dictionary(level, DICTIONARY).ok()?
    };
    context
        .set_parameter(CParameter::WindowLog(WINDOW_LOG))
        .ok()?;
    context
        .set_parameter(CParameter::ContentSizeFlag(false))
        .ok()?;
    context
        .set_parameter(CParameter::ChecksumFlag(false))
        .ok()?;
    context.set_parameter(CParameter::DictIdFlag(false)).ok()?;
    Some(context)
}

#[derive(Default)]
pub(crate) struct TextDecompressor {
    context: Option<zstd::bulk::Decompressor<'static>>,
    frame: Vec<u8>,
    out: Vec<u8>,
}

impl fmt::Debug for TextDecompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextDecompressor").finish_non_exhaustive()
    }
}

impl TextDecompressor {
    /// The text of a frame, which must have the declared length.
    pub(crate) fn decompress<'a>(
        &'a mut self,
        text: &'a [u8],
        len: usize,
        compressed: bool,
    ) -> Result<&'a [u8]> {
        if !compressed {
            return if text.len() == len {
                Ok(text)
            } else {
                Err(DecodeError::Corrupt("the text's length"))
            };
        }
        if self.context.is_none() {
            use zstd::dict::DecoderDictionary;
            use zstd::zstd_safe::DParameter;
            static PREPARED: LazyLock<DecoderDictionary<'static>> =
                LazyLock::new(|| DecoderDictionary::copy(DICTIONARY));
            let mut context = zstd::bulk::Decompressor::with_prepared_dictionary(&PREPARED)
                .map_err(|_| DecodeError::Corrupt("no decompressor"))?;
            context
                .set_parameter(DParameter::WindowLogMax(WINDOW_LOG))
                .map_err(|_| DecodeError::Corrupt("no decompressor"))?;
            self.context = Some(context);
        }
        let Some(context) = &mut self.context else {
            return Err(DecodeError::Corrupt("no decompressor"));
        };
        // A stated size would be believed before anything is there to show for it.
        if text.first().is_none_or(|flags| flags & STATES_SIZE != 0) {
            return Err(DecodeError::Corrupt("the compressed text"));
        }
        self.frame.clear();
        self.frame.extend_from_slice(&MAGIC);
        self.frame.extend_from_slice(text);
        let mut room = len.min(LIKELY_ROOM + LIKELY_RATIO * text.len());
        loop {
            if self.out.capacity() < room || self.out.capacity() > LARGEST.max(room) {
                // Made anew, not moved: there is nothing in it to keep.
                self.out = Vec::new();
                self.out.reserve_exact(room);
            }
            self.out.clear();
            match context.decompress_to_buffer(&self.frame, &mut self.out) {
                Ok(written) if written == len => return Ok(&self.out),
                Err(error) if room < len && error.to_string() == TOO_SMALL => {
                    room = len.min(4 * room);
                }
                _ => return Err(DecodeError::Corrupt("the compressed text")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_many_windows_comes_back() {
        let mut state = 1_u64;
        let text: Vec<u8> = (0..5_000_000)
            .map(|at: u32| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                if at % 7 < 3 {
                    (state >> 60) as u8
                } else {
                    b'x'
                }
            })
            .collect();
        let mut compressor = TextCompressor::default();
        let (compressed, flag) = compressor.compress(&text);
        assert_eq!(flag, TEXT_COMPRESSED);
        let mut decompressor = TextDecompressor::default();
        let back = decompressor.decompress(compressed, text.len(), true);
        assert!(back == Ok(&text[..]));
    }
}

//! Text of a message, compressed by zstd.

use core::fmt;

use crate::error::{DecodeError, Result};
use crate::frame::TEXT_COMPRESSED;

/// There is little text once a stream is under way: what level 3 would save in time cannot be measured.
const LEVEL: i32 = 7;
/// The largest window that a decoder accepts: 1 MiB.
const WINDOW_LOG: u32 = 20;
/// What every zstd frame begins with, and ours leave out.
const MAGIC: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();
/// Shorter text is left as it is.
const SHORTEST: usize = 48;

#[derive(Default)]
pub(crate) struct TextCompressor {
    context: Option<zstd::bulk::Compressor<'static>>,
    out: Vec<u8>,
}

impl fmt::Debug for TextCompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextCompressor").finish_non_exhaustive()
    }
}

impl TextCompressor {
    /// The text, compressed if that helps, and the flag that says so.
    pub(crate) fn compress<'a>(&'a mut self, text: &'a [u8]) -> (&'a [u8], u8) {
        if text.len() < SHORTEST {
            return (text, 0);
        }
        if self.context.is_none() {
            self.context = context();
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

fn context() -> Option<zstd::bulk::Compressor<'static>> {
    use zstd::zstd_safe::CParameter;
    let mut context = zstd::bulk::Compressor::new(LEVEL).ok()?;
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
            use zstd::zstd_safe::DParameter;
            let mut context = zstd::bulk::Decompressor::new()
                .map_err(|_| DecodeError::Corrupt("no decompressor"))?;
            context
                .set_parameter(DParameter::WindowLogMax(WINDOW_LOG))
                .map_err(|_| DecodeError::Corrupt("no decompressor"))?;
            self.context = Some(context);
        }
        let Some(context) = &mut self.context else {
            return Err(DecodeError::Corrupt("no decompressor"));
        };
        self.out.clear();
        self.out.reserve(len);
        self.frame.clear();
        self.frame.extend_from_slice(&MAGIC);
        self.frame.extend_from_slice(text);
        match context.decompress_to_buffer(&self.frame, &mut self.out) {
            Ok(written) if written == len => Ok(&self.out),
            _ => Err(DecodeError::Corrupt("the compressed text")),
        }
    }
}

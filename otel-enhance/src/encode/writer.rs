//! Spans that are written when they have ended, and become part of a request later.

use super::batch::Format as _;
use super::buffer::Buffer;
#[cfg(feature = "otlp-json")]
use super::json::Json;
use super::protobuf::Protobuf;
use super::span::EncodeSpan;

/// Writes spans one behind the other, as they stand in a request; what stands around them is put there by
/// [`SpanEncoder::push_written`](super::SpanEncoder::push_written).
#[derive(Debug)]
pub(crate) struct SpanWriter {
    format: Written,
    out: Buffer,
}

#[derive(Debug)]
enum Written {
    Protobuf(Protobuf),
    #[cfg(feature = "otlp-json")]
    Json(Json),
}

impl SpanWriter {
    pub(crate) fn protobuf() -> Self {
        Self {
            format: Written::Protobuf(Protobuf::default()),
            out: Buffer::default(),
        }
    }

    #[cfg(feature = "otlp-json")]
    pub(crate) fn json() -> Self {
        Self {
            format: Written::Json(Json),
            out: Buffer::default(),
        }
    }

    #[inline]
    pub(crate) fn write<S: EncodeSpan>(&mut self, span: &S) {
        match &mut self.format {
            Written::Protobuf(format) => format.span(&mut self.out, span),
            #[cfg(feature = "otlp-json")]
            Written::Json(format) => format.span(&mut self.out, span),
        }
    }

    /// What has been written since the last [`clear`](Self::clear).
    pub(crate) fn written(&self) -> &[u8] {
        self.out.written()
    }

    pub(crate) fn clear(&mut self) {
        if self.out.is_huge() {
            self.out = Buffer::default();
        }
        self.out.set_position(0);
    }
}

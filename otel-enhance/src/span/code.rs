//! Where an annotated function stands.

use opentelemetry::KeyValue;

use super::value::AttributeSink;

/// The attributes `code.function.name`, `code.file.path` and `code.line.number` of an annotated function,
/// known before it is called.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    function: &'static str,
    file: &'static str,
    line: u32,
}

impl Code {
    /// How many there are.
    pub(crate) const ATTRIBUTES: usize = 3;

    pub(crate) const fn new(function: &'static str, file: &'static str, line: u32) -> Self {
        Self {
            function,
            file,
            line,
        }
    }

    /// Their values.
    #[cfg(feature = "performance")]
    #[inline(always)]
    pub(crate) const fn parts(&self) -> (&'static str, &'static str, u32) {
        (self.function, self.file, self.line)
    }

    /// Appends them.
    #[inline(always)]
    pub fn push_to(&self, attributes: &mut Vec<KeyValue>) {
        AttributeSink::new("code.function.name", attributes).value(self.function);
        AttributeSink::new("code.file.path", attributes).value(self.file);
        AttributeSink::new("code.line.number", attributes).value(i64::from(self.line));
    }
}

//! Faults of the environment, reported and survived.

use std::fmt;

/// One thing that was not as it should be, and what holds instead.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// The environment variable (or the file, or the header) at fault.
    pub name: String,
    /// What it held; secrets (header values, keys) are masked.
    pub content: String,
    /// What would be right, and what holds now.
    pub advice: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is `{}`: {}", self.name, self.content, self.advice)
    }
}

/// The faults found while settings were resolved, in the order of their discovery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Adds one.
    pub(crate) fn report(
        &mut self,
        name: impl Into<String>,
        content: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.0.push(Diagnostic {
            name: name.into(),
            content: content.into(),
            advice: advice.into(),
        });
    }

    /// All of them.
    #[must_use]
    pub fn as_slice(&self) -> &[Diagnostic] {
        &self.0
    }
}

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

    /// Adds one unless the very same is there already.
    pub(crate) fn report_once(
        &mut self,
        name: impl Into<String>,
        content: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.report(name, content, advice);
        if let Some((last, earlier)) = self.0.split_last()
            && earlier.contains(last)
        {
            self.0.pop();
        }
    }

    /// Appends those of another stage.
    pub(crate) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// All of them.
    #[must_use]
    pub fn as_slice(&self) -> &[Diagnostic] {
        &self.0
    }

    /// One after the other.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// Whether there is nothing to report.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// ```
/// use otel_enhance::config::Diagnostics;
///
/// let diagnostics = Diagnostics::default();
/// for diagnostic in &diagnostics {
///     println!("{diagnostic}");
/// }
/// assert_eq!(diagnostics.iter().count(), 0);
/// ```
impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

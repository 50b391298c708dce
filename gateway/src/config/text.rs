//! From YAML to a configuration, with errors that say where.

use std::fmt;

use super::{Config, place};

/// What is wrong with a configuration, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigError {
    /// The line, from 1, if there is one.
    pub line: Option<u64>,
    /// The column, from 1.
    pub column: Option<u64>,
    /// The field, such as `outputs[0].otlp.endpoint`; empty for the whole.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
    /// The lines around it.
    snippet: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, "line {line}, column {column}: ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)?;
        if !self.snippet.is_empty() {
            write!(f, "\n{}", self.snippet)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads a configuration, and [validates](Self::validate) it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], with the first thing that is wrong.
    pub fn from_yaml(text: &str) -> Result<Self, ConfigError> {
        let only_comments = text
            .lines()
            .all(|line| matches!(line.trim_start().chars().next(), None | Some('#')));
        if only_comments {
            return Ok(Self::default());
        }
        let mut field = String::new();
        let config: Self = serde_saphyr::with_deserializer_from_str(text, |deserializer| {
            serde_path_to_error::deserialize(deserializer).map_err(|error| {
                field = error.path().to_string();
                error.into_inner()
            })
        })
        .map_err(|error| explain(text, &field, &error))?;
        config.validate().map_err(|error| error.found_in(text))?;
        Ok(config)
    }
}

impl ConfigError {
    /// Without a place in a text.
    pub(crate) fn of(field: String, message: String) -> Self {
        Self {
            line: None,
            column: None,
            field,
            message,
            snippet: String::new(),
        }
    }

    /// With the place of the field, if the text has it: what goes together with a default is in no line.
    fn found_in(mut self, text: &str) -> Self {
        if let Some((line, column)) = place::of(text, &self.field) {
            (self.line, self.column) = (Some(line), Some(column));
            self.snippet = snippet(text, &self.field, line, column);
        }
        self
    }
}

fn explain(text: &str, field: &str, error: &serde_saphyr::Error) -> ConfigError {
    let location = error.location();
    let line = location.map(|location| location.line());
    let column = location.map(|location| location.column());
    let mut message = error.without_snippet().to_string();
    if let Some(cut) = message.rfind(" at line ") {
        message.truncate(cut);
    }
    message = in_plain_words(message);
    ConfigError {
        snippet: line.map_or_else(String::new, |line| {
            snippet(text, field, line, column.unwrap_or(1))
        }),
        line,
        column,
        field: if matches!(field, "." | "?") {
            ""
        } else {
            field
        }
        .to_owned(),
        message,
    }
}

/// What the YAML library says in terms of its own.
fn in_plain_words(message: String) -> String {
    if let Some(key) = message.strip_prefix("duplicate mapping key: ") {
        let key = key.split(',').next().unwrap_or(key);
        return format!("`{key}` is given twice");
    }
    let plain = match &*message {
        "expected sequence start" => "a list is expected: write `- ` before each entry",
        "expected mapping start" => "fields are expected, such as `name: value`",
        "expected end of mapping after enum variant value" => {
            "this entry has its kind already: begin another one with `- `"
        }
        "expected string key for externally tagged enum" => {
            "an entry has a kind: otlp, tracezip, file or kafka"
        }
        _ if message.starts_with("cannot deserialize null") => {
            "there is no value: give one, or leave the field out"
        }
        _ if message.starts_with("multiple YAML documents") => {
            "there is more than one document: leave out the `---` between them"
        }
        _ => return message,
    };
    plain.to_owned()
}

/// What a line holds whose text is nobody else's business: what is printed may end in a log.
const SECRET: [&str; 5] = ["token", "password", "sasl", "headers", "@"];

/// By what it holds, or by the field that it belongs to. Of text that is no YAML no field is known.
fn may_hold_secret(text: &str, content: &str, field: &str) -> bool {
    let any = |text: &str| SECRET.iter().any(|word| text.contains(word));
    any(content) || any(field) || (field.ends_with(['?', '.']) && any(text))
}

/// The line, the one that it belongs to, and a mark. A line that may hold a secret is not shown.
fn snippet(text: &str, field: &str, line: u64, column: u64) -> String {
    let mut out = String::new();
    for (number, content) in (1_u64..).zip(text.lines()) {
        // A name without a value.
        if number + 1 == line && content.trim_end().ends_with(':') {
            out += &format!("{number:>5} | {content}\n");
        }
        if number == line {
            if may_hold_secret(text, content, field) {
                return out + &format!("{number:>5} | (not shown: it may hold a secret)");
            }
            out += &format!("{number:>5} | {content}\n");
        }
    }
    out + &format!("      | {}^", " ".repeat(column.saturating_sub(1) as usize))
}

#[cfg(test)]
mod tests;

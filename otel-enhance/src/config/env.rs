//! The process environment behind one function, and the reader that turns faults into diagnostics.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use super::Diagnostics;

/// Characters of a faulty value that a diagnostic repeats.
const SHOWN: usize = 200;

/// Where variables come from: the process, or a map in tests, which must not touch the process's
/// environment because every other test shares it.
pub(crate) struct Env(Box<Lookup>);

type Lookup = dyn Fn(&str) -> Option<OsString>;

impl Env {
    /// The environment of this process.
    pub(crate) fn process() -> Self {
        Self(Box::new(|name| std::env::var_os(name)))
    }

    /// Whatever `lookup` answers.
    #[cfg(test)]
    pub(crate) fn asking(lookup: impl Fn(&str) -> Option<OsString> + 'static) -> Self {
        Self(Box::new(lookup))
    }

    /// Exactly these variables.
    #[cfg(test)]
    pub(crate) fn of<K: Into<String>, V: Into<OsString>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let map: std::collections::HashMap<String, OsString> = pairs
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Self::asking(move |name| map.get(name).cloned())
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Env")
    }
}

/// What became of one value.
pub(crate) enum Parsed<T> {
    /// As it should be.
    Good(T),
    /// Not as it should be, and put right; the text says what was expected.
    Adjusted(T, String),
    /// Of no use; the text says what was expected.
    Bad(String),
}

/// Reads variables and gathers what is wrong with them.
#[derive(Debug)]
pub(crate) struct Reader<'env> {
    env: &'env Env,
    pub(crate) diagnostics: Diagnostics,
}

impl<'env> Reader<'env> {
    pub(crate) fn new(env: &'env Env) -> Self {
        Self {
            env,
            diagnostics: Diagnostics::default(),
        }
    }

    /// The variable without surrounding white space; an empty one counts as unset.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        self.read(name, shown)
    }

    /// The same for a variable that holds secrets: no diagnostic repeats its content.
    pub(crate) fn secret(&mut self, name: &str) -> Option<String> {
        self.read(name, |_| "***".to_owned())
    }

    fn read(&mut self, name: &str, show: impl Fn(&str) -> String) -> Option<String> {
        match (self.env.0)(name)?.into_string() {
            Ok(text) => {
                let text = text.trim();
                (!text.is_empty()).then(|| text.to_owned())
            }
            Err(raw) => {
                self.report(
                    name,
                    show(&raw.to_string_lossy()),
                    "expected Unicode (UTF-8) text; the variable counts as unset",
                );
                None
            }
        }
    }

    /// A path, which need not be Unicode.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        (self.env.0)(name)
            .filter(|raw| !raw.is_empty())
            .map(PathBuf::from)
    }

    /// Adds a diagnostic, once: a general variable may be consulted for several settings.
    pub(crate) fn report(&mut self, name: &str, content: String, advice: impl Into<String>) {
        self.diagnostics.report_once(name, content, advice.into());
    }

    /// The first usable value among `names`, most specific first, else `default`. What is wrong is
    /// reported after the choice, so that each report can say what holds.
    pub(crate) fn choose<T>(
        &mut self,
        names: &[&str],
        default: T,
        show: impl Fn(&T) -> String,
        mut parse: impl FnMut(&str, &str) -> Parsed<T>,
    ) -> T {
        let mut faults = Vec::new();
        let mut chosen = None;
        for name in names {
            let Some(text) = self.text(name) else {
                continue;
            };
            match parse(name, &text) {
                Parsed::Good(value) => chosen = Some(value),
                Parsed::Adjusted(value, expected) => {
                    chosen = Some(value);
                    faults.push((*name, text, expected));
                }
                Parsed::Bad(expected) => faults.push((*name, text, expected)),
            }
            if chosen.is_some() {
                break;
            }
        }
        let value = chosen.unwrap_or(default);
        for (name, text, expected) in faults {
            let advice = format!("expected {expected}; `{}` holds", show(&value));
            self.report(name, shown(&text), advice);
        }
        value
    }

    /// `true` or `false`, whatever their case; `false` by default, as the specification has it.
    pub(crate) fn boolean(&mut self, names: &[&str]) -> bool {
        self.choose(names, false, bool::to_string, |_, text| {
            if text.eq_ignore_ascii_case("true") {
                Parsed::Good(true)
            } else if text.eq_ignore_ascii_case("false") {
                Parsed::Good(false)
            } else {
                // Reported as put right, not as useless: a less specific variable must not turn
                // a switch on that somebody tried to turn off.
                Parsed::Adjusted(false, "`true` or `false`".to_owned())
            }
        })
    }
}

/// A value as a diagnostic repeats it: credentials in URLs masked, long texts cut.
pub(crate) fn shown(text: &str) -> String {
    let text = super::endpoint::masked(text);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

//! Colour on a terminal, plain text everywhere else.

use std::io::IsTerminal;

/// Whether to colour: decided once by whoever prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    coloured: bool,
}

impl Style {
    /// Text without escapes.
    pub const PLAIN: Self = Self { coloured: false };
    /// Text with ANSI escapes.
    pub const COLOURED: Self = Self { coloured: true };

    /// Colour if standard output is a terminal and `NO_COLOR` is not set.
    #[must_use]
    pub fn of_stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            coloured: !refused && std::io::stdout().is_terminal(),
        }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.coloured {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// For headings.
    #[must_use]
    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// For what is there when one looks for it.
    #[must_use]
    pub fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// For what failed.
    #[must_use]
    pub fn red(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// One colour a service, always the same for the same name.
    #[must_use]
    pub fn service(self, name: &str, text: &str) -> String {
        const COLOURS: [&str; 5] = ["36", "32", "35", "34", "33"];
        let sum = name.bytes().fold(0_usize, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(usize::from(byte))
        });
        self.paint(COLOURS[sum % COLOURS.len()], text)
    }
}

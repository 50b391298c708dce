//! A line on a terminal that tells how far long work has got.

use std::io::{IsTerminal, Write, stderr};
use std::path::Path;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct Progress {
    what: String,
    total: usize,
    done: usize,
    shown: Instant,
    is_terminal: bool,
    any: bool,
}

const PAUSE: Duration = Duration::from_millis(200);

impl Progress {
    pub(crate) fn new(what: &str, path: &Path, total: usize) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Self {
            what: format!("{what} {name}"),
            total,
            done: 0,
            shown: Instant::now(),
            is_terminal: stderr().is_terminal(),
            any: false,
        }
    }

    pub(crate) fn step(&mut self) {
        self.done += 1;
        if !self.is_terminal || self.shown.elapsed() < PAUSE {
            return;
        }
        self.shown = Instant::now();
        self.any = true;
        // Whether anybody can read it does not matter.
        let _ = write!(
            stderr(),
            "\r\x1b[K{}: {} of {}",
            self.what,
            self.done,
            self.total
        );
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.any {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

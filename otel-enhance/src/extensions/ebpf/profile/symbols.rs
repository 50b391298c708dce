//! Addresses to functions, inlined ones included; off every hot path.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use blazesym::symbolize::source::{Process, Source};
use blazesym::symbolize::{Input, Sym, Symbolized, Symbolizer};
use blazesym::{Addr, Pid};

use super::stack;

/// Addresses whose functions are remembered; beyond that all are forgotten and looked up again.
const MAX_KNOWN: usize = 1 << 17;

/// A function on a stack.
///
/// # Minimum kernel version
///
/// As of [`Profile`](super::Profile).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Its name, demangled; the address or a mark in brackets where there is none.
    pub function: Arc<str>,
    /// Where the code is from, if the program has debug information.
    pub file: Option<Arc<str>>,
    /// Where in the file the call, or for the leaf the instruction, is; 0 if unknown.
    pub line: u32,
    /// Whether it has no frame of its own: the compiler put it into the next one.
    pub inlined: bool,
}

/// The frames of one address: an inlined function before the one that it is in.
pub(crate) type Frames = Arc<[Frame]>;

#[derive(Debug, Default)]
pub(crate) struct Symbols {
    known: HashMap<u64, Frames>,
    texts: HashSet<Arc<str>>,
}

impl Symbols {
    /// Looks up what is not known yet; returns the frames of all.
    ///
    /// What the files' debug information takes in memory is freed again: the next time may be an hour from now.
    pub(crate) fn resolve(&mut self, addresses: &HashSet<u64>) -> HashMap<u64, Frames> {
        if self.known.len() + addresses.len() > MAX_KNOWN {
            self.known.clear();
            self.texts.clear();
        }
        let missing: Vec<u64> = addresses
            .iter()
            .copied()
            .filter(|address| !self.known.contains_key(address))
            .collect();
        self.look_up(&missing);
        addresses
            .iter()
            .filter_map(|address| Some((*address, self.known.get(address)?.clone())))
            .collect()
    }

    fn look_up(&mut self, missing: &[u64]) {
        let (marks, code): (Vec<u64>, Vec<u64>) = missing
            .iter()
            .partition(|address| stack::mark(**address).is_some());
        for address in marks {
            let frame = self.nameless(stack::mark(address).unwrap_or_default());
            self.known.insert(address, Arc::from([frame]));
        }
        if code.is_empty() {
            return;
        }
        let mut process = Process::new(Pid::Slf);
        // The former takes a capability, the latter is for compilers at run time.
        process.map_files = false;
        process.perf_map = false;
        // Debug information may lack paths (`line-tables-only`), of which symbols have the whole.
        let symbols = Symbolizer::builder().enable_code_info(false).build();
        process.debug_syms = false;
        let source = Source::Process(process.clone());
        let plain = symbols.symbolize(&source, Input::AbsAddr(&code));
        let plain = plain.unwrap_or_default();
        process.debug_syms = true;
        let source = Source::Process(process);
        let symbolizer = Symbolizer::new();
        let found = symbolizer.symbolize(&source, Input::AbsAddr(&code));
        let found = found.unwrap_or_default();
        let (mut plain, mut found) = (plain.iter(), found.iter());
        for address in code {
            let name = plain.next().and_then(Symbolized::as_sym);
            let frames = match (found.next().and_then(Symbolized::as_sym), name) {
                (Some(symbol), name) => self.frames(symbol, name.map(|name| &*name.name)),
                (None, Some(symbol)) => self.frames(symbol, None),
                (None, None) => Arc::from([self.nameless(&format!("{address:#x}"))]),
            };
            self.known.insert(address, frames);
        }
    }

    /// `name` is that of the function that has a frame of its own, if it is known better.
    fn frames(&mut self, symbol: &Sym<'_>, name: Option<&str>) -> Frames {
        let count = symbol.inlined.len();
        let mut frames = Vec::with_capacity(count + 1);
        // From the outermost to the innermost; each one's place is where it is at, that is where it calls the next.
        let own = (name.unwrap_or(&symbol.name), symbol.code_info.as_deref());
        let inlined = symbol.inlined.iter();
        let all = std::iter::once(own)
            .chain(inlined.map(|function| (&*function.name, function.code_info.as_ref())));
        for (depth, (name, place)) in all.enumerate() {
            frames.push(Frame {
                function: self.text(trimmed(name)),
                file: place.map(|place| self.text(&place.to_path().to_string_lossy())),
                line: place.and_then(|place| place.line).unwrap_or(0),
                inlined: depth > 0,
            });
        }
        frames.reverse();
        frames.into()
    }

    fn nameless(&mut self, name: &str) -> Frame {
        Frame {
            function: self.text(name),
            file: None,
            line: 0,
            inlined: false,
        }
    }

    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let text: Arc<str> = text.into();
        self.texts.insert(text.clone());
        text
    }
}

/// The name without the hash that the compiler adds to it.
fn trimmed(name: &str) -> &str {
    match name.rsplit_once("::h") {
        Some((path, hash))
            if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
        {
            path
        }
        _ => name,
    }
}

/// The type that the look-up takes addresses as.
const _: () = assert!(size_of::<Addr>() == size_of::<u64>());

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    fn well_known() -> u64 {
        well_known as fn() -> u64 as usize as u64
    }

    #[test]
    fn functions_marks_and_strangers_get_a_name_each() {
        let mut symbols = Symbols::default();
        let asked = HashSet::from([well_known(), stack::CUT_OFF, 0x10]);
        let found = symbols.resolve(&asked);
        assert_eq!(found.len(), 3);
        let own = &found[&well_known()];
        assert!(
            own.iter().any(
                |frame| frame.function.ends_with("symbols::tests::well_known")
                    && frame
                        .file
                        .as_deref()
                        .is_some_and(|file| file.ends_with("symbols.rs"))
                    && frame.line > 0
            ),
            "{own:?}"
        );
        assert_eq!(&*found[&stack::CUT_OFF][0].function, "[stack cut off]");
        assert_eq!(&*found[&0x10][0].function, "0x10");
        assert_eq!(symbols.resolve(&asked), found);
    }

    #[test]
    fn only_hashes_are_taken_off_names() {
        assert_eq!(trimmed("a::b::h0123456789abcdef"), "a::b");
        assert_eq!(trimmed("a::h0123"), "a::h0123");
        assert_eq!(trimmed("a::hello_my_friends_"), "a::hello_my_friends_");
    }
}

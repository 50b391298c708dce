//! `--reassign-ids`: ids as our generator would have made them, to show what owning them is worth.
//!
//! Each file is a process with eight threads, which take blocks of 256 from the process's counter. Traces go to
//! threads in turn; a span gets the next id of its trace's thread, in the order of starts. With a fleet key, what
//! no file knows (parents of the first spans, and their traces) comes from a process that calls it.

use std::collections::HashMap;

use tracezip::{BLOCK, IdKey, IdPermutation};

/// Whose key ids are made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ids {
    Process,
    Fleet,
}

const THREADS: usize = 8;
/// Fixed, so that figures can be had again.
const PROCESS_KEY: [u8; 32] = [0x31; 32];
const FLEET_KEY: [u8; 32] = [0x62; 32];

/// The key of the process with this number, or of all.
pub(crate) fn key(ids: Ids, number: u64) -> IdKey {
    match ids {
        Ids::Process => {
            let mut key = PROCESS_KEY;
            key[..8].copy_from_slice(&number.to_le_bytes());
            key[16..24].copy_from_slice(&number.to_le_bytes());
            IdKey::of_process(key)
        }
        Ids::Fleet => IdKey::of_fleet(FLEET_KEY),
    }
}

/// A counter that threads take blocks of.
struct Counter {
    next: u64,
    threads: [u64; THREADS],
}

impl Counter {
    fn new(first: u64) -> Self {
        Self {
            next: first,
            threads: [0; THREADS],
        }
    }

    fn take(&mut self, thread: usize) -> u64 {
        let at = &mut self.threads[thread];
        if at.is_multiple_of(BLOCK) {
            *at = self.next;
            self.next += BLOCK;
        }
        *at += 1;
        *at - 1
    }
}

struct Process {
    ids: IdPermutation,
    nonce: u64,
    spans: Counter,
    traces: Counter,
    threads: HashMap<[u8; 16], usize>,
}

impl Process {
    fn new(ids: Ids, number: u64) -> Self {
        // As random as the generator's: the figures must not gain by small numbers.
        let tag = IdPermutation::new(&key(Ids::Process, number)).span_id(1 << 50);
        let nonce = u64::from_le_bytes(tag);
        let first = match ids {
            Ids::Process => BLOCK,
            Ids::Fleet => (nonce << 32) + BLOCK,
        };
        Self {
            ids: IdPermutation::new(&key(ids, number)),
            nonce,
            spans: Counter::new(first),
            traces: Counter::new(BLOCK),
            threads: HashMap::new(),
        }
    }

    fn thread(&mut self, trace: [u8; 16]) -> usize {
        let next = self.threads.len() % THREADS;
        *self.threads.entry(trace).or_insert(next)
    }

    fn span_id(&mut self, trace: [u8; 16]) -> [u8; 8] {
        let thread = self.thread(trace);
        self.ids.span_id(self.spans.take(thread))
    }

    fn trace_id(&mut self, trace: [u8; 16]) -> [u8; 16] {
        let thread = self.thread(trace);
        self.ids.trace_id(self.nonce, self.traces.take(thread))
    }
}

/// A span, with where its ids lie in its file.
struct Span {
    file: usize,
    start: u64,
    trace: [u8; 16],
    id: [u8; 8],
    parent: Option<[u8; 8]>,
    places: [Option<usize>; 3],
}

/// Puts new ids into files of requests.
pub(crate) fn reassign(files: &mut [Vec<u8>], ids: Ids) {
    let mut spans = Vec::new();
    for (file, bytes) in files.iter().enumerate() {
        collect(file, bytes, &mut spans);
    }
    spans.sort_by_key(|span| span.start);
    let mut processes: Vec<_> = (0..files.len() as u64)
        .map(|number| Process::new(ids, number))
        .collect();
    let mut callers: Vec<_> = (0..files.len() as u64)
        .map(|number| Process::new(ids, number + (1 << 20)))
        .collect();
    let known: std::collections::HashSet<_> = spans.iter().map(|span| span.id).collect();
    let (mut new_spans, mut new_traces) = (HashMap::new(), HashMap::new());
    for span in &spans {
        let foreign = span.parent.is_some_and(|parent| !known.contains(&parent));
        let process = &mut processes[span.file];
        let caller = &mut callers[span.file];
        if span.parent.is_none() {
            new_traces
                .entry(span.trace)
                .or_insert_with(|| process.trace_id(span.trace));
        } else if foreign && ids == Ids::Fleet {
            new_traces
                .entry(span.trace)
                .or_insert_with(|| caller.trace_id(span.trace));
        }
        if let Some(parent) = span.parent
            && foreign
            && ids == Ids::Fleet
        {
            new_spans
                .entry(parent)
                .or_insert_with(|| caller.span_id(span.trace));
        }
        new_spans
            .entry(span.id)
            .or_insert_with(|| process.span_id(span.trace));
    }
    // What another process made under its own key stays as random as it was.
    for span in &spans {
        let bytes = &mut files[span.file];
        if let (Some(at), Some(id)) = (span.places[0], new_traces.get(&span.trace)) {
            bytes[at..at + 16].copy_from_slice(id);
        }
        if let (Some(at), Some(id)) = (span.places[1], new_spans.get(&span.id)) {
            bytes[at..at + 8].copy_from_slice(id);
        }
        if let (Some(at), Some(id)) = (
            span.places[2],
            span.parent.and_then(|parent| new_spans.get(&parent)),
        ) {
            bytes[at..at + 8].copy_from_slice(id);
        }
    }
}

/// Fields of a message: tag, value, where the contents begin and end.
fn fields(bytes: &[u8], start: usize, end: usize, mut found: impl FnMut(u64, u64, usize, usize)) {
    let mut at = start;
    while at < end {
        let Some((tag, after)) = varint(bytes, at) else {
            return;
        };
        let (mut value, mut from) = (0, after);
        let to = match tag & 7 {
            0 => match varint(bytes, after) {
                Some((number, after)) => {
                    value = number;
                    after
                }
                None => return,
            },
            1 => match bytes.get(after..).and_then(|bytes| bytes.first_chunk()) {
                Some(number) => {
                    value = u64::from_le_bytes(*number);
                    after + 8
                }
                None => return,
            },
            2 => match varint(bytes, after) {
                Some((len, after)) => {
                    from = after;
                    after.saturating_add(len as usize)
                }
                None => return,
            },
            5 => after + 4,
            _ => return,
        };
        if to > end {
            return;
        }
        found(tag, value, from, to);
        at = to;
    }
}

fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0;
    for (index, byte) in bytes.get(at..)?.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if *byte < 0x80 {
            return Some((value, at + index + 1));
        }
    }
    None
}

fn collect(file: usize, bytes: &[u8], spans: &mut Vec<Span>) {
    let mut at = 0;
    while let Some((len, start)) = varint(bytes, at) {
        let end = start + len as usize;
        fields(bytes, start, end, |tag, _, from, to| {
            if tag != 10 {
                return;
            }
            fields(bytes, from, to, |tag, _, from, to| {
                if tag != 18 {
                    return;
                }
                fields(bytes, from, to, |tag, _, from, to| {
                    if tag == 18 {
                        spans.extend(span(file, bytes, from, to));
                    }
                });
            });
        });
        at = end;
    }
}

fn span(file: usize, bytes: &[u8], from: usize, to: usize) -> Option<Span> {
    let mut span = Span {
        file,
        start: 0,
        trace: [0; 16],
        id: [0; 8],
        parent: None,
        places: [None; 3],
    };
    fields(bytes, from, to, |tag, value, from, to| {
        let contents = &bytes[from..to];
        match (tag, to - from) {
            (10, 16) => {
                span.trace.copy_from_slice(contents);
                span.places[0] = Some(from);
            }
            (18, 8) => {
                span.id.copy_from_slice(contents);
                span.places[1] = Some(from);
            }
            (34, 8) => {
                span.parent = contents.try_into().ok();
                span.places[2] = Some(from);
            }
            (57, _) => span.start = value,
            _ => {}
        }
    });
    span.places[1].map(|_| span)
}

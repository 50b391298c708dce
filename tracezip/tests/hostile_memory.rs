//! What hostile frames take at most, by an allocator that counts. `-- --nocapture` prints the table of `HOSTILE.md`.
#![expect(clippy::expect_used, reason = "a helper that fails, fails its test")]
#![expect(clippy::print_stdout, reason = "the table is for the reader")]
#![expect(unsafe_code, reason = "an allocator that counts")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Random, request};
use tracezip::{Decoder, Encoder, Limits};

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is the system's, but for the counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: likewise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most that was allocated at once while `run` ran, beyond what was there before.
fn peak(run: impl FnOnce()) -> usize {
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    run();
    PEAK.load(Ordering::Relaxed) - before
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A frame that stands for itself, with these flags, sizes and contents.
fn alone(flags: u8, size: u64, sizes: &[u64], contents: &[u8]) -> Vec<u8> {
    let mut frame = vec![7, 0x11 | flags];
    varint(size, &mut frame);
    for size in sizes {
        varint(*size, &mut frame);
    }
    frame.extend_from_slice(contents);
    frame
}

const COMPRESSED: u8 = 4;
const STORED: u8 = 8;
/// Above what a frame decodes to: a stream's entries and models, contexts of zstd, and what they are copied to.
const BESIDES: usize = 4 << 20;

/// Inputs of which every frame is to be refused. Of others a part may decode to what it was made from.
const REFUSED: [&str; 6] = [
    "sizes over the limit",
    "the largest size, and nothing in it",
    "the longest text declared, and none there",
    "64 MiB of zeros as text, less declared",
    "a frame cut at every byte",
    "noise behind a good head",
];

struct Table {
    limits: Limits,
    lines: Vec<String>,
}

impl Table {
    fn new() -> Self {
        Self {
            limits: Limits::default(),
            lines: Vec::new(),
        }
    }

    /// Decodes frames one after the other; none of what is refused may be held afterwards.
    fn try_all(&mut self, what: &str, allowed: usize, frames: &[Vec<u8>]) {
        let mut refused = 0;
        let mut longest = 0;
        let most = peak(|| {
            let mut decoder = Decoder::new(1, self.limits);
            let mut out = Vec::new();
            for frame in frames {
                out.clear();
                longest = longest.max(frame.len());
                refused += usize::from(decoder.decode(0, frame, &mut out).is_err());
            }
        });
        let tried = frames.len();
        let line = format!(
            "| {what} | {tried} | {refused} | {longest} | {} |",
            most / 1024
        );
        println!("{line}");
        self.lines.push(line);
        assert!(most <= allowed, "{what}: {most} bytes, {allowed} allowed");
        if REFUSED.contains(&what) {
            assert_eq!(refused, tried, "{what}");
        }
    }
}

/// Frames of one stream with an answer to each, and the next one.
fn stream() -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new([9; 16]);
    let mut decoder = Decoder::new(1, Limits::default());
    let mut frames = Vec::new();
    for index in 0..6 {
        let (mut frame, mut out) = (Vec::new(), Vec::new());
        encoder.encode(&request(index), &mut frame);
        let answer = decoder.decode(0, &frame, &mut out).expect("ours").answer;
        encoder.acknowledge(&answer.expect("an answer"));
        frames.push(frame);
    }
    frames
}

/// One test, for the allocator counts the whole process.
#[test]
fn hostile_frames_take_no_more_memory_than_is_stated() {
    println!("| input | frames | refused | longest, bytes | peak, KiB |\n|---|---|---|---|---|");
    let mut table = Table::new();
    let limit = table.limits.decoded_bytes as u64;
    let frames = stream();
    let last = frames.last().expect("frames").clone();
    let alone_frame = {
        let mut frame = Vec::new();
        let mut encoder = Encoder::new([3; 16]).with_self_contained(true);
        encoder.encode(&request(4), &mut frame);
        frame
    };

    let sizes: Vec<_> = [limit + 1, 1 << 40, u64::MAX]
        .iter()
        .map(|size| alone(0, *size, &[16, 0, 0], &[0; 16]))
        .collect();
    table.try_all("sizes over the limit", 64 << 10, &sizes);

    let empty: Vec<_> = (0..64)
        .map(|symbols| alone(0, limit, &[symbols, 0, 0], &vec![0xff; symbols as usize]))
        .collect();
    table.try_all("the largest size, and nothing in it", BESIDES, &empty);

    let text = alone(
        COMPRESSED,
        limit,
        &[0, 0, limit + (384 << 10)],
        &[0x60, 1, 2, 3],
    );
    table.try_all(
        "the longest text declared, and none there",
        BESIDES,
        &[text],
    );

    // As a stream, which states no size.
    let zeros = zstd::stream::encode_all(&vec![0; 64 << 20][..], 3).expect("zeros");
    let bombs =
        [limit, limit - 1, 1000].map(|size| alone(COMPRESSED | STORED, size, &[], &zeros[4..]));
    table.try_all(
        "64 MiB of zeros as text, less declared",
        BESIDES + limit as usize,
        &bombs,
    );

    let mut bomb = Vec::new();
    let mut encoder = Encoder::new([3; 16]).with_self_contained(true);
    encoder.encode(&vec![0; limit as usize], &mut bomb);
    // Text, its copy in the message, and the message.
    table.try_all(
        "zeros that decode to the limit",
        BESIDES + 5 * limit as usize,
        &[bomb],
    );

    let cut: Vec<_> = (0..alone_frame.len())
        .map(|len| alone_frame[..len].to_vec())
        .collect();
    table.try_all("a frame cut at every byte", BESIDES, &cut);

    let flip = |frame: &Vec<u8>, step: usize| {
        let bits = (0..frame.len() * 8).step_by(step).map(|bit| {
            let mut flipped = frame.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            flipped
        });
        bits.collect::<Vec<_>>()
    };
    let flipped = flip(&alone_frame, 1);
    table.try_all(
        "every bit of a frame flipped",
        BESIDES + 3 * limit as usize,
        &flipped,
    );

    let mut middle = frames[..5].to_vec();
    // Some bit of every byte.
    middle.extend(flip(&last, 7));
    table.try_all(
        "a bit of every byte flipped, in a stream",
        BESIDES + 3 * limit as usize,
        &middle,
    );

    let mut cut = frames[..5].to_vec();
    cut.extend((0..last.len()).map(|len| last[..len].to_vec()));
    table.try_all("a frame cut at every byte, in a stream", BESIDES, &cut);

    let replayed: Vec<_> = (0..200).flat_map(|_| frames.clone()).collect();
    table.try_all("a stream, 200 times over", BESIDES, &replayed);

    let strangers = (0..=255_u8).map(|id| {
        let mut frame = Vec::new();
        Encoder::new([id; 16]).encode(&request(u64::from(id)), &mut frame);
        frame
    });
    let streams = 64 << 20;
    table.try_all(
        "256 streams",
        BESIDES + streams,
        &strangers.collect::<Vec<_>>(),
    );

    let mut epochs = frames[..5].to_vec();
    // After magic, flags, handle and check: the epoch.
    for epoch in 0..=255_u8 {
        let mut frame = last.clone();
        frame[5] = epoch & 0x7f;
        epochs.push(frame);
    }
    table.try_all("epochs that never were", BESIDES, &epochs);

    let mut random = Random(1);
    let noise: Vec<_> = (0..20_000)
        .map(|_| {
            let len = random.below(200) as usize;
            let mut frame = vec![7, 0x10 | random.next() as u8 & 0x0f];
            frame.extend((0..len).map(|_| random.next() as u8));
            frame
        })
        .collect();
    table.try_all(
        "noise behind a good head",
        BESIDES + 2 * limit as usize,
        &noise,
    );

    let mangled: Vec<_> = (0..5_000)
        .map(|_| {
            let mut frame = alone_frame.clone();
            common::mutate(&mut frame, &mut random);
            frame
        })
        .collect();
    table.try_all(
        "frames mangled in several places",
        BESIDES + 3 * limit as usize,
        &mangled,
    );
    assert_eq!(table.lines.len(), 14);
}

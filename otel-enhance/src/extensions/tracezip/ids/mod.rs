//! Ids that whoever holds the key can count, and that are random to everybody else.

mod ring;
mod vault;

use std::sync::Arc;

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::IdGenerator;
use tracezip::IdKey;
use zeroize::Zeroizing;

use ring::Ring;
pub(crate) use ring::RingGuard;

/// Why a text is no fleet key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fleet key is 64 hexadecimal digits: make one by `openssl rand -hex 32`")]
#[non_exhaustive]
pub struct FleetKeyError;

/// Makes trace and span ids by a keyed permutation of a counter: to a receiver of tracezip that is told the key they
/// take a tenth of a byte, to everybody else they are random. Clones share key and counter.
///
/// Keys are of fresh entropy, live for a million ids or ten minutes, are never logged, and are wiped from memory when
/// they are dropped; a forked child makes its own. On Linux the generator keeps them in memory that core dumps leave
/// out, and that a child finds empty; the codec's copies of those that a receiver is told are ordinary memory, wiped
/// when they are dropped. They travel to receivers over TLS or within this machine only, and
/// from exporters that are told of the generator. Whoever learns a key can tell from an id how many came before it.
///
/// A pipeline with tracezip has one by itself. For providers built by hand:
///
/// ```
/// use opentelemetry_sdk::trace::SdkTracerProvider;
/// use otel_enhance::extensions::tracezip::TracezipIdGenerator;
///
/// let ids = TracezipIdGenerator::new();
/// let provider = SdkTracerProvider::builder()
///     // And `.with_id_generator(&ids)` of the exporter.
///     .with_id_generator(ids.clone())
///     .build();
/// ```
#[derive(Clone, Debug)]
pub struct TracezipIdGenerator(Arc<Ring>);

impl TracezipIdGenerator {
    /// A generator with a key of its own.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Ring::new(None)))
    }

    /// A generator with a key that services share: ids that come from a caller cost as little as one's own. The key
    /// is 64 hexadecimal digits; whoever holds it learns from every id of the fleet how many its process made.
    /// Span ids are unique within a trace.
    ///
    /// # Errors
    ///
    /// [`FleetKeyError`] if the text is anything else.
    pub fn with_fleet_key(key: &str) -> Result<Self, FleetKeyError> {
        let ring = fleet_ring(key);
        vault::scrub_stack();
        Ok(Self(Arc::new(ring?)))
    }

    /// Goes on with fresh entropy: to be called when a snapshot of the process or its machine was restored, which
    /// may have been restored elsewhere too.
    pub fn reseed(&self) {
        self.0.reseed();
    }

    #[cfg(any(test, feature = "otlp-http", feature = "otlp-grpc"))]
    /// The keys, the likeliest first, and their version, unless that is `known`.
    pub(super) fn keys_since(&self, known: u64) -> Option<(u64, Vec<IdKey>)> {
        self.0.keys_since(known)
    }
}

impl Default for TracezipIdGenerator {
    fn default() -> Self {
        Self::new()
    }
}

impl IdGenerator for TracezipIdGenerator {
    fn new_trace_id(&self) -> TraceId {
        TraceId::from_bytes(self.0.trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from_bytes(self.0.span_id())
    }
}

/// Its frame has copies of the key when it returns.
#[inline(never)]
fn fleet_ring(key: &str) -> Result<Ring, FleetKeyError> {
    let bytes = Zeroizing::new(parse(key.trim()).ok_or(FleetKeyError)?);
    Ok(Ring::new(Some(IdKey::of_fleet(*bytes))))
}

fn parse(text: &str) -> Option<[u8; IdKey::LEN]> {
    let digits = text.as_bytes();
    let mut key = [0; IdKey::LEN];
    if digits.len() != 2 * key.len() {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = (digit(0)? << 4 | digit(1)?) as u8;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tracezip::IdPermutation;

    use super::*;

    const FLEET: &str = "00112233445566778899aabbccddeeff0123456789abcdef0123456789ABCDEF";

    #[test]
    fn ids_of_several_threads_are_valid_and_differ() {
        for ids in [
            TracezipIdGenerator::new(),
            TracezipIdGenerator::with_fleet_key(FLEET).unwrap(),
        ] {
            let threads = [(); 4].map(|()| {
                let ids = ids.clone();
                std::thread::spawn(move || {
                    (0..5_000)
                        .map(|_| (ids.new_trace_id(), ids.new_span_id()))
                        .collect::<Vec<_>>()
                })
            });
            let made: Vec<_> = threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap())
                .collect();
            let traces: HashSet<_> = made.iter().map(|(trace, _)| *trace).collect();
            let spans: HashSet<_> = made.iter().map(|(_, span)| *span).collect();
            assert_eq!((traces.len(), spans.len()), (20_000, 20_000));
            assert!(!traces.contains(&TraceId::INVALID) && !spans.contains(&SpanId::INVALID));
        }
    }

    #[test]
    fn holder_of_the_key_counts_the_ids_of_a_thread() {
        let ids = TracezipIdGenerator::new();
        let (_, keys) = ids.keys_since(0).unwrap();
        let permutation = IdPermutation::new(&keys[0]);
        let made: Vec<u64> = (0..300)
            .map(|_| permutation.span_counter(ids.new_span_id().to_bytes()))
            .collect();
        assert!(
            made.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "{made:?}"
        );
        let (nonce, first) = permutation.trace_counter(ids.new_trace_id().to_bytes());
        let second = permutation.trace_counter(ids.new_trace_id().to_bytes());
        assert_eq!(second, (nonce, first + 1));
    }

    #[test]
    fn key_changes_when_its_ids_are_spent_and_when_reseeded() {
        let ids = TracezipIdGenerator::new();
        let (first, _) = ids.keys_since(0).unwrap();
        assert!(ids.keys_since(first).is_none());
        for _ in 0..(1 << 20) {
            ids.new_span_id();
        }
        assert!(ids.keys_since(first).is_none());
        ids.new_span_id();
        let (second, keys) = ids.keys_since(first).unwrap();
        assert_eq!(keys.len(), 2);
        ids.reseed();
        let (third, keys) = ids.keys_since(second).unwrap();
        assert!(third > second && keys.len() == 3);
        ids.reseed();
        assert_eq!(ids.keys_since(third).unwrap().1.len(), 3);
    }

    #[test]
    fn fleet_keeps_its_key_and_changes_what_is_its_own() {
        let ids = TracezipIdGenerator::with_fleet_key(FLEET).unwrap();
        let (version, keys) = ids.keys_since(0).unwrap();
        let permutation = IdPermutation::new(&keys[0]);
        let part = || permutation.span_counter(ids.new_span_id().to_bytes()) >> 32;
        let before = part();
        ids.reseed();
        assert_ne!(before, part());
        assert!(
            ids.keys_since(version)
                .is_none_or(|(_, keys)| keys.len() == 1)
        );
    }

    #[test]
    fn text_that_is_no_fleet_key_is_refused_and_keys_are_not_shown() {
        for text in ["", "00", &FLEET[1..], &FLEET.replace('0', "g"), "ü"] {
            assert!(TracezipIdGenerator::with_fleet_key(text).is_err(), "{text}");
        }
        let shown = format!("{:?}", TracezipIdGenerator::with_fleet_key(FLEET).unwrap());
        assert!(
            !shown.contains("17") && !shown.contains("key: ["),
            "{shown}"
        );
    }

    /// Where in the memory that a core dump has the bytes are that, each with its bits turned, are `turned`.
    #[cfg(target_os = "linux")]
    fn in_a_core_dump(turned: &[u8]) -> Vec<String> {
        use std::io::{Read as _, Seek as _, SeekFrom};
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut memory = std::fs::File::open("/proc/self/mem").unwrap();
        let (mut found, mut range, mut bytes) = (Vec::new(), "", Vec::new());
        for line in maps.lines() {
            let first = line.split(' ').next().unwrap();
            if first.contains('-') {
                range = line;
            } else if let Some(flags) = line.strip_prefix("VmFlags:")
                && flags.contains("wr")
                && !flags.contains("dd")
            {
                let (start, end) = range.split(' ').next().unwrap().split_once('-').unwrap();
                let at = |hex| u64::from_str_radix(hex, 16).unwrap();
                memory.seek(SeekFrom::Start(at(start))).unwrap();
                bytes.resize((at(end) - at(start)) as usize, 0);
                // What cannot be read, or is not there any more, is in no dump either.
                if memory.read_exact(&mut bytes).is_err() {
                    continue;
                }
                let is_it = |window: &[u8]| window.iter().zip(turned).all(|(a, b)| *a == !b);
                // Most pages are empty.
                let pages = bytes.chunks(4096).filter(|page| *page != [0; 4096]);
                if pages.flat_map(|page| page.windows(turned.len())).any(is_it) {
                    found.push(range.to_owned());
                }
            }
        }
        found
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn fleet_key_of_a_generator_is_in_no_core_dump() {
        let turned: Vec<u8> = (0..16).map(|byte| !(byte * 7 + 0x31)).collect();
        let text: String = turned.iter().map(|byte| format!("{:02x}", !byte)).collect();
        let ids = TracezipIdGenerator::with_fleet_key(&format!("{text}{text}")).unwrap();
        ids.new_span_id();
        ids.reseed();
        ids.new_trace_id();
        assert_eq!(in_a_core_dump(&turned), [""; 0]);
        // It is one that would be found.
        let shown: Vec<u8> = turned.iter().map(|byte| !byte).collect();
        assert_ne!(in_a_core_dump(&turned), [""; 0], "{}", shown.len());
    }
}

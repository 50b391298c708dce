//! What is known of a record that is on its way, so that nobody on the way has to look at it.

use super::super::record::Record;
use super::super::weight;
use super::Contents;

/// The note of a record that has to be looked at.
pub(in super::super) const UNKNOWN: u64 = 0;

impl Contents {
    /// What the record of a span that has ended [weighs](Contents::weight), if it is sampled, and that is soon told;
    /// else it is [`UNKNOWN`].
    #[inline(always)]
    pub(in super::super) fn note(&self) -> u64 {
        if !self.is_sampled() || self.cold.is_some() {
            return UNKNOWN;
        }
        let has_more = self.attributes > 0;
        #[cfg(feature = "ebpf")]
        let has_more = has_more || self.has_done();
        let bytes = if has_more {
            self.weight()
        } else {
            size_of::<Record<Self>>() + weight::text(&self.name)
        };
        bytes as u64
    }
}

#[cfg(all(test, not(otel_enhance_loom)))]
mod tests {
    use opentelemetry::KeyValue;
    use opentelemetry::trace::{SpanId, SpanKind, TraceFlags, TraceId};
    use opentelemetry_sdk::trace::SpanLimits;

    use super::super::super::clock::Moment;
    use super::super::{Beginning, Rules};
    use super::*;
    use crate::span::Scope;

    fn begun(flags: TraceFlags) -> Contents {
        const MANY: u32 = 128;
        static RULES: Rules = Rules {
            limits: SpanLimits {
                max_events_per_span: MANY,
                max_attributes_per_span: MANY,
                max_links_per_span: MANY,
                max_attributes_per_event: MANY,
                max_attributes_per_link: MANY,
            },
            copies_texts: false,
        };
        let mut contents = Contents::vacant();
        let beginning = Beginning {
            hub: 1,
            trace_id: TraceId::from(7),
            span_id: SpanId::from(8),
            flags,
            parent_span_id: SpanId::INVALID,
            parent_is_remote: false,
            name: "noted".into(),
            kind: SpanKind::Internal,
            scope: Scope::NONE,
            rules: &RULES,
            is_dropped: false,
        };
        let now = Moment {
            wall: 1_700_000_000_000_000_000,
            monotonic: 5,
        };
        contents.begin(beginning, now);
        contents
    }

    #[test]
    fn note_of_a_span_without_a_cold_part_is_its_weight() {
        let mut contents = begun(TraceFlags::SAMPLED);
        for number in 0..=8 {
            assert_eq!(contents.note(), contents.weight() as u64);
            let before = contents.note();
            if number < 8 {
                contents.set_attribute(KeyValue::new("key", "v".repeat(number * 20)));
                assert!(contents.note() > before + number as u64 * 20);
            }
        }
        contents.set_name("n".repeat(500).into());
        assert_eq!(contents.note(), contents.weight() as u64);
        contents.set_attribute(KeyValue::new("the ninth", "has no room"));
        assert_eq!(contents.note(), UNKNOWN);
    }

    #[test]
    fn note_of_a_span_that_has_to_be_looked_at_says_so() {
        assert_eq!(begun(TraceFlags::NOT_SAMPLED).note(), UNKNOWN);
        let mut contents = begun(TraceFlags::SAMPLED);
        contents.add_event("event".into(), std::time::SystemTime::now(), Vec::new());
        assert_eq!(contents.note(), UNKNOWN);
    }
}

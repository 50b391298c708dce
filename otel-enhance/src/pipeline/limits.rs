//! Bounds of the queue and of a span.

use std::time::Duration;

use super::builder::EnhancedPipeline;

/// Batching.
impl EnhancedPipeline {
    /// Spans held before new ones are dropped and counted, 1 to 1,048,576. Environment:
    /// `OTEL_BSP_MAX_QUEUE_SIZE`. Default: 2048.
    pub fn with_max_queue_size(mut self, spans: usize) -> Self {
        self.overrides.max_queue_size = Some(spans);
        self
    }

    /// Spans in one export, 1 to the queue's size. Environment: `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`.
    /// Default: 512. A simple pipeline exports each span by itself.
    pub fn with_max_export_batch_size(mut self, spans: usize) -> Self {
        self.overrides.max_export_batch_size = Some(spans);
        self
    }

    /// The time between two exports of a queue that does not fill a batch. Environment:
    /// `OTEL_BSP_SCHEDULE_DELAY`, in milliseconds. Default: 5 s.
    pub fn with_scheduled_delay(mut self, delay: Duration) -> Self {
        self.overrides.scheduled_delay = Some(delay);
        self
    }

    /// What one export may take, whichever exporter does it. Environment: `OTEL_BSP_EXPORT_TIMEOUT`, in
    /// milliseconds. Default: 30 s.
    pub fn with_export_timeout(mut self, timeout: Duration) -> Self {
        self.overrides.export_timeout = Some(timeout);
        self
    }
}

/// Limits of a span. What exceeds a count is dropped and counted in the span.
impl EnhancedPipeline {
    /// Attributes of a span. Environment: `OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT`,
    /// `OTEL_ATTRIBUTE_COUNT_LIMIT`. Default: 128.
    pub fn with_max_attributes_per_span(mut self, attributes: u32) -> Self {
        self.overrides.attributes_per_span = Some(attributes);
        self
    }

    /// Events of a span. Environment: `OTEL_SPAN_EVENT_COUNT_LIMIT`. Default: 128.
    pub fn with_max_events_per_span(mut self, events: u32) -> Self {
        self.overrides.events_per_span = Some(events);
        self
    }

    /// Links of a span. Environment: `OTEL_SPAN_LINK_COUNT_LIMIT`. Default: 128.
    pub fn with_max_links_per_span(mut self, links: u32) -> Self {
        self.overrides.links_per_span = Some(links);
        self
    }

    /// Attributes of an event. Environment: `OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT`. Default: 128.
    pub fn with_max_attributes_per_event(mut self, attributes: u32) -> Self {
        self.overrides.attributes_per_event = Some(attributes);
        self
    }

    /// Attributes of a link. Environment: `OTEL_LINK_ATTRIBUTE_COUNT_LIMIT`. Default: 128.
    pub fn with_max_attributes_per_link(mut self, attributes: u32) -> Self {
        self.overrides.attributes_per_link = Some(attributes);
        self
    }

    /// Characters of a string value, in arrays too; longer ones are cut before the export.
    /// Environment: `OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT`, `OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT`.
    /// Default: no limit.
    pub fn with_max_attribute_value_length(mut self, characters: u32) -> Self {
        self.overrides.attribute_value_length = Some(characters);
        self
    }
}

//! The extension `performance` in the builder.

use super::builder::EnhancedPipeline;
#[cfg(feature = "performance")]
use super::slots::{Queue, Spans};
use crate::config::{DropPolicy, Tuning, UnsampledId};

/// The extension `performance`. In a build without the feature of this name the install of a pipeline
/// that asks for it fails with [`InitError::FeatureMissing`](crate::InitError::FeatureMissing).
impl EnhancedPipeline {
    /// Holds ended spans in a queue of ours instead of the official batch processor: bounded by spans
    /// and by bytes, with up to 8 exports at once, so that a slow receiver does not cut throughput. See
    /// `extensions::performance`.
    ///
    /// The queue holds 65,536 spans then and a batch 8192, unless `OTEL_BSP_*`,
    /// [`with_max_queue_size`](Self::with_max_queue_size) or
    /// [`with_max_export_batch_size`](Self::with_max_export_batch_size) say otherwise. The methods below
    /// imply this one.
    pub fn with_performance(mut self) -> Self {
        self.tuning();
        self
    }

    /// Bytes that spans may hold, those being exported included, 64 KiB to 64 GiB. A span counts with its
    /// bytes on the wire, uncompressed, and 16 more. Where processors see spans start, and where the
    /// exporter is another than OTLP over our transport, it counts with what it takes in memory or in OTLP,
    /// whichever is more, and each export under way may hold its batch in encoded form beside. Default:
    /// 64 MiB.
    pub fn with_max_queue_bytes(mut self, bytes: usize) -> Self {
        self.tuning().max_queue_bytes = Some(bytes);
        self
    }

    /// Bytes in one export, counted as in [`with_max_queue_bytes`](Self::with_max_queue_bytes); 4 KiB to
    /// 1 GiB, and at most half of the queue's. A single span that is larger is exported alone. Default:
    /// 3.5 MiB, because receivers take 4 MiB over gRPC, as a rule.
    pub fn with_max_export_batch_bytes(mut self, bytes: usize) -> Self {
        self.tuning().max_export_batch_bytes = Some(bytes);
        self
    }

    /// Exports that may run at once, 1 to 64. Default: 8; 1 for ordered exports, and for an exporter
    /// given in code, because the official trait promises its implementers not to be called concurrently.
    pub fn with_max_exports_in_flight(mut self, exports: usize) -> Self {
        self.tuning().max_exports_in_flight = Some(exports);
        self
    }

    /// What happens to a span that ends while the queue is full. Default: [`DropPolicy::Newest`].
    pub fn with_drop_policy(mut self, policy: DropPolicy) -> Self {
        self.tuning().drop_policy = policy;
        self
    }

    /// One export after the other, in the order in which the spans ended, for receivers that need it.
    /// Default: `false`, several at once.
    pub fn with_ordered_exports(mut self, ordered: bool) -> Self {
        self.tuning().ordered = ordered;
        self
    }

    /// Several receivers instead of the one of [`with_endpoint`](Self::with_endpoint): the URLs are as
    /// there, and of the two methods the last call holds. The receivers must be equal, for each span goes
    /// to one of them: to the one with the fewest requests under way, and where one fails, to another at
    /// once. A name with several addresses is several receivers by itself. Headers go to all of them.
    pub fn with_endpoints<U: Into<String>>(mut self, urls: impl IntoIterator<Item = U>) -> Self {
        self.tuning();
        self.overrides.endpoints = Some(urls.into_iter().map(Into::into).collect());
        self
    }

    /// The id of a span that is not recorded. Default: [`UnsampledId::New`], as the specification wants it.
    ///
    /// With [`UnsampledId::InheritParent`] a span that is not recorded under one that is not either costs
    /// next to nothing: the parent's span context stays the active one, in this process and in what is
    /// propagated to others. Logs and baggage see the parent's span id then.
    ///
    /// ```
    /// use otel_enhance::config::UnsampledId;
    /// use otel_enhance::pipeline::new_enhanced_pipeline;
    ///
    /// let pipeline = new_enhanced_pipeline()
    ///     .with_sampling_ratio(0.01)
    ///     .with_unsampled_id(UnsampledId::InheritParent);
    /// ```
    pub fn with_unsampled_id(mut self, id: UnsampledId) -> Self {
        self.tuning().unsampled = id;
        self
    }

    fn tuning(&mut self) -> &mut Tuning {
        #[cfg(feature = "performance")]
        {
            self.slots.queue = Queue::Pipelined;
            self.slots.spans = Spans::Records;
        }
        self.overrides.performance.get_or_insert_default()
    }
}

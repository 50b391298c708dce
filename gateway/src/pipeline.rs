//! From a request to its answer: bounded, given to every output, and answered by what they said.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use otel_enhance_receiver::{Handler, Outcome, Request};
use tokio::sync::Semaphore;

use crate::batch::Batch;
use crate::delivery::Delivery;
use crate::metrics::Metrics;
use crate::output::{Gauge, Output};
use crate::tenancy::Tenancy;

/// Takes requests from the receiver.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) outputs: Arc<[Output]>,
    pub(crate) tenancy: Arc<Tenancy>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) in_flight: Semaphore,
    pub(crate) retry_after: Duration,
}

impl Handler for Pipeline {
    async fn export(&self, mut request: Request) -> Outcome {
        self.metrics.received(
            request.head.transport,
            request.encoding,
            request.span_count(),
            request.wire_size,
            request.body.len(),
        );
        let Ok(_permit) = self.in_flight.try_acquire() else {
            self.metrics.busy.add(1);
            return Outcome::Busy {
                retry_after: self.retry_after,
            };
        };
        let _in_flight = Gauge::enter(&self.metrics.in_flight);
        // The doorkeeper has let nobody in who is unknown.
        let Some(tenant) = self.tenancy.of(&request.head) else {
            return Outcome::Unauthorized {
                message: "the token is not known".to_owned(),
            };
        };
        // The request stays here until it is answered: what it takes is charged to it.
        let batch = Batch::new(&mut request, tenant);
        let delivery = self.deliver(&batch).await;
        self.metrics.dropped(&delivery, batch.spans);
        delivery.into_outcome(self.retry_after)
    }
}

impl Pipeline {
    async fn deliver(&self, batch: &Batch) -> Delivery {
        if let [only] = &*self.outputs {
            return only.deliver(batch).await;
        }
        let all = self.outputs.iter().map(|output| output.deliver(batch));
        join_all(all)
            .await
            .into_iter()
            .fold(Delivery::Accepted, Delivery::combine)
    }
}

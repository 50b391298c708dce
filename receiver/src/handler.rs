//! Who gets the requests: the trait to implement, and its boxed form.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

use crate::outcome::Outcome;
use crate::request::Request;

/// A boxed future, as object-safe traits need it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Takes export requests. Any `async` closure or function of the right shape is one:
///
/// ```
/// use otel_enhance_receiver::{Outcome, Receiver, Request};
///
/// let builder = Receiver::builder()
///     .with_http("127.0.0.1:0")
///     .with_handler(|request: Request| async move {
///         match request.head.header("x-tenant") {
///             Some(_) => Outcome::Accepted,
///             None => Outcome::Unauthorized { message: "send an x-tenant header".into() },
///         }
///     });
/// # drop(builder);
/// ```
///
/// The answer goes out when the future is done, so whatever must be safe before the sender forgets
/// its spans happens inside it. If the sender goes away first, the future is dropped. A panic is
/// answered with 500 or `INTERNAL` and ends nothing else.
pub trait Handler: Send + Sync + 'static {
    /// Takes one request.
    fn export(&self, request: Request) -> impl Future<Output = Outcome> + Send;
}

impl<F, Fut> Handler for F
where
    F: Fn(Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Outcome> + Send,
{
    fn export(&self, request: Request) -> impl Future<Output = Outcome> + Send {
        self(request)
    }
}

/// [`Handler`] in a form that can be a trait object. Every handler is one.
pub trait DynHandler: Send + Sync + 'static {
    /// Takes one request.
    fn export_boxed<'a>(&'a self, request: Request) -> BoxFuture<'a, Outcome>;
}

impl<H: Handler> DynHandler for H {
    fn export_boxed<'a>(&'a self, request: Request) -> BoxFuture<'a, Outcome> {
        Box::pin(self.export(request))
    }
}

/// Runs foreign code, of which a panic must not take the connection along. `None` is a panic.
pub(crate) async fn guarded<'a, T>(make: impl FnOnce() -> BoxFuture<'a, T>) -> Option<T> {
    // The handler's state may be half changed after a panic; that is the handler's to mind, ours is
    // not touched.
    let mut future = catch_unwind(AssertUnwindSafe(make)).ok()?;
    std::future::poll_fn(move |context| {
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Some(value)),
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}

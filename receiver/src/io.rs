//! The byte stream under a connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A stream with or without TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// As many bytes tell HTTP/2 from HTTP/1; every request is longer.
const PREFACE: usize = 24;

/// Ends the connection of a client that does not even send a preface. hyper's own timeout for heads
/// begins later, when it knows which HTTP it speaks.
pub(crate) struct PrefaceDeadline {
    inner: Box<dyn Stream>,
    missing: usize,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl PrefaceDeadline {
    pub(crate) fn new(inner: Box<dyn Stream>, timeout: Duration) -> Self {
        Self {
            inner,
            missing: PREFACE,
            deadline: Some(Box::pin(sleep(timeout))),
        }
    }
}

impl AsyncRead for PrefaceDeadline {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        let Some(deadline) = &mut self.deadline else {
            return polled;
        };
        match polled {
            Poll::Ready(result) => {
                self.missing = self
                    .missing
                    .saturating_sub(buffer.filled().len().saturating_sub(before));
                if self.missing == 0 {
                    self.deadline = None;
                }
                Poll::Ready(result)
            }
            Poll::Pending => deadline.as_mut().poll(context).map(|()| {
                Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the client did not begin a request in time",
                ))
            }),
        }
    }
}

impl AsyncWrite for PrefaceDeadline {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

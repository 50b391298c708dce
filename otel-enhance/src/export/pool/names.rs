//! From a name to its addresses.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use futures_util::future::BoxFuture;

/// Looks names up.
pub(super) trait Names: Send + Sync + fmt::Debug {
    /// All addresses of `host`, with `port`; called with our runtime entered.
    fn look_up<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

/// As the system does, on a thread of its own, for its functions block.
#[derive(Debug)]
pub(super) struct System;

impl Names for System {
    fn look_up<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

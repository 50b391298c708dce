//! The accept loop of one listener.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::connection::{self, Security};
use crate::request::Transport;
use crate::service::{Counters, Shared};

/// How long to wait when the process is out of file descriptors: accepting again at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts and serves until `stop` turns true, then until the last connection has ended. Dropped
/// earlier, it cuts its connections.
pub(crate) async fn run(
    listener: TcpListener,
    transport: Transport,
    security: Security,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<bool>,
    open: watch::Sender<usize>,
) {
    let slots = Arc::new(Semaphore::new(shared.limits.max_connections));
    let mut connections = JoinSet::new();
    loop {
        // A slot first: whoever comes while all are taken waits in the listen queue.
        let slot = tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            Some(_) = connections.join_next() => {
                open.send_replace(connections.len());
                continue;
            }
            Ok(slot) = Arc::clone(&slots).acquire_owned() => slot,
        };
        let accepted = tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(_) => {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        Counters::add(&shared.counters.connections);
        let shared = Arc::clone(&shared);
        let security = security.clone();
        let stop = stop.clone();
        connections.spawn(async move {
            let _slot = slot;
            without_delay(&stream);
            if connection::serve(stream, peer, transport, security, &shared, stop)
                .await
                .is_err()
            {
                Counters::add(&shared.counters.failed_connections);
            }
        });
        open.send_replace(connections.len());
    }
    // The port is free from here on, while the connections finish.
    drop(listener);
    while connections.join_next().await.is_some() {
        open.send_replace(connections.len());
    }
}

/// Answers are one small write each: waiting to fill a packet would only delay them. A socket that
/// refuses the option works all the same.
fn without_delay(stream: &TcpStream) {
    stream.set_nodelay(true).ok();
}

/// Ready when the receiver stops, be it that its handle is gone.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    stop.wait_for(|stopping| *stopping).await.ok();
}

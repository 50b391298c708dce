//! A gateway that is killed and started again under load.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;

use crate::common::{
    PROTOBUF, bodies, client, destination, encoded, endpoint, gateway, http_url, metric, try_post,
};
use crate::program::Program;

#[tokio::test(flavor = "multi_thread")]
async fn gateway_killed_five_times_under_load_over_http_loses_nothing_that_was_acknowledged() {
    loses_nothing(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gateway_killed_five_times_under_load_over_grpc_loses_nothing_that_was_acknowledged() {
    loses_nothing(true).await;
}

async fn loses_nothing(grpc: bool) {
    let (receiver, store) = destination().await;
    let to = endpoint(&receiver, true);
    let (transport, scheme, off) = match grpc {
        false => ("http", "http", "grpc"),
        true => ("grpc", "grpc", "http"),
    };
    let start = |address: &str| {
        Program::start(&format!(
            "receivers: {{ {transport}: '{address}', {off}: off }}
outputs: [{{ otlp: {{ endpoint: '{to}' }} }}]
admin: {{ address: 127.0.0.1:0 }}"
        ))
    };
    let mut second = start("127.0.0.1:0");
    let address = second.address(transport).unwrap().to_string();
    let first = gateway(&format!(
        "outputs: [{{ tracezip: {{ endpoint: '{scheme}://{address}', timeout: 3s }} }}]"
    ))
    .await;

    let ended = Arc::new(AtomicBool::new(false));
    let next = Arc::new(AtomicU64::new(0));
    let senders: Vec<_> = (0..4)
        .map(|_| {
            let (url, ended, next) = (http_url(&first), Arc::clone(&ended), Arc::clone(&next));
            tokio::spawn(async move {
                let client = client();
                while !ended.load(Ordering::Relaxed) {
                    let body = encoded(next.fetch_add(1, Ordering::Relaxed), 20);
                    loop {
                        match try_post(&client, &url, PROTOBUF, &[], &body).await {
                            Ok(reply) if reply.status == 200 => break,
                            Ok(reply) => assert_eq!(reply.status, 503, "{reply:?}"),
                            Err(error) => panic!("{error}"),
                        }
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                }
            })
        })
        .collect();
    for _ in 0..5 {
        let before = store.requests().len();
        while store.requests().len() < before + 20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        second.kill();
        second = start(&address);
    }
    ended.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.await.unwrap();
    }

    let mut times: HashMap<Bytes, u64> = HashMap::new();
    for body in bodies(&store) {
        *times.entry(body).or_default() += 1;
    }
    let sent = next.load(Ordering::Relaxed);
    for number in 0..sent {
        assert!(
            times.contains_key(&encoded(number, 20)),
            "{number} of {sent} is lost"
        );
    }
    let duplicates: u64 = times.values().map(|times| times - 1).sum();
    let counted = metric(&first, "output_ambiguous_requests_total").await;
    assert!(
        duplicates <= counted,
        "{duplicates} duplicates, {counted} counted"
    );
}

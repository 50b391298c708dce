//! Tenants, and what they can learn of each other: nothing.

use std::sync::Arc;
use std::sync::Mutex;

use otel_enhance_receiver::{
    BoxFuture, Hook, RawReply, RawRequest, Receiver, RequestHead, Verdict,
};

use crate::common::{
    PROTOBUF, client, destination, endpoint, gateway, http_url, metric, request, try_post,
};
use crate::proxies::Proxy;
use prost::Message;

/// Writes down the sizes of what passes, by tenant, in order.
#[derive(Clone)]
struct Scales {
    proxy: Proxy,
    sizes: Arc<Mutex<Vec<(String, usize)>>>,
}

impl Hook for Scales {
    fn inspect<'a>(&'a self, head: &'a RequestHead) -> BoxFuture<'a, Verdict> {
        self.proxy.inspect(head)
    }

    fn handle<'a>(&'a self, request: RawRequest) -> BoxFuture<'a, RawReply> {
        let tenant = request.head.header("x-org").unwrap_or_default().to_owned();
        self.sizes
            .lock()
            .unwrap()
            .push((tenant, request.body.len()));
        self.proxy.handle(request)
    }
}

/// The sizes of what tenant `a` sends, alone or beside `b`, who sends the same and more.
async fn sizes_of_a(beside: bool) -> Vec<usize> {
    let (receiver, store) = destination().await;
    let to = endpoint(&receiver, true);
    let second = gateway(&format!("outputs: [{{ otlp: {{ endpoint: '{to}' }} }}]")).await;
    let sizes = Arc::new(Mutex::new(Vec::new()));
    let scales = Scales {
        proxy: Proxy::new(&[http_url(&second)]),
        sizes: Arc::clone(&sizes),
    };
    let scales = Receiver::builder()
        .with_http("127.0.0.1:0")
        .with_hook(scales)
        .start()
        .await
        .unwrap();
    let first = gateway(&format!(
        "auth: {{ tokens: [{{ token: for-a, tenant: a }}, {{ token: for-b, tenant: b }}] }}
outputs: [{{ tracezip: {{ endpoint: '{}', tenant_header: X-Org }} }}]",
        endpoint(&scales, false)
    ))
    .await;
    let client = client();
    let url = http_url(&first);
    let mut sent = 0;
    for number in 0..25 {
        for (token, service) in [("for-b", "shop"), ("for-b", "bank"), ("for-a", "shop")] {
            if token == "for-b" && !beside {
                continue;
            }
            let body = request(service, number, 20).encode_to_vec().into();
            let authorization = format!("Bearer {token}");
            let headers = [("authorization", &*authorization)];
            let reply = try_post(&client, &url, PROTOBUF, &headers, &body)
                .await
                .unwrap();
            assert_eq!(reply.status, 200);
            sent += 1;
        }
    }
    assert_eq!(store.requests().len(), sent);
    assert_eq!(
        metric(&first, "tracezip_streams").await,
        if beside { 2 } else { 1 }
    );
    let sizes = sizes.lock().unwrap();
    let of_a = sizes.iter().filter(|(tenant, _)| tenant == "a");
    of_a.map(|(_, size)| *size).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_of_a_tenant_are_the_same_whether_or_not_another_one_exists() {
    let (alone, beside) = (sizes_of_a(false).await, sizes_of_a(true).await);
    // Whoever is first asks whether tracezip is spoken: that is no part of a stream.
    let (alone, beside) = (&alone[alone.len() - 25..], &beside[beside.len() - 25..]);
    assert_eq!(alone, beside);
    assert!(alone.last() < alone.first());
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_beyond_the_bound_end_the_stream_that_was_not_used_for_the_longest_time() {
    let (receiver, store) = destination().await;
    let to = endpoint(&receiver, true);
    let second = gateway(&format!("outputs: [{{ otlp: {{ endpoint: '{to}' }} }}]")).await;
    let first = gateway(&format!(
        "tenant_header: X-Org
outputs: [{{ tracezip: {{ endpoint: '{}', max_streams: 4 }} }}]",
        http_url(&second)
    ))
    .await;
    let client = client();
    for number in 0..20 {
        let tenant = format!("tenant-{}", number % 10);
        let body = request("shop", number, 5).encode_to_vec().into();
        let headers = [("x-org", &*tenant)];
        let reply = try_post(&client, &http_url(&first), PROTOBUF, &headers, &body).await;
        assert_eq!(reply.unwrap().status, 200);
    }
    assert_eq!(store.requests().len(), 20);
    assert_eq!(metric(&first, "tracezip_streams").await, 4);
    assert_eq!(metric(&first, "tracezip_evicted_streams_total").await, 16);
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_whose_name_cannot_be_told_on_are_refused_and_not_made_nobody() {
    let (receiver, store) = destination().await;
    let gateway = gateway(&format!(
        "tenant_header: X-Org
outputs: [{{ otlp: {{ endpoint: '{}', tenant_header: X-Org }} }}]",
        endpoint(&receiver, false)
    ))
    .await;
    let client = client();
    let (long, longest) = ("x".repeat(129), "x".repeat(128));
    for (names, status) in [
        (&[][..], 200),
        (&["shop"], 200),
        (&[&longest], 200),
        (&[&long], 400),
        (&["caf\u{e9}"], 400),
        (&["shop", "bank"], 400),
    ] {
        let headers: Vec<_> = names.iter().map(|name| ("x-org", &**name)).collect();
        let body = request("shop", 1, 1).encode_to_vec().into();
        let reply = try_post(&client, &http_url(&gateway), PROTOBUF, &headers, &body).await;
        assert_eq!(reply.unwrap().status, status, "{names:?}");
    }
    assert_eq!(store.requests().len(), 3);
}

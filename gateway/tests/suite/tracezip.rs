//! Tracezip between two gateways, and whatever may be found in the place of the second.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use otel_enhance_gateway::Gateway;
use otel_enhance_receiver::{Encoding, Receiver, Store};

use crate::common::{
    PROTOBUF, bodies, client, destination, encoded, endpoint, gateway, http_url, metric,
    plain_destination, post, try_post,
};
use crate::proxies::{Proxy, YesMan, cutting};

/// A gateway that restores OTLP, and where it goes.
async fn restoring() -> (Gateway, Receiver, Store) {
    let (receiver, store) = destination().await;
    let to = endpoint(&receiver, true);
    let gateway = gateway(&format!(
        "outputs: [{{ otlp: {{ endpoint: '{to}', compression: none }} }}]"
    ))
    .await;
    (gateway, receiver, store)
}

/// A gateway that makes tracezip.
async fn compressing(to: &str) -> Gateway {
    gateway(&format!(
        "outputs: [{{ tracezip: {{ endpoint: '{to}', timeout: 5s, ask_again: 1h }} }}]"
    ))
    .await
}

async fn send(gateway: &Gateway, numbers: std::ops::Range<u64>) {
    let client = client();
    let url = http_url(gateway);
    for number in numbers {
        let reply = try_post(&client, &url, PROTOBUF, &[], &encoded(number, 30)).await;
        assert_eq!(reply.unwrap().status, 200);
    }
}

fn expected(numbers: std::ops::Range<u64>) -> Vec<Bytes> {
    numbers.map(|number| encoded(number, 30)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_restore_the_bytes_over_both_transports_and_save_most_of_them() {
    for grpc in [false, true] {
        let (second, _receiver, store) = restoring().await;
        let to = match grpc {
            false => http_url(&second),
            true => format!("grpc://{}", second.grpc_addr().unwrap()),
        };
        let first = compressing(&to).await;
        send(&first, 0..30).await;
        assert_eq!(bodies(&store), expected(0..30), "{to}");
        assert_eq!(metric(&first, "tracezip_spoken").await, 1);
        assert_eq!(metric(&first, "tracezip_frames_total").await, 30);
        assert_eq!(metric(&first, "tracezip_streams").await, 1);
        assert_eq!(metric(&first, "tracezip_fallbacks_total").await, 0);
        let (bytes, wire) = (
            metric(&first, "tracezip_framed_bytes_total").await,
            metric(&first, "tracezip_frame_bytes_total").await,
        );
        assert!(wire * 2 < bytes, "{wire} of {bytes}");
        assert_eq!(metric(&second, "tracezip_received_streams").await, 1);
        let format = if grpc { "grpc" } else { "http" };
        let name = format!("received_requests_total{{transport=\"{format}\",format=\"tracezip\"}}");
        assert_eq!(metric(&second, &name).await, 30);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn receiver_that_does_not_speak_tracezip_gets_otlp_with_zstd() {
    for grpc in [false, true] {
        let (receiver, store) = destination().await;
        let first = compressing(&endpoint(&receiver, grpc)).await;
        send(&first, 0..5).await;
        assert_eq!(bodies(&store), expected(0..5));
        let requests = store.requests();
        assert!(
            requests
                .iter()
                .all(|request| request.encoding == Encoding::Zstd)
        );
        assert_eq!(metric(&first, "tracezip_probes_total").await, 1);
        let fallbacks = metric(&first, "tracezip_fallbacks_total").await;
        assert_eq!(fallbacks, 5);
        assert_eq!(metric(&first, "tracezip_spoken").await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_answers_200_to_anything_gets_every_span_as_otlp() {
    let yes_man = YesMan::default();
    let receiver = plain_destination()
        .with_hook(yes_man.clone())
        .start()
        .await
        .unwrap();
    let first = compressing(&endpoint(&receiver, false)).await;
    send(&first, 0..5).await;
    let understood = yes_man.understood.lock().unwrap().clone();
    assert_eq!(understood, expected(0..5));
}

/// How a server that takes OTLP meets frames.
#[derive(Debug, Clone, Copy)]
enum Meets {
    Status(u16),
    /// It never answers.
    Silence,
}

/// A server that takes OTLP, and keeps it; what has the coding of frames it meets so from the beginning, or once it
/// is told to.
#[derive(Debug, Clone)]
struct Stranger {
    meets: Meets,
    frames: Arc<std::sync::atomic::AtomicU64>,
}

impl otel_enhance_receiver::Hook for Stranger {
    fn inspect<'a>(
        &'a self,
        head: &'a otel_enhance_receiver::RequestHead,
    ) -> otel_enhance_receiver::BoxFuture<'a, otel_enhance_receiver::Verdict> {
        use otel_enhance_receiver::{Refusal, Verdict};
        Box::pin(async move {
            if head.header("content-encoding") != Some("tracezip1") {
                return Verdict::Continue;
            }
            self.frames
                .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            match self.meets {
                Meets::Silence => std::future::pending().await,
                Meets::Status(status) => Verdict::Refuse(Refusal::from_http_status(
                    status.try_into().unwrap(),
                    "what is this?",
                )),
            }
        })
    }
}

const MEETINGS: [Meets; 7] = [
    Meets::Status(302),
    Meets::Status(403),
    Meets::Status(406),
    Meets::Status(413),
    Meets::Status(422),
    Meets::Status(500),
    Meets::Silence,
];

#[tokio::test(flavor = "multi_thread")]
async fn server_that_refuses_the_probe_for_whatever_reason_gets_every_span_as_otlp() {
    for meets in MEETINGS {
        let store = Store::new();
        let stranger = Stranger {
            meets,
            frames: Arc::default(),
        };
        let receiver = plain_destination()
            .with_handler(store.clone())
            .with_hook(stranger.clone())
            .start()
            .await
            .unwrap();
        let first = gateway(&format!(
            "outputs: [{{ tracezip: {{ endpoint: '{}', timeout: 2s }} }}]",
            endpoint(&receiver, false)
        ))
        .await;
        // An answer may have been lost: silence is not believed at once.
        let (probes, failures) = match meets {
            Meets::Status(_) => (1, 0),
            Meets::Silence => (3, 2),
        };
        assert_eq!(insist(&http_url(&first), 0..4, 1).await, failures);
        assert_eq!(bodies(&store), expected(0..4), "{meets:?}");
        let frames = stranger.frames.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(frames, probes, "{meets:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_in_the_gateways_place_that_refuses_frames_for_whatever_reason_gets_what_follows() {
    for meets in MEETINGS {
        let (second, _receiver, store) = restoring().await;
        let proxy = Proxy::new(&[http_url(&second)]).start().await;
        let address = proxy.http_addr().unwrap();
        let first = gateway(&format!(
            "outputs: [{{ tracezip: {{ endpoint: 'http://{address}', timeout: 1s }} }}]"
        ))
        .await;
        send(&first, 0..3).await;
        proxy.shutdown(Duration::from_secs(5)).await.ok();
        let follows = Store::new();
        let stranger = Stranger {
            meets,
            frames: Arc::default(),
        };
        let _stranger = Receiver::builder()
            .with_http(address.to_string())
            .with_handler(follows.clone())
            .with_hook(stranger)
            .start()
            .await
            .unwrap();
        insist(&http_url(&first), 3..8, 1).await;
        assert_eq!(bodies(&store), expected(0..3), "{meets:?}");
        assert_eq!(bodies(&follows), expected(3..8), "{meets:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_answers_200_to_anything_in_the_gateways_place_gets_what_follows() {
    // A proxy that changes its target in the middle.
    let (second, _receiver, store) = restoring().await;
    let yes_man = YesMan::default();
    let stranger = plain_destination()
        .with_hook(yes_man.clone())
        .start()
        .await
        .unwrap();
    let address = {
        let proxy = Proxy::new(&[http_url(&second)]).start().await;
        let address = proxy.http_addr().unwrap();
        let first = compressing(&format!("http://{address}")).await;
        send(&first, 0..5).await;
        proxy.shutdown(Duration::from_secs(5)).await.ok();
        (address, first)
    };
    let (address, first) = address;
    let mut proxy = Proxy::new(&[endpoint(&stranger, false)]);
    proxy.strips = (false, true);
    let _proxy = Receiver::builder()
        .with_http(address.to_string())
        .with_hook(proxy)
        .start()
        .await
        .unwrap();
    send(&first, 5..10).await;
    assert_eq!(bodies(&store), expected(0..5));
    assert_eq!(*yes_man.understood.lock().unwrap(), expected(5..10));
}

#[tokio::test(flavor = "multi_thread")]
async fn proxy_that_strips_headers_loses_nothing() {
    for strips in [(false, true), (true, false), (true, true)] {
        let (second, _receiver, store) = restoring().await;
        let mut proxy = Proxy::new(&[http_url(&second)]);
        proxy.strips = strips;
        let proxy = proxy.start().await;
        let first = compressing(&endpoint(&proxy, false)).await;
        send(&first, 0..5).await;
        assert_eq!(bodies(&store), expected(0..5), "{strips:?}");
        // Answers are in the body; without the request's headers nobody knows what it is.
        let spoken = metric(&first, "tracezip_spoken").await;
        assert_eq!(spoken, u64::from(!strips.0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gateway_that_was_restarted_says_so_and_gets_everything() {
    let (receiver, store) = destination().await;
    let to = endpoint(&receiver, true);
    let start = async |http: &str| {
        gateway(&format!(
            "receivers: {{ http: '{http}', grpc: off }}
outputs: [{{ otlp: {{ endpoint: '{to}' }} }}]"
        ))
        .await
    };
    let mut second = start("127.0.0.1:0").await;
    let address = second.http_addr().unwrap().to_string();
    let first = compressing(&format!("http://{address}")).await;
    for round in 0..4 {
        send(&first, round * 5..round * 5 + 5).await;
        second.shutdown(Duration::from_secs(5)).await.unwrap();
        second = start(&address).await;
    }
    send(&first, 20..25).await;
    assert_eq!(bodies(&store), expected(0..25));
    // Once it has met several receivers it refers only to what all of them hold, which is nothing lost.
    let losses = metric(&first, "tracezip_state_losses_total").await;
    assert!((1..=4).contains(&losses), "{losses}");
    assert_eq!(metric(&first, "tracezip_epochs_total").await, losses + 1);
    assert_eq!(metric(&first, "tracezip_fallbacks_total").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn receiver_that_forgets_all_the_time_gets_frames_that_stand_alone() {
    use otel_enhance_receiver::Tracezip;

    // Every receiver has room for one stream, and two senders meet it.
    let store = Store::new();
    let receiver = plain_destination()
        .with_handler(store.clone())
        .with_tracezip(Tracezip::default().with_max_state_bytes(1).with_shards(1))
        .start()
        .await
        .unwrap();
    let (a, b) = (
        compressing(&endpoint(&receiver, false)).await,
        compressing(&endpoint(&receiver, true)).await,
    );
    for number in 0..20 {
        send(&a, number..number + 1).await;
        send(&b, number..number + 1).await;
    }
    assert_eq!(store.requests().len(), 40);
    let alone = metric(&a, "tracezip_self_contained_frames_total").await;
    assert!(alone > 5, "{alone}");
    assert_eq!(metric(&a, "tracezip_fallbacks_total").await, 0);
    assert_eq!(metric(&a, "tracezip_state_losses_total").await, 3);
}

/// Sends each request until it is acknowledged, several at once, and returns how often any was not.
async fn insist(url: &str, numbers: std::ops::Range<u64>, at_once: usize) -> u64 {
    let url: Arc<str> = url.into();
    let slots = Arc::new(tokio::sync::Semaphore::new(at_once));
    let client = client();
    let mut tasks = Vec::new();
    for number in numbers {
        let (url, client) = (Arc::clone(&url), client.clone());
        let slot = Arc::clone(&slots).acquire_owned().await.unwrap();
        tasks.push(tokio::spawn(async move {
            let _slot = slot;
            let body = encoded(number, 30);
            for failures in 0..200 {
                let reply = try_post(&client, &url, PROTOBUF, &[], &body).await;
                match reply {
                    Ok(reply) if reply.status == 200 => return failures,
                    Ok(reply) => assert!(matches!(reply.status.as_u16(), 429 | 503), "{reply:?}"),
                    Err(_) => {}
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            panic!("never taken");
        }));
    }
    let mut failures = 0;
    for task in tasks {
        failures += task.await.unwrap();
    }
    failures
}

/// How often each body came beyond once; panics if one never did.
fn duplicates(stores: &[&Store], numbers: std::ops::Range<u64>) -> u64 {
    let mut times: HashMap<Bytes, u64> = HashMap::new();
    for store in stores {
        for body in bodies(store) {
            *times.entry(body).or_default() += 1;
        }
    }
    let mut duplicates = 0;
    for (number, body) in numbers.clone().zip(expected(numbers)) {
        let came = times.remove(&body).unwrap_or(0);
        assert!(came > 0, "request {number} is lost");
        duplicates += came - 1;
    }
    assert!(times.is_empty(), "something came that was never sent");
    duplicates
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_behind_a_round_robin_proxy_get_everything_once() {
    let (a, _receiver_a, store_a) = restoring().await;
    let (b, _receiver_b, store_b) = restoring().await;
    let proxy = Proxy::new(&[http_url(&a), http_url(&b)]).start().await;
    let first = compressing(&endpoint(&proxy, false)).await;
    insist(&http_url(&first), 0..120, 8).await;
    assert_eq!(duplicates(&[&store_a, &store_b], 0..120), 0);
    assert!(store_a.requests().len() > 20 && store_b.requests().len() > 20);
    assert_eq!(metric(&first, "tracezip_fallbacks_total").await, 0);
    assert_counted(&first, 0, 0).await;
}

const AMBIGUOUS: &str = "output_ambiguous_requests_total";

/// So many duplicates are counted, and no more than were made, or could have been: by harm done to requests, by
/// state that got lost, which a frame's second coming would look like, and by what was sent again.
async fn assert_counted(first: &Gateway, duplicates: u64, harm: u64) {
    let counted = metric(first, AMBIGUOUS).await;
    let losses = metric(first, "tracezip_state_losses_total").await;
    let resent = metric(first, "tracezip_resent_frames_total").await;
    assert!(
        duplicates <= counted && counted <= harm + losses + resent,
        "{duplicates} duplicates, {counted} counted; {harm} harmed, {losses} losses of state, {resent} sent again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn proxy_that_repeats_and_delays_makes_no_more_duplicates_than_are_counted() {
    let (second, _receiver, store) = restoring().await;
    let mut proxy = Proxy::new(&[http_url(&second)]);
    proxy.repeats = 3;
    proxy.delays = Duration::from_millis(40);
    let harmed = Arc::clone(&proxy.harmed);
    let proxy = proxy.start().await;
    let first = compressing(&endpoint(&proxy, false)).await;
    insist(&http_url(&first), 0..100, 8).await;
    // A repetition that comes so late that its state is gone looks as if it had not been delivered.
    let duplicates = duplicates(&[&store], 0..100);
    assert_counted(&first, duplicates, harmed.load(Ordering::Relaxed)).await;
    assert!(metric(&second, "tracezip_received_repeated_frames_total").await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn proxy_that_loses_answers_makes_no_more_duplicates_than_are_counted() {
    let (second, _receiver, store) = restoring().await;
    let mut proxy = Proxy::new(&[http_url(&second)]);
    proxy.loses = 5;
    proxy.delays = Duration::from_millis(10);
    let harmed = Arc::clone(&proxy.harmed);
    let proxy = proxy.start().await;
    let first = compressing(&endpoint(&proxy, false)).await;
    let failures = insist(&http_url(&first), 0..100, 8).await;
    let duplicates = duplicates(&[&store], 0..100);
    assert!(failures > 0);
    assert_counted(&first, duplicates, harmed.load(Ordering::Relaxed)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn proxy_that_drops_repeats_delays_and_distributes_makes_no_more_duplicates_than_are_counted()
{
    let (a, _receiver_a, store_a) = restoring().await;
    let (b, _receiver_b, store_b) = restoring().await;
    let mut proxy = Proxy::new(&[http_url(&a), http_url(&b)]);
    proxy.drops = 7;
    proxy.repeats = 3;
    proxy.loses = 5;
    proxy.delays = Duration::from_millis(20);
    let harmed = Arc::clone(&proxy.harmed);
    let proxy = proxy.start().await;
    let first = compressing(&endpoint(&proxy, false)).await;
    let failures = insist(&http_url(&first), 0..120, 8).await;
    let duplicates = duplicates(&[&store_a, &store_b], 0..120);
    assert!(failures > 0);
    assert_counted(&first, duplicates, harmed.load(Ordering::Relaxed)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_destination_is_passed_on_and_the_state_goes_on() {
    use otel_enhance_receiver::{Outcome, Request};

    let store = Store::new();
    let calls = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let receiver = {
        let store = store.clone();
        plain_destination()
            .with_handler(move |request: Request| {
                let (store, call) = (store.clone(), calls.fetch_add(1, Ordering::Relaxed));
                async move {
                    if call % 3 == 1 {
                        return Outcome::Busy {
                            retry_after: Duration::from_secs(9),
                        };
                    }
                    otel_enhance_receiver::DynHandler::export_boxed(&store, request).await
                }
            })
            .start()
            .await
            .unwrap()
    };
    let to = endpoint(&receiver, true);
    let second = gateway(&format!("outputs: [{{ otlp: {{ endpoint: '{to}' }} }}]")).await;
    let first = compressing(&http_url(&second)).await;
    send(&first, 0..1).await;
    let reply = post(&http_url(&first), PROTOBUF, &[], &encoded(1, 30)).await;
    assert_eq!(
        (reply.status.as_u16(), &reply.headers["retry-after"]),
        (429, &"9".parse().unwrap())
    );
    insist(&http_url(&first), 1..20, 1).await;
    assert_eq!(bodies(&store), expected(0..20));
    assert_eq!(metric(&first, "tracezip_state_losses_total").await, 0);
    assert_eq!(metric(&first, "tracezip_fallbacks_total").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_cut_in_the_middle_of_answers_lose_nothing() {
    for grpc in [false, true] {
        let (second, _receiver, store) = restoring().await;
        let to = match grpc {
            false => second.http_addr().unwrap(),
            true => second.grpc_addr().unwrap(),
        };
        let proxy = cutting(to, 1000).await;
        let scheme = if grpc { "grpc" } else { "http" };
        let first = compressing(&format!("{scheme}://{proxy}")).await;
        let failures = insist(&http_url(&first), 0..80, 6).await;
        assert_counted(&first, duplicates(&[&store], 0..80), failures).await;
        assert!(metric(&first, "tracezip_resent_frames_total").await > 0);
    }
}

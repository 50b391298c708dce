use otel_enhance::{enhanced_trace, testing};

use std::net::Ipv4Addr;

const REGION: &str = "eu";

#[enhanced_trace(name = "fields", fields(
    user.id = id,
    total = %format_args!("{:.2}", total),
    peer = ?peer,
    "odd key" = id * 2,
    region = REGION,
    missing = None::<&str>,
    present = Some(1.5),
    tags = ["a", "b"],
    id,
    %peer.is_loopback,
))]
fn fields(id: u32, total: f64, peer: Peer) {
    let _ = peer;
}

#[derive(Debug)]
struct Peer {
    is_loopback: bool,
    #[expect(dead_code, reason = "it is seen in the Debug form")]
    address: Ipv4Addr,
}

pub(crate) fn main() {
    let capture = testing::capture();
    let peer = Peer {
        is_loopback: true,
        address: Ipv4Addr::LOCALHOST,
    };
    fields(1, 2.5, peer);
    capture
        .assert_span("fields")
        .has("user.id", 1)
        .has("total", "2.50")
        .has("peer", "Peer { is_loopback: true, address: 127.0.0.1 }")
        .has("odd key", 2)
        .has("region", "eu")
        .has("present", 1.5)
        .has("id", 1)
        .has("peer.is_loopback", "true")
        .lacks("missing");
}

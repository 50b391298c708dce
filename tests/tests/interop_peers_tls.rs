//! The Collector over TLS: whom it lets in, and who can trust it.
#![cfg(feature = "peers")]
#![expect(
    clippy::unwrap_used,
    reason = "the hands of these tests fail with them"
)]

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use otel_enhance_tests::certificates::Certificates;
use otel_enhance_tests::peers::Collector;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// Sends an empty request over TLS; the status line of the answer.
fn post_over_tls(
    collector: &Collector,
    authority: &Path,
    client: Option<(&Path, &Path)>,
) -> io::Result<String> {
    let address = collector.http_endpoint().replace("https://", "");
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(authority).unwrap())
        .unwrap();
    let config =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
    let config = match client {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = vec![CertificateDer::from_pem_file(certificate).unwrap()];
            config
                .with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap())
                .unwrap()
        }
    };
    let connection =
        ClientConnection::new(Arc::new(config), "127.0.0.1".try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(&address)?);
    write!(
        stream,
        "POST /v1/traces HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n"
    )?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(line)
}

#[test]
fn collector_with_tls_serves_those_who_trust_its_authority() {
    let (ours, others) = (Certificates::generate(), Certificates::generate());
    let collector = Collector::builder()
        .with_tls(&ours.server(), &ours.server_key())
        .start();
    assert!(collector.http_endpoint().starts_with("https://"));
    assert_eq!(
        post_over_tls(&collector, &ours.authority(), None).unwrap(),
        "HTTP/1.1 200 OK\r\n"
    );
    let error = post_over_tls(&collector, &others.authority(), None)
        .unwrap_err()
        .to_string();
    assert!(error.contains("invalid peer certificate"), "{error}");
}

#[test]
fn collector_with_mutual_tls_serves_known_clients_alone() {
    let (ours, others) = (Certificates::generate(), Certificates::generate());
    let collector = Collector::builder()
        .with_mutual_tls(&ours.server(), &ours.server_key(), &ours.authority())
        .start();
    let known = post_over_tls(
        &collector,
        &ours.authority(),
        Some((&ours.client(), &ours.client_key())),
    );
    assert_eq!(known.unwrap(), "HTTP/1.1 200 OK\r\n");
    post_over_tls(&collector, &ours.authority(), None).expect_err("a client without a certificate");
    post_over_tls(
        &collector,
        &ours.authority(),
        Some((&others.client(), &others.client_key())),
    )
    .expect_err("a client that somebody else vouches for");
}

//! TLS and mTLS, in and out.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::common::{
    PATIENCE, PROTOBUF, bodies, encoded, gateway, http_url, metric, plain_destination, post,
};
use otel_enhance_gateway::{Config, check};
use otel_enhance_receiver::{ServerTls, Store};

struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    /// An authority, a server at 127.0.0.1, and a client.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let write = |name: &str, text: String| {
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        write("ca.pem", authority.pem());
        for (name, subject) in [("server", "127.0.0.1"), ("client", "client.example")] {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![subject.to_owned()]).unwrap();
            let certificate = params.signed_by(&key, &authority).unwrap();
            write(&format!("{name}.pem"), certificate.pem());
            write(&format!("{name}.key"), key.serialize_pem());
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn output_by_tls_needs_the_authority_and_by_mtls_the_clients_certificate_too() {
    let certificates = Certificates::new();
    let store = Store::new();
    let tls = ServerTls::from_pem(
        &certificates.read("server.pem"),
        &certificates.read("server.key"),
    )
    .unwrap()
    .with_client_ca(&certificates.read("ca.pem"))
    .unwrap();
    let receiver = plain_destination()
        .with_handler(store.clone())
        .with_tls(tls)
        .start()
        .await
        .unwrap();
    let trust = format!("ca_file: '{}'", certificates.path("ca.pem"));
    let identity = format!(
        "cert_file: '{}', key_file: '{}'",
        certificates.path("client.pem"),
        certificates.path("client.key")
    );
    let mut sent = Vec::new();
    for to in [
        receiver.http_endpoint().unwrap(),
        receiver.grpc_endpoint().unwrap().replace("https", "grpcs"),
    ] {
        for (tls, works) in [
            (identity.clone(), false),
            (trust.clone(), false),
            (format!("{trust}, {identity}"), true),
            (
                format!("{trust}, {identity}, server_name: other.example"),
                false,
            ),
        ] {
            let gateway = gateway(&format!(
                "outputs: [{{ otlp: {{ endpoint: '{to}', tls: {{ {tls} }} }} }}]"
            ))
            .await;
            let body = encoded(crate::common::next(), 2);
            let reply = post(&http_url(&gateway), PROTOBUF, &[], &body).await;
            assert_eq!(
                reply.status,
                if works { 200 } else { 503 },
                "{to} {tls} {reply:?}"
            );
            if works {
                sent.push(body);
            }
            gateway.shutdown(PATIENCE).await.unwrap();
        }
    }
    assert_eq!(bodies(&store), sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn tracezip_by_mtls_between_two_gateways_restores_the_bytes() {
    let certificates = Certificates::new();
    let store = Store::new();
    let receiver = plain_destination()
        .with_handler(store.clone())
        .start()
        .await
        .unwrap();
    let second = gateway(&format!(
        "receivers:
  http: 127.0.0.1:0
  grpc: 127.0.0.1:0
  tls: {{ cert_file: '{}', key_file: '{}', client_ca_file: '{}' }}
outputs: [{{ otlp: {{ endpoint: '{}' }} }}]",
        certificates.path("server.pem"),
        certificates.path("server.key"),
        certificates.path("ca.pem"),
        receiver.http_endpoint().unwrap()
    ))
    .await;
    let mut sent = Vec::new();
    for to in [
        format!("https://{}", second.http_addr().unwrap()),
        format!("grpcs://{}", second.grpc_addr().unwrap()),
    ] {
        let first = gateway(&format!(
            "outputs: [{{ tracezip: {{ endpoint: '{to}', tls: {{
                ca_file: '{}', cert_file: '{}', key_file: '{}' }} }} }}]",
            certificates.path("ca.pem"),
            certificates.path("client.pem"),
            certificates.path("client.key")
        ))
        .await;
        for _ in 0..3 {
            let body = encoded(crate::common::next(), 20);
            assert_eq!(
                post(&http_url(&first), PROTOBUF, &[], &body).await.status,
                200
            );
            sent.push(body);
        }
        assert_eq!(metric(&first, "tracezip_frames_total").await, 3);
    }
    assert_eq!(bodies(&store), sent);
}

#[test]
fn key_of_another_certificate_is_found_by_the_check() {
    let certificates = Certificates::new();
    let (chain, key) = (
        certificates.path("server.pem"),
        certificates.path("client.key"),
    );
    for yaml in [
        format!("receivers: {{ tls: {{ cert_file: '{chain}', key_file: '{key}' }} }}"),
        format!(
            "outputs:
- file: {{ path: a }}
- otlp: {{ endpoint: https://far, tls: {{ cert_file: '{chain}', key_file: '{key}' }} }}"
        ),
    ] {
        let config = Config::from_yaml(&yaml).unwrap();
        let refused = check(&config).unwrap_err().to_string();
        assert!(refused.contains("KeyMismatch"), "{refused}");
        assert_eq!(
            refused.contains("outputs[1]"),
            yaml.contains("outputs"),
            "{refused}"
        );
    }
}

//! TLS and mTLS on both transports.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::common::{PROTOBUF, Program, Reply, connect, encoded, exchange, request};
use otel_enhance_receiver::proto::collector::trace::v1::trace_service_client::TraceServiceClient;
use otel_enhance_receiver::{BlockingReceiver, Receiver, ServerTls, StartError, Store, TlsError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

/// An authority and what it signs, in PEM.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for `name` and its key.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()])
            .unwrap()
            .signed_by(&key, &self.0)
            .unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

fn serve(tls: ServerTls, store: &Store) -> BlockingReceiver {
    Receiver::builder()
        .with_http("127.0.0.1:0")
        .with_grpc("127.0.0.1:0")
        .with_tls(tls)
        .with_handler(store.clone())
        .start_blocking()
        .unwrap()
}

/// One HTTP request over TLS; the error is the handshake's, or of the first read after it.
fn https(
    address: SocketAddr,
    ca: &str,
    identity: Option<&(String, String)>,
) -> Result<Reply, String> {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => builder
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap(),
    };
    let mut connection =
        rustls::ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let mut socket = connect(address);
    while connection.is_handshaking() {
        connection
            .complete_io(&mut socket)
            .map_err(|error| error.to_string())?;
    }
    let mut stream = rustls::StreamOwned::new(connection, socket);
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        exchange(&mut stream, "POST", "/v1/traces", &[PROTOBUF], &encoded(1))
    }))
    .map_err(|_| "the server closed the connection".to_owned())
}

async fn grpcs(
    address: SocketAddr,
    ca: &str,
    identity: Option<&(String, String)>,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(ca))
        .domain_name("localhost");
    if let Some((certificate, key)) = identity {
        tls = tls.identity(Identity::from_pem(certificate, key));
    }
    let channel = Endpoint::from_shared(format!("https://{address}"))?
        .tls_config(tls)?
        .connect()
        .await?;
    TraceServiceClient::new(channel).export(request(1)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_serves_both_transports_and_refuses_plain_text() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("localhost");
    let tls = ServerTls::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    let store = Store::new();
    let receiver = serve(tls, &store);
    let (http, grpc) = (receiver.http_addr().unwrap(), receiver.grpc_addr().unwrap());
    assert_eq!(receiver.http_endpoint(), Some(&*format!("https://{http}")));
    assert_eq!(https(http, &authority.pem(), None).unwrap().status, 200);
    grpcs(grpc, &authority.pem(), None).await.unwrap();
    assert_eq!(store.span_count(), 2);
    assert!(
        store
            .requests()
            .iter()
            .all(|request| request.head.encrypted)
    );
    assert!(store.requests()[0].head.client_certificates.is_empty());

    let stranger = Authority::new();
    assert!(https(http, &stranger.pem(), None).is_err());
    assert!(grpcs(grpc, &stranger.pem(), None).await.is_err());

    let mut plain = connect(http);
    let answer = std::panic::catch_unwind(move || {
        exchange(&mut plain, "POST", "/v1/traces", &[PROTOBUF], b"").status
    });
    assert!(answer.is_err());
    assert_eq!(store.span_count(), 2);
    assert_eq!(https(http, &authority.pem(), None).unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn mtls_demands_a_certificate_of_its_authority_and_shows_it_to_handlers() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let (certificate, key) = servers.sign("localhost");
    let tls = ServerTls::from_pem(certificate.as_bytes(), key.as_bytes())
        .unwrap()
        .with_client_ca(clients.pem().as_bytes())
        .unwrap();
    let store = Store::new();
    let receiver = serve(tls, &store);
    let (http, grpc) = (receiver.http_addr().unwrap(), receiver.grpc_addr().unwrap());

    let stranger = Authority::new().sign("client");
    for identity in [None, Some(&stranger)] {
        assert!(https(http, &servers.pem(), identity).is_err());
        assert!(grpcs(grpc, &servers.pem(), identity).await.is_err());
    }
    assert_eq!(store.span_count(), 0);

    let client = clients.sign("client");
    assert_eq!(
        https(http, &servers.pem(), Some(&client)).unwrap().status,
        200
    );
    grpcs(grpc, &servers.pem(), Some(&client)).await.unwrap();
    let expected = CertificateDer::from_pem_slice(client.0.as_bytes()).unwrap();
    for request in store.requests() {
        assert_eq!(request.head.client_certificates[0], *expected);
    }
    assert_eq!(store.span_count(), 2);
}

#[test]
fn unusable_certificates_are_errors_that_say_which() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("localhost");
    let error = ServerTls::from_pem(b"nothing", key.as_bytes()).unwrap_err();
    assert!(matches!(error, TlsError::Empty { .. }));
    assert!(error.to_string().contains("server certificate"), "{error}");
    let error = ServerTls::from_pem(certificate.as_bytes(), b"nothing").unwrap_err();
    assert!(error.to_string().contains("server key"), "{error}");
    let good = || ServerTls::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
    let error = good().with_client_ca(b"").unwrap_err();
    assert!(error.to_string().contains("client CA"), "{error}");

    let (_, other_key) = authority.sign("localhost");
    let mismatch = ServerTls::from_pem(certificate.as_bytes(), other_key.as_bytes()).unwrap();
    let error = Receiver::builder()
        .with_http("127.0.0.1:0")
        .with_tls(mismatch)
        .start_blocking()
        .unwrap_err();
    assert!(
        matches!(error, StartError::Tls(TlsError::Rustls(_))),
        "{error}"
    );
}

#[test]
fn program_serves_tls_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let (certificate, key) = authority.sign("localhost");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (certificate, key) = (write("cert", &certificate), write("key", &key));
    let ca = write("ca", &authority.pem());
    let program = Program::start(&[
        "--tls-cert",
        &certificate,
        "--tls-key",
        &key,
        "--client-ca",
        &ca,
    ]);
    assert!(https(program.http, &authority.pem(), None).is_err());
    let client = authority.sign("client");
    let reply = https(program.http, &authority.pem(), Some(&client)).unwrap();
    assert_eq!(reply.status, 200);
}

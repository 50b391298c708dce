//! TLS and mTLS, over HTTP and over gRPC, with certificates made for the occasion.

use std::path::PathBuf;

use otel_enhance_receiver::ServerTls;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use super::super::testing::receiver::Scripted;
use super::super::testing::{Pipeline, otlp, span};
use super::*;
use crate::config::{OtlpSettings, Protocol};
use crate::export::{DeliveryReport, DropReason, Writing, otlp_sink};

/// An authority and a folder for what it signs.
struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { folder, issuer }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Certificate and key, both PEM, for these names.
    fn sign(&self, names: &[&str]) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn server(&self) -> ServerTls {
        let (certificate, key) = self.sign(&["127.0.0.1", "localhost"]);
        ServerTls::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap()
    }

    fn mutual(&self) -> ServerTls {
        let ca = self.issuer.pem();
        self.server().with_client_ca(ca.as_bytes()).unwrap()
    }

    /// Writes a client's certificate and key, and points `tls` at them.
    fn client(&self, tls: &mut TlsSettings) {
        let (certificate, key) = self.sign(&["client"]);
        fs::write(self.path("client.pem"), certificate).unwrap();
        fs::write(self.path("client.key"), key).unwrap();
        tls.client_certificate_file = Some(self.path("client.pem"));
        tls.client_key_file = Some(self.path("client.key"));
    }

    fn trusted(&self) -> TlsSettings {
        TlsSettings {
            ca_file: Some(self.path("ca.pem")),
            ..TlsSettings::default()
        }
    }
}

/// The same destination by both protocols.
fn destinations(receiver: &Scripted, tls: &TlsSettings) -> [OtlpSettings; 2] {
    [Protocol::HttpProtobuf, Protocol::Grpc].map(|protocol| {
        let mut settings = otlp(protocol, &receiver.endpoint(protocol));
        settings.tls = tls.clone();
        settings.timeout = Duration::from_secs(2);
        settings
    })
}

fn export(settings: &OtlpSettings) -> (DeliveryReport, Vec<String>) {
    let pipeline = Pipeline::new();
    let sink = otlp_sink(settings, &Writing::default(), &pipeline.shared).unwrap();
    let exporter = pipeline.erase(sink, Duration::from_secs(20));
    pipeline.export(&exporter, vec![span("s"); 2]);
    (pipeline.report(), pipeline.said())
}

#[test]
fn export_over_tls_with_the_authority_arrives_encrypted() {
    let authority = Authority::new();
    let receiver = Scripted::start([], Some(authority.server()));
    for settings in destinations(&receiver, &authority.trusted()) {
        let (report, said) = export(&settings);
        assert_eq!(report.exported, 2, "{settings:?}: {said:?}");
    }
    assert_eq!(
        receiver.seen(|request| request.head.encrypted),
        [true, true]
    );
}

#[test]
fn export_over_mutual_tls_shows_the_clients_certificate() {
    let authority = Authority::new();
    let receiver = Scripted::start([], Some(authority.mutual()));
    let mut tls = authority.trusted();
    authority.client(&mut tls);
    for settings in destinations(&receiver, &tls) {
        let (report, said) = export(&settings);
        assert_eq!(report.exported, 2, "{settings:?}: {said:?}");
    }
    let shown = receiver.seen(|request| request.head.client_certificates.len());
    assert_eq!(shown, [1, 1]);
}

#[test]
fn export_without_the_certificate_that_is_demanded_is_dropped_for_credentials() {
    let authority = Authority::new();
    let receiver = Scripted::start([], Some(authority.mutual()));
    for settings in destinations(&receiver, &authority.trusted()) {
        let (report, said) = export(&settings);
        assert_eq!(
            report.dropped(DropReason::Credentials),
            2,
            "{report:?} {said:?}"
        );
    }
    assert!(receiver.seen(|_| ()).is_empty());
}

#[test]
fn export_to_a_server_of_another_authority_sends_nothing() {
    let authority = Authority::new();
    let receiver = Scripted::start([], Some(authority.server()));
    for settings in destinations(&receiver, &Authority::new().trusted()) {
        let (report, said) = export(&settings);
        // The files of the other authority are gone with it: not even the system's roots are tried.
        assert_eq!(
            report.dropped(DropReason::Credentials),
            2,
            "{report:?} {said:?}"
        );
    }
    let stranger = Authority::new();
    for settings in destinations(&receiver, &stranger.trusted()) {
        let (report, said) = export(&settings);
        assert_eq!(
            report.dropped(DropReason::Credentials),
            2,
            "{report:?} {said:?}"
        );
        assert!(said[0].contains("invalid peer certificate"), "{said:?}");
    }
    assert!(receiver.seen(|_| ()).is_empty());
}

#[test]
fn export_with_unusable_files_is_held_back_and_names_the_file() {
    let authority = Authority::new();
    let receiver = Scripted::start([], Some(authority.server()));
    fs::write(authority.path("empty.pem"), "nothing in PEM\n").unwrap();
    let mut no_key = authority.trusted();
    authority.client(&mut no_key);
    no_key.client_key_file = None;
    let mut wrong_key = authority.trusted();
    authority.client(&mut wrong_key);
    wrong_key.client_key_file = Some(authority.path("other.key"));
    fs::write(authority.path("other.key"), authority.sign(&["x"]).1).unwrap();
    let ca = |name: &str| TlsSettings {
        ca_file: Some(authority.path(name)),
        ..TlsSettings::default()
    };
    for (tls, named) in [
        (ca("absent.pem"), "absent.pem"),
        (ca("empty.pem"), "empty.pem"),
        (no_key, "client.pem"),
        (wrong_key, "other.key"),
    ] {
        for mut settings in destinations(&receiver, &tls) {
            settings.timeout = Duration::from_millis(200);
            let (report, said) = export(&settings);
            assert_eq!(
                report.dropped(DropReason::Credentials),
                2,
                "{report:?} {said:?}"
            );
            assert!(said[0].contains(named), "{named}: {said:?}");
        }
    }
    assert!(receiver.seen(|_| ()).is_empty());
}

#[test]
fn export_held_back_is_delivered_once_the_file_is_there() {
    let authority = Authority::new();
    let receiver = Scripted::start([], Some(authority.server()));
    for (index, mut settings) in destinations(&receiver, &authority.trusted())
        .into_iter()
        .enumerate()
    {
        let late = authority.path(&format!("late-{index}.pem"));
        settings.tls.ca_file = Some(late.clone());
        settings.timeout = Duration::from_secs(10);
        let (from, to) = (authority.path("ca.pem"), late);
        let writer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            fs::copy(from, to).unwrap();
        });
        let (report, said) = export(&settings);
        writer.join().unwrap();
        assert_eq!(report.exported, 2, "{report:?} {said:?}");
        assert_eq!(report.ambiguous_retries, 0);
    }
}

#[test]
fn credentials_whose_file_changes_are_read_anew() {
    let authority = Authority::new();
    let credentials = Credentials::new(&authority.trusted(), b"http/1.1");
    let first = credentials.current().unwrap();
    assert!(Arc::ptr_eq(&first, &credentials.current().unwrap()));
    fs::write(authority.path("ca.pem"), "torn").unwrap();
    std::thread::sleep(LOOK_EVERY);
    // A file that cannot be read any more is no reason to go on with what it held.
    credentials.current().unwrap_err();
}

#[test]
fn unusable_files_are_a_diagnostic_and_usable_ones_are_none() {
    use crate::config::{Diagnostics, Env, Overrides, resolve};
    let authority = Authority::new();
    let diagnose = |name: &str| {
        let overrides = Overrides {
            endpoints: Some(vec!["https://localhost:4318".to_owned()]),
            tls: TlsSettings {
                ca_file: Some(authority.path(name)),
                ..TlsSettings::default()
            },
            ..Overrides::default()
        };
        let (settings, _) = resolve(overrides, &Env::process()).unwrap();
        let mut diagnostics = Diagnostics::default();
        crate::export::diagnose(&settings, &mut diagnostics);
        diagnostics
    };
    assert_eq!(diagnose("ca.pem").as_slice(), []);
    let found = diagnose("absent.pem");
    let [one] = found.as_slice() else {
        panic!("one diagnostic expected: {found:?}");
    };
    assert_eq!(one.name, "tls");
    assert!(one.content.contains("absent.pem"), "{one}");
}

//! Certificates for the TLS tests: an authority made for one test, and what it signed.
#![expect(
    clippy::expect_used,
    reason = "a test that cannot have certificates has failed"
)]

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use tempfile::TempDir;

/// PEM files of an authority, a server on loopback and a client, in a folder that goes with it.
#[derive(Debug)]
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// A new authority, which nothing on this machine trusts.
    ///
    /// # Panics
    ///
    /// If the files cannot be written.
    pub fn generate() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("certificates-")
            .tempdir()
            .expect("a temporary folder");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "otel-enhance test authority");
        let key = KeyPair::generate().expect("a key pair");
        let authority = CertifiedIssuer::self_signed(params, key)
            .expect("the authority's parameters are valid");
        write(&folder, "ca.pem", &authority.pem());

        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        sign(
            &folder,
            &authority,
            "server",
            names,
            ExtendedKeyUsagePurpose::ServerAuth,
        );
        sign(
            &folder,
            &authority,
            "client",
            vec!["client".to_owned()],
            ExtendedKeyUsagePurpose::ClientAuth,
        );
        Self { folder }
    }

    /// The authority's certificate: what a peer must trust to trust the other side.
    pub fn authority(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// The server's certificate, for `localhost` and `127.0.0.1`.
    pub fn server(&self) -> PathBuf {
        self.path("server.pem")
    }

    /// The server's private key.
    pub fn server_key(&self) -> PathBuf {
        self.path("server.key")
    }

    /// The client's certificate, for mutual TLS.
    pub fn client(&self) -> PathBuf {
        self.path("client.pem")
    }

    /// The client's private key.
    pub fn client_key(&self) -> PathBuf {
        self.path("client.key")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn sign(
    folder: &TempDir,
    authority: &CertifiedIssuer<'_, KeyPair>,
    who: &str,
    names: Vec<String>,
    usage: ExtendedKeyUsagePurpose,
) {
    let mut params = CertificateParams::new(names).expect("the names are valid");
    params.extended_key_usages = vec![usage];
    params.distinguished_name.push(DnType::CommonName, who);
    let key = KeyPair::generate().expect("a key pair");
    let certificate = params
        .signed_by(&key, authority)
        .expect("the authority can sign");
    write(folder, &format!("{who}.pem"), &certificate.pem());
    write(folder, &format!("{who}.key"), &key.serialize_pem());
}

fn write(folder: &TempDir, name: &str, pem: &str) {
    let path: &Path = folder.path();
    std::fs::write(path.join(name), pem).expect("the folder can be written");
}

//! Leaves that name files which are read with the configuration, so that its errors know the place.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::de::{Deserialize, Deserializer, Error};

use super::value::{FilePath, Secret};

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))
}

macro_rules! pem_files {
    ($($(#[$doc:meta])* $name:ident holds $what:literal by $check:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(pub Vec<u8>);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let path = FilePath::deserialize(deserializer)?.0;
                let pem = read(&path).map_err(D::Error::custom)?;
                let check: fn(&[u8]) -> bool = $check;
                if !check(&pem) {
                    let path = path.display();
                    return Err(D::Error::custom(format!("`{path}` holds no {}", $what)));
                }
                Ok(Self(pem))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )*};
}

pem_files! {
    /// Certificates in PEM.
    Certificates holds "certificate in PEM (a block `BEGIN CERTIFICATE`)"
        by |pem| certificates(pem).is_some();
    /// A private key in PEM.
    PrivateKey holds "private key in PEM (a block `BEGIN PRIVATE KEY`, `BEGIN RSA PRIVATE KEY` or `BEGIN EC PRIVATE KEY`)"
        by |pem| PrivateKeyDer::from_pem_slice(pem).is_ok();
}

fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|found| !found.is_empty())
}

impl Certificates {
    /// The certificates, in order.
    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        certificates(&self.0).unwrap_or_default()
    }

    /// As authorities.
    pub(crate) fn roots(&self) -> Result<RootCertStore, rustls::Error> {
        let mut roots = RootCertStore::empty();
        for certificate in self.chain() {
            roots.add(certificate)?;
        }
        Ok(roots)
    }
}

impl PrivateKey {
    pub(crate) fn key(&self) -> Option<PrivateKeyDer<'static>> {
        PrivateKeyDer::from_pem_slice(&self.0).ok()
    }
}

/// A secret in a file of its own, without the line's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile(pub Secret);

impl<'de> Deserialize<'de> for SecretFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = FilePath::deserialize(deserializer)?.0;
        let bytes = read(&path).map_err(D::Error::custom)?;
        let secret = String::from_utf8(bytes)
            .ok()
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty());
        let path = path.display();
        secret
            .map(|secret| Self(Secret(secret)))
            .ok_or_else(|| D::Error::custom(format!("`{path}` holds no text")))
    }
}

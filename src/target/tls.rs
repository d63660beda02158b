//! TLS of the target from PEM files, for trying it out by hand.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use thiserror::Error;

/// Where the target's identity is, and whom it lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM file of the certificate, followed by those between it and a root.
    pub certificate: PathBuf,
    /// PEM file of its private key: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
    /// PEM file of the roots that clients' certificates must come from; without it clients need
    /// none.
    pub client_ca: Option<PathBuf>,
}

/// The files do not make a TLS server.
#[derive(Debug, Error)]
pub enum TlsFilesError {
    /// A file cannot be read, or holds something else.
    #[error("cannot read {what} in {}", path.display())]
    File {
        /// What was looked for.
        what: &'static str,
        /// File that was named.
        path: PathBuf,
        /// What is wrong with it.
        source: PemError,
    },
    /// A file of certificates holds none.
    #[error("there is no PEM certificate in {}", path.display())]
    NoCertificate {
        /// File that was named.
        path: PathBuf,
    },
    /// Key and certificate do not belong together, or are of a kind that is not known.
    #[error(
        "the key in {} cannot be used with the certificate in {}",
        key.display(),
        certificate.display()
    )]
    Identity {
        /// File of the certificate.
        certificate: PathBuf,
        /// File of the key.
        key: PathBuf,
        /// What the library said.
        source: rustls::Error,
    },
    /// The roots of the clients cannot be used.
    #[error("the certificates in {} cannot check those of clients", path.display())]
    ClientCa {
        /// File that was named.
        path: PathBuf,
        /// What the library said.
        source: rustls::Error,
    },
    /// Clients cannot be checked at all.
    #[error("cannot check the certificates of clients")]
    ClientVerifier(#[source] VerifierBuilderError),
    /// The library refused its own defaults.
    #[error("cannot set up TLS")]
    Setup(#[source] rustls::Error),
}

impl TlsFiles {
    /// Reads the files.
    ///
    /// # Errors
    /// When one cannot be read or they do not fit together.
    pub fn load(&self) -> Result<ServerConfig, TlsFilesError> {
        let chain = certificates(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(file_error("a private key", &self.key))?;
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsFilesError::Setup)?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => builder.with_client_cert_verifier(client_verifier(path)?),
        };
        builder.with_single_cert(chain, key).map_err(|source| TlsFilesError::Identity {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            source,
        })
    }
}

fn client_verifier(path: &Path) -> Result<Arc<dyn ClientCertVerifier>, TlsFilesError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        let unusable = |source| TlsFilesError::ClientCa { path: path.to_owned(), source };
        roots.add(certificate).map_err(unusable)?;
    }
    let provider = Arc::new(ring::default_provider());
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(TlsFilesError::ClientVerifier)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFilesError> {
    let chain = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(file_error("certificates", path))?;
    if chain.is_empty() {
        Err(TlsFilesError::NoCertificate { path: path.to_owned() })
    } else {
        Ok(chain)
    }
}

fn file_error(what: &'static str, path: &Path) -> impl FnOnce(PemError) -> TlsFilesError {
    let path = path.to_owned();
    move |source| TlsFilesError::File { what, path, source }
}

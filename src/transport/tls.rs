//! TLS on the client's side: roots, name, and the option to trust anybody.

use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;

use openload_contract::Outcome;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::Failure;
use crate::plan::TlsPlan;

/// TLS could not be set up.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The file of roots cannot be read.
    #[error("cannot read the certificates in {path}: {cause}")]
    Roots {
        /// File named in the profile.
        path: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The name to check is not a host name.
    #[error("`{name}` is not a name a certificate can hold")]
    Name {
        /// Name of the host or of `server_name`.
        name: String,
    },
    /// The library refused its own defaults.
    #[error("cannot set up TLS: {0}")]
    Setup(#[from] rustls::Error),
}

/// Makes TLS sessions to one host.
pub(super) struct TlsConnector {
    connector: tokio_rustls::TlsConnector,
    name: ServerName<'static>,
}

impl TlsConnector {
    pub fn new(plan: &TlsPlan, host: &str) -> Result<Self, TlsError> {
        let name = plan.server_name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| TlsError::Name { name: name.to_owned() })?;
        let mut config = client_config(plan)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { connector: tokio_rustls::TlsConnector::from(Arc::new(config)), name })
    }

    pub async fn handshake(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, Failure> {
        self.connector.connect(self.name.clone(), stream).await.map_err(|error| {
            let mut failure = Failure::new(Outcome::ConnectError, &error);
            failure.cause = format!("TLS handshake failed: {}", failure.cause);
            failure
        })
    }
}

fn client_config(plan: &TlsPlan) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    Ok(if plan.insecure {
        let verifier = Arc::new(TrustAnybody(provider));
        builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
    } else {
        builder.with_root_certificates(roots(plan)?).with_no_client_auth()
    })
}

/// The system's roots, or a bundled set where the system has none, and those of the profile.
fn roots(plan: &TlsPlan) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let Some(path) = &plan.ca else { return Ok(roots) };
    let unreadable = |cause: String| TlsError::Roots { path: path.display().to_string(), cause };
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let mut added = 0;
    for certificate in CertificateDer::pem_reader_iter(BufReader::new(file)) {
        let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
        added += 1;
    }
    if added == 0 { Err(unreadable("no PEM certificate in it".to_owned())) } else { Ok(roots) }
}

/// Accepts any certificate: `insecure = true`.
#[derive(Debug)]
struct TrustAnybody(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustAnybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

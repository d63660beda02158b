//! TLS on the client's side: roots, names, the client's certificate, and what is spoken
//! inside.
//!
//! Everything that can be wrong with files and names is found when a [`TlsConnector`] is made,
//! before the run. What a server thinks of the client's certificate is known only when it has
//! seen it; under TLS 1.3 that is after the handshake, with the first bytes that are read
//! ([`with_advice`]).
//!
//! Sessions are resumed the way rustls does unless told otherwise: each worker remembers the
//! tickets of its target, and a further connection saves the server the key exchange's
//! signature when the server allows it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use openload_contract::Outcome;
use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct,
    RootCertStore, SignatureScheme,
};
use thiserror::Error;
use tokio::net::TcpStream;

use super::Failure;
use super::connect::{Connected, Stream};
use crate::plan::{Protocol, TlsPlan};

/// TLS could not be set up.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file of certificates cannot be read.
    #[error("cannot read the certificates in {path}: {cause}")]
    Certificates {
        /// File named in the profile.
        path: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The file of the client's key cannot be read.
    #[error("cannot read the private key in {path}: {cause}")]
    Key {
        /// File named in the profile.
        path: String,
        /// What is wrong with it.
        cause: String,
    },
    /// Certificate and key of the client cannot be used together.
    #[error("the private key in {key} does not go with the certificate in {certificate}: {cause}")]
    Pair {
        /// File of the certificate.
        certificate: String,
        /// File of the key.
        key: String,
        /// What the library found.
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
    protocol: Protocol,
}

impl TlsConnector {
    pub fn new(plan: &TlsPlan, protocol: Protocol, host: &str) -> Result<Self, TlsError> {
        let name = plan.server_name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| TlsError::Name { name: name.to_owned() })?;
        let mut config = client_config(plan)?;
        config.alpn_protocols = offered(protocol).iter().map(|name| name.to_vec()).collect();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        Ok(Self { connector, name, protocol })
    }

    pub async fn handshake(&self, stream: TcpStream) -> Result<Connected, Failure> {
        let stream = self
            .connector
            .connect(self.name.clone(), stream)
            .await
            .map_err(|error| self.refused(error))?;
        let chosen = stream.get_ref().1.alpn_protocol();
        let is_http2 = chosen == Some(HTTP2);
        if self.protocol == Protocol::Http2 && !is_http2 {
            return Err(self.without_http2());
        }
        Ok(Connected { stream: Stream::Tls(Box::new(stream)), is_http2 })
    }

    fn refused(&self, error: io::Error) -> Failure {
        if self.protocol == Protocol::Http2
            && alert(&error) == Some(AlertDescription::NoApplicationProtocol)
        {
            return self.without_http2();
        }
        let mut failure = Failure::new(Outcome::ConnectError, &with_advice(error));
        failure.cause = format!("TLS handshake failed: {}", failure.cause);
        failure
    }

    fn without_http2(&self) -> Failure {
        Failure {
            outcome: Outcome::ConnectError,
            cause: "the server does not choose HTTP/2 (h2) when it is offered over TLS; write \
                    protocol = \"http1\" or \"auto\""
                .to_owned(),
        }
    }
}

const HTTP1: &[u8] = b"http/1.1";
const HTTP2: &[u8] = b"h2";

/// What the server may choose from (ALPN), the best first.
fn offered(protocol: Protocol) -> &'static [&'static [u8]] {
    match protocol {
        Protocol::Http1 => &[HTTP1],
        Protocol::Http2 => &[HTTP2],
        Protocol::Auto => &[HTTP2, HTTP1],
    }
}

fn client_config(plan: &TlsPlan) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = if plan.insecure {
        let verifier = Arc::new(TrustAnybody(provider));
        builder.dangerous().with_custom_certificate_verifier(verifier)
    } else {
        builder.with_root_certificates(roots(plan)?)
    };
    match (&plan.certificate, &plan.key) {
        (Some(certificate), Some(key)) => with_certificate(builder, certificate, key),
        _ => Ok(builder.with_no_client_auth()),
    }
}

/// The system's roots, or a bundled set where the system has none, and those of the profile.
fn roots(plan: &TlsPlan) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let Some(path) = &plan.ca else { return Ok(roots) };
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| TlsError::Certificates {
            path: path.display().to_string(),
            cause: error.to_string(),
        })?;
    }
    Ok(roots)
}

/// The client's certificate, its chain behind it, and its key.
fn with_certificate(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    certificate: &Path,
    key: &Path,
) -> Result<ClientConfig, TlsError> {
    let chain = certificates(certificate)?;
    builder.with_client_auth_cert(chain, private_key(key)?).map_err(|error| TlsError::Pair {
        certificate: certificate.display().to_string(),
        key: key.display().to_string(),
        cause: error.to_string(),
    })
}

/// Reads the certificates of a PEM file; there is at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable =
        |cause: String| TlsError::Certificates { path: path.display().to_string(), cause };
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match found {
        Ok(found) if found.is_empty() => Err(unreadable("no PEM certificate in it".to_owned())),
        Ok(found) => Ok(found),
        Err(error) => Err(unreadable(told(&error))),
    }
}

/// Reads the first private key of a PEM file.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| TlsError::Key {
        path: path.display().to_string(),
        cause: match error {
            pem::Error::NoItemsFound => "no unencrypted PEM key in it (`BEGIN PRIVATE KEY`, \
                `RSA PRIVATE KEY` or `EC PRIVATE KEY`); `openssl pkey` decrypts one"
                .to_owned(),
            error => told(&error),
        },
    })
}

/// The library says "I/O error: " before what the system says.
fn told(error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        error => error.to_string(),
    }
}

/// The library's error inside one of a TLS stream.
fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// What the server refused with.
fn alert(error: &io::Error) -> Option<AlertDescription> {
    match rustls_error(error)? {
        rustls::Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

/// Adds what to do to an error of a TLS stream, where that is known.
pub(super) fn with_advice(error: io::Error) -> io::Error {
    match rustls_error(&error).and_then(advice) {
        Some(advice) => io::Error::new(error.kind(), format!("{error}; {advice}")),
        None => error,
    }
}

fn advice(error: &rustls::Error) -> Option<&'static str> {
    use AlertDescription as Alert;
    match error {
        rustls::Error::AlertReceived(Alert::CertificateRequired) => Some(
            "the server asks for a client certificate: name its PEM files with `certificate` and \
             `key` of connection.tls",
        ),
        // A server has no other certificate to judge than the client's.
        rustls::Error::AlertReceived(
            Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError,
        ) => Some(
            "the server does not accept the client certificate (`certificate` of connection.tls)",
        ),
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            Some("name the root that signed the server's certificate with `ca` of connection.tls")
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => Some("`server_name` of connection.tls asks for another name"),
        _ => None,
    }
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

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use rcgen::{CertificateParams, CertifiedIssuer, CertifiedKey, IsCa, KeyPair};
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
    use rustls::server::WebPkiClientVerifier;
    use rustls::{RootCertStore, ServerConfig};
    use tempfile::TempDir;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::{Connected, Failure, HTTP1, HTTP2, TlsConnector};
    use crate::plan::{Protocol, TlsPlan};

    fn server(alpn: &[&[u8]], clients: Option<&CertificateDer<'static>>) -> ServerConfig {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(ca) => {
                let mut roots = RootCertStore::empty();
                roots.add(ca.clone()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let mut config = builder.with_single_cert(vec![cert.der().clone()], key).unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        config
    }

    /// Makes one connection to a server, which sends a byte when it has found nothing wrong.
    async fn connect(
        server: ServerConfig,
        plan: &TlsPlan,
        protocol: Protocol,
    ) -> Result<Connected, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(mut stream) = acceptor.accept(stream).await {
                // A client that does not like the choice is gone.
                let _ = stream.write_all(b"!").await;
                let _ = stream.read(&mut [0]).await;
            }
        });
        let connector = TlsConnector::new(plan, protocol, "localhost").unwrap();
        connector.handshake(TcpStream::connect(address).await.unwrap()).await
    }

    fn trusting() -> TlsPlan {
        TlsPlan { insecure: true, ..TlsPlan::default() }
    }

    #[tokio::test]
    async fn what_is_spoken_is_agreed_in_the_handshake() {
        let (h1, h2) = (HTTP1, HTTP2);
        /// What the client asks for, what the server has, what comes of it.
        type Case<'a> = (Protocol, &'a [&'a [u8]], Result<bool, &'a str>);
        let known: [Case<'_>; 12] = [
            (Protocol::Http1, &[], Ok(false)),
            (Protocol::Http1, &[h1], Ok(false)),
            (Protocol::Http1, &[h2, h1], Ok(false)),
            (Protocol::Http1, &[h2], Err("TLS handshake failed")),
            (Protocol::Http2, &[h2, h1], Ok(true)),
            (Protocol::Http2, &[], Err("does not choose HTTP/2")),
            (Protocol::Http2, &[h1], Err("does not choose HTTP/2")),
            (Protocol::Auto, &[], Ok(false)),
            (Protocol::Auto, &[h1], Ok(false)),
            (Protocol::Auto, &[h2], Ok(true)),
            // The server's order counts.
            (Protocol::Auto, &[h2, h1], Ok(true)),
            (Protocol::Auto, &[h1, h2], Ok(false)),
        ];
        for (protocol, alpn, expected) in known {
            let connected = connect(server(alpn, None), &trusting(), protocol).await;
            let found = connected.map(|one| one.is_http2);
            match (expected, found) {
                (Ok(expected), Ok(found)) => assert_eq!(found, expected, "{protocol:?} {alpn:?}"),
                (Err(part), Err(failure)) => assert!(failure.cause.contains(part), "{failure}"),
                (_, found) => panic!("{protocol:?} {alpn:?}: {found:?}"),
            }
        }
    }

    /// An authority of clients, and the files of one that it has signed.
    struct Clients {
        dir: TempDir,
        ca: CertificateDer<'static>,
    }

    impl Clients {
        fn new() -> Self {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            let issuer =
                CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec!["client".to_owned()]).unwrap();
            let certificate = params.signed_by(&key, &issuer).unwrap();
            let clients = Self { dir: tempfile::tempdir().unwrap(), ca: issuer.der().clone() };
            std::fs::write(clients.certificate(), certificate.pem()).unwrap();
            std::fs::write(clients.key(), key.serialize_pem()).unwrap();
            clients
        }

        fn certificate(&self) -> PathBuf {
            self.dir.path().join("client.pem")
        }

        fn key(&self) -> PathBuf {
            self.dir.path().join("client-key.pem")
        }

        fn plan(&self) -> TlsPlan {
            showing(&self.certificate(), &self.key())
        }
    }

    fn showing(certificate: &Path, key: &Path) -> TlsPlan {
        let (certificate, key) = (Some(certificate.to_owned()), Some(key.to_owned()));
        TlsPlan { certificate, key, ..trusting() }
    }

    #[tokio::test]
    async fn a_client_shows_its_certificate() {
        let clients = Clients::new();
        let server = server(&[], Some(&clients.ca));
        let mut connected = connect(server, &clients.plan(), Protocol::Http1).await.unwrap();
        assert_eq!(connected.stream.read_u8().await.unwrap(), b'!');
    }

    #[tokio::test]
    async fn a_missing_or_wrong_client_certificate_is_said() {
        let (clients, others) = (Clients::new(), Clients::new());
        let known = [
            (trusting(), "the server asks for a client certificate"),
            // Of an authority that has the same name, and of one that has not.
            (others.plan(), "the server does not accept the client certificate"),
            (
                showing(&fixture("ec.pem"), &fixture("ec-sec1-key.pem")),
                "the server does not accept the client certificate",
            ),
        ];
        for (plan, expected) in known {
            let server = server(&[], Some(&clients.ca));
            let mut connected = connect(server, &plan, Protocol::Http1).await.unwrap();
            let error = connected.stream.read_u8().await.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
    }

    fn refused(plan: &TlsPlan) -> String {
        let made = TlsConnector::new(plan, Protocol::Http1, "localhost");
        made.err().expect("the plan is wrong").to_string()
    }

    #[test]
    fn keys_are_read_in_every_usual_format() {
        for (certificate, key) in [("rsa.pem", "rsa-pkcs1-key.pem"), ("ec.pem", "ec-sec1-key.pem")]
        {
            let plan = showing(&fixture(certificate), &fixture(key));
            TlsConnector::new(&plan, Protocol::Auto, "localhost").unwrap();
        }
        let pkcs8 = Clients::new();
        TlsConnector::new(&pkcs8.plan(), Protocol::Http2, "localhost").unwrap();
    }

    #[test]
    fn files_that_cannot_be_used_are_named() {
        let (certificate, key) = (fixture("ec.pem"), fixture("ec-sec1-key.pem"));
        let missing = fixture("none.pem");
        let known = [
            (showing(&missing, &key), "cannot read the certificates in", "none.pem"),
            (showing(&key, &key), "no PEM certificate", "ec-sec1-key.pem"),
            (showing(&certificate, &missing), "cannot read the private key in", "none.pem"),
            (showing(&certificate, &certificate), "no unencrypted PEM key", "ec.pem"),
            (showing(&fixture("rsa.pem"), &key), "does not go with", "rsa.pem"),
            (
                TlsPlan { ca: Some(missing.clone()), ..TlsPlan::default() },
                "cannot read the certificates in",
                "none.pem",
            ),
        ];
        for (plan, cause, file) in known {
            let message = refused(&plan);
            assert!(message.contains(cause) && message.contains(file), "{message}");
        }
    }
}

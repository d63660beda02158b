//! Opening a byte stream to the target, with TLS when it is asked for.
//!
//! A [`Connector`] belongs to one worker. It takes the target's addresses in turn
//! ([`Rotation`]), those of this machine too ([`Sources`]), and says of what it opened which
//! version of HTTP is spoken there. What goes wrong becomes a [`Failure`] that names the
//! limit that was met and what to do: its text must not vary from connection to connection,
//! because equal causes are counted together.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use openload_contract::Outcome;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::rotation::Rotation;
use super::source::{Refusal, Sources};
use super::tls::{self, TlsConnector, TlsError};
use super::{Address, Failure};
use crate::clock::Epoch;
use crate::os;
use crate::plan::{ConnectionPlan, Protocol};

/// A byte stream to the target.
#[derive(Debug)]
pub(super) enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// TLS over TCP. Boxed, because its state is a thousand bytes and more.
    Tls(Box<TlsStream<TcpStream>>),
    /// A Unix socket.
    Unix(os::UnixStream),
}

/// A byte stream, and what is spoken over it.
#[derive(Debug)]
pub(super) struct Connected {
    pub stream: Stream,
    /// HTTP/2, chosen by the server or known beforehand; else HTTP/1.1.
    pub is_http2: bool,
}

/// Opens byte streams to one address.
pub struct Connector {
    address: Address,
    tls: Option<TlsConnector>,
    /// Whether HTTP/2 is spoken where nobody is asked, without TLS.
    is_http2_known: bool,
    rotation: Rotation,
    sources: Sources,
    /// From when times aside are counted.
    epoch: Epoch,
}

impl Connector {
    /// Prepares connections to `address`; `tls_host` is the name to check over TLS.
    ///
    /// # Errors
    /// When the TLS options cannot be used.
    pub fn new(
        address: Address,
        tls_host: Option<&str>,
        plan: &ConnectionPlan,
    ) -> Result<Self, TlsError> {
        let connector = |host| TlsConnector::new(&plan.tls, plan.protocol, host);
        Ok(Self {
            address,
            tls: tls_host.map(connector).transpose()?,
            is_http2_known: plan.protocol == Protocol::Http2,
            rotation: Rotation::default(),
            sources: Sources::new(&plan.source_addresses),
            epoch: Epoch::now(),
        })
    }

    /// Makes one connection and closes it without sending anything. Tells whether the target
    /// speaks HTTP/2 on it.
    pub(crate) async fn probe(&self) -> Result<bool, Failure> {
        self.connect().await.map(|connected| connected.is_http2)
    }

    /// Opens a byte stream.
    pub(super) async fn connect(&self) -> Result<Connected, Failure> {
        let is_http2 = self.is_http2_known;
        let stream = match &self.address {
            Address::Unix(path) => {
                let connected = os::connect_unix(path).await;
                Stream::Unix(connected.map_err(|error| refused_unix(path, &error))?)
            }
            Address::Tcp(host) => {
                let stream = self.connect_any(&host.addresses()?).await?;
                match &self.tls {
                    None => Stream::Tcp(stream),
                    Some(tls) => return tls.handshake(stream).await,
                }
            }
        };
        Ok(Connected { stream, is_http2 })
    }

    /// Tries the host's addresses in turn until one answers.
    async fn connect_any(&self, addresses: &[SocketAddr]) -> Result<TcpStream, Failure> {
        let mut failure = None;
        for address in self.rotation.order(addresses, self.epoch.elapsed_ns()) {
            if !self.sources.reach(address) {
                continue;
            }
            let attempt = self.rotation.attempt(address, self.epoch.elapsed_ns());
            match self.sources.connect(address).await {
                Ok(stream) => {
                    attempt.answered();
                    // Refused only by a stream that is broken already, which shows when it
                    // is used.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(refusal) => {
                    if is_ours(&refusal) {
                        attempt.answered();
                    }
                    failure = Some(refused(address, &refusal));
                }
            }
        }
        Err(failure.unwrap_or_else(|| {
            connect_error(
                "none of the target's addresses is of the family of source_addresses".to_owned(),
            )
        }))
    }
}

/// Tells whether it is this machine that lacks something, and not the target.
fn is_ours(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Source(..) | Refusal::Ports => true,
        Refusal::Target(error) => os::is_out_of_files(error),
    }
}

fn connect_error(cause: String) -> Failure {
    Failure { outcome: Outcome::ConnectError, cause }
}

fn refused(target: SocketAddr, refusal: &Refusal) -> Failure {
    connect_error(match refusal {
        Refusal::Ports => without_ports(target, os::local_ports().len()),
        Refusal::Source(source, error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
            format!("{source} of source_addresses is no address of this machine")
        }
        Refusal::Source(source, error) => format!("cannot connect from {source}: {}", told(error)),
        Refusal::Target(error) => format!("cannot connect to {target}: {}", told(error)),
    })
}

fn refused_unix(path: &Path, error: &io::Error) -> Failure {
    connect_error(format!("cannot connect to {}: {}", path.display(), told(error)))
}

fn without_ports(target: SocketAddr, ports: usize) -> String {
    let count = if ports > 0 { format!("all {ports} of an address") } else { "all".to_owned() };
    format!(
        "no local port left for {target}: {count} are in use or wait out their last connection \
         (net.ipv4.ip_local_port_range); name more source_addresses, or keep connections \
         (policy = \"pool\", max_connections)"
    )
}

/// An error of the system, with what to do where that is known.
fn told(error: &io::Error) -> String {
    if !os::is_out_of_files(error) {
        return error.to_string();
    }
    let limit = match os::open_files_limit() {
        Some(limit) => format!(" of {limit}"),
        None => String::new(),
    };
    format!(
        "the limit{limit} open files is reached (ulimit -n); raise it, or lower max_connections \
         or max_in_flight"
    )
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => {
                Pin::new(stream).poll_read(context, buffer).map_err(tls::with_advice)
            }
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
            Self::Unix(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use tokio::net::TcpListener;

    use super::{Connector, Stream, without_ports};
    use crate::plan::{ConnectionPlan, Protocol};
    use crate::simulation::plan;
    use crate::transport::Address;

    fn connector(address: Address, change: impl FnOnce(&mut ConnectionPlan)) -> Connector {
        let mut plan = plan(1, Vec::new()).connection;
        change(&mut plan);
        Connector::new(address, None, &plan).unwrap()
    }

    #[tokio::test]
    async fn http2_without_tls_is_known_beforehand() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let known = [(Protocol::Http1, false), (Protocol::Http2, true), (Protocol::Auto, false)];
        for (protocol, expected) in known {
            let connector = connector(address.into(), |plan| plan.protocol = protocol);
            let connected = connector.connect().await.unwrap();
            assert!(matches!(connected.stream, Stream::Tcp(_)));
            assert_eq!(connected.is_http2, expected, "{protocol:?}");
        }
    }

    /// `localhost` has two families on most machines; the server listens on one.
    #[tokio::test]
    async fn an_address_that_refuses_is_passed_over() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connector = connector(Address::resolve("localhost", port, None), |_| {});
        for _ in 0..4 {
            connector.connect().await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_refused_connection_names_the_address() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let failure = connector(address.into(), |_| {}).connect().await.unwrap_err();
        assert!(failure.cause.contains(&format!("cannot connect to {address}")), "{failure}");
    }

    #[tokio::test]
    async fn source_addresses_of_another_family_reach_nothing() {
        let address = SocketAddr::from(([127, 0, 0, 1], 9));
        let source = "::1".parse::<IpAddr>().unwrap();
        let connector = connector(address.into(), |plan| plan.source_addresses = vec![source]);
        let failure = connector.connect().await.unwrap_err();
        assert!(failure.cause.contains("source_addresses"), "{failure}");
    }

    #[test]
    fn ports_that_ran_out_are_said_with_the_limit_and_what_to_do() {
        let target = SocketAddr::from(([127, 0, 0, 1], 8080));
        assert_eq!(
            without_ports(target, 28_232),
            "no local port left for 127.0.0.1:8080: all 28232 of an address are in use or wait out \
             their last connection (net.ipv4.ip_local_port_range); name more source_addresses, or \
             keep connections (policy = \"pool\", max_connections)"
        );
    }
}

//! Opening a socket to the target, with TLS when it is asked for.

use std::cell::Cell;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use openload_contract::Outcome;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::tls::{TlsConnector, TlsError};
use super::{Address, Failure};
use crate::os;
use crate::plan::{ConnectionPlan, Protocol};

/// A byte stream to the target.
pub(super) enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(tokio::net::UnixStream),
}

macro_rules! each {
    ($stream:expr, $inner:ident => $call:expr) => {
        match $stream {
            Stream::Tcp($inner) => $call,
            Stream::Tls($inner) => $call,
            Stream::Unix($inner) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_read(context, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_write(context, bytes))
    }
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_flush(context))
    }
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        each!(self.get_mut(), stream => Pin::new(stream).poll_shutdown(context))
    }
}

pub(super) struct Connected {
    pub stream: Stream,
    pub is_http2: bool,
}

/// Opens byte streams to one address.
pub struct Connector {
    address: Address,
    tls: Option<TlsConnector>,
    preferred: Cell<usize>,
    protocol: Protocol,
}

impl Connector {
    pub fn new(
        address: Address,
        tls_host: Option<&str>,
        plan: &ConnectionPlan,
    ) -> Result<Self, TlsError> {
        let tls = tls_host.map(|host| TlsConnector::new(&plan.tls, host)).transpose()?;
        Ok(Self { address, tls, preferred: Cell::new(0), protocol: plan.protocol })
    }

    /// Makes one connection and closes it without sending anything. Tells whether the target
    /// speaks HTTP/2 on it.
    pub(crate) async fn probe(&self) -> Result<bool, Failure> {
        self.connect().await.map(|connected| connected.is_http2)
    }

    pub(super) async fn connect(&self) -> Result<Connected, Failure> {
        let is_http2 = self.protocol == Protocol::Http2;
        let stream = match &self.address {
            Address::Unix(path) => match os::connect_unix(path).await {
                Ok(stream) => Stream::Unix(stream),
                Err(error) => return Err(refused(&path.display().to_string(), &error)),
            },
            Address::Tcp(addresses) => {
                let stream = self.connect_any(addresses.as_ref().map_err(Clone::clone)?).await?;
                match &self.tls {
                    None => Stream::Tcp(stream),
                    Some(tls) => Stream::Tls(Box::new(tls.handshake(stream).await?)),
                }
            }
        };
        Ok(Connected { stream, is_http2 })
    }

    async fn connect_any(&self, addresses: &[SocketAddr]) -> Result<TcpStream, Failure> {
        let mut failure = None;
        for offset in 0..addresses.len() {
            let index = (self.preferred.get() + offset) % addresses.len();
            match connect_tcp(addresses[index]).await {
                Ok(stream) => {
                    self.preferred.set(index);
                    return Ok(stream);
                }
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| Failure {
            outcome: Outcome::ConnectError,
            cause: "the target has no address".to_owned(),
        }))
    }
}

async fn connect_tcp(address: SocketAddr) -> Result<TcpStream, Failure> {
    let connected = async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    connected.await.map_err(|error: std::io::Error| refused(&address.to_string(), &error))
}

fn refused(address: &str, error: &std::io::Error) -> Failure {
    Failure {
        outcome: Outcome::ConnectError,
        cause: format!("cannot connect to {address}: {error}"),
    }
}

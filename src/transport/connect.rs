//! Opening a socket to the target, with TLS when it is asked for.

use std::cell::Cell;
use std::net::SocketAddr;
use std::pin::Pin;

use openload_contract::Outcome;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::tls::TlsConnector;
use super::{Address, Failure};
use crate::os;

/// A byte stream to the target.
pub(super) trait ByteStream: AsyncRead + AsyncWrite {}

impl<T: AsyncRead + AsyncWrite> ByteStream for T {}

/// A byte stream of any kind. One indirect call a read or write is far below the system
/// call it stands before.
pub(super) type BoxedStream = Pin<Box<dyn ByteStream>>;

/// Opens byte streams to one address.
pub(super) struct Connector {
    address: Address,
    tls: Option<TlsConnector>,
    /// Which of the host's addresses answered last.
    preferred: Cell<usize>,
}

impl Connector {
    pub fn new(address: Address, tls: Option<TlsConnector>) -> Self {
        Self { address, tls, preferred: Cell::new(0) }
    }

    pub async fn connect(&self) -> Result<BoxedStream, Failure> {
        match &self.address {
            Address::Unix(path) => match os::connect_unix(path).await {
                Ok(stream) => Ok(Box::pin(stream)),
                Err(error) => Err(refused(&path.display().to_string(), &error)),
            },
            Address::Tcp(addresses) => {
                let stream = self.connect_any(addresses.as_ref().map_err(Clone::clone)?).await?;
                match &self.tls {
                    None => Ok(Box::pin(stream)),
                    Some(tls) => Ok(Box::pin(tls.handshake(stream).await?)),
                }
            }
        }
    }

    /// Tries the host's addresses in turn, beginning with the one that answered last.
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

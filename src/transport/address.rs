//! Where connections go, resolved before the run.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use openload_contract::Outcome;

use super::Failure;

/// Where connections go.
#[derive(Debug, Clone)]
pub enum Address {
    /// Socket addresses of one host, in the resolver's order, or why there are none.
    Tcp(Result<Vec<SocketAddr>, Failure>),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// Resolves a host name or literal address; blocks while the resolver works.
    ///
    /// A name that cannot be resolved is kept as a failure: every connection then ends in
    /// it, and every arrival still has its row.
    pub fn resolve(host: &str, port: u16) -> Self {
        let failure = |cause: String| Failure {
            outcome: Outcome::ConnectError,
            cause: format!("cannot resolve `{host}`: {cause}"),
        };
        Self::Tcp(match (host, port).to_socket_addrs() {
            Ok(addresses) => {
                let addresses: Vec<SocketAddr> = addresses.collect();
                if addresses.is_empty() {
                    Err(failure("the name has no address".to_owned()))
                } else {
                    Ok(addresses)
                }
            }
            Err(error) => Err(failure(error.to_string())),
        })
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(Ok(vec![address]))
    }
}

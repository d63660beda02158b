//! Where connections go.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::host::Host;

/// Where connections go. Clones share what is known of a host.
#[derive(Debug, Clone)]
pub enum Address {
    /// A host, reached over TCP.
    Tcp(Arc<Host>),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// Resolves a host name or literal address; blocks while the resolver works. With
    /// `ttl_ns` the name is looked up again, without blocking, when so much time has passed.
    ///
    /// A name that cannot be resolved is kept as a failure: every connection then ends in
    /// it, and every arrival still has its row.
    pub fn resolve(host: &str, port: u16, ttl_ns: Option<i64>) -> Self {
        Self::Tcp(Arc::new(Host::resolve(host, port, ttl_ns)))
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(Arc::new(Host::at(address)))
    }
}

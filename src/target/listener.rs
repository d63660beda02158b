//! Where clients come in: TCP, TLS over TCP, or a Unix socket.

use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::desk::{Counters, count};
use super::front::Front;

/// Connections the kernel may hold before they are accepted. It cuts this to its own bound
/// (`net.core.somaxconn`, 4096 by default on Linux); a surge must not fail here.
const BACKLOG: i32 = 4096;

/// How long accepting pauses after it failed: what failed it (no descriptor left) takes as long
/// to change, and trying at once would use a whole core.
const PAUSE: Duration = Duration::from_millis(10);

/// A bound socket that no runtime knows yet, so that it can be made on one thread and served
/// on another.
#[derive(Debug)]
pub(super) enum Bound {
    /// Plain TCP, or TLS when there is a configuration for it.
    Tcp(std::net::TcpListener, Option<Arc<ServerConfig>>),
    /// A Unix socket.
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener, SocketFile),
}

impl Bound {
    /// Binds a TCP address; port 0 takes a free one. Returns the address with its port.
    pub(super) fn tcp(
        address: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
    ) -> io::Result<(Self, SocketAddr)> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A target that was just stopped leaves connections behind that would block the port. On
        // Windows the option would let two targets share a port.
        socket.set_reuse_address(cfg!(not(windows)))?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let listener = std::net::TcpListener::from(socket);
        let address = listener.local_addr()?;
        Ok((Self::Tcp(listener, tls), address))
    }

    /// Binds a Unix socket at a path where there is no file yet.
    #[cfg(unix)]
    pub(super) fn unix(path: PathBuf) -> io::Result<Self> {
        let listener = std::os::unix::net::UnixListener::bind(&path)?;
        listener.set_nonblocking(true)?;
        Ok(Self::Unix(listener, SocketFile(path)))
    }

    /// Hands the socket to the current runtime.
    pub(super) fn open(self) -> io::Result<Listener> {
        Ok(match self {
            Self::Tcp(listener, tls) => {
                let tls = tls.map(TlsAcceptor::from);
                Listener::Tcp(tokio::net::TcpListener::from_std(listener)?, tls)
            }
            #[cfg(unix)]
            Self::Unix(listener, file) => {
                Listener::Unix(tokio::net::UnixListener::from_std(listener)?, file)
            }
        })
    }
}

/// The file of a Unix socket, removed when nobody listens there any more.
#[cfg(unix)]
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

#[cfg(unix)]
impl Drop for SocketFile {
    fn drop(&mut self) {
        // Somebody may have removed it before.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A socket that accepts clients.
pub(super) enum Listener {
    Tcp(tokio::net::TcpListener, Option<TlsAcceptor>),
    #[cfg(unix)]
    Unix(
        tokio::net::UnixListener,
        #[expect(dead_code, reason = "kept to be dropped with the listener")] SocketFile,
    ),
}

impl Listener {
    /// Accepts clients and attends to them, for ever and without a limit of its own.
    pub(super) async fn run(&self, front: &Front, counters: &Counters) {
        // A number comes again after 4 billion connections.
        let mut connection: u32 = 0;
        loop {
            match self.admit(front, connection).await {
                Ok(()) => {
                    count(&counters.connections);
                    connection = connection.wrapping_add(1);
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    async fn admit(&self, front: &Front, connection: u32) -> io::Result<()> {
        let front = front.clone();
        match self {
            Self::Tcp(listener, tls) => {
                let (stream, _) = listener.accept().await?;
                tokio::task::spawn_local(attend_tcp(front, stream, tls.clone(), connection));
            }
            #[cfg(unix)]
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                tokio::task::spawn_local(front.attend(stream, connection));
            }
        }
        Ok(())
    }
}

async fn attend_tcp(front: Front, stream: TcpStream, tls: Option<TlsAcceptor>, connection: u32) {
    // It fails only on a connection that is gone already.
    let _ = stream.set_nodelay(true);
    match tls {
        None => front.attend(stream, connection).await,
        // A client whose handshake fails has seen why.
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                front.attend(stream, connection).await;
            }
        }
    }
}

//! What Windows lacks, and what it has instead.

use std::io;
use std::path::Path;

use tokio::net::TcpStream;

/// Refuses: there are no Unix sockets here.
///
/// # Errors
/// Always.
pub async fn connect_unix(_path: &Path) -> io::Result<TcpStream> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "Unix sockets are not supported here"))
}

/// Requests to stop: Ctrl-C.
#[derive(Debug, Default)]
pub struct StopRequests;

impl StopRequests {
    /// Takes Ctrl-C over from its default, which ends the process.
    pub fn new() -> Self {
        Self
    }

    /// Waits for the next request; for ever when the system gave no signals.
    pub async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

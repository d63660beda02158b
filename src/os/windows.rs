//! What Windows lacks, and what it has instead.

use std::io;
use std::path::Path;

/// What a Unix socket would be; never made.
pub use tokio::net::TcpStream as UnixStream;

/// Refuses: there are no Unix sockets here.
///
/// # Errors
/// Always.
pub async fn connect_unix(_path: &Path) -> io::Result<UnixStream> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "Unix sockets are not supported here"))
}

/// Code of the system's error for too many open sockets, `WSAEMFILE`.
const TOO_MANY_SOCKETS: i32 = 10_024;

/// Tells whether the process has no socket left.
pub fn is_out_of_files(error: &io::Error) -> bool {
    error.raw_os_error() == Some(TOO_MANY_SOCKETS)
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

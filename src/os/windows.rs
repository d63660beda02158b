//! What Windows lacks.

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

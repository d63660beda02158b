//! What every Unix has.

use std::io;
use std::path::Path;

use tokio::net::UnixStream;

/// Connects to a Unix socket.
///
/// # Errors
/// As the system says.
pub async fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(path).await
}

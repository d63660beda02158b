//! What every Unix has.

use std::io;
use std::path::Path;

use rustix::io::Errno;
pub use tokio::net::UnixStream;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Connects to a Unix socket.
///
/// # Errors
/// As the system says.
pub async fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(path).await
}

/// Tells whether the process or the system has no file descriptor left.
pub fn is_out_of_files(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// Requests to stop: SIGINT (Ctrl-C) and SIGTERM.
///
/// A request that comes while nobody waits is kept for the next wait.
#[derive(Debug)]
pub struct StopRequests {
    signals: Vec<Signal>,
}

impl StopRequests {
    /// Takes the signals over from their default, which ends the process.
    ///
    /// # Panics
    /// Outside a runtime with signals.
    pub fn new() -> Self {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
        Self { signals: kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect() }
    }

    /// Waits for the next request; for ever when the system gave no signals.
    pub async fn next(&mut self) {
        std::future::poll_fn(|context| {
            let came = self.signals.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
            if came { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }
}

impl Default for StopRequests {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::is_out_of_files;

    #[test]
    fn too_many_open_files_are_recognised() {
        assert!(is_out_of_files(&Errno::MFILE.into()));
        assert!(is_out_of_files(&Errno::NFILE.into()));
        assert!(!is_out_of_files(&Errno::CONNREFUSED.into()));
    }
}

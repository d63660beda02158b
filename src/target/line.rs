//! The wire under a connection of the target, and where its faults happen.
//!
//! An HTTP library does not let its user send half an answer or nonsense, and announces when it
//! closes. So faults happen beneath it: the handler sets the [`Ending`] of the connection, the
//! [`Line`] under the library sees the answer pass, alters it if need be, and reports when it is
//! on its way; then the connection's task drops the whole connection.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::server::TlsStream;

use super::faults::Fault;

/// What is sent in place of an answer: neither a status line nor text.
const GARBAGE: &[u8] = b"\x00\xff\x13\x37 this is not HTTP \xfe\x00\r\n\r\n";

/// A byte stream of a client.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + 'static {
    /// Makes the close that follows a reset, where the transport knows resets.
    fn reset_on_close(&self);
}

impl Socket for TcpStream {
    fn reset_on_close(&self) {
        // Without it the close is an orderly one: still in the middle of a body.
        let _ = self.set_zero_linger();
    }
}

impl Socket for TlsStream<TcpStream> {
    fn reset_on_close(&self) {
        self.get_ref().0.reset_on_close();
    }
}

#[cfg(unix)]
impl Socket for tokio::net::UnixStream {
    fn reset_on_close(&self) {}
}

/// How a connection ends, shared by its handler, its line and its task.
#[derive(Debug, Default)]
pub(super) struct Ending {
    fault: Cell<Option<Fault>>,
    sent: Notify,
}

impl Ending {
    /// Lets the answer that is given next be the last, in the manner of `fault`.
    pub(super) fn set(&self, fault: Fault) {
        self.fault.set(Some(fault));
    }

    /// The fault that ends the connection, once one is set.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault.get()
    }

    /// Completes when the last answer was handed to the socket.
    pub(super) async fn sent(&self) {
        self.sent.notified().await;
    }
}

/// A socket on which faults happen.
#[derive(Debug)]
pub(super) struct Line<S> {
    socket: S,
    ending: Rc<Ending>,
}

impl<S: Socket> Line<S> {
    /// Puts `socket` under the control of `ending`.
    pub(super) fn new(socket: S, ending: Rc<Ending>) -> Self {
        Self { socket, ending }
    }

    /// The socket beneath.
    pub(super) fn socket(&self) -> &S {
        &self.socket
    }
}

impl<S: Socket> AsyncRead for Line<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl<S: Socket> AsyncWrite for Line<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        answer: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.ending.fault() != Some(Fault::Garbage) {
            return Pin::new(&mut self.socket).poll_write(context, answer);
        }
        ready!(Pin::new(&mut self.socket).poll_write(context, GARBAGE))?;
        Poll::Ready(Ok(answer.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.socket).poll_flush(context))?;
        if self.ending.fault().is_some() {
            self.ending.sent.notify_one();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

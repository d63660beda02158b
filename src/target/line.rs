//! The wire under a connection of the target, and where its faults happen.
//!
//! An HTTP library does not let its user send half an answer or nonsense, and announces when it
//! closes. So faults happen beneath it: the handler sets the [`Ending`] of the connection, the
//! [`Line`] under the library sees the answer pass, alters it if need be, and reports when it is
//! on its way; then the connection's task drops the whole connection.
//!
//! The line is also where a recording's stamps are taken: a library reads when it likes and
//! tells nobody. And it gives back what had to be read to tell which HTTP a client speaks.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::server::TlsStream;

use super::faults::Fault;
use super::recording::Recorder;

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

/// When the last bytes of a client were read, if that is recorded.
#[derive(Debug, Default)]
pub(super) struct LastRead {
    recorder: Option<Rc<Recorder>>,
    unix_ns: Cell<i64>,
}

impl LastRead {
    /// Stamps reads with the recorder's clock; without one it does nothing.
    pub(super) fn new(recorder: Option<Rc<Recorder>>) -> Self {
        Self { recorder, unix_ns: Cell::new(0) }
    }

    /// Notes that something has just been read.
    pub(super) fn stamp(&self) {
        if let Some(recorder) = &self.recorder {
            self.unix_ns.set(recorder.now_unix_ns());
        }
    }

    /// The last stamp, in ns since 1970.
    pub(super) fn unix_ns(&self) -> i64 {
        self.unix_ns.get()
    }

    /// What the stamps are for.
    pub(super) fn recorder(&self) -> Option<&Recorder> {
        self.recorder.as_deref()
    }
}

/// A socket on which faults happen.
#[derive(Debug)]
pub(super) struct Line<S: Socket> {
    socket: S,
    /// Already read, to be read again.
    opening: Bytes,
    ending: Rc<Ending>,
    last_read: Rc<LastRead>,
}

impl<S: Socket> Line<S> {
    /// Puts `socket`, of which `opening` has been read, under the control of `ending`.
    pub(super) fn new(
        socket: S,
        opening: Bytes,
        ending: Rc<Ending>,
        last_read: Rc<LastRead>,
    ) -> Self {
        Self { socket, opening, ending, last_read }
    }
}

impl<S: Socket> Drop for Line<S> {
    fn drop(&mut self) {
        if self.ending.fault() == Some(Fault::Reset) {
            self.socket.reset_on_close();
        }
    }
}

impl<S: Socket> AsyncRead for Line<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.opening.is_empty() {
            let bytes = self.opening.len().min(buffer.remaining());
            buffer.put_slice(&self.opening.split_to(bytes));
            return Poll::Ready(Ok(()));
        }
        let read = Pin::new(&mut self.socket).poll_read(context, buffer);
        if read.is_ready() {
            self.last_read.stamp();
        }
        read
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

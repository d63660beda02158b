//! A byte stream that notes when its first bytes leave and arrive.
//!
//! The stamps are taken where bytes pass to and from the socket, not where the HTTP library
//! is called, so that work queued inside the library counts as the generator's own.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Stamps;
use super::connect::Stream;
use crate::clock::Clock;

/// Takes note of the bytes that pass.
pub(super) trait Observer {
    /// Bytes were handed to the socket.
    fn note_sent(&self, now_ns: i64);

    /// Bytes arrived.
    fn note_received(&self, now_ns: i64);
}

impl Observer for Rc<Stamps> {
    fn note_sent(&self, now_ns: i64) {
        Stamps::note_sent(self, now_ns);
    }

    fn note_received(&self, now_ns: i64) {
        Stamps::note_received(self, now_ns);
    }
}

/// A byte stream that tells an observer what passes.
pub(super) struct StampedStream<C, O> {
    pub stream: Stream,
    pub observer: O,
    pub clock: C,
}

impl<C: Clock + Unpin, O: Observer + Unpin> AsyncRead for StampedStream<C, O> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.observer.note_received(self.clock.now_ns());
        }
        polled
    }
}

impl<C: Clock + Unpin, O: Observer + Unpin> AsyncWrite for StampedStream<C, O> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        if matches!(polled, Poll::Ready(Ok(written)) if written > 0) {
            self.observer.note_sent(self.clock.now_ns());
        }
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        if matches!(polled, Poll::Ready(Ok(written)) if written > 0) {
            self.observer.note_sent(self.clock.now_ns());
        }
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

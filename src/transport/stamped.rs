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

/// A byte stream that stamps its exchanges.
pub(super) struct StampedStream<C> {
    pub stream: Stream,
    pub stamps: Rc<Stamps>,
    pub clock: C,
}

impl<C: Clock> StampedStream<C> {
    fn note_sent(&self) {
        if self.stamps.sent_ns.get().is_none() {
            self.stamps.sent_ns.set(Some(self.clock.now_ns()));
        }
    }

    fn note_received(&self) {
        // Bytes that arrive before a request was sent answer nothing.
        if self.stamps.sent_ns.get().is_some() && self.stamps.first_byte_ns.get().is_none() {
            self.stamps.first_byte_ns.set(Some(self.clock.now_ns()));
        }
    }
}

impl<C: Clock + Unpin> AsyncRead for StampedStream<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.note_received();
        }
        polled
    }
}

impl<C: Clock + Unpin> AsyncWrite for StampedStream<C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        if matches!(polled, Poll::Ready(Ok(written)) if written > 0) {
            self.note_sent();
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
            self.note_sent();
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

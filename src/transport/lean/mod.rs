//! HTTP/1.1 with nothing between the request and the socket.
//!
//! The bytes of a request are put together from pieces prepared before the run and written
//! with one system call; the response is read into a buffer that all connections of a worker
//! share and judged by its head alone. Between its exchanges a connection holds no buffer,
//! so 20,000 of them in flight cost little more than their sockets.
//!
//! What it does not do: upgrades, HTTP/0.9, and keeping what it receives. For everything odd
//! there is the other engine ([`HyperTransport`](super::HyperTransport)), which is held to
//! the same tests (`conformance.rs`).

mod body;
mod head;
mod incoming;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use openload_contract::Outcome;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use self::incoming::{BodyError, HeadError, Incoming, IncomingError, Step};
use super::connect::{Connector, Stream};
use super::{Connection, Failure, Request, Stamps, Transport};
use crate::clock::Clock;

/// Bytes read at once; most responses are smaller than this.
const INPUT_BYTES: usize = 64 * 1024;

/// Makes HTTP/1.1 connections to one target.
pub struct LeanTransport<C> {
    connector: Connector<C>,
    clock: C,
    buffers: Rc<Buffers>,
}

/// Buffers that the connections of one worker share: no connection keeps one while it waits.
struct Buffers {
    input: RefCell<Box<[u8]>>,
    /// Taken while a request is written; a second writer meanwhile makes its own.
    output: Cell<Vec<u8>>,
}

impl<C: Clock> LeanTransport<C> {
    /// Prepares connections through `connector`.
    pub(crate) fn new(clock: C, connector: Connector<C>) -> Self {
        let input = vec![0; INPUT_BYTES].into_boxed_slice();
        let buffers = Buffers { input: RefCell::new(input), output: Cell::default() };
        Self { connector, clock, buffers: Rc::new(buffers) }
    }
}

impl<C: Clock + Unpin> Transport for LeanTransport<C> {
    type Connection = LeanConnection<C>;

    async fn connect(&self, stamps: Rc<Stamps>) -> Result<LeanConnection<C>, Failure> {
        let connected = self.connector.connect().await?;
        Ok(LeanConnection {
            stream: connected.stream,
            clock: self.clock.clone(),
            buffers: Rc::clone(&self.buffers),
            stamps,
            incoming: Incoming::default(),
            is_open: true,
        })
    }
}

/// An HTTP/1.1 connection.
pub struct LeanConnection<C> {
    stream: Stream,
    clock: C,
    buffers: Rc<Buffers>,
    stamps: Rc<Stamps>,
    incoming: Incoming,
    /// Whether another exchange may begin.
    is_open: bool,
}

/// How writing a request ended.
enum Sending {
    /// All of it was handed over.
    Whole,
    /// The target answered or closed before it had taken everything.
    CutShort,
    /// The socket refused.
    Failed(io::Error),
}

impl<C: Clock + Unpin> LeanConnection<C> {
    /// Writes until all is handed over or the target has something to say.
    fn poll_send(&mut self, context: &mut Context<'_>, unsent: &mut &[u8]) -> Poll<Sending> {
        while !unsent.is_empty() {
            match Pin::new(&mut self.stream).poll_write(context, unsent) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Sending::CutShort),
                Poll::Ready(Ok(written)) => {
                    self.stamps.note_sent(self.clock.now_ns());
                    *unsent = &unsent[written..];
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Sending::Failed(error)),
                Poll::Pending => {
                    // A target that refuses a long body answers before it has read it.
                    return match self.poll_receive(context) {
                        Poll::Ready(_) => Poll::Ready(Sending::CutShort),
                        Poll::Pending => Poll::Pending,
                    };
                }
            }
        }
        // A TLS session may hold the last record back until it is told to let go.
        Pin::new(&mut self.stream).poll_flush(context).map(|flushed| match flushed {
            Ok(()) => Sending::Whole,
            Err(error) => Sending::Failed(error),
        })
    }

    /// Reads until the response is complete, which completes, or more has to arrive.
    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Result<(), IncomingError>> {
        while !self.incoming.is_complete() {
            let mut input = self.buffers.input.borrow_mut();
            let mut unread = ReadBuf::new(&mut input);
            let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut unread));
            let bytes = unread.filled();
            if let Err(error) = read {
                return Poll::Ready(Err(IncomingError::Socket(error)));
            }
            if bytes.is_empty() {
                self.is_open = false;
                return Poll::Ready(self.incoming.end());
            }
            self.stamps.note_received(self.clock.now_ns());
            match self.incoming.take(bytes, &self.stamps) {
                Ok(Step::More) => {}
                Ok(Step::Complete { is_kept }) => self.is_open &= is_kept,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    async fn send(&mut self, request: Request<'_>) -> Sending {
        let mut output = self.buffers.output.take();
        output.clear();
        let body_bytes = request.encode(&mut output);
        self.stamps.bytes_out.set(body_bytes);
        let mut unsent = output.as_slice();
        let sending = poll_fn(|context| self.poll_send(context, &mut unsent)).await;
        self.buffers.output.set(output);
        sending
    }
}

impl<C: Clock + Unpin> Connection for LeanConnection<C> {
    async fn exchange(&mut self, request: Request<'_>) -> Result<(), Failure> {
        self.stamps.reset();
        self.incoming.expect_response(request.is_head());
        let sending = self.send(request).await;
        if !matches!(sending, Sending::Whole) {
            self.is_open = false;
        }
        let received = poll_fn(|context| self.poll_receive(context)).await;
        received.map_err(|error| {
            self.is_open = false;
            match sending {
                // What broke first is the cause; what cannot be read now follows from it.
                Sending::Failed(error) => Failure::new(Outcome::Reset, &error),
                Sending::Whole | Sending::CutShort => error.into_failure(),
            }
        })
    }

    fn poll_closed(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.is_open {
            return Poll::Ready(());
        }
        let mut byte = [0];
        let mut unread = ReadBuf::new(&mut byte);
        // Bytes that answer no request make the next response doubtful: as good as closed.
        let read = Pin::new(&mut self.stream).poll_read(context, &mut unread);
        read.map(|_| self.is_open = false)
    }

    fn is_reusable(&mut self) -> bool {
        self.poll_closed(&mut Context::from_waker(Waker::noop())).is_pending()
    }
}

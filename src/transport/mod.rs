//! Carrying one request to the target and its response back.
//!
//! A [`Transport`] makes connections; a [`Connection`] carries one exchange at a time and
//! stamps when its bytes left and arrived. Neither knows when a request was intended,
//! what a percentile is, or which other connections there are.
//!
//! | transport | speaks | for |
//! |---|---|---|
//! | [`LeanTransport`] | HTTP/1.1 | the ordinary case, at the least cost |
//! | [`HyperTransport`] | HTTP/1.1 by hyper | odd servers, and as the cross-check |
//! | [`Http2Transport`] | HTTP/2 by hyper | many exchanges on one connection |
//!
//! All three open their sockets through one `Connector`, so TCP, TLS and Unix sockets are the
//! same to them, and all three pass the tests in `conformance.rs`.

mod address;
#[cfg(test)]
mod conformance;
mod connect;
mod host;
mod http1;
mod http2;
mod lean;
mod request;
mod rotation;
mod source;
mod stamped;
mod tls;

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::rc::Rc;
use std::task::{Context, Poll};

use openload_contract::Outcome;

pub use address::Address;
pub(crate) use connect::Connector;
pub use host::Host;
pub use http1::HyperTransport;
pub use http2::Http2Transport;
pub use lean::{BodyError, HeadError, Incoming, IncomingError, LeanTransport, Step};
pub use request::{Encoded, Request, RequestError, Requests};
pub(crate) use request::{HEADERS_MAX, Origin, push_encoded};
pub use source::{SourceError, check_sources};
pub use tls::TlsError;

/// Makes connections to the target.
pub trait Transport: 'static {
    /// What it makes.
    type Connection: Connection;

    /// Makes a connection that stamps its exchanges into `stamps`.
    fn connect(
        &self,
        stamps: Rc<Stamps>,
    ) -> impl Future<Output = Result<Self::Connection, Failure>>;
}

/// A connection to the target, or one of several places on a shared one.
pub trait Connection: 'static {
    /// Sends `request` and reads the whole response. The stamps are those of this exchange
    /// from its first poll on.
    ///
    /// What was reached is in the stamps even when this fails or is dropped; a connection
    /// whose exchange was dropped must not be used again.
    fn exchange(&mut self, request: Request<'_>) -> impl Future<Output = Result<(), Failure>>;

    /// Completes, while idle, when another exchange may not begin: the other side has closed,
    /// or the last response was the last.
    fn poll_closed(&mut self, context: &mut Context<'_>) -> Poll<()>;

    /// Tells whether another exchange may begin; looks for a close that has already arrived.
    fn is_reusable(&mut self) -> bool;
}

/// What an exchange reached, in ns since the run's start.
///
/// Cells, because the socket writes them while the exchange is under way.
#[derive(Debug, Default)]
pub struct Stamps {
    /// When the first bytes of the request were handed to the socket.
    pub sent_ns: Cell<Option<i64>>,
    /// When the first byte of the response arrived.
    pub first_byte_ns: Cell<Option<i64>>,
    /// When the last bytes so far arrived: with a complete response, its end.
    pub last_byte_ns: Cell<Option<i64>>,
    /// Status of the response.
    pub status: Cell<Option<u16>>,
    /// Body bytes received.
    pub bytes_in: Cell<u32>,
    /// Body bytes of the request.
    pub bytes_out: Cell<u32>,
}

impl Stamps {
    /// Forgets the last exchange.
    pub fn reset(&self) {
        self.sent_ns.set(None);
        self.first_byte_ns.set(None);
        self.last_byte_ns.set(None);
        self.status.set(None);
        self.bytes_in.set(0);
        self.bytes_out.set(0);
    }

    /// Notes that the first bytes of the request were handed over, unless some were before.
    pub fn note_sent(&self, now_ns: i64) {
        if self.sent_ns.get().is_none() {
            self.sent_ns.set(Some(now_ns));
        }
    }

    /// Notes that bytes of the response arrived. Bytes that arrive before a request was sent
    /// answer nothing.
    pub fn note_received(&self, now_ns: i64) {
        if self.sent_ns.get().is_none() {
            return;
        }
        if self.first_byte_ns.get().is_none() {
            self.first_byte_ns.set(Some(now_ns));
        }
        self.last_byte_ns.set(Some(now_ns));
    }

    /// Counts bytes of the response's body; stays at the greatest number when it is reached.
    pub fn add_bytes_in(&self, count: u64) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.bytes_in.set(self.bytes_in.get().saturating_add(count));
    }
}

/// Why there was no complete response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What the row says.
    pub outcome: Outcome,
    /// What the system or the protocol said.
    pub cause: String,
}

impl Failure {
    /// The deadline of a request passed while it had no connection.
    pub(crate) fn too_late_to_connect() -> Self {
        Self {
            outcome: Outcome::Timeout,
            cause: "the deadline passed before there was a connection".to_owned(),
        }
    }

    /// Makes a failure from anything that can describe itself, causes included.
    pub fn new(outcome: Outcome, cause: &(dyn std::error::Error + 'static)) -> Self {
        let mut text = cause.to_string();
        let mut source = cause.source();
        while let Some(error) = source {
            let detail = error.to_string();
            if !text.contains(&detail) {
                text = format!("{text}: {detail}");
            }
            source = error.source();
        }
        Self { outcome, cause: text }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.outcome.name(), self.cause)
    }
}

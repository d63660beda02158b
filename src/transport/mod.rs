//! Carrying one request to the target and its response back.
//!
//! A [`Transport`] makes connections; a [`Connection`] carries one exchange at a time and
//! stamps when its bytes left and arrived. Neither knows when a request was intended,
//! what a percentile is, or which other connections there are.

mod address;
mod connect;
mod host;
mod http1;
mod request;
mod rotation;
mod source;
mod stamped;
mod tls;

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::rc::Rc;

use openload_contract::Outcome;

pub use address::Address;
pub use host::Host;
pub use http1::HttpTransport;
pub use request::{RequestError, Requests};
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

/// A connection to the target.
pub trait Connection: 'static {
    /// Sends `request` and reads the whole response.
    ///
    /// What was reached is in the stamps even when this fails or is dropped; a connection
    /// whose exchange was dropped must not be used again.
    fn exchange(&mut self, request: HttpRequest) -> impl Future<Output = Result<(), Failure>>;

    /// Waits, while idle, until the other side closes.
    fn closed(&mut self) -> impl Future<Output = ()>;

    /// Tells whether another exchange may begin; looks for a close that has already arrived.
    fn is_reusable(&mut self) -> bool;
}

/// A request ready to be sent.
pub type HttpRequest = http::Request<http_body_util::Full<bytes::Bytes>>;

/// What an exchange reached, in ns since the run's start.
///
/// Cells, because the socket writes them while the exchange is under way.
#[derive(Debug, Default)]
pub struct Stamps {
    /// When the first bytes of the request were handed to the socket.
    pub sent_ns: Cell<Option<i64>>,
    /// When the first byte of the response arrived.
    pub first_byte_ns: Cell<Option<i64>>,
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
        self.status.set(None);
        self.bytes_in.set(0);
        self.bytes_out.set(0);
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

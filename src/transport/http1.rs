//! HTTP/1.1 with hyper: one connection, one exchange at a time.
//!
//! The lean engine is faster; this one has met more servers. It judges responses by the same
//! rules, so that a run does not depend on which of the two made it.
//!
//! hyper splits a connection into a sender and a driver that moves the bytes. Both are
//! polled by the one task that owns the connection: no second task, no hand-over.

use std::error::Error as _;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use openload_contract::Outcome;

use super::connect::Connector;
use super::stamped::StampedStream;
use super::{Connection, Failure, Request, Stamps, Transport};
use crate::clock::Clock;

/// Makes HTTP/1.1 connections to one target.
pub struct HyperTransport<C> {
    connector: Connector<C>,
    clock: C,
}

impl<C> HyperTransport<C> {
    /// Prepares connections through `connector`.
    pub(crate) fn new(clock: C, connector: Connector<C>) -> Self {
        Self { connector, clock }
    }
}

impl<C: Clock + Unpin> Transport for HyperTransport<C> {
    type Connection = HyperConnection;

    async fn connect(&self, stamps: Rc<Stamps>) -> Result<HyperConnection, Failure> {
        let stream = self.connector.connect().await?.stream;
        let stream =
            StampedStream { stream, observer: Rc::clone(&stamps), clock: self.clock.clone() };
        let (sender, driver) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Failure::new(Outcome::ConnectError, &error))?;
        Ok(HyperConnection { sender, driver: Some(Box::pin(driver)), stamps })
    }
}

type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>>>>;

/// An HTTP/1.1 connection.
pub struct HyperConnection {
    sender: SendRequest<Full<Bytes>>,
    /// Moves the bytes; gone when the connection has ended.
    driver: Option<Driver>,
    stamps: Rc<Stamps>,
}

impl HyperConnection {
    fn poll_driver(&mut self, context: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && driver.as_mut().poll(context).is_ready()
        {
            // How it ended reaches the exchange under way through the sender.
            self.driver = None;
        }
    }

    /// Completes `step` while the driver moves the bytes it waits for.
    async fn drive<T>(&mut self, step: impl Future<Output = T>) -> T {
        let mut step = pin!(step);
        poll_fn(|context| {
            // The step may have queued what the driver is to send, and the driver may have
            // read what completes the step.
            if let Poll::Ready(done) = step.as_mut().poll(context) {
                return Poll::Ready(done);
            }
            self.poll_driver(context);
            step.as_mut().poll(context)
        })
        .await
    }

    async fn read_body(&mut self, mut body: Incoming) -> Result<(), Failure> {
        while !body.is_end_stream() {
            let Some(frame) = self.drive(body.frame()).await else { break };
            let frame = frame.map_err(|error| classify(&error))?;
            if let Some(data) = frame.data_ref() {
                self.stamps.add_bytes_in(data.len() as u64);
            }
        }
        Ok(())
    }
}

impl Connection for HyperConnection {
    async fn exchange(&mut self, request: Request<'_>) -> Result<(), Failure> {
        self.stamps.reset();
        let (is_head, request) = (request.is_head(), request.to_http());
        let length = request.body().size_hint().exact().unwrap_or(0);
        self.stamps.bytes_out.set(u32::try_from(length).unwrap_or(u32::MAX));
        let response = self.sender.send_request(request);
        let response = self.drive(response).await.map_err(|error| classify(&error))?;
        check_head(&response, is_head)?;
        self.stamps.status.set(Some(response.status().as_u16()));
        self.read_body(response.into_body()).await
    }

    fn poll_closed(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.poll_driver(context);
        // A request that is still being written keeps the sender from being ready.
        let is_open = self.driver.is_some() && self.sender.is_ready();
        if is_open { Poll::Pending } else { Poll::Ready(()) }
    }

    fn is_reusable(&mut self) -> bool {
        let mut context = Context::from_waker(std::task::Waker::noop());
        self.poll_closed(&mut context).is_pending()
    }
}

/// Refuses what hyper accepts and a load generator should not: two framings that contradict
/// each other, and a switch to another protocol that nobody asked for.
fn check_head(response: &Response<Incoming>, is_head: bool) -> Result<(), Failure> {
    let (status, headers) = (response.status(), response.headers());
    let refused =
        |cause: &str| Err(Failure { outcome: Outcome::ProtocolError, cause: cause.to_owned() });
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return refused("the target switched protocols (status 101) unasked");
    }
    let has_body = !is_head && !matches!(status.as_u16(), 204 | 304);
    if has_body && headers.contains_key(TRANSFER_ENCODING) && headers.contains_key(CONTENT_LENGTH) {
        return refused("the response has both transfer-encoding and content-length");
    }
    Ok(())
}

/// Sorts hyper's errors into outcomes.
fn classify(error: &hyper::Error) -> Failure {
    // Chunks that hyper cannot read come out as invalid input of the body.
    let cause = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    let is_malformed = cause.is_some_and(|cause| {
        matches!(cause.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)
    });
    let outcome = if error.is_parse() || error.is_parse_too_large() || is_malformed {
        Outcome::ProtocolError
    } else {
        Outcome::Reset
    };
    Failure::new(outcome, error)
}

//! HTTP/1.1 with hyper: one connection, one exchange at a time.
//!
//! hyper splits a connection into a sender and a driver that moves the bytes. Both are
//! polled by the one task that owns the connection: no second task, no hand-over.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use openload_contract::Outcome;

use super::connect::{Connected, Connector};
use super::stamped::StampedStream;
use super::tls::TlsError;
use super::{Address, Connection, Failure, HttpRequest, Stamps, Transport};
use crate::clock::Clock;
use crate::plan::ConnectionPlan;

/// Makes HTTP/1.1 connections to one target.
pub struct HttpTransport<C> {
    connector: Connector<C>,
    clock: C,
}

impl<C: Clock + Unpin> HttpTransport<C> {
    /// Prepares connections to `address`; `tls_host` is the name to check over TLS.
    ///
    /// # Errors
    /// When the TLS options cannot be used.
    pub fn new(
        clock: C,
        plan: &ConnectionPlan,
        address: Address,
        tls_host: Option<&str>,
    ) -> Result<Self, TlsError> {
        let connector = Connector::new(clock.clone(), plan, address, tls_host)?;
        Ok(Self { connector, clock })
    }
}

impl<C: Clock + Unpin> Transport for HttpTransport<C> {
    type Connection = HttpConnection;

    async fn connect(&self, stamps: Rc<Stamps>) -> Result<HttpConnection, Failure> {
        let Connected { stream, is_http2 } = self.connector.connect().await?;
        if is_http2 {
            return Err(Failure {
                outcome: Outcome::ConnectError,
                cause: "HTTP/2 was agreed on, and this engine speaks HTTP/1.1".to_owned(),
            });
        }
        let stream =
            StampedStream { stream, stamps: Rc::clone(&stamps), clock: self.clock.clone() };
        let (sender, driver) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Failure::new(Outcome::ConnectError, &error))?;
        Ok(HttpConnection { sender, driver: Some(Box::pin(driver)), stamps })
    }
}

type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>>>>;

/// An HTTP/1.1 connection.
pub struct HttpConnection {
    sender: SendRequest<Full<Bytes>>,
    /// Moves the bytes; gone when the connection has ended.
    driver: Option<Driver>,
    stamps: Rc<Stamps>,
}

impl HttpConnection {
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
                let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
                let bytes_in = &self.stamps.bytes_in;
                bytes_in.set(bytes_in.get().saturating_add(length));
            }
        }
        Ok(())
    }
}

impl Connection for HttpConnection {
    async fn exchange(&mut self, request: HttpRequest) -> Result<(), Failure> {
        self.stamps.reset();
        let length = request.body().size_hint().exact().unwrap_or(0);
        self.stamps.bytes_out.set(u32::try_from(length).unwrap_or(u32::MAX));
        let response = self.sender.send_request(request);
        let response = self.drive(response).await.map_err(|error| classify(&error))?;
        self.stamps.status.set(Some(response.status().as_u16()));
        self.read_body(response.into_body()).await
    }

    async fn closed(&mut self) {
        poll_fn(|context| {
            self.poll_driver(context);
            if self.driver.is_none() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn is_reusable(&mut self) -> bool {
        let mut context = Context::from_waker(std::task::Waker::noop());
        self.poll_driver(&mut context);
        self.driver.is_some() && !self.sender.is_closed()
    }
}

/// Sorts hyper's errors into outcomes.
fn classify(error: &hyper::Error) -> Failure {
    let outcome = if error.is_parse() || error.is_parse_status() || error.is_parse_too_large() {
        Outcome::ProtocolError
    } else {
        Outcome::Reset
    };
    Failure::new(outcome, error)
}

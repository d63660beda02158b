//! HTTP/2 with hyper: many exchanges at once on one network connection.
//!
//! To the dispatcher a connection carries one exchange at a time. Here that is a place on a
//! [`Line`], the network connection that up to `streams_per_connection` places share. A line
//! is opened by whoever first needs a place on it, and others wait for the same handshake
//! instead of making their own.
//!
//! Frames of several exchanges share the socket, so stamps are those of the line: a request
//! is sent with the first write after it was handed over, a response arrived with the read
//! before its frames came out.

use std::cell::{Cell, RefCell};
use std::error::Error as _;
use std::future::Future;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http2::{self, SendRequest};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use openload_contract::Outcome;
use tokio::sync::OnceCell;

use super::connect::Connector;
use super::stamped::{Observer, StampedStream};
use super::{Connection, Failure, Request, Stamps, Transport};
use crate::clock::Clock;

/// Makes places on HTTP/2 connections to one target.
pub struct Http2Transport<C> {
    connector: Connector,
    clock: C,
    places_max: u32,
    lines: RefCell<Vec<Rc<Line>>>,
}

impl<C: Clock> Http2Transport<C> {
    /// Prepares connections through `connector` that carry up to `streams_per_connection`
    /// exchanges at once.
    pub(crate) fn new(clock: C, connector: Connector, streams_per_connection: u32) -> Self {
        Self { connector, clock, places_max: streams_per_connection, lines: RefCell::default() }
    }

    /// A line with room, or a new one that is not open yet. Lines that have ended are
    /// forgotten on the way.
    fn line_with_room(&self) -> Rc<Line> {
        let mut lines = self.lines.borrow_mut();
        lines.retain(|line| !line.is_ended());
        if let Some(line) = lines.iter().find(|line| line.places.get() < self.places_max) {
            return Rc::clone(line);
        }
        let line = Rc::new(Line::default());
        lines.push(Rc::clone(&line));
        line
    }

    async fn open(&self, line: &Rc<Line>) -> Result<SendRequest<Full<Bytes>>, Failure>
    where
        C: Unpin,
    {
        let stream = self.connector.connect().await?.stream;
        let wire = Rc::clone(&line.wire);
        let stream = StampedStream { stream, observer: wire, clock: self.clock.clone() };
        let handshake = http2::handshake(TasksOf(self.clock.clone()), TokioIo::new(stream)).await;
        let (sender, driver) =
            handshake.map_err(|error| Failure::new(Outcome::ConnectError, &error))?;
        let line = Rc::clone(line);
        self.clock.spawn(async move {
            // How it ended reaches the exchanges under way through their streams.
            let _ = driver.await;
            line.has_ended.set(true);
        });
        Ok(sender)
    }
}

impl<C: Clock + Unpin> Transport for Http2Transport<C> {
    type Connection = Http2Connection;

    async fn connect(&self, stamps: Rc<Stamps>) -> Result<Http2Connection, Failure> {
        let place = Place::on(self.line_with_room());
        let opened = place.0.sender.get_or_try_init(|| self.open(&place.0)).await;
        match opened.cloned() {
            Ok(sender) => Ok(Http2Connection { sender, place, stamps }),
            Err(failure) => {
                place.0.has_ended.set(true);
                Err(failure)
            }
        }
    }
}

/// One network connection.
#[derive(Default)]
struct Line {
    sender: OnceCell<SendRequest<Full<Bytes>>>,
    wire: Rc<Wire>,
    places: Cell<u32>,
    has_ended: Cell<bool>,
}

impl Line {
    /// Tells whether no further exchange can begin on it.
    fn is_ended(&self) -> bool {
        self.has_ended.get() || self.sender.get().is_some_and(SendRequest::is_closed)
    }
}

/// A place on a line, given back when it is dropped.
struct Place(Rc<Line>);

impl Place {
    fn on(line: Rc<Line>) -> Self {
        line.places.set(line.places.get() + 1);
        Self(line)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.places.set(self.0.places.get() - 1);
    }
}

/// What passes over the socket of a line.
#[derive(Default)]
struct Wire {
    /// Exchanges whose request was handed over and not yet written.
    unsent: RefCell<Vec<Rc<Stamps>>>,
    last_read_ns: Cell<Option<i64>>,
}

impl Observer for Rc<Wire> {
    fn note_sent(&self, now_ns: i64) {
        self.unsent.borrow_mut().drain(..).for_each(|stamps| stamps.note_sent(now_ns));
    }

    fn note_received(&self, now_ns: i64) {
        self.last_read_ns.set(Some(now_ns));
    }
}

/// Runs hyper's tasks on the worker's thread.
#[derive(Clone)]
struct TasksOf<C>(C);

impl<C: Clock, F: Future<Output = ()> + 'static> Executor<F> for TasksOf<C> {
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}

/// A place on an HTTP/2 connection.
pub struct Http2Connection {
    sender: SendRequest<Full<Bytes>>,
    place: Place,
    stamps: Rc<Stamps>,
}

impl Http2Connection {
    fn note_received(&self) {
        if let Some(read_ns) = self.place.0.wire.last_read_ns.get() {
            self.stamps.note_received(read_ns);
        }
    }

    async fn read_body(&self, mut body: Incoming) -> Result<(), Failure> {
        while !body.is_end_stream() {
            let Some(frame) = body.frame().await else { break };
            let frame = frame.map_err(|error| classify(&error))?;
            self.note_received();
            if let Some(data) = frame.data_ref() {
                self.stamps.add_bytes_in(data.len() as u64);
            }
        }
        Ok(())
    }
}

impl Connection for Http2Connection {
    async fn exchange(&mut self, request: Request<'_>) -> Result<(), Failure> {
        self.stamps.reset();
        let request = request.to_http2();
        let length = request.body().size_hint().exact().unwrap_or(0);
        self.stamps.bytes_out.set(u32::try_from(length).unwrap_or(u32::MAX));
        // The target may allow fewer streams than the profile.
        self.sender.ready().await.map_err(|error| classify(&error))?;
        self.place.0.wire.unsent.borrow_mut().push(Rc::clone(&self.stamps));
        let response = self.sender.send_request(request).await.map_err(|error| classify(&error))?;
        self.note_received();
        self.stamps.status.set(Some(response.status().as_u16()));
        self.read_body(response.into_body()).await
    }

    /// Never wakes an idle place: what ended while it was idle is found when it is used.
    fn poll_closed(&mut self, _context: &mut Context<'_>) -> Poll<()> {
        if self.is_reusable() { Poll::Pending } else { Poll::Ready(()) }
    }

    fn is_reusable(&mut self) -> bool {
        !self.place.0.is_ended()
    }
}

/// Sorts hyper's errors into outcomes: what this side could not understand is a protocol
/// error, what the other side or the socket broke off is a reset.
fn classify(error: &hyper::Error) -> Failure {
    let cause = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    let outcome = match cause {
        Some(cause) if cause.is_library() => Outcome::ProtocolError,
        _ => Outcome::Reset,
    };
    Failure::new(outcome, error)
}

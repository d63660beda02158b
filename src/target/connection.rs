//! One client's connection: HTTP/1.1 with keep-alive or HTTP/2, every path and method answered.
//!
//! Which of the two a client speaks shows in its first bytes, with TLS and without: HTTP/2 opens
//! with a preface that is no HTTP/1.1. A request goes to the desk when it has been read to its
//! end, body included: a slow sender uses its own time, not a server's. `GET /healthz` alone is
//! answered beside the queue, so that a script can wait for the target without being part of the
//! load. When a fault is to strike, the answer is prepared here and spoilt further down, see
//! [`super::line`]; under HTTP/2 it takes the other requests of its connection with it.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;

use super::HEALTH_CHECK;
use super::desk::{Desk, Served};
use super::faults::Fault;
use super::line::{Ending, LastRead, Line, Socket};
use super::recording::{Arrived, Recorder};

/// What a client says first when it speaks HTTP/2 (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What connections need to answer: the desk, the body all answers have, and whom to tell.
#[derive(Debug, Clone)]
pub(super) struct Service {
    desk: Rc<Desk>,
    body: Bytes,
    recorder: Option<Rc<Recorder>>,
}

impl Service {
    /// Answers with `body_bytes` bytes for what `desk` has served.
    pub(super) fn new(desk: Rc<Desk>, body_bytes: u32, recorder: Option<Rc<Recorder>>) -> Self {
        Self { desk, body: Bytes::from(vec![b'x'; body_bytes as usize]), recorder }
    }

    /// The desk behind this service.
    pub(super) fn desk(&self) -> &Rc<Desk> {
        &self.desk
    }

    /// Answers the requests of one client until either side ends the connection.
    pub(super) async fn attend<S: Socket>(self, mut socket: S, connection: u32) {
        let last_read = Rc::new(LastRead::new(self.recorder.clone()));
        let opening = read_opening(&mut socket, &last_read).await;
        let is_http2 = opening.starts_with(PREFACE);
        let ending = Rc::new(Ending::default());
        let line = TokioIo::new(Line::new(socket, opening, ending.clone(), last_read.clone()));
        let session = Rc::new(Session { service: self, connection, ending, last_read });
        if is_http2 { session.http2(line).await } else { session.http1(line).await }
    }
}

/// Reads until it is clear which HTTP the client speaks, or the client has ended.
async fn read_opening(socket: &mut impl Socket, last_read: &LastRead) -> Bytes {
    let mut opening = BytesMut::with_capacity(1024);
    while opening.len() < PREFACE.len() && PREFACE.starts_with(&opening) {
        if socket.read_buf(&mut opening).await.unwrap_or(0) == 0 {
            break;
        }
        last_read.stamp();
    }
    opening.freeze()
}

/// One client's connection.
#[derive(Debug)]
struct Session {
    service: Service,
    connection: u32,
    ending: Rc<Ending>,
    last_read: Rc<LastRead>,
}

impl Session {
    async fn http1<S: Socket>(self: Rc<Self>, line: TokioIo<Line<S>>) {
        let session = Rc::clone(&self);
        let answer = service_fn(move |request| Rc::clone(&session).answer(request));
        // A client may keep an idle connection for as long as it likes.
        let connection =
            http1::Builder::new().header_read_timeout(None).serve_connection(line, answer);
        self.until_over(connection).await;
    }

    async fn http2<S: Socket>(self: Rc<Self>, line: TokioIo<Line<S>>) {
        let session = Rc::clone(&self);
        let answer = service_fn(move |request| Rc::clone(&session).answer(request));
        // How many requests share a connection is the client's choice, as it is without HTTP/2.
        let connection = http2::Builder::new(LocalExecutor)
            .max_concurrent_streams(None)
            .serve_connection(line, answer);
        self.until_over(connection).await;
    }

    async fn until_over(&self, connection: impl Future<Output = Result<(), hyper::Error>>) {
        tokio::select! {
            // How the client ended the connection is the client's business.
            _ = pin!(connection) => {}
            () = self.ending.sent() => {}
        }
    }

    async fn answer(
        self: Rc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Payload>, hyper::Error> {
        let received_unix_ns = self.last_read.unix_ns();
        let (head, body) = request.into_parts();
        if is_health_check(&head) {
            return Ok(response(StatusCode::OK, Payload::whole(Bytes::from_static(b"ok\n"))));
        }
        let (body_bytes, read) = read_to_end(body).await;
        self.record(&head, received_unix_ns, body_bytes);
        read?;
        let Served { status, fault } = self.service.desk.serve().await;
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let response = response(status, self.payload(fault).await);
        Ok(if must_be_empty(&head) { without_body(response) } else { response })
    }

    async fn payload(&self, fault: Option<Fault>) -> Payload {
        match fault {
            None => return Payload::whole(self.service.body.clone()),
            Some(Fault::NeverAnswer) => std::future::pending().await,
            Some(fault) => self.ending.set(fault),
        }
        if fault == Some(Fault::Reset) {
            return Payload::half(&self.service.body);
        }
        Payload::whole(self.service.body.clone())
    }

    fn record(&self, head: &Parts, received_unix_ns: i64, body_bytes: u64) {
        let Some(recorder) = self.last_read.recorder() else { return };
        let authority = || head.uri.authority().map_or("", |authority| authority.as_str());
        recorder.record(&Arrived {
            received_unix_ns,
            connection: self.connection,
            method: head.method.as_str(),
            target: head.uri.path_and_query().map_or_else(authority, |target| target.as_str()),
            body_bytes,
        });
    }
}

/// Runs the exchanges of an HTTP/2 connection on the target's thread.
#[derive(Debug, Clone, Copy)]
struct LocalExecutor;

impl<F: Future<Output: 'static> + 'static> Executor<F> for LocalExecutor {
    fn execute(&self, exchange: F) {
        tokio::task::spawn_local(exchange);
    }
}

fn is_health_check(head: &Parts) -> bool {
    head.method == Method::GET && head.uri.path() == HEALTH_CHECK
}

/// Reads a body and returns how long it was, or how much of it came before it broke off.
async fn read_to_end(mut body: Incoming) -> (u64, Result<(), hyper::Error>) {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => bytes += frame.data_ref().map_or(0, Bytes::len) as u64,
            Err(error) => return (bytes, Err(error)),
        }
    }
    (bytes, Ok(()))
}

fn response(status: StatusCode, payload: Payload) -> Response<Payload> {
    let mut response = Response::new(payload);
    *response.status_mut() = status;
    response
}

/// The library leaves out the body of an answer to `HEAD` under HTTP/1.1 only.
fn must_be_empty(head: &Parts) -> bool {
    head.method == Method::HEAD && head.version == Version::HTTP_2
}

fn without_body(mut response: Response<Payload>) -> Response<Payload> {
    let length = response.body().size_hint().exact().unwrap_or_default();
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    *response.body_mut() = Payload::whole(Bytes::new());
    response
}

/// A body of known length, part of which may never come.
#[derive(Debug)]
struct Payload {
    next: Option<Bytes>,
    withheld_bytes: u64,
}

impl Payload {
    fn whole(bytes: Bytes) -> Self {
        Self { next: Some(bytes).filter(|bytes| !bytes.is_empty()), withheld_bytes: 0 }
    }

    /// The first half. At least one byte is announced and withheld: without it the answer
    /// would be complete.
    fn half(bytes: &Bytes) -> Self {
        let sent = bytes.slice(..bytes.len() / 2);
        let withheld_bytes = (bytes.len() - sent.len()).max(1) as u64;
        Self { withheld_bytes, ..Self::whole(sent) }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.next.take() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None if self.withheld_bytes > 0 => Poll::Pending,
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.next.is_none() && self.withheld_bytes == 0
    }

    fn size_hint(&self) -> SizeHint {
        let next_bytes = self.next.as_ref().map_or(0, Bytes::len) as u64;
        SizeHint::with_exact(next_bytes + self.withheld_bytes)
    }
}

#[cfg(test)]
mod tests;

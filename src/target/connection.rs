//! One client's connection: HTTP/1.1 with keep-alive, every path and method answered.
//!
//! A request goes to the desk when it has been read to its end, body included: a slow sender
//! uses its own time, not a server's. `GET /healthz` alone is answered beside the queue, so that
//! a script can wait for the target without being part of the load. When a fault is to strike,
//! the answer is prepared here and spoilt further down, see [`super::line`].

use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::desk::{Desk, Served};
use super::faults::Fault;
use super::line::{Ending, Line, Socket};

/// What connections need to answer: the desk, and the body all answers have.
#[derive(Debug, Clone)]
pub(super) struct Service {
    desk: Rc<Desk>,
    body: Bytes,
}

impl Service {
    /// Answers with `body_bytes` bytes for what `desk` has served.
    pub(super) fn new(desk: Rc<Desk>, body_bytes: u32) -> Self {
        Self { desk, body: Bytes::from(vec![b'x'; body_bytes as usize]) }
    }

    /// The desk behind this service.
    pub(super) fn desk(&self) -> &Rc<Desk> {
        &self.desk
    }

    /// Answers the requests of one client until either side ends the connection.
    pub(super) async fn attend<S: Socket>(self, socket: S) {
        let ending = Rc::new(Ending::default());
        let line = TokioIo::new(Line::new(socket, ending.clone()));
        let answer = service_fn(|request| self.answer(request, &ending));
        // A client may keep an idle connection for as long as it likes.
        let mut connection =
            http1::Builder::new().header_read_timeout(None).serve_connection(line, answer);
        tokio::select! {
            // How the client ended the connection is the client's business.
            _ = &mut connection => {}
            () = ending.sent() => {}
        }
        if ending.fault() == Some(Fault::Reset) {
            connection.into_parts().io.inner().socket().reset_on_close();
        }
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        ending: &Ending,
    ) -> Result<Response<Payload>, hyper::Error> {
        if is_health_check(&request) {
            return Ok(response(StatusCode::OK, Payload::whole(Bytes::from_static(b"ok\n"))));
        }
        read_to_end(request.into_body()).await?;
        let Served { status, fault } = self.desk.serve().await;
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Ok(response(status, self.payload(fault, ending).await))
    }

    async fn payload(&self, fault: Option<Fault>, ending: &Ending) -> Payload {
        match fault {
            None => return Payload::whole(self.body.clone()),
            Some(Fault::NeverAnswer) => std::future::pending().await,
            Some(fault) => ending.set(fault),
        }
        if fault == Some(Fault::Reset) {
            return Payload::half(&self.body);
        }
        Payload::whole(self.body.clone())
    }
}

fn is_health_check(request: &Request<Incoming>) -> bool {
    request.method() == Method::GET && request.uri().path() == "/healthz"
}

async fn read_to_end(mut body: Incoming) -> Result<(), hyper::Error> {
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(())
}

fn response(status: StatusCode, payload: Payload) -> Response<Payload> {
    let mut response = Response::new(payload);
    *response.status_mut() = status;
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

//! One client of the instant target: its socket, what it has said, and what it is owed.

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::answers::{Answers, BAD_REQUEST, CONTINUE, HEAD_TOO_LARGE};
use super::body::Body;
use super::head::{Head, Malformed, parse};
use crate::target::HEALTH_CHECK;
use crate::target::desk::Counters;
use crate::target::line::Socket;
use crate::target::recording::{Arrived, Recorder};

/// Room for what a client says before there was need for more. Most heads fit.
const INPUT_BYTES: usize = 4096;

/// Most bytes of one head.
const INPUT_BYTES_MAX: usize = 64 * 1024;

/// Answers are written when they are this long, even if more pipelined requests wait.
const OUTPUT_BYTES: usize = 64 * 1024;

/// What all clients of an instant target share.
#[derive(Debug, Clone)]
pub(in crate::target) struct InstantService {
    answers: Rc<Answers>,
    counters: Arc<Counters>,
    recorder: Option<Rc<Recorder>>,
}

impl InstantService {
    /// Answers with `body_bytes` bytes.
    pub fn new(body_bytes: u32, counters: Arc<Counters>, recorder: Option<Rc<Recorder>>) -> Self {
        Self { answers: Rc::new(Answers::new(body_bytes)), counters, recorder }
    }

    /// Answers the requests of one client until either side ends the connection.
    pub async fn attend<S: Socket>(self, socket: S, connection: u32) {
        let client = Client {
            service: self,
            connection,
            socket,
            input: Input::default(),
            output: Vec::new(),
            request: Request::default(),
        };
        // How the client ended the connection is the client's business.
        let _ = client.converse().await;
    }
}

struct Client<S> {
    service: InstantService,
    connection: u32,
    socket: S,
    input: Input,
    output: Vec<u8>,
    request: Request,
}

/// The request whose body is being read; its texts are kept to be overwritten by the next one.
#[derive(Debug, Default)]
struct Request {
    received_unix_ns: i64,
    method: String,
    target: String,
    body: Option<Body>,
    body_bytes: u64,
    is_last: bool,
    is_head: bool,
    is_health_check: bool,
}

/// What is to be done after all that can be understood was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Read,
    Write,
    Close,
}

impl<S: Socket> Client<S> {
    async fn converse(mut self) -> io::Result<()> {
        loop {
            let next = self.understand();
            if !self.output.is_empty() {
                self.socket.write_all(&self.output).await?;
                self.output.clear();
            }
            match next {
                Next::Write => {}
                Next::Read if self.read().await? => {}
                Next::Read | Next::Close => return self.socket.shutdown().await,
            }
        }
    }

    /// Reads once; returns whether the client goes on.
    async fn read(&mut self) -> io::Result<bool> {
        if !self.input.make_room() {
            self.socket.write_all(HEAD_TOO_LARGE).await?;
            return Ok(false);
        }
        // A client that resets the connection says no more than one that closes it.
        let bytes = self.socket.read(self.input.room()).await.unwrap_or(0);
        if let Some(recorder) = &self.service.recorder {
            self.input.read_unix_ns = recorder.now_unix_ns();
        }
        self.input.filled += bytes;
        if bytes == 0 && self.request.body.is_some() {
            self.record();
        }
        Ok(bytes > 0)
    }

    /// Answers every request that has been read to its end.
    fn understand(&mut self) -> Next {
        self.try_to_understand().unwrap_or_else(|Malformed| {
            self.output.extend_from_slice(BAD_REQUEST);
            Next::Close
        })
    }

    fn try_to_understand(&mut self) -> Result<Next, Malformed> {
        loop {
            if self.output.len() >= OUTPUT_BYTES {
                return Ok(Next::Write);
            }
            if self.request.body.is_none() && !self.begin()? {
                return Ok(Next::Read);
            }
            if !self.skip_body()? {
                return Ok(Next::Read);
            }
            self.answer();
            if self.request.is_last {
                return Ok(Next::Close);
            }
        }
    }

    /// Takes in the head of the next request, if it is there.
    fn begin(&mut self) -> Result<bool, Malformed> {
        let Some(head) = parse(self.input.unread())? else { return Ok(false) };
        let bytes = head.bytes;
        self.request.begin(&head, self.input.read_unix_ns, self.service.recorder.is_some());
        if head.expects_continue && !head.body.is_over() {
            self.output.extend_from_slice(CONTINUE);
        }
        self.input.take(bytes);
        Ok(true)
    }

    /// Skips what there is of the body; returns whether that was all of it.
    fn skip_body(&mut self) -> Result<bool, Malformed> {
        let Some(body) = &mut self.request.body else { return Ok(true) };
        let skipped = body.skip(self.input.unread())?;
        let is_over = body.is_over();
        self.input.take(skipped.bytes);
        self.request.body_bytes += skipped.body_bytes;
        Ok(is_over)
    }

    fn answer(&mut self) {
        self.request.body = None;
        let is_head = self.request.is_head;
        self.output.extend_from_slice(self.service.answers.answer(self.request.is_last, is_head));
        if !self.request.is_health_check {
            self.service.counters.count_served_at_once();
            self.record();
        }
    }

    fn record(&self) {
        let Some(recorder) = &self.service.recorder else { return };
        recorder.record(&Arrived {
            received_unix_ns: self.request.received_unix_ns,
            connection: self.connection,
            method: &self.request.method,
            target: &self.request.target,
            body_bytes: self.request.body_bytes,
        });
    }
}

impl Request {
    fn begin(&mut self, head: &Head<'_>, received_unix_ns: i64, is_recorded: bool) {
        self.received_unix_ns = received_unix_ns;
        self.body = Some(head.body);
        self.body_bytes = 0;
        self.is_last = head.is_last;
        self.is_head = head.method == "HEAD";
        self.is_health_check = head.method == "GET" && head.target == HEALTH_CHECK;
        if is_recorded {
            self.method.clear();
            self.method.push_str(head.method);
            self.target.clear();
            self.target.push_str(head.target);
        }
    }
}

/// What has been read and not yet understood.
#[derive(Debug)]
struct Input {
    buffer: Vec<u8>,
    /// Bytes done with.
    taken: usize,
    /// Bytes read, those done with included.
    filled: usize,
    /// When the last bytes were read, if anybody wants to know.
    read_unix_ns: i64,
}

impl Default for Input {
    fn default() -> Self {
        Self { buffer: vec![0; INPUT_BYTES], taken: 0, filled: 0, read_unix_ns: 0 }
    }
}

impl Input {
    fn unread(&self) -> &[u8] {
        &self.buffer[self.taken..self.filled]
    }

    fn take(&mut self, bytes: usize) {
        self.taken += bytes;
        if self.taken == self.filled {
            self.taken = 0;
            self.filled = 0;
        }
    }

    /// Sees to it that something can be read; `false` when all allowed room is taken.
    fn make_room(&mut self) -> bool {
        if self.filled < self.buffer.len() {
            return true;
        }
        if self.taken > 0 {
            self.buffer.copy_within(self.taken..self.filled, 0);
            self.filled -= self.taken;
            self.taken = 0;
        } else if self.buffer.len() < INPUT_BYTES_MAX {
            self.buffer.resize(self.buffer.len() * 2, 0);
        } else {
            return false;
        }
        true
    }

    fn room(&mut self) -> &mut [u8] {
        &mut self.buffer[self.filled..]
    }
}

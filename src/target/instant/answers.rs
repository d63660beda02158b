//! Everything this target ever says, prepared.

/// Asks a client that waits for it to go on with its body.
pub(super) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Ends a conversation that is not HTTP/1.1.
pub(super) const BAD_REQUEST: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Ends a conversation with a request whose head, or whose chunk's head, has no end.
pub(super) const HEAD_TOO_LARGE: &[u8] =
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// What is answered to a request, with and without another one to follow.
#[derive(Debug)]
pub(super) struct Answers {
    keep: Answer,
    last: Answer,
}

#[derive(Debug)]
struct Answer {
    bytes: Vec<u8>,
    head_bytes: usize,
}

impl Answers {
    /// Prepares answers of status 200 with a body of `body_bytes` bytes.
    pub fn new(body_bytes: u32) -> Self {
        Self {
            keep: Answer::new(body_bytes, ""),
            last: Answer::new(body_bytes, "connection: close\r\n"),
        }
    }

    /// The answer to one request; to `HEAD`, without the body.
    pub fn answer(&self, is_last: bool, is_head: bool) -> &[u8] {
        let answer = if is_last { &self.last } else { &self.keep };
        if is_head { &answer.bytes[..answer.head_bytes] } else { &answer.bytes }
    }
}

impl Answer {
    fn new(body_bytes: u32, header: &str) -> Self {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {body_bytes}\r\n{header}\r\n");
        let mut bytes = head.into_bytes();
        let head_bytes = bytes.len();
        bytes.resize(head_bytes + body_bytes as usize, b'x');
        Self { bytes, head_bytes }
    }
}

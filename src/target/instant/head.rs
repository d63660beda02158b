//! The head of a request: what has to be known to answer it and to find the next one.

use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Request, Status};

use super::body::Body;

/// Most header fields of a request.
const HEADERS: usize = 100;

/// What is being said is not HTTP/1.1, or can be read in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// The head of one request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head<'a> {
    pub method: &'a str,
    pub target: &'a str,
    pub body: Body,
    /// No request follows this one.
    pub is_last: bool,
    /// The client waits for a word before it sends the body.
    pub expects_continue: bool,
    /// Length of the head.
    pub bytes: usize,
}

/// Reads the head at the beginning of `bytes`; `None` when it is not complete.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<Head<'_>>, Malformed> {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS];
    let mut request = Request::new(&mut []);
    let status = ParserConfig::default()
        .parse_request_with_uninit_headers(&mut request, bytes, &mut headers)
        .map_err(|_| Malformed)?;
    let Status::Complete(length) = status else { return Ok(None) };
    let is_old = request.version == Some(0);
    let facts = Facts::of(request.headers)?;
    if is_old && facts.is_chunked {
        return Err(Malformed);
    }
    Ok(Some(Head {
        method: request.method.unwrap_or_default(),
        target: request.path.unwrap_or_default(),
        body: facts.body(),
        // Keeping a connection was an extension of HTTP/1.0: its clients get one answer each.
        is_last: facts.is_last || is_old,
        expects_continue: facts.expects_continue && !is_old,
        bytes: length,
    }))
}

/// What the header fields say.
#[derive(Debug, Default)]
struct Facts {
    length: Option<u64>,
    is_chunked: bool,
    is_last: bool,
    expects_continue: bool,
}

impl Facts {
    fn of(headers: &[Header<'_>]) -> Result<Self, Malformed> {
        let mut facts = Self::default();
        for header in headers {
            // Few names have these lengths; the others are not compared at all.
            match header.name.len() {
                6 if is(header.name, "expect") => facts.expects_continue = true,
                10 if is(header.name, "connection") => facts.connection(header.value)?,
                14 if is(header.name, "content-length") => facts.content_length(header.value)?,
                17 if is(header.name, "transfer-encoding") => facts.encoding(header.value)?,
                _ => {}
            }
        }
        // A request with both is how requests are smuggled past one of two readers.
        if facts.is_chunked && facts.length.is_some() { Err(Malformed) } else { Ok(facts) }
    }

    fn connection(&mut self, value: &[u8]) -> Result<(), Malformed> {
        let options = text(value)?.split(',');
        self.is_last |= options.into_iter().any(|option| is(option.trim(), "close"));
        Ok(())
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), Malformed> {
        let digits = text(value)?.trim();
        // `parse` would take a sign.
        if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(Malformed);
        }
        let length = digits.parse().map_err(|_| Malformed)?;
        if self.length.replace(length).is_some_and(|other| other != length) {
            return Err(Malformed);
        }
        Ok(())
    }

    fn encoding(&mut self, value: &[u8]) -> Result<(), Malformed> {
        if self.is_chunked || !is(text(value)?.trim(), "chunked") {
            return Err(Malformed);
        }
        self.is_chunked = true;
        Ok(())
    }

    fn body(&self) -> Body {
        if self.is_chunked { Body::chunked() } else { Body::sized(self.length.unwrap_or(0)) }
    }
}

fn is(found: &str, name: &str) -> bool {
    found.eq_ignore_ascii_case(name)
}

fn text(value: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(value).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::{Body, Malformed, parse};

    fn head(fields: &str) -> String {
        format!("POST /a?b=%20c HTTP/1.1\r\nHost: x\r\n{fields}\r\nrest")
    }

    #[test]
    fn a_head_is_read_to_its_end_and_no_further() {
        let text = head("Content-Length: 5\r\n");
        let head = parse(text.as_bytes()).unwrap().unwrap();
        assert_eq!((head.method, head.target), ("POST", "/a?b=%20c"));
        assert_eq!((head.body, head.bytes), (Body::sized(5), text.len() - "rest".len()));
        assert!(!head.is_last && !head.expects_continue);
    }

    #[test]
    fn a_head_that_is_cut_anywhere_is_incomplete() {
        let text = head("Transfer-Encoding: chunked\r\n");
        let whole = text.len() - "rest".len();
        for cut in 0..whole {
            assert_eq!(parse(&text.as_bytes()[..cut]), Ok(None), "cut at {cut}");
        }
        assert!(parse(&text.as_bytes()[..whole]).unwrap().is_some());
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        let cases = [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: \r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: identity\r\n",
            "no colon\r\n",
        ];
        for fields in cases {
            assert_eq!(parse(head(fields).as_bytes()), Err(Malformed), "{fields}");
        }
        let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(parse(old.as_bytes()), Err(Malformed));
        assert_eq!(parse(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Err(Malformed));
    }

    #[test]
    fn fields_are_known_whatever_their_case() {
        let text = head("CONNECTION: Keep-Alive, Close\r\nexpect: 100-continue\r\n");
        let head = parse(text.as_bytes()).unwrap().unwrap();
        assert!(head.is_last && head.expects_continue);
    }

    #[test]
    fn http_1_0_gets_one_answer() {
        assert!(parse(b"GET / HTTP/1.0\r\n\r\n").unwrap().unwrap().is_last);
    }
}

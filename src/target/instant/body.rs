//! The body of a request: skipped, and counted.

use httparse::{Status, parse_chunk_size};

use super::head::Malformed;

/// How much of a body is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Body(Rest);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// This many bytes.
    Sized(u64),
    /// A chunk's head, its end included.
    ChunkHead,
    /// This many bytes of a chunk, and the line's end behind it.
    Chunk(u64),
    /// The line's end behind a chunk.
    ChunkEnd,
    /// Header fields after the last chunk, up to an empty line.
    Trailers,
    /// Nothing.
    Over,
}

/// How far a body was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Skipped {
    /// Bytes done with.
    pub bytes: usize,
    /// Bytes of the body among them.
    pub body_bytes: u64,
}

impl Body {
    pub fn sized(bytes: u64) -> Self {
        Self(if bytes == 0 { Rest::Over } else { Rest::Sized(bytes) })
    }

    pub fn chunked() -> Self {
        Self(Rest::ChunkHead)
    }

    /// Tells whether the next request may follow.
    pub fn is_over(self) -> bool {
        self.0 == Rest::Over
    }

    /// Skips what is there of the body. What is left over is the beginning of a line whose end
    /// has not been read, or belongs to the next request when the body is over.
    pub fn skip(&mut self, bytes: &[u8]) -> Result<Skipped, Malformed> {
        let mut skipped = Skipped::default();
        while !self.is_over() {
            let step = self.step(&bytes[skipped.bytes..])?;
            if step.bytes == 0 {
                break;
            }
            skipped.bytes += step.bytes;
            skipped.body_bytes += step.body_bytes;
        }
        Ok(skipped)
    }

    /// Skips to the next change of what is expected; nothing when more has to be read.
    fn step(&mut self, bytes: &[u8]) -> Result<Skipped, Malformed> {
        match self.0 {
            Rest::Sized(left) => Ok(self.data(bytes, left, Rest::Sized, Rest::Over)),
            Rest::Chunk(left) => Ok(self.data(bytes, left, Rest::Chunk, Rest::ChunkEnd)),
            Rest::ChunkHead => match parse_chunk_size(bytes).map_err(|_| Malformed)? {
                Status::Partial => Ok(Skipped::default()),
                Status::Complete((length, 0)) => Ok(self.line(length, Rest::Trailers)),
                Status::Complete((length, size)) => Ok(self.line(length, Rest::Chunk(size))),
            },
            Rest::ChunkEnd => match bytes {
                [b'\r', b'\n', ..] => Ok(self.line(2, Rest::ChunkHead)),
                [] | [b'\r'] => Ok(Skipped::default()),
                _ => Err(Malformed),
            },
            Rest::Trailers => Ok(match bytes.iter().position(|&byte| byte == b'\n') {
                None => Skipped::default(),
                Some(end) if bytes[..end].trim_ascii().is_empty() => self.line(end + 1, Rest::Over),
                Some(end) => self.line(end + 1, Rest::Trailers),
            }),
            Rest::Over => Ok(Skipped::default()),
        }
    }

    fn data(
        &mut self,
        bytes: &[u8],
        left: u64,
        more: impl FnOnce(u64) -> Rest,
        after: Rest,
    ) -> Skipped {
        let here = left.min(bytes.len() as u64);
        self.0 = if here == left { after } else { more(left - here) };
        // No more than the length of a slice.
        Skipped { bytes: here as usize, body_bytes: here }
    }

    fn line(&mut self, bytes: usize, next: Rest) -> Skipped {
        self.0 = next;
        Skipped { bytes, body_bytes: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::{Body, Skipped};

    const CHUNKED: &[u8] =
        b"4;name=value\r\nWiki\r\n6\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\nA: b\r\n\r\n";

    /// Skips `text` as it would come in pieces that end at `cut`.
    fn skip_cut(mut body: Body, text: &[u8], cut: usize) -> (u64, usize, bool) {
        let first = body.skip(&text[..cut]).unwrap();
        let second = body.skip(&text[first.bytes..]).unwrap();
        let bytes = first.bytes + second.bytes;
        (first.body_bytes + second.body_bytes, bytes, body.is_over())
    }

    #[test]
    fn a_chunked_body_is_skipped_wherever_it_is_cut() {
        let text = [CHUNKED, b"GET / HTTP/1.1\r\n"].concat();
        for cut in 0..=text.len() {
            let skipped = skip_cut(Body::chunked(), &text, cut);
            assert_eq!(skipped, (24, CHUNKED.len(), true), "cut at {cut}");
        }
    }

    #[test]
    fn a_sized_body_ends_with_its_last_byte() {
        for cut in 0..=8 {
            assert_eq!(skip_cut(Body::sized(5), b"12345678", cut), (5, 5, true), "cut at {cut}");
        }
        assert!(Body::sized(0).is_over());
    }

    #[test]
    fn a_body_that_breaks_off_is_not_over() {
        let mut body = Body::sized(5);
        assert_eq!(body.skip(b"123"), Ok(Skipped { bytes: 3, body_bytes: 3 }));
        assert!(!body.is_over());
    }

    #[test]
    fn chunks_that_are_none_are_refused() {
        for text in ["x\r\n", "3\r\nabcd\r\n", "11111111111111111\r\n", "3\nabc"] {
            assert!(Body::chunked().skip(text.as_bytes()).is_err(), "{text}");
        }
    }
}

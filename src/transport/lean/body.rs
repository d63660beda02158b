//! Where a response's body ends, found out byte by byte as it arrives.
//!
//! Bodies are counted and thrown away: a load generator has no use for them, and a copy of
//! each would be most of its memory. So the reader keeps a few numbers between reads and no
//! bytes at all.

use thiserror::Error;

/// Most bytes of chunk extensions and trailers of one response: more is an attack.
const EXTRAS_MAX: u32 = 16 * 1024;

/// How the end of a body is told (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes; none for HEAD, 204 and 304.
    Length(u64),
    /// In chunks, of which the last is empty.
    Chunked,
    /// Up to the end of the connection.
    UntilClose,
}

/// What is wrong with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BodyError {
    /// A chunk does not begin with its length in hexadecimal.
    #[error("a chunk of the response does not begin with its length")]
    ChunkSize,
    /// A chunk is longer than it said.
    #[error("a chunk of the response does not end where it should")]
    ChunkEnd,
    /// A line of a trailer ends in nonsense.
    #[error("the trailer of the response is malformed")]
    Trailer,
    /// Chunk extensions or trailers without end.
    #[error("chunk extensions and trailers are longer than {EXTRAS_MAX} bytes")]
    Extras,
}

/// What one call of [`BodyReader::take`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    /// Bytes of the input that belong to this response.
    pub consumed: usize,
    /// Bytes among them that are body, framing left out.
    pub body_bytes: u64,
    /// Whether the body is complete.
    pub is_end: bool,
}

/// Follows one body to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyReader {
    Length { left: u64 },
    Chunked { state: Chunked, extras_left: u32 },
    UntilClose,
}

/// Where in the chunked coding (RFC 9112 §7.1) the next byte lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunked {
    /// In the digits of a chunk's length; `is_begun` once there was one.
    Size { length: u64, is_begun: bool },
    /// In what follows the digits, up to the line's end.
    Extension { length: u64 },
    /// Before the line feed that ends the line of the length.
    SizeEnd { length: u64 },
    /// In the data of a chunk.
    Data { left: u64 },
    /// Before the carriage return behind the data.
    DataEnd,
    /// Before the line feed behind the data.
    DataLineFeed,
    /// At the beginning of a line of the trailer, which an empty line ends.
    TrailerStart,
    /// Inside a line of the trailer.
    Trailer,
    /// Before the line feed of a line of the trailer.
    TrailerLineFeed,
    /// Before the last line feed of the response.
    LastLineFeed,
    /// Behind it.
    End,
}

impl BodyReader {
    /// Starts at the first byte behind the head.
    pub fn new(framing: Framing) -> Self {
        match framing {
            Framing::Length(left) => Self::Length { left },
            Framing::Chunked => Self::Chunked {
                state: Chunked::Size { length: 0, is_begun: false },
                extras_left: EXTRAS_MAX,
            },
            Framing::UntilClose => Self::UntilClose,
        }
    }

    /// Tells whether the end of the connection is the end of the body.
    pub fn ends_with_connection(&self) -> bool {
        matches!(self, Self::UntilClose)
    }

    /// Takes what belongs to the body off the front of `input`.
    ///
    /// # Errors
    /// When the chunked coding is broken.
    pub fn take(&mut self, input: &[u8]) -> Result<Taken, BodyError> {
        match self {
            Self::Length { left } => {
                let consumed = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= consumed as u64;
                Ok(Taken { consumed, body_bytes: consumed as u64, is_end: *left == 0 })
            }
            Self::UntilClose => {
                Ok(Taken { consumed: input.len(), body_bytes: input.len() as u64, is_end: false })
            }
            Self::Chunked { state, extras_left } => take_chunked(state, extras_left, input),
        }
    }
}

fn take_chunked(
    state: &mut Chunked,
    extras_left: &mut u32,
    input: &[u8],
) -> Result<Taken, BodyError> {
    let (mut consumed, mut body_bytes) = (0, 0);
    while consumed < input.len() && *state != Chunked::End {
        if let Chunked::Data { left } = state {
            let length = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len() - consumed);
            consumed += length;
            body_bytes += length as u64;
            *left -= length as u64;
            if *left == 0 {
                *state = Chunked::DataEnd;
            }
            continue;
        }
        if matches!(state, Chunked::Extension { .. } | Chunked::Trailer | Chunked::TrailerStart) {
            *extras_left = extras_left.checked_sub(1).ok_or(BodyError::Extras)?;
        }
        *state = state.after(input[consumed])?;
        consumed += 1;
    }
    Ok(Taken { consumed, body_bytes, is_end: *state == Chunked::End })
}

impl Chunked {
    /// The state behind a byte that is not data.
    fn after(self, byte: u8) -> Result<Self, BodyError> {
        Ok(match (self, byte) {
            (Self::Size { length, .. }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => Self::Size {
                length: push_digit(length, byte).ok_or(BodyError::ChunkSize)?,
                is_begun: true,
            },
            (Self::Size { length, is_begun: true }, b'\r') => Self::SizeEnd { length },
            (Self::Size { length, is_begun: true }, b';' | b' ' | b'\t') => {
                Self::Extension { length }
            }
            (Self::Extension { length }, b'\r') => Self::SizeEnd { length },
            // A bare line feed inside an extension is how requests are smuggled.
            (Self::Extension { .. }, b'\n') => return Err(BodyError::ChunkSize),
            (Self::Extension { length }, _) => Self::Extension { length },
            (Self::SizeEnd { length: 0 }, b'\n') => Self::TrailerStart,
            (Self::SizeEnd { length }, b'\n') => Self::Data { left: length },
            (Self::Size { .. } | Self::SizeEnd { .. }, _) => return Err(BodyError::ChunkSize),
            (Self::DataEnd, b'\r') => Self::DataLineFeed,
            (Self::DataLineFeed, b'\n') => Self::Size { length: 0, is_begun: false },
            (Self::DataEnd | Self::DataLineFeed, _) => return Err(BodyError::ChunkEnd),
            (Self::TrailerStart, b'\r') => Self::LastLineFeed,
            (Self::Trailer, b'\r') => Self::TrailerLineFeed,
            (Self::TrailerStart | Self::Trailer, b'\n') => return Err(BodyError::Trailer),
            (Self::TrailerStart | Self::Trailer, _) => Self::Trailer,
            (Self::TrailerLineFeed, b'\n') => Self::TrailerStart,
            (Self::LastLineFeed, b'\n') => Self::End,
            (Self::TrailerLineFeed | Self::LastLineFeed, _) => return Err(BodyError::Trailer),
            (Self::Data { .. } | Self::End, _) => self,
        })
    }
}

/// Appends a hexadecimal digit; `None` beyond 64 bits.
fn push_digit(length: u64, digit: u8) -> Option<u64> {
    let value = char::from(digit).to_digit(16)?;
    length.checked_mul(16).map(|shifted| shifted + u64::from(value))
}

#[cfg(test)]
mod tests {
    use super::{BodyError, BodyReader, Framing};

    /// Feeds `input` in pieces of `step` bytes; returns body bytes, bytes consumed, end.
    fn read(framing: Framing, input: &[u8], step: usize) -> Result<(u64, usize, bool), BodyError> {
        let mut reader = BodyReader::new(framing);
        let (mut body_bytes, mut consumed) = (0, 0);
        for piece in input.chunks(step) {
            let taken = reader.take(piece)?;
            body_bytes += taken.body_bytes;
            consumed += taken.consumed;
            if taken.is_end {
                return Ok((body_bytes, consumed, true));
            }
        }
        Ok((body_bytes, consumed, false))
    }

    #[test]
    fn chunks_are_counted_however_they_arrive() {
        let input = b"4\r\nWiki\r\n6;name=value\r\npedia \r\nE \r\nin \r\n\r\nchunks.\r\n0\r\nx: y\r\n\r\nGET";
        for step in 1..=input.len() {
            let found = read(Framing::Chunked, input, step);
            assert_eq!(found, Ok((24, input.len() - 3, true)), "in pieces of {step}");
        }
    }

    #[test]
    fn a_length_ends_the_body_and_what_follows_is_not_taken() {
        for step in 1..=8 {
            assert_eq!(read(Framing::Length(5), b"12345678", step), Ok((5, 5, true)));
        }
        assert_eq!(read(Framing::Length(0), b"12", 2), Ok((0, 0, true)));
        assert_eq!(read(Framing::Length(9), b"12", 2), Ok((2, 2, false)));
    }

    #[test]
    fn without_framing_everything_is_body() {
        assert_eq!(read(Framing::UntilClose, b"12345", 2), Ok((5, 5, false)));
    }

    #[test]
    fn broken_chunks_are_errors() {
        let cases: [(&[u8], BodyError); 9] = [
            (b"x\r\n", BodyError::ChunkSize),
            (b"\r\n", BodyError::ChunkSize),
            (b"-1\r\n", BodyError::ChunkSize),
            (b"0x5\r\n", BodyError::ChunkSize),
            (b"5\n12345", BodyError::ChunkSize),
            (b"5;a\n12345", BodyError::ChunkSize),
            (b"ffffffffffffffff1\r\n", BodyError::ChunkSize),
            (b"2\r\n123\r\n", BodyError::ChunkEnd),
            (b"0\r\nname: value\n\r\n", BodyError::Trailer),
        ];
        for (input, expected) in cases {
            for step in [1, input.len()] {
                assert_eq!(read(Framing::Chunked, input, step), Err(expected), "{input:?}");
            }
        }
    }

    #[test]
    fn extensions_and_trailers_without_end_are_refused() {
        let endless = [b"1;".as_slice(), &[b'a'; 20_000]].concat();
        assert_eq!(read(Framing::Chunked, &endless, 512), Err(BodyError::Extras));
        let endless = [b"0\r\na:".as_slice(), &[b'a'; 20_000]].concat();
        assert_eq!(read(Framing::Chunked, &endless, 512), Err(BodyError::Extras));
    }
}

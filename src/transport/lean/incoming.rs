//! A response on its way in: head, interim responses, body.

use std::io;

use openload_contract::Outcome;
use thiserror::Error;

pub use super::body::BodyError;
use super::body::{BodyReader, Framing};
use super::head;
pub use super::head::HeadError;
use crate::transport::{Failure, Stamps};

/// Why a response will never be complete.
#[derive(Debug, Error)]
pub enum IncomingError {
    /// The socket failed.
    #[error(transparent)]
    Socket(io::Error),
    /// The target closed the connection before the response was complete.
    #[error("the target closed the connection {0}")]
    Closed(&'static str),
    /// The head cannot be relied on.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The body's framing is broken.
    #[error(transparent)]
    Body(#[from] BodyError),
}

impl IncomingError {
    /// How the row ends.
    pub(super) fn into_failure(self) -> Failure {
        let outcome = match self {
            Self::Socket(_) | Self::Closed(_) => Outcome::Reset,
            Self::Head(_) | Self::Body(_) => Outcome::ProtocolError,
        };
        Failure::new(outcome, &self)
    }
}

/// What follows from some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// More bytes are needed.
    More,
    /// The response is complete.
    Complete {
        /// Whether the connection may carry another exchange.
        is_kept: bool,
    },
}

/// A response on its way in.
#[derive(Debug, Default)]
pub struct Incoming {
    is_head_request: bool,
    part: Part,
    is_kept: bool,
    /// The beginning of a head that came in several reads.
    unparsed: Vec<u8>,
}

#[derive(Debug, Default)]
enum Part {
    Head,
    Body(BodyReader),
    #[default]
    Complete,
}

impl Incoming {
    /// Prepares for the response to the next request.
    pub fn expect_response(&mut self, is_head_request: bool) {
        self.is_head_request = is_head_request;
        self.part = Part::Head;
        self.is_kept = false;
        self.unparsed.clear();
    }

    /// Tells whether the whole response has arrived.
    pub(super) fn is_complete(&self) -> bool {
        matches!(self.part, Part::Complete)
    }

    /// Takes bytes from the socket; notes status and body bytes in `stamps`.
    ///
    /// # Errors
    /// When the response can never be complete.
    pub fn take(&mut self, bytes: &[u8], stamps: &Stamps) -> Result<Step, IncomingError> {
        if self.unparsed.is_empty() {
            let left = self.take_directly(bytes, stamps)?;
            self.keep(left);
        } else {
            let mut together = std::mem::take(&mut self.unparsed);
            together.extend_from_slice(bytes);
            let left = self.take_directly(&together, stamps)?;
            self.keep(left);
        }
        Ok(if self.is_complete() { Step::Complete { is_kept: self.is_kept } } else { Step::More })
    }

    /// Keeps the beginning of a head for the next read. What is left behind a complete
    /// response answers nothing that was asked: the connection is not to be trusted.
    fn keep(&mut self, left: &[u8]) {
        match self.part {
            Part::Head => self.unparsed.extend_from_slice(left),
            Part::Complete => self.is_kept &= left.is_empty(),
            Part::Body(_) => {}
        }
    }

    /// Takes what can be taken; returns the rest.
    fn take_directly<'a>(
        &mut self,
        mut bytes: &'a [u8],
        stamps: &Stamps,
    ) -> Result<&'a [u8], IncomingError> {
        while matches!(self.part, Part::Head) {
            let Some(head) = head::parse(bytes, self.is_head_request)? else { return Ok(bytes) };
            bytes = &bytes[head.length..];
            // An interim response (1xx) is followed by another head.
            if head.status >= 200 {
                stamps.status.set(Some(head.status));
                self.is_kept = head.is_kept;
                self.part = match head.framing {
                    Framing::Length(0) => Part::Complete,
                    framing => Part::Body(BodyReader::new(framing)),
                };
            }
        }
        if let Part::Body(reader) = &mut self.part {
            let taken = reader.take(bytes)?;
            stamps.add_bytes_in(taken.body_bytes);
            bytes = &bytes[taken.consumed..];
            if taken.is_end {
                self.part = Part::Complete;
            }
        }
        Ok(bytes)
    }

    /// Takes note of the end of the connection.
    ///
    /// # Errors
    /// When the response is not complete by it.
    pub(super) fn end(&mut self) -> Result<(), IncomingError> {
        match &self.part {
            Part::Complete => Ok(()),
            Part::Body(reader) if reader.ends_with_connection() => {
                self.part = Part::Complete;
                Ok(())
            }
            Part::Body(_) => Err(IncomingError::Closed("in the middle of the response's body")),
            Part::Head if self.unparsed.is_empty() => {
                Err(IncomingError::Closed("before it sent a response"))
            }
            Part::Head => Err(IncomingError::Closed("in the middle of the response's head")),
        }
    }
}

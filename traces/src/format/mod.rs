//! The formats recorded traffic comes in.
//!
//! Most are a line a request: a [`LineFormat`] looks at one line at a time. The others read the
//! whole input themselves ([`Format`]). Neither knows files, compression, sorting, or what is
//! done with a record. A parser never panics and never drops anything silently: what it cannot
//! use it names with a [`Skip`].

pub mod alb;
pub mod catalogue;
pub mod envoy;
pub mod functions;
pub mod gor;
pub mod haproxy;
pub mod har;
pub mod json;
pub mod mooncake;
pub mod ncsa;
pub mod parquet_table;
pub mod pattern;
pub mod peeled;
pub mod squid;
pub mod table;
pub mod value;
pub mod vegeta;
pub mod w3c;
pub mod windows;

mod recent;
mod request;
mod rows;
mod scan;
#[cfg(test)]
mod testing;
mod unescape;
mod words;

use std::io::{self, BufRead};

use crate::lines::{Line, Lines};
use crate::record::{Record, Skip};

/// Takes what a format finds.
pub trait Sink {
    /// A request, found at `place`: the number of its line, row or entry, from 1.
    ///
    /// # Errors
    /// When the importer cannot go on.
    fn record(&mut self, place: u64, record: &Record<'_>) -> io::Result<()>;

    /// Something at `place` that is no request to replay. `text` is its beginning.
    ///
    /// # Errors
    /// When the importer will not go on.
    fn skip(&mut self, place: u64, reason: Skip, text: &[u8]) -> io::Result<()>;
}

/// A format that reads a whole input.
pub trait Format {
    /// Reads `input` to its end and gives everything in it to `sink`.
    ///
    /// # Errors
    /// When the input cannot be read, is not of this format at all, or `sink` gives up.
    fn read(&mut self, input: &mut dyn BufRead, sink: &mut dyn Sink) -> io::Result<()>;
}

/// A format with a line a request.
pub trait LineFormat {
    /// Reads one line, without its end. `None` for a line that says nothing by design: a comment,
    /// a heading, a blank line.
    ///
    /// # Errors
    /// Why the line is no request.
    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Result<Option<Record<'a>>, Skip>;
}

impl<F: LineFormat + ?Sized> LineFormat for Box<F> {
    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Result<Option<Record<'a>>, Skip> {
        (**self).parse(line)
    }
}

impl<F: LineFormat> Format for F {
    fn read(&mut self, input: &mut dyn BufRead, sink: &mut dyn Sink) -> io::Result<()> {
        Lines::new(input).each(|number, line| match line {
            Line::TooLong(start) => sink.skip(number, Skip::TooLong, start),
            // By reference: a record is large.
            Line::Whole(line) => match &self.parse(line) {
                Ok(Some(record)) => sink.record(number, record),
                Ok(None) => Ok(()),
                Err(reason) => sink.skip(number, *reason, line),
            },
        })
    }
}

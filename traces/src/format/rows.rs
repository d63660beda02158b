//! Rows of a table in text: fields between delimiters, quoted or not.
//!
//! A quoted field may hold line ends, so a row may be several lines. A quote that is never closed
//! would take in the rest of the file: after [`ROW_LINES_MAX`] lines its first line is given up
//! as torn, and reading goes on with the next.

use std::io::{self, BufRead};

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use crate::lines::{LINE_BYTES_MAX, Line, Lines};

/// Lines that a row may have.
const ROW_LINES_MAX: usize = 64;

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Syntax {
    /// Byte between fields.
    pub delimiter: u8,
    /// Byte around fields that hold a delimiter; absent when fields are never quoted.
    pub quote: Option<u8>,
}

impl Syntax {
    /// Fields between commas.
    pub const CSV: Self = Self { delimiter: b',', quote: Some(b'"') };
    /// Fields between tabs, never quoted.
    pub const TSV: Self = Self { delimiter: b'\t', quote: None };
}

/// The fields of a row.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    text: Vec<u8>,
    ends: Vec<usize>,
    count: usize,
}

impl Fields {
    /// The field at `position`.
    pub fn get(&self, position: usize) -> Option<&[u8]> {
        let end = *self.ends[..self.count].get(position)?;
        let start = position.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.text.get(start..end)
    }

    /// The text of all fields, one after another.
    pub fn text(&self) -> &[u8] {
        let end = self.count.checked_sub(1).map_or(0, |last| self.ends[last]);
        self.text.get(..end).unwrap_or_default()
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.count
    }

    /// The fields in their order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.count).map(|position| self.get(position).unwrap_or_default())
    }
}

/// What a line is the beginning of.
#[derive(Debug)]
pub(crate) enum Row<'a> {
    /// A row.
    Whole(&'a Fields),
    /// A line longer than the longest that is read.
    TooLong(&'a [u8]),
    /// A line with a quote that is not closed.
    Torn(&'a [u8]),
}

/// Reads rows, with the number of the line each begins in. Blank lines are passed over.
pub(crate) struct Rows<R> {
    lines: Lines<R>,
    parser: Reader,
    fields: Fields,
    /// Lines behind the current one that were read and not used: number and whether too long.
    ahead: std::collections::VecDeque<(u64, bool, Vec<u8>)>,
    line: Vec<u8>,
}

impl<R: BufRead> Rows<R> {
    /// Reads the rows of `input`.
    pub fn new(input: R, syntax: Syntax) -> Self {
        let mut builder = ReaderBuilder::new();
        builder.delimiter(syntax.delimiter).quoting(syntax.quote.is_some());
        if let Some(quote) = syntax.quote {
            builder.quote(quote);
        }
        Self {
            lines: Lines::new(input),
            parser: builder.build(),
            fields: Fields::default(),
            ahead: std::collections::VecDeque::new(),
            line: Vec::new(),
        }
    }

    /// The next row; `None` at the end.
    pub fn next_row(&mut self) -> io::Result<Option<(u64, Row<'_>)>> {
        let (number, is_too_long) = loop {
            let Some((number, is_too_long)) = self.next_line()? else { return Ok(None) };
            if !self.line.is_empty() {
                break (number, is_too_long);
            }
        };
        if is_too_long {
            return Ok(Some((number, Row::TooLong(&self.line))));
        }
        self.parser.reset();
        self.fields.count = 0;
        let mut text_bytes = 0;
        if self.feed(&mut text_bytes) {
            return Ok(Some((number, Row::Whole(&self.fields))));
        }
        // The row goes on. What is read of it stays at hand, should it have no end.
        let first = std::mem::take(&mut self.line);
        let mut used = Vec::new();
        let mut total_bytes = first.len();
        while used.len() < ROW_LINES_MAX {
            let Some((number_of_next, is_too_long)) = self.next_line()? else { break };
            total_bytes += self.line.len();
            let is_whole =
                !is_too_long && total_bytes <= LINE_BYTES_MAX && self.feed(&mut text_bytes);
            if is_whole {
                return Ok(Some((number, Row::Whole(&self.fields))));
            }
            let is_end = is_too_long || total_bytes > LINE_BYTES_MAX;
            used.push((number_of_next, is_too_long, std::mem::take(&mut self.line)));
            if is_end {
                break;
            }
        }
        for line in used.into_iter().rev() {
            self.ahead.push_front(line);
        }
        self.line = first;
        Ok(Some((number, Row::Torn(&self.line))))
    }

    /// Puts the next line into `line`.
    fn next_line(&mut self) -> io::Result<Option<(u64, bool)>> {
        if let Some((number, is_too_long, line)) = self.ahead.pop_front() {
            self.line = line;
            return Ok(Some((number, is_too_long)));
        }
        self.line.clear();
        let Some((number, line)) = self.lines.next_line()? else { return Ok(None) };
        let (Line::Whole(text) | Line::TooLong(text)) = line;
        self.line.extend_from_slice(text);
        Ok(Some((number, matches!(line, Line::TooLong(_)))))
    }

    /// Gives a line and its end to the parser; tells whether the row ends there.
    fn feed(&mut self, text_bytes: &mut usize) -> bool {
        self.line.push(b'\n');
        let mut at = 0;
        let is_whole = loop {
            let fields = &mut self.fields;
            let room = &mut fields.text[*text_bytes..];
            let (result, read, written, ended) =
                self.parser.read_record(&self.line[at..], room, &mut fields.ends[fields.count..]);
            at += read;
            *text_bytes += written;
            fields.count += ended;
            match result {
                ReadRecordResult::OutputFull => {
                    let room = (fields.text.len() * 2).max(256);
                    fields.text.resize(room, 0);
                }
                ReadRecordResult::OutputEndsFull => {
                    let room = (fields.ends.len() * 2).max(32);
                    fields.ends.resize(room, 0);
                }
                ReadRecordResult::Record => break true,
                ReadRecordResult::InputEmpty if at < self.line.len() => {}
                ReadRecordResult::InputEmpty | ReadRecordResult::End => break false,
            }
        };
        self.line.pop();
        is_whole
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    fn read(input: &[u8], syntax: Syntax) -> Vec<(u64, Result<Vec<String>, &'static str>)> {
        let mut rows = Rows::new(input, syntax);
        let mut all = Vec::new();
        while let Some((number, row)) = rows.next_row().unwrap() {
            all.push((
                number,
                match row {
                    Row::Whole(fields) => Ok(fields
                        .iter()
                        .map(|field| String::from_utf8_lossy(field).into_owned())
                        .collect()),
                    Row::TooLong(_) => Err("too long"),
                    Row::Torn(_) => Err("torn"),
                },
            ));
        }
        all
    }

    fn fields(texts: &[&str]) -> Result<Vec<String>, &'static str> {
        Ok(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    #[test]
    fn quoted_fields_hold_delimiters_quotes_and_line_ends() {
        let input = b"a,b\r\n\n\"x,\"\"y\",\"two\nlines\"\n,5\" pipe,\nlast,\"z\"";
        assert_eq!(
            read(input, Syntax::CSV),
            [
                (1, fields(&["a", "b"])),
                (3, fields(&["x,\"y", "two\nlines"])),
                (5, fields(&["", "5\" pipe", ""])),
                (6, fields(&["last", "z"])),
            ]
        );
        assert_eq!(read(b"\"a\tb\n", Syntax::TSV), [(1, fields(&["\"a", "b"]))]);
    }

    #[test]
    fn a_quote_that_is_never_closed_costs_one_line() {
        let mut input = b"1,\"open\n".to_vec();
        for row in 2..300 {
            input.extend_from_slice(format!("{row},x\n").as_bytes());
        }
        let rows = read(&input, Syntax::CSV);
        assert_eq!(rows[0], (1, Err("torn")));
        assert_eq!(rows.len(), 299);
        assert_eq!(rows[298], (299, fields(&["299", "x"])));
        assert_eq!(read(b"1,\"open", Syntax::CSV), [(1, Err("torn"))]);
    }

    #[test]
    fn a_line_beyond_the_longest_is_told() {
        let input = format!("1,\"open\n{}\n2,x\n", "y".repeat(LINE_BYTES_MAX + 1));
        let rows = read(input.as_bytes(), Syntax::CSV);
        assert_eq!(rows, [(1, Err("torn")), (2, Err("too long")), (3, fields(&["2", "x"]))]);
    }

    proptest! {
        #[test]
        fn rows_are_those_of_the_reader_of_whole_files(text in "([a-c\"]{0,3}[,\n]){0,30}") {
            let mut reader = csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .from_reader(text.as_bytes());
            let expected = reader.byte_records().map(|record| {
                let record = record.unwrap();
                record.iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect()
            });
            let expected = expected.collect::<Vec<Vec<String>>>();
            let rows = read(text.as_bytes(), Syntax::CSV);
            // A quote that the end of the text closes is whole to the other reader.
            if rows.iter().all(|(_, row)| row.is_ok()) {
                let rows = rows.into_iter().map(|(_, row)| row.unwrap()).collect::<Vec<_>>();
                assert_eq!(rows, expected);
            }
        }

        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>(), text in "[\",a\n\r\t]{0,60}") {
            read(&bytes, Syntax::CSV);
            read(text.as_bytes(), Syntax::CSV);
            read(text.as_bytes(), Syntax::TSV);
        }
    }
}

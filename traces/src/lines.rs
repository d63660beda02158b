//! Lines of a log, in bounded memory.

use std::io::{self, BufRead};

use memchr::{memchr, memchr_iter};

/// Longest line that is read; a longer one is passed over and counted.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// Bytes of a passed-over line that are shown.
const SHOWN_BYTES: usize = 80;

/// A line without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// A line as it stands.
    Whole(&'a [u8]),
    /// The beginning of a line longer than [`LINE_BYTES_MAX`].
    TooLong(&'a [u8]),
}

/// Reads lines that end in LF or CR LF; the last may end in neither. A byte order mark at the
/// beginning of the input and runs of NUL at the beginning of a line, as rotation leaves them
/// behind, are passed over.
pub struct Lines<R> {
    input: R,
    /// The part of a line that lies across the borders of the reader's buffer.
    carried: Vec<u8>,
    /// Bytes of the reader's buffer that the last line took.
    taken: usize,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// Reads the lines of `input`.
    pub fn new(input: R) -> Self {
        Self { input, carried: Vec::new(), taken: 0, number: 0 }
    }

    /// The next line with its number, from 1; `None` at the end.
    ///
    /// # Errors
    /// When the input cannot be read.
    pub fn next_line(&mut self) -> io::Result<Option<(u64, Line<'_>)>> {
        self.input.consume(std::mem::take(&mut self.taken));
        self.carried.clear();
        self.number += 1;
        let is_first = self.number == 1;
        // Nearly every line lies in the buffer whole and is not copied.
        let length = memchr(b'\n', self.input.fill_buf()?);
        let Some(length) = length else { return self.next_carried() };
        self.taken = length + 1;
        let line = &self.input.fill_buf()?[..length];
        Ok(Some((self.number, trimmed(line, is_first))))
    }

    /// Gives every line to `take`, as [`Lines::next_line`] would, and asks the reader once for all
    /// that lie in its buffer.
    ///
    /// # Errors
    /// When the input cannot be read, or `take` fails.
    pub fn each(
        &mut self,
        mut take: impl FnMut(u64, Line<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        loop {
            let Self { input, taken, number, .. } = self;
            input.consume(std::mem::take(taken));
            let buffer = input.fill_buf()?;
            for end in memchr_iter(b'\n', buffer) {
                *number += 1;
                let line = trimmed(&buffer[*taken..end], *number == 1);
                *taken = end + 1;
                take(*number, line)?;
            }
            // What is left lies across the buffer's border.
            let Some((number, line)) = self.next_line()? else { return Ok(()) };
            take(number, line)?;
        }
    }

    /// Puts a line together that ends beyond the buffer.
    fn next_carried(&mut self) -> io::Result<Option<(u64, Line<'_>)>> {
        let mut has_any = false;
        loop {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                break;
            }
            has_any = true;
            let end = memchr(b'\n', buffer);
            let part = &buffer[..end.unwrap_or(buffer.len())];
            let room = (LINE_BYTES_MAX + 1).saturating_sub(self.carried.len());
            self.carried.extend_from_slice(&part[..part.len().min(room)]);
            let used = end.map_or(buffer.len(), |end| end + 1);
            self.input.consume(used);
            if end.is_some() {
                break;
            }
        }
        if !has_any {
            return Ok(None);
        }
        Ok(Some((self.number, trimmed(&self.carried, self.number == 1))))
    }
}

fn trimmed(line: &[u8], is_first: bool) -> Line<'_> {
    if line.len() > LINE_BYTES_MAX {
        return Line::TooLong(&line[..SHOWN_BYTES]);
    }
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = if is_first { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
    let nuls = line.iter().take_while(|&&byte| byte == 0).count();
    Line::Whole(&line[nuls..])
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::{LINE_BYTES_MAX, Line, Lines};

    fn lines(input: &[u8], buffer_bytes: usize) -> Vec<(u64, Vec<u8>)> {
        let mut lines = Lines::new(BufReader::with_capacity(buffer_bytes, input));
        let mut read = Vec::new();
        while let Some((number, line)) = lines.next_line().unwrap() {
            let (Line::Whole(text) | Line::TooLong(text)) = line;
            read.push((number, text.to_vec()));
        }
        read
    }

    #[test]
    fn lines_are_the_same_whatever_the_buffer() {
        let input = b"\xef\xbb\xbfone\r\n\n\0\0\0three\nfour\r\nlast";
        let expected = [&b"one"[..], b"", b"three", b"four", b"last"];
        for buffer_bytes in [1, 2, 3, 7, 1000] {
            let read = lines(input, buffer_bytes);
            assert_eq!(read.iter().map(|line| line.0).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
            assert_eq!(read.iter().map(|line| &line.1[..]).collect::<Vec<_>>(), expected);
            let mut each = Vec::new();
            let reader = BufReader::with_capacity(buffer_bytes, &input[..]);
            let taken = Lines::new(reader).each(|number, line| {
                let (Line::Whole(text) | Line::TooLong(text)) = line;
                each.push((number, text.to_vec()));
                Ok(())
            });
            taken.unwrap();
            assert_eq!(each, read);
        }
        assert_eq!(lines(b"", 8), []);
        assert_eq!(lines(b"a\n", 8).len(), 1);
    }

    #[test]
    fn a_line_without_end_takes_no_more_memory_than_the_longest() {
        let mut input = vec![b'x'; 3 * LINE_BYTES_MAX];
        input.extend_from_slice(b"\nshort\n");
        let mut lines = Lines::new(BufReader::new(&input[..]));
        let (number, line) = lines.next_line().unwrap().unwrap();
        assert_eq!(number, 1);
        assert!(matches!(line, Line::TooLong(start) if start == [b'x'; 80]));
        assert!(lines.carried.capacity() <= 2 * LINE_BYTES_MAX + 2);
        assert_eq!(lines.next_line().unwrap(), Some((2, Line::Whole(b"short"))));
        assert_eq!(lines.next_line().unwrap(), None);
    }
}

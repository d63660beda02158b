//! The text a profile is made of: a file, and the arguments that change it.
//!
//! Arguments such as `--set` are laid behind the file in one row of bytes. Every span,
//! wherever it comes from, is then a range in that row, and one function turns it into the
//! file or the argument with its line and column.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::path::Path;

use super::diagnostic::{Fault, Place, ProfileError};

/// Largest profile that is read. A profile of a thousand phases has about 0.1 MB; more than
/// this is another file given by mistake.
const FILE_MAX: u64 = 1_000_000;

#[derive(Debug)]
struct Piece {
    name: String,
    start: usize,
    text: String,
}

/// The text a profile is made of.
#[derive(Debug)]
pub(super) struct Source {
    pieces: Vec<Piece>,
}

impl Source {
    /// Begins with the text of a profile; a byte order mark is left out.
    pub(super) fn new(name: &str, text: &str) -> Self {
        let mut source = Self { pieces: Vec::new() };
        source.push(name, text.strip_prefix('\u{feff}').unwrap_or(text));
        source
    }

    /// Reads a profile from a file.
    pub(super) fn read(path: &Path) -> Result<Self, ProfileError> {
        let bytes = read_bytes(path).map_err(|fault| ProfileError::from(fault.at(None)))?;
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(&path.display().to_string(), &text)),
            Err(error) => {
                let fault = not_text(path, error.as_bytes(), error.utf8_error().valid_up_to());
                Err(fault.at(None).into())
            }
        }
    }

    /// Appends an argument and returns where it begins.
    pub(super) fn push(&mut self, name: &str, text: &str) -> usize {
        // One byte apart, so that an empty span at an end belongs to one piece only.
        let start = self.pieces.last().map_or(0, |last| last.start + last.text.len() + 1);
        self.pieces.push(Piece { name: name.to_owned(), start, text: text.to_owned() });
        start
    }

    /// Returns the text of the profile itself.
    pub(super) fn profile(&self) -> &str {
        self.pieces.first().map_or("", |piece| &piece.text)
    }

    /// Finds the place of a span.
    pub(super) fn place(&self, span: &Range<usize>) -> Option<Place> {
        let piece = self.pieces.iter().rev().find(|piece| piece.start <= span.start)?;
        let start = floor(&piece.text, span.start - piece.start);
        let end = floor(&piece.text, span.end.saturating_sub(piece.start)).max(start);
        Some(place(&piece.name, &piece.text, start..end))
    }
}

/// Moves an offset back to the beginning of a character.
fn floor(text: &str, offset: usize) -> usize {
    let offset = offset.min(text.len());
    (0..=offset).rev().find(|&offset| text.is_char_boundary(offset)).unwrap_or(0)
}

fn place(name: &str, text: &str, span: Range<usize>) -> Place {
    let before = &text[..span.start];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line_text = text[line_start..].lines().next().unwrap_or("");
    let line_end = (line_start + line_text.len()).max(span.start);
    let marked = &text[span.start..span.end.clamp(span.start, line_end)];
    Place {
        file: name.to_owned(),
        line: before.matches('\n').count() + 1,
        column: text[line_start..span.start].chars().count() + 1,
        width: marked.chars().count().max(1),
        text: line_text.to_owned(),
    }
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, Fault> {
    let shown = path.display();
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => Fault::new(format!("there is no file `{shown}`")),
        ErrorKind::PermissionDenied => Fault::new(format!("`{shown}` may not be read")),
        _ => Fault::new(format!("cannot read `{shown}`: {error}")),
    };
    let metadata = path.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(Fault::new(format!("`{shown}` is a directory, not a profile"))
            .help("name a TOML file inside it"));
    }
    let too_large =
        |size: String| Fault::new(format!("profile files are at most 1 MB; `{shown}` has {size}"));
    if metadata.len() > FILE_MAX {
        return Err(too_large(format!("{:.1} MB", metadata.len() as f64 / 1e6)));
    }
    // A pipe has no length to look at first, and a file may grow.
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(failed)?.take(FILE_MAX + 1);
    file.read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_MAX { Err(too_large("more".to_owned())) } else { Ok(bytes) }
}

fn not_text(path: &Path, bytes: &[u8], offset: usize) -> Fault {
    let line = bytes[..offset].iter().filter(|&&byte| byte == b'\n').count() + 1;
    let found = bytes.get(offset).copied().unwrap_or(0);
    Fault::new(format!(
        "`{}` is not UTF-8 text: byte {offset} (0x{found:02x}, in line {line}) begins no character",
        path.display()
    ))
    .help("save the profile as UTF-8")
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn places_are_counted_in_characters() {
        let source = Source::new("a.toml", "x = 1\nname = \"ü\" # é\n");
        let place = source.place(&(13..17)).unwrap();
        assert_eq!((place.line, place.column, place.width), (2, 8, 3));
        assert_eq!(place.text, "name = \"ü\" # é");
    }

    #[test]
    fn spans_behind_the_profile_belong_to_arguments() {
        let mut source = Source::new("a.toml", "x = 1\n");
        let start = source.push("--set y=2", "y=2");
        let place = source.place(&(start + 2..start + 3)).unwrap();
        assert_eq!((place.file.as_str(), place.line, place.column), ("--set y=2", 1, 3));
    }

    #[test]
    fn any_span_has_a_place() {
        let source = Source::new("a.toml", "ü\n\nx");
        for start in 0..12 {
            for end in 0..12 {
                assert!(source.place(&(start..end)).is_some());
            }
        }
    }
}

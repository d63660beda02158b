//! What is wrong with a profile, said so that it can be put right.
//!
//! A check that fails produces a [`Fault`]: what was found, what is meant by it, what is
//! allowed. Together with a place in the source it becomes a [`Diagnostic`], and all
//! diagnostics of a profile become one [`ProfileError`], printed the way rustc prints its
//! own: message, file with line and column, the line itself, carets, help.
//!
//! What is printed may come from a hostile file: control characters are replaced, long lines
//! are cut around the place, and of many diagnostics only the first ones are shown.

use std::fmt;

/// Most diagnostics that are printed; the rest are counted.
const SHOWN_MAX: usize = 20;

/// Most diagnostics that are collected. Each costs a search for its line and for words near
/// it; a large hostile file would otherwise take minutes to refuse.
pub(super) const FOUND_MAX: usize = 200;

/// Most characters of a source line that are printed.
const LINE_MAX: usize = 100;

/// What is wrong, without the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    message: String,
    label: Option<String>,
    help: Option<String>,
}

impl Fault {
    /// Says what was found.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), label: None, help: None }
    }

    /// Adds what is written beside the carets.
    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Adds "did you mean" beside the carets when there is something near.
    pub(super) fn nearest(self, nearest: Option<&str>) -> Self {
        match nearest {
            Some(word) => self.label(format!("did you mean `{word}`?")),
            None => self,
        }
    }

    /// Adds what is allowed.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says all of it in one line, where there is no place to show.
    pub(super) fn into_text(self) -> String {
        let parts = [Some(self.message), self.label, self.help];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    /// Puts the fault at `place`.
    pub(super) fn at(self, place: Option<Place>) -> Diagnostic {
        Diagnostic { message: self.message, place, label: self.label, help: self.help }
    }
}

/// A place in a profile or in a command-line argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// File, or the argument as it was given.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Characters marked; at least 1, and none beyond the line.
    pub width: usize,
    /// The line itself.
    pub text: String,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What was found.
    pub message: String,
    /// Where, when it is about a place.
    pub place: Option<Place>,
    /// What is written beside the carets.
    pub label: Option<String>,
    /// What is allowed, or what to do.
    pub help: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", printable(&self.message))?;
        let margin = match &self.place {
            Some(place) => place.line.to_string().len(),
            None => 1,
        };
        if let Some(place) = &self.place {
            self.fmt_place(f, place, margin)?;
        } else if let Some(label) = &self.label {
            write!(f, "\n{:margin$} = {}", "", printable(label))?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n{:margin$} = help: {}", "", printable(help))?;
        }
        Ok(())
    }
}

impl Diagnostic {
    fn fmt_place(&self, f: &mut fmt::Formatter<'_>, place: &Place, margin: usize) -> fmt::Result {
        let Place { file, line, column, .. } = place;
        let (text, indent, width) = excerpt(place);
        write!(f, "\n{:margin$}--> {}:{line}:{column}", "", printable(file))?;
        write!(f, "\n{:margin$} |\n{line} | {text}", "")?;
        write!(f, "\n{:margin$} | {:indent$}{}", "", "", "^".repeat(width))?;
        match &self.label {
            Some(label) => write!(f, " {}", printable(label)),
            None => Ok(()),
        }
    }
}

/// Cuts a line around its place; returns it with the carets' indent and number.
fn excerpt(place: &Place) -> (String, usize, usize) {
    let (before, lead) = match place.column.saturating_sub(1) {
        column if column > LINE_MAX / 2 => (column - LINE_MAX / 2, "…"),
        _ => (0, ""),
    };
    let mut text: String = lead.to_owned();
    let rest = place.text.chars().skip(before);
    text.extend(rest.take(LINE_MAX).map(printable_char));
    let indent = place.column - 1 - before + lead.chars().count();
    let width = place.width.min(text.chars().count().saturating_sub(indent)).max(1);
    if place.text.chars().nth(before + LINE_MAX).is_some() {
        text.push('…');
    }
    (text.trim_end().to_owned(), indent, width)
}

fn printable(text: &str) -> String {
    text.chars().map(printable_char).collect()
}

/// Keeps a hostile file from steering the terminal.
fn printable_char(found: char) -> char {
    match found {
        '\t' => ' ',
        // Bidirectional overrides can make a line read as something else.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        found if found.is_control() => '\u{fffd}',
        found => found,
    }
}

/// Everything that is wrong with a profile; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileError {
    /// What is wrong, in the order of the source; the first 200 faults of very many.
    pub diagnostics: Vec<Diagnostic>,
}

impl From<Diagnostic> for ProfileError {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { diagnostics: vec![diagnostic] }
    }
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.diagnostics.iter().take(SHOWN_MAX).enumerate() {
            let gap = if index > 0 { "\n\n" } else { "" };
            write!(f, "{gap}{diagnostic}")?;
        }
        match self.diagnostics.len().checked_sub(SHOWN_MAX) {
            Some(more) if more > 0 => {
                let at_least = if self.diagnostics.len() >= FOUND_MAX { "at least " } else { "" };
                write!(f, "\n\nerror: and {at_least}{more} more")
            }
            _ => Ok(()),
        }
    }
}

impl std::error::Error for ProfileError {}

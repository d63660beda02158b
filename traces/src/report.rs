//! What an import found, for people and for the file's metadata.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Bad lines that are shown.
pub const BAD_LINES_SHOWN: usize = 5;

/// Longest stretches without an event that are shown.
pub const HOLES_SHOWN: usize = 5;

/// A line that is no request, as an example.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadLine {
    /// Name of the input.
    pub input: String,
    /// Number of the line, row or entry, from 1.
    pub line: u64,
    /// Why it is none.
    pub reason: String,
    /// Its beginning.
    pub text: String,
}

impl fmt::Display for BadLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { input, line, reason, text } = self;
        write!(formatter, "{input}:{line}: {reason}: {text}")
    }
}

/// One input, and what was found in it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct InputReport {
    /// Path as given, or `-`.
    pub name: String,
    /// `none`, `gzip` or `zstd`, found by the first bytes.
    pub compression: String,
    /// Bytes read, before decompression.
    pub bytes: u64,
    /// SHA-256 of these bytes, in hexadecimal digits.
    pub sha256: String,
    /// What the decompressor said when it could not go on; what was read until then is kept.
    pub damage: Option<String>,
    /// What was added to every time, ns.
    pub offset_ns: i64,
    /// Step of the clock that the format can write, ns.
    pub resolution_stated_ns: i64,
    /// Step of the clock that the times show, ns.
    pub resolution_found_ns: i64,
    /// Number of the last line, row or entry that says something.
    pub lines: u64,
    /// Requests, or counts of requests, that were taken.
    pub kept: u64,
    /// Requests whose start lies before that of a line further up.
    pub reordered: u64,
    /// Times more than 5 s before that of the line above.
    pub clock_steps_back: u64,
}

/// How many events have their start from what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StartCounts {
    /// Recorded starts.
    pub start: u64,
    /// Recorded ends less the duration.
    pub end_minus_duration: u64,
    /// Recorded ends of unknown duration: the start is somewhere before.
    pub end: u64,
    /// Counts, which say only how many there were.
    pub count: u64,
}

/// A stretch without an event that is much longer than others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hole {
    /// Its beginning, ns since the timeline's zero.
    pub start_ns: i64,
    /// Its length, ns.
    pub length_ns: i64,
}

/// What an import found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ImportReport {
    /// The inputs, in the order given.
    pub inputs: Vec<InputReport>,
    /// Lines, rows or entries that say something: requests, counts and what was skipped.
    pub lines: u64,
    /// Requests, or counts of requests, that were taken.
    pub kept: u64,
    /// What was not taken, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// What was skipped that should not be there at all, and damaged inputs.
    pub bad: u64,
    /// The first bad lines of each input, in the order of the inputs; not more than a few.
    pub first_bad: Vec<BadLine>,
    /// Requests whose start lies before that of a line further up.
    pub reordered: u64,
    /// Times more than 5 s before that of the line above.
    pub clock_steps_back: u64,
    /// Events in the file.
    pub events: u64,
    /// What their starts are made from.
    pub starts: StartCounts,
    /// Events that were drawn inside a step of a coarse clock or a counted bin.
    pub synthesised: u64,
    /// Coarsest step of the inputs' clocks, ns. Nothing finer can be claimed of all the file.
    pub resolution_ns: i64,
    /// The timeline's zero, the start of its first event, ns since 1970-01-01 UTC or since the
    /// zero of a source without dates.
    pub start_unix_ns: i64,
    /// From the first event to the last, ns.
    pub span_ns: i64,
    /// Stretches longer than a minute and 50 mean gaps.
    pub holes: u64,
    /// The longest of them, the longest first.
    pub longest_holes: Vec<Hole>,
    /// Headers, parameters and other things that were not taken over, and how often.
    pub dropped: BTreeMap<String, u64>,
}

//! One event of a timeline: a row of the canonical file, or a copy of one.

use crate::record::Tokens;

/// What the start of an event was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum TimeKind {
    /// Recorded as the start.
    #[default]
    Start,
    /// A recorded end, less the recorded duration.
    EndMinusDuration,
    /// A recorded end of unknown duration, taken as it stands.
    End,
    /// Drawn: made from a count, or spread inside the step of a coarse clock.
    Synthetic,
}

impl TimeKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Start, Self::EndMinusDuration, Self::End, Self::Synthetic];

    /// The name in the canonical file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::EndMinusDuration => "end_minus_duration",
            Self::End => "end",
            Self::Synthetic => "synthetic",
        }
    }
}

/// One event of a timeline. Bytes that were not recorded are empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// When it starts, ns since the timeline's zero.
    pub t_ns: i64,
    /// The instant as recorded, ns since 1970-01-01 UTC or since the source's own zero.
    pub t_src_ns: i64,
    /// What [`Event::t_ns`] was made from.
    pub kind: TimeKind,
    /// Step of the source's clock, ns.
    pub resolution_ns: i64,
    /// Line, row or entry of the source.
    pub seq: u64,
    /// Position of the source among the imported ones.
    pub source: u32,
    /// Position of the row in the canonical file; copies keep it.
    pub row: u64,
    /// Which copy of the row this is; 0 for the row itself.
    pub copy: u32,
    /// Hash of the client or session; 0 when none was recorded.
    pub session: u64,
    /// Method; empty when none was recorded.
    pub method: Vec<u8>,
    /// Path and query; empty when none was recorded.
    pub target: Vec<u8>,
    /// Recorded host: for information, never contacted.
    pub host: Vec<u8>,
    /// Headers, `name: value\r\n` after one another.
    pub headers: Vec<u8>,
    /// Body.
    pub body: Option<Vec<u8>>,
    /// Length of the body, where only that was recorded.
    pub body_bytes: Option<u64>,
    /// Status of the recorded response.
    pub status: Option<u16>,
    /// Bytes of the recorded response.
    pub bytes: Option<u64>,
    /// Duration of the recorded request, ns.
    pub duration_ns: Option<i64>,
    /// Name by which like requests belong together.
    pub tag: Vec<u8>,
    /// Tokens, of requests to language models.
    pub tokens: Option<Tokens>,
}

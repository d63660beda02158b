//! One recorded request, as a format says it.

/// Nanoseconds in a second.
pub const SECOND_NS: i64 = 1_000_000_000;

/// What the recorded instant of a format is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Moment {
    /// The request arrived.
    #[default]
    Start,
    /// The response was complete, or the line was written, which is soon after.
    End,
}

/// Tokens of a request to a language model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tokens {
    /// Tokens of the prompt.
    pub input: u64,
    /// Tokens of the answer.
    pub output: u64,
}

/// One recorded request, or several that share an instant. Bytes are borrowed from the line or
/// from the parser: a log's paths may hold any byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The recorded instant in ns since 1970-01-01 UTC, or since the trace's own zero in
    /// formats without dates.
    pub time_ns: i64,
    /// What that instant is.
    pub moment: Moment,
    /// Finest step the format can write, in ns. The importer looks for the real one.
    pub resolution_ns: i64,
    /// How long the request took, if that is recorded.
    pub duration_ns: Option<i64>,
    /// Requests this stands for: above 1 in counts from a dashboard. They lie anywhere in
    /// `[time_ns, time_ns + resolution_ns)`.
    pub count: u64,
    /// What tells clients or sessions apart; empty when nothing does.
    pub session: &'a [u8],
    /// Method; empty when it is not recorded.
    pub method: &'a [u8],
    /// Path and query, unescaped, or an absolute URL; empty when it is not recorded.
    pub target: &'a [u8],
    /// Host the request was for, for information; empty when it is not recorded.
    pub host: &'a [u8],
    /// Headers of the request, `name: value\r\n` after one another.
    pub headers: &'a [u8],
    /// Body of the request.
    pub body: Option<&'a [u8]>,
    /// Length of the body, where only that is recorded.
    pub body_bytes: Option<u64>,
    /// Status of the recorded response.
    pub status: Option<u16>,
    /// Bytes of the recorded response.
    pub bytes: Option<u64>,
    /// A name by which like requests belong together (a function, a model); empty for none.
    pub tag: &'a [u8],
    /// Tokens, of requests to language models.
    pub tokens: Option<Tokens>,
}

impl Default for Record<'_> {
    fn default() -> Self {
        Self {
            time_ns: 0,
            moment: Moment::Start,
            resolution_ns: 1,
            duration_ns: None,
            count: 1,
            session: b"",
            method: b"",
            target: b"",
            host: b"",
            headers: b"",
            body: None,
            body_bytes: None,
            status: None,
            bytes: None,
            tag: b"",
            tokens: None,
        }
    }
}

/// Why a line, entry or row is no request that can be replayed. Each is counted; none is silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Skip {
    /// Does not have the format's form.
    Malformed,
    /// Has no time, or one that is no time.
    BadTime,
    /// Has no request line, or none that is HTTP: bytes of another protocol, a hung-up client.
    BadRequest,
    /// Has a number where it should not, or too large a one.
    BadNumber,
    /// Is longer than the longest line that is read.
    TooLong,
    /// Is not UTF-8 where the format demands it.
    BadEncoding,
    /// Asks for a tunnel (CONNECT), or is not HTTP at all (ICP, TCP).
    NotHttp,
    /// Never left the client: answered from its cache, or a `data:` URL.
    NotSent,
    /// Belongs to something else than requests: another logger, a response.
    OtherRecord,
}

impl Skip {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::Malformed,
        Self::BadTime,
        Self::BadRequest,
        Self::BadNumber,
        Self::TooLong,
        Self::BadEncoding,
        Self::NotHttp,
        Self::NotSent,
        Self::OtherRecord,
    ];

    /// The name that metadata and reports use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::BadTime => "bad_time",
            Self::BadRequest => "bad_request",
            Self::BadNumber => "bad_number",
            Self::TooLong => "too_long",
            Self::BadEncoding => "bad_encoding",
            Self::NotHttp => "not_http",
            Self::NotSent => "not_sent",
            Self::OtherRecord => "other_record",
        }
    }

    /// Tells whether it counts against the share of bad lines that is tolerated. The others are
    /// well-formed and no requests.
    pub fn is_bad(self) -> bool {
        !matches!(self, Self::NotHttp | Self::NotSent | Self::OtherRecord)
    }
}

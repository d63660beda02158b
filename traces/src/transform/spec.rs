//! What is to be done with a timeline: the specification, and what can be wrong with it.

use std::ops::RangeInclusive;

use regex::bytes::Regex;

use crate::event::Event;
use crate::record::SECOND_NS;

use super::speed::{SPEED_MAX, SPEED_MIN, Speed};

/// Most copies of either kind: every overlapping one opens the source, and all copies of an event
/// are held at once. Beyond this, a model of the trace is the better way to more load.
pub const COPIES_MAX: u32 = 10_000;

/// What is done with a timeline before it is replayed. The default does nothing.
///
/// The parts apply in the order of the fields; [`mod@super`] says what each does.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplaySpec {
    /// Where the slice begins, ns of the timeline.
    pub from_ns: i64,
    /// Where the slice ends, ns of the timeline; at the timeline's end when absent or beyond.
    pub to_ns: Option<i64>,
    /// Which events are kept.
    pub filter: Filter,
    /// Keeps a share of the events or sessions.
    pub thin: Option<Thin>,
    /// Longest gap, ns; what is longer is cut to it.
    pub max_gap_ns: Option<i64>,
    /// Lays shifted copies of the whole timeline over one another.
    pub overlap: Option<Overlap>,
    /// Copies every event, each copy a little moved.
    pub copies: Option<Copies>,
    /// What times are divided by: 2 replays an hour in half an hour.
    pub speed: f64,
    /// Replays the result several times, one after another.
    pub repeat: Repeat,
}

impl Default for ReplaySpec {
    fn default() -> Self {
        Self {
            from_ns: 0,
            to_ns: None,
            filter: Filter::default(),
            thin: None,
            max_gap_ns: None,
            overlap: None,
            copies: None,
            speed: 1.0,
            repeat: Repeat::default(),
        }
    }
}

/// Which events are kept. What is empty lets everything pass; what is not lets nothing pass
/// that was not recorded: an event without status has none of the statuses.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    /// Methods, as they were recorded.
    pub methods: Vec<Vec<u8>>,
    /// Patterns of which one must match the path, the query left out.
    pub include: Vec<PathPattern>,
    /// Patterns of which none may match the path, the query left out.
    pub exclude: Vec<PathPattern>,
    /// Statuses of the recorded responses.
    pub statuses: Vec<RangeInclusive<u16>>,
}

impl Filter {
    /// Tells whether an event is kept.
    pub fn keeps(&self, event: &Event) -> bool {
        let path = path(&event.target);
        let is_match = |pattern: &PathPattern| pattern.regex.is_match(path);
        let is_status = |range: &RangeInclusive<u16>| {
            event.status.is_some_and(|status| range.contains(&status))
        };
        (self.methods.is_empty() || self.methods.contains(&event.method))
            && (self.include.is_empty() || self.include.iter().any(is_match))
            && !self.exclude.iter().any(is_match)
            && (self.statuses.is_empty() || self.statuses.iter().any(is_status))
    }
}

/// Path of a target: what comes before the query.
pub(crate) fn path(target: &[u8]) -> &[u8] {
    let end = memchr::memchr2(b'?', b'#', target).unwrap_or(target.len());
    &target[..end]
}

/// A regular expression for paths, which may hold any byte. Two are equal when they are written
/// alike.
#[derive(Debug, Clone)]
pub struct PathPattern {
    regex: Regex,
}

impl PathPattern {
    /// Reads a regular expression; it matches anywhere in a path unless it says otherwise.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn new(pattern: &str) -> Result<Self, regex::Error> {
        Regex::new(pattern).map(|regex| Self { regex })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        self.regex.as_str()
    }
}

impl PartialEq for PathPattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

/// Keeps a share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thin {
    /// Share that is kept, above 0 and at most 1.
    pub p: f64,
    /// What is kept or left out as a whole.
    pub by: ThinBy,
}

/// What is kept or left out as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ThinBy {
    /// Every event by itself.
    #[default]
    Event,
    /// Every session by itself; events without one, each by itself.
    Session,
}

/// Shifted copies of the whole timeline, wrapped around its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap {
    /// Number of timelines laid over one another, at least 1.
    pub n: u32,
    /// By how much each is later than the one before, ns.
    pub shift_ns: i64,
}

/// Copies of every event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copies {
    /// Number of events that each becomes, at least 1; the first is the event itself.
    pub n: u32,
    /// Width of the interval in which copies are moved, ns.
    pub jitter_ns: i64,
    /// Moves all events of a session's copy alike.
    pub keep_session_order: bool,
}

/// Repetitions of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeat {
    /// How often the timeline is replayed, at least 1.
    pub times: u32,
    /// Pause between two repetitions, ns, in replay time.
    pub seam_ns: i64,
}

impl Default for Repeat {
    fn default() -> Self {
        Self { times: 1, seam_ns: 0 }
    }
}

/// Why a timeline cannot be replayed as it is asked for.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReplayError {
    /// The slice begins before the timeline or has no length.
    #[error(
        "the slice from {} s to {} s holds nothing; it begins at 0 s or later and ends after it begins",
        seconds(*.from_ns), seconds(*.to_ns)
    )]
    SliceEmpty {
        /// Begin, ns.
        from_ns: i64,
        /// End, ns.
        to_ns: i64,
    },
    /// The slice begins where the timeline is over.
    #[error(
        "the slice begins at {} s, but the trace ends at {} s; begin earlier",
        seconds(*.from_ns), seconds(*.span_ns)
    )]
    SliceBeyond {
        /// Begin, ns.
        from_ns: i64,
        /// Length of the timeline, ns.
        span_ns: i64,
    },
    /// The share to keep is none.
    #[error("thinning keeps a share of {p}; the share is above 0 and at most 1")]
    ThinShare {
        /// The share.
        p: f64,
    },
    /// The longest gap is not above 0.
    #[error("the longest gap is {} s; it must be above 0", seconds(*.max_gap_ns))]
    MaxGap {
        /// The gap, ns.
        max_gap_ns: i64,
    },
    /// A number of copies or repetitions is 0.
    #[error("`{what}` asks for 0; 1 leaves the timeline as it is")]
    None {
        /// Which number.
        what: &'static str,
    },
    /// A number of copies is beyond what can be meant.
    #[error("`{what}` asks for {n}; at most {COPIES_MAX} are possible")]
    TooMany {
        /// Which number.
        what: &'static str,
        /// Its value.
        n: u32,
    },
    /// A shift, jitter or seam is negative.
    #[error("`{what}` is {} s; it must not be negative", seconds(*.value_ns))]
    Negative {
        /// Which length of time.
        what: &'static str,
        /// Its value, ns.
        value_ns: i64,
    },
    /// Copies would be moved further than the timeline is long.
    #[error(
        "a jitter of {} s is longer than the timeline of {} s; make it shorter",
        seconds(*.jitter_ns), seconds(*.length_ns)
    )]
    JitterTooLong {
        /// The jitter, ns.
        jitter_ns: i64,
        /// Length of the timeline, ns.
        length_ns: i64,
    },
    /// The speed is out of range.
    #[error("a speed of {speed} is not possible; it lies between {SPEED_MIN} and {SPEED_MAX}")]
    Speed {
        /// The speed.
        speed: f64,
    },
    /// An event would become more than 2^32 events.
    #[error(
        "each event would become {copies} (overlap × copies × repeat); at most {} are possible",
        u32::MAX
    )]
    TooManyCopies {
        /// How many.
        copies: u128,
    },
    /// The replay would last longer than 292 years.
    #[error("the replay would last longer than 292 years; raise `speed` or lower `repeat`")]
    TooLong,
    /// The source is not in order.
    #[error(
        "row {row} of the timeline is at {t_ns} ns, before the row ahead of it at {before_ns} ns; \
         the file is damaged or was not sorted: import it again"
    )]
    NotAscending {
        /// The row.
        row: u64,
        /// Its time, ns.
        t_ns: i64,
        /// Time of the row ahead of it, ns.
        before_ns: i64,
    },
    /// The source holds an event outside its own span.
    #[error(
        "row {row} of the timeline is at {t_ns} ns, outside its span from 0 to {span_ns} ns; \
         the file is damaged: import it again"
    )]
    OutsideSpan {
        /// The row.
        row: u64,
        /// Its time, ns.
        t_ns: i64,
        /// Length of the timeline, ns.
        span_ns: i64,
    },
}

fn seconds(ns: i64) -> f64 {
    ns as f64 / SECOND_NS as f64
}

/// A specification for a timeline of known length, found to make sense.
#[derive(Debug, Clone)]
pub(super) struct Resolved {
    pub from_ns: i64,
    pub to_ns: i64,
    pub span_ns: i64,
    pub filter: Filter,
    pub thin: Option<Thin>,
    pub max_gap_ns: Option<i64>,
    pub overlap: Overlap,
    pub copies: Copies,
    pub speed: Speed,
    pub repeat: Repeat,
    pub seed: u64,
}

impl ReplaySpec {
    /// Checks everything that can be checked without reading the timeline, whose events lie in
    /// `[0, span_ns)`.
    ///
    /// # Errors
    /// Says which part is impossible and what is possible.
    pub fn check(&self, span_ns: i64) -> Result<(), ReplayError> {
        self.resolve(0, span_ns).map(drop)
    }

    pub(super) fn resolve(&self, seed: u64, span_ns: i64) -> Result<Resolved, ReplayError> {
        let span_ns = span_ns.max(0);
        let to_ns = self.to_ns.map_or(span_ns, |to_ns| to_ns.min(span_ns));
        self.check_slice(span_ns)?;
        if let Some(Thin { p, .. }) = self.thin
            && !(p > 0.0 && p <= 1.0)
        {
            return Err(ReplayError::ThinShare { p });
        }
        if let Some(max_gap_ns) = self.max_gap_ns
            && max_gap_ns <= 0
        {
            return Err(ReplayError::MaxGap { max_gap_ns });
        }
        let overlap = self.overlap.unwrap_or(Overlap { n: 1, shift_ns: 0 });
        let copies =
            self.copies.unwrap_or(Copies { n: 1, jitter_ns: 0, keep_session_order: false });
        let repeat = self.repeat;
        for (what, number) in
            [("overlap.n", overlap.n), ("copies.n", copies.n), ("repeat.times", repeat.times)]
        {
            if number == 0 {
                return Err(ReplayError::None { what });
            }
        }
        for (what, n) in [("overlap.n", overlap.n), ("copies.n", copies.n)] {
            if n > COPIES_MAX {
                return Err(ReplayError::TooMany { what, n });
            }
        }
        for (what, value_ns) in [
            ("overlap.shift", overlap.shift_ns),
            ("copies.jitter", copies.jitter_ns),
            ("repeat.seam", repeat.seam_ns),
        ] {
            if value_ns < 0 {
                return Err(ReplayError::Negative { what, value_ns });
            }
        }
        let all = u128::from(overlap.n) * u128::from(copies.n) * u128::from(repeat.times);
        if all > u128::from(u32::MAX) {
            return Err(ReplayError::TooManyCopies { copies: all });
        }
        let speed = Speed::new(self.speed).ok_or(ReplayError::Speed { speed: self.speed })?;
        Ok(Resolved {
            from_ns: self.from_ns,
            to_ns,
            span_ns,
            filter: self.filter.clone(),
            thin: self.thin,
            max_gap_ns: self.max_gap_ns,
            overlap,
            copies,
            speed,
            repeat,
            seed,
        })
    }

    fn check_slice(&self, span_ns: i64) -> Result<(), ReplayError> {
        let from_ns = self.from_ns;
        match self.to_ns {
            Some(to_ns) if to_ns <= from_ns => Err(ReplayError::SliceEmpty { from_ns, to_ns }),
            None if from_ns < 0 => Err(ReplayError::SliceEmpty { from_ns, to_ns: span_ns }),
            Some(to_ns) if from_ns < 0 => Err(ReplayError::SliceEmpty { from_ns, to_ns }),
            _ if from_ns > 0 && from_ns >= span_ns => {
                Err(ReplayError::SliceBeyond { from_ns, span_ns })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_impossible_is_said_with_what_is_possible() {
        let check = |change: fn(&mut ReplaySpec)| {
            let mut spec = ReplaySpec::default();
            change(&mut spec);
            spec.check(10 * SECOND_NS).map_err(|error| error.to_string())
        };
        assert_eq!(check(|_| {}), Ok(()));
        for (change, part) in [
            ((|spec| spec.from_ns = -1) as fn(&mut ReplaySpec), "begins at 0 s or later"),
            (|spec| spec.from_ns = 10 * SECOND_NS, "ends at 10 s; begin earlier"),
            (
                |spec| (spec.from_ns, spec.to_ns) = (5 * SECOND_NS, Some(5 * SECOND_NS)),
                "from 5 s to 5 s",
            ),
            (|spec| spec.thin = Some(Thin { p: 0.0, by: ThinBy::Event }), "above 0"),
            (|spec| spec.thin = Some(Thin { p: f64::NAN, by: ThinBy::Event }), "above 0"),
            (|spec| spec.max_gap_ns = Some(0), "above 0"),
            (|spec| spec.overlap = Some(Overlap { n: 0, shift_ns: 0 }), "overlap.n"),
            (|spec| spec.overlap = Some(Overlap { n: 10_001, shift_ns: 0 }), "at most 10000"),
            (|spec| spec.overlap = Some(Overlap { n: 2, shift_ns: -1 }), "overlap.shift"),
            (|spec| spec.repeat.times = 0, "repeat.times"),
            (|spec| spec.repeat.seam_ns = -1, "repeat.seam"),
            (|spec| spec.speed = 0.0, "between 0.001 and 1000000"),
            (|spec| spec.speed = f64::NAN, "between"),
            (
                |spec| {
                    let copies = Copies { n: 10_000, jitter_ns: 0, keep_session_order: false };
                    spec.copies = Some(copies);
                    spec.repeat.times = 500_000;
                },
                "5000000000",
            ),
        ] {
            let message = check(change).unwrap_err();
            assert!(message.contains(part), "{message} | {part}");
        }
    }

    #[test]
    fn a_filter_looks_at_methods_paths_and_statuses() {
        let event = |method: &[u8], target: &[u8], status: Option<u16>| Event {
            method: method.to_vec(),
            target: target.to_vec(),
            status,
            ..Event::default()
        };
        let pattern = |text| PathPattern::new(text).unwrap();
        let filter = Filter {
            methods: vec![b"GET".to_vec(), b"HEAD".to_vec()],
            include: vec![pattern("^/api/"), pattern(r"\.png$")],
            exclude: vec![pattern("admin")],
            statuses: vec![200..=299, 404..=404],
        };
        assert!(filter.keeps(&event(b"GET", b"/api/a?x=admin", Some(204))));
        assert!(filter.keeps(&event(b"HEAD", b"/\xff.png?v=1", Some(404))));
        assert!(!filter.keeps(&event(b"POST", b"/api/a", Some(200))));
        assert!(!filter.keeps(&event(b"GET", b"/other", Some(200))));
        assert!(!filter.keeps(&event(b"GET", b"/api/admin", Some(200))));
        assert!(!filter.keeps(&event(b"GET", b"/api/a", Some(500))));
        assert!(!filter.keeps(&event(b"GET", b"/api/a", None)));
        assert!(Filter::default().keeps(&event(b"", b"", None)));
        assert_eq!(pattern("a+"), pattern("a+"));
        assert_ne!(pattern("a+"), pattern("b"));
    }
}

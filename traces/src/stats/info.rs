//! Everything that is said about a timeline, together.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::event::{Event, TimeKind};
use crate::record::SECOND_NS;

use super::burstiness::{Burstiness, BurstinessFigures, WINDOWS_NS};
use super::histogram::{Histogram, Quantiles};
use super::holes::{Hole, Holes};
use super::rate::{RateCurve, Rates};
use super::resolution::{Resolution, ResolutionDetector};
use super::sessions::{SESSIONS_MAX, SessionFigures, Sessions};
use super::top::{TopCounts, TopEntry, TopPaths};

/// Bins of the rate curve, at most twice as many as are kept.
const RATE_BINS_MAX: usize = 8_192;

/// Shortest bin of the rate curve.
const RATE_BIN_NS: i64 = SECOND_NS;

/// Different methods that are told apart; scanners invent any number of them.
const METHODS_MAX: usize = 64;

/// Different declared resolutions that are told apart.
const RESOLUTIONS_MAX: usize = 64;

/// Share of the events that must declare a resolution for it to count for the trace.
const DECLARED_SHARE_MIN: f64 = 0.01;

/// What [`info()`] looks at.
#[derive(Debug, Clone, PartialEq)]
pub struct InfoOptions {
    /// Windows of the index of dispersion, ns.
    pub windows_ns: Vec<i64>,
    /// Number of paths, methods and silences that are named.
    pub shown: usize,
    /// Sessions followed at once.
    pub sessions_max: usize,
}

impl Default for InfoOptions {
    fn default() -> Self {
        Self { windows_ns: WINDOWS_NS.to_vec(), shown: 10, sessions_max: SESSIONS_MAX }
    }
}

/// What is known of the clock behind a trace.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ClockFigures {
    /// The step found in the stamps as recorded; absent when there are too few to tell.
    pub detected: Option<Resolution>,
    /// The coarsest step that the importer declared for 1 % of the events or more, ns.
    pub declared_ns: i64,
    /// The coarser of the two, ns: nothing finer can be claimed.
    pub step_ns: i64,
}

/// What can be said about a timeline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TraceInfo {
    /// Number of events.
    pub events: u64,
    /// Length of the timeline, ns.
    pub span_ns: i64,
    /// Stamps of the first and the last event as recorded, ns; the earliest and the latest.
    pub recorded_ns: Option<(i64, i64)>,
    /// How many starts were made from what.
    pub kinds: BTreeMap<&'static str, u64>,
    /// The clock that recorded.
    pub clock: ClockFigures,
    /// How unevenly events come.
    pub burstiness: BurstinessFigures,
    /// The rate over time.
    pub rates: Rates,
    /// Sessions.
    pub sessions: SessionFigures,
    /// Methods, most frequent first.
    pub methods: Vec<TopEntry>,
    /// Statuses of the recorded responses.
    pub statuses: BTreeMap<u16, u64>,
    /// Paths, most frequent first.
    pub paths: Vec<TopEntry>,
    /// Durations of the recorded requests, ns.
    pub duration_ns: Option<Quantiles>,
    /// Bytes of the recorded responses.
    pub response_bytes: Option<Quantiles>,
    /// Tokens of prompts and of answers.
    pub tokens: Option<(Quantiles, Quantiles)>,
    /// The longest silences, longest first.
    pub holes: Vec<Hole>,
    /// Longest silence that chance would leave at a constant rate, ns.
    pub hole_by_chance_ns: i64,
}

/// Reads a timeline once and tells what can be said about it.
///
/// # Errors
/// The first error of the timeline.
pub fn info<E>(
    events: impl IntoIterator<Item = Result<Event, E>>,
    span_ns: i64,
    options: &InfoOptions,
) -> Result<TraceInfo, E> {
    let mut observed = Observed::new(options);
    for event in events {
        observed.add(&event?);
    }
    Ok(observed.finish(span_ns, options.shown))
}

/// All measurements while the timeline is read.
struct Observed {
    events: u64,
    recorded_ns: Option<(i64, i64)>,
    kinds: [u64; TimeKind::ALL.len()],
    clock: ResolutionDetector,
    declared: BTreeMap<i64, u64>,
    burstiness: Burstiness,
    rates: RateCurve,
    sessions: Sessions,
    methods: TopCounts,
    statuses: BTreeMap<u16, u64>,
    paths: TopPaths,
    durations: Histogram,
    bytes: Histogram,
    tokens: (Histogram, Histogram),
    holes: Holes,
}

impl Observed {
    fn new(options: &InfoOptions) -> Self {
        Self {
            events: 0,
            recorded_ns: None,
            kinds: [0; TimeKind::ALL.len()],
            clock: ResolutionDetector::default(),
            declared: BTreeMap::new(),
            burstiness: Burstiness::new(0, &options.windows_ns),
            rates: RateCurve::new(RATE_BIN_NS, RATE_BINS_MAX),
            sessions: Sessions::new(options.sessions_max),
            methods: TopCounts::new(METHODS_MAX),
            statuses: BTreeMap::new(),
            paths: TopPaths::default(),
            durations: Histogram::default(),
            bytes: Histogram::default(),
            tokens: (Histogram::default(), Histogram::default()),
            holes: Holes::new(0, options.shown),
        }
    }

    fn add(&mut self, event: &Event) {
        self.events += 1;
        let stamp_ns = event.t_src_ns;
        let (earliest, latest) = self.recorded_ns.unwrap_or((stamp_ns, stamp_ns));
        self.recorded_ns = Some((earliest.min(stamp_ns), latest.max(stamp_ns)));
        if let Some(kind) = TimeKind::ALL.iter().position(|&kind| kind == event.kind) {
            self.kinds[kind] += 1;
        }
        self.clock.add(stamp_ns);
        if self.declared.len() < RESOLUTIONS_MAX || self.declared.contains_key(&event.resolution_ns)
        {
            *self.declared.entry(event.resolution_ns).or_insert(0) += 1;
        }
        self.burstiness.add(event.t_ns);
        self.rates.add(event.t_ns);
        self.holes.add(event.t_ns);
        self.sessions.add(event.session, event.t_ns);
        self.add_request(event);
    }

    fn add_request(&mut self, event: &Event) {
        if !event.method.is_empty() {
            self.methods.add(&event.method);
        }
        self.paths.add(&event.target);
        if let Some(status) = event.status {
            *self.statuses.entry(status).or_insert(0) += 1;
        }
        if let Some(duration_ns) = event.duration_ns {
            self.durations.add(duration_ns, 1);
        }
        if let Some(bytes) = event.bytes {
            self.bytes.add(i64::try_from(bytes).unwrap_or(i64::MAX), 1);
        }
        if let Some(tokens) = event.tokens {
            self.tokens.0.add(i64::try_from(tokens.input).unwrap_or(i64::MAX), 1);
            self.tokens.1.add(i64::try_from(tokens.output).unwrap_or(i64::MAX), 1);
        }
    }

    fn finish(self, span_ns: i64, shown: usize) -> TraceInfo {
        let events = self.events as f64;
        let is_declared = |&(_, &count): &(&i64, &u64)| count as f64 >= DECLARED_SHARE_MIN * events;
        let declared_ns = self.declared.iter().rev().find(is_declared).map_or(1, |(&ns, _)| ns);
        let detected = self.clock.finish();
        let step_ns = detected.map_or(1, |clock| clock.step_ns).max(declared_ns);
        let mut burstiness = self.burstiness.finish(span_ns);
        // A window finer than the clock measures the spreading of the import, not the trace.
        for window in &mut burstiness.dispersion {
            window.index = window.index.filter(|_| window.window_ns >= step_ns);
        }
        let kinds = TimeKind::ALL.iter().zip(self.kinds).filter(|(_, count)| *count > 0);
        let (holes, hole_by_chance_ns) = self.holes.finish(span_ns);
        TraceInfo {
            events: self.events,
            span_ns,
            recorded_ns: self.recorded_ns,
            kinds: kinds.map(|(kind, count)| (kind.name(), count)).collect(),
            clock: ClockFigures { detected, declared_ns, step_ns },
            burstiness,
            rates: self.rates.finish(span_ns),
            sessions: self.sessions.finish(),
            methods: self.methods.finish(shown),
            statuses: self.statuses,
            paths: self.paths.finish(shown),
            duration_ns: self.durations.quantiles(),
            response_bytes: self.bytes.quantiles(),
            tokens: self.tokens.0.quantiles().zip(self.tokens.1.quantiles()),
            holes,
            hole_by_chance_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use openload_contract::digest::mix;

    use super::*;
    use crate::record::Tokens;

    /// Ten minutes of a log with seconds, spread inside them.
    fn events() -> Vec<Event> {
        let mut times: Vec<i64> = (0..6_000).map(|k| (mix(k) % 600_000_000_000) as i64).collect();
        times.sort_unstable();
        let event = |(row, t_ns): (u64, i64)| Event {
            t_ns,
            t_src_ns: 1_700_000_000 * SECOND_NS + t_ns / SECOND_NS * SECOND_NS,
            kind: TimeKind::Synthetic,
            resolution_ns: 1_000_000,
            row,
            session: row % 50 + 1,
            method: if row % 10 == 0 { b"POST".to_vec() } else { b"GET".to_vec() },
            target: format!("/item/{}?q={row}", row % 3).into_bytes(),
            status: Some(if row % 100 == 0 { 503 } else { 200 }),
            bytes: Some(1_000),
            duration_ns: Some(5_000_000),
            tokens: Some(Tokens { input: 100, output: 7 }),
            ..Event::default()
        };
        (0..).zip(times).map(event).collect()
    }

    fn known(events: Vec<Event>, span_ns: i64) -> TraceInfo {
        let events = events.into_iter().map(Ok::<_, Infallible>);
        info(events, span_ns, &InfoOptions::default()).unwrap()
    }

    #[test]
    fn a_timeline_is_described() {
        let info = known(events(), 600 * SECOND_NS);
        assert_eq!(info.events, 6_000);
        assert_eq!(info.kinds, BTreeMap::from([("synthetic", 6_000)]));
        assert_eq!(info.clock.detected.unwrap().step_ns, SECOND_NS);
        assert_eq!((info.clock.declared_ns, info.clock.step_ns), (1_000_000, SECOND_NS));
        assert_eq!(info.burstiness.mean_per_s, 10.0);
        // What is finer than the clock is not claimed.
        assert_eq!(info.burstiness.dispersion[0].index, None);
        assert!((info.burstiness.dispersion[1].index.unwrap() - 1.0).abs() < 0.25);
        assert_eq!((info.sessions.sessions, info.sessions.events), (50, 6_000));
        assert_eq!((info.methods[0].name.as_str(), info.methods[0].count), ("GET", 5_400));
        assert_eq!(info.statuses, BTreeMap::from([(200, 5_940), (503, 60)]));
        assert_eq!((info.paths.len(), info.paths[0].count), (3, 2_000));
        assert_eq!(info.rates.counts.iter().sum::<u64>(), 6_000);
        assert!(info.tokens.is_some_and(|(input, output)| (input.p50, output.p50) == (100, 7)));
        assert!(info.holes.is_sorted_by_key(|hole| -hole.length_ns));
    }

    #[test]
    fn it_is_written_as_json_and_as_text() {
        let info = known(events(), 600 * SECOND_NS);
        let json = serde_json::to_value(&info).unwrap();
        assert_eq!(json["events"], 6_000);
        assert_eq!(json["burstiness"]["dispersion"][0]["index"], serde_json::Value::Null);
        let text = info.to_text(80);
        for part in ["6,000", "10m", "GET 90.0 %", "503", "/item/0", "50 sessions", "1 s", "█"] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }

    #[test]
    fn nothing_and_one_event_are_described_without_a_panic() {
        let none = known(Vec::new(), 0);
        assert_eq!((none.events, none.recorded_ns, none.holes.len()), (0, None, 0));
        assert!(none.to_text(80).contains("no events"));
        let one = known(events().into_iter().take(1).collect(), 600 * SECOND_NS);
        assert_eq!((one.events, one.clock.detected), (1, None));
        assert!(one.to_text(0).contains("1 event"));
        let same: Vec<Event> = vec![Event::default(); 30];
        assert!(known(same, 1).to_text(40).contains("30 events"));
    }

    #[test]
    fn the_first_error_ends_it() {
        let events = [Ok(Event::default()), Err("broken"), Err("later")];
        assert_eq!(info(events, 5, &InfoOptions::default()), Err("broken"));
    }
}

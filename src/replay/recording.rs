//! The arrivals of a recorded stream, for the lanes of one owner.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use openload_contract::LANES;
use openload_contract::digest::mix;
use openload_traces::TraceError;
use openload_traces::canonical::TraceFile;
use openload_traces::event::Event;
use openload_traces::transform::{GapCut, Repeat, ReplaySpec, replay};

use crate::plan::{Plan, TraceInstant, TracePlan};
use crate::schedule::{Arrival, LaneSet, Numbers, ScenarioMix, Timeline};

/// Events in order of their starts.
pub(super) type Events = Box<dyn Iterator<Item = Result<Event, TraceError>> + Send>;

/// A recorded timeline as it is to be sent.
pub(super) struct Opened {
    pub events: Events,
    /// Length of the timeline, ns.
    pub length_ns: i64,
    /// Gaps that were shortened.
    pub gap_cut: GapCut,
    /// Events left out so far because of their method.
    pub left_out: LeftOut,
}

/// Counts what is left out because of its method, while somebody else reads the events.
#[derive(Debug, Clone, Default)]
pub(super) struct LeftOut(Arc<Mutex<BTreeMap<String, u64>>>);

impl LeftOut {
    fn add(&self, method: &[u8]) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(String::from_utf8_lossy(method).into_owned()).or_default() += 1;
    }

    /// The counts so far, by method.
    pub fn take(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Opens the timeline of a trace as the plan asks for it.
pub(super) fn open(trace: &TracePlan, seed: u64) -> Result<Opened, TraceError> {
    let file = TraceFile::open(&trace.file)?;
    // From the first event to behind the last.
    let span_ns = file.metadata().report.span_ns.saturating_add(1);
    let mean_gap_ns = span_ns / i64::try_from(file.rows().max(1)).unwrap_or(i64::MAX);
    let seam_ns = trace.seam_ns.unwrap_or((mean_gap_ns as f64 / trace.spec.speed) as i64);
    let spec = ReplaySpec {
        from_ns: trace
            .from
            .map_or(0, |from| since_start(from, file.metadata().report.start_unix_ns)),
        to_ns: trace.to.map(|to| since_start(to, file.metadata().report.start_unix_ns)),
        repeat: Repeat { seam_ns, ..trace.spec.repeat },
        ..trace.spec.clone()
    };
    let (trace, left_out) = (trace.clone(), LeftOut::default());
    let counts = left_out.clone();
    let replay = replay(&spec, seed, span_ns, move || {
        let (trace, counts) = (trace.clone(), counts.clone());
        let events: Events =
            Box::new(TraceFile::open(&trace.file)?.events().filter(move |event| {
                let is_kept = event.as_ref().map_or(true, |event| is_sent(&trace, event));
                if let (false, Ok(event)) = (is_kept, event) {
                    counts.add(&event.method);
                }
                is_kept
            }));
        Ok::<_, TraceError>(events)
    })?;
    let (length_ns, gap_cut) = (replay.length_ns(), replay.gap_cut());
    Ok(Opened { events: Box::new(replay), length_ns, gap_cut, left_out })
}

fn since_start(instant: TraceInstant, start_unix_ns: i64) -> i64 {
    match instant {
        TraceInstant::SinceStart(ns) => ns,
        TraceInstant::Unix(unix_ns) => unix_ns.saturating_sub(start_unix_ns),
    }
}

/// The lane of the event at position `index` of its timeline.
///
/// Events of one session share a lane, and so a worker: the hash is frozen, because it decides
/// the numbers of arrivals.
pub(super) fn lane(session: u64, index: u64) -> u32 {
    let key = if session == 0 { index } else { mix(session) };
    (key % u64::from(LANES)) as u32
}

/// The arrivals of one recorded stream that lie in some lanes, each with its event.
pub struct Recording {
    events: Events,
    trace: TracePlan,
    stream: u16,
    lanes: LaneSet,
    numbers: Numbers,
    mix: ScenarioMix,
    /// Events so far, those of other lanes included.
    index: u64,
}

impl Recording {
    /// Opens the recorded stream at a position of the plan; `None` when it is not a recorded one.
    ///
    /// # Errors
    /// When the file cannot be read or is no timeline.
    pub fn new(plan: &Plan, stream: usize, lanes: LaneSet) -> Result<Option<Self>, TraceError> {
        let Some(trace) = &plan.streams[stream].trace else { return Ok(None) };
        Ok(Some(Self {
            events: open(trace, plan.seed)?.events,
            trace: trace.clone(),
            stream: stream as u16,
            lanes,
            numbers: Numbers::new(stream),
            mix: ScenarioMix::new(plan, stream),
            index: 0,
        }))
    }

    fn arrival(&mut self, event: &Event) -> Option<Arrival> {
        let lane = lane(event.session, self.index);
        self.index += 1;
        if !self.lanes.contains(lane) {
            return None;
        }
        let seq = self.numbers.next(lane);
        let scenario =
            if event.target.is_empty() { self.mix.choose(seq) } else { self.trace.scenario as u16 };
        Some(Arrival { intended_ns: event.t_ns, seq, stream: self.stream, phase: 0, scenario })
    }
}

/// Tells whether an event's method is one that the plan sends.
fn is_sent(trace: &TracePlan, event: &Event) -> bool {
    event.target.is_empty()
        || event.method.is_empty()
        || trace.methods.iter().any(|method| method.as_str().as_bytes() == event.method)
}

impl Iterator for Recording {
    type Item = Result<(Arrival, Event), TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.events.next()? {
                Err(error) => return Some(Err(error)),
                Ok(event) => {
                    if let Some(arrival) = self.arrival(&event) {
                        return Some(Ok((arrival, event)));
                    }
                }
            }
        }
    }
}

/// All recorded streams of a plan in order of time.
pub(super) struct Recordings {
    sources: Vec<Recording>,
    heads: Vec<Option<(Arrival, Event)>>,
    failure: Option<TraceError>,
}

impl Recordings {
    /// Opens the recorded streams of `plan` for some lanes.
    pub fn new(plan: &Plan, lanes: LaneSet) -> Result<Self, TraceError> {
        let streams = (0..plan.streams.len()).map(|stream| Recording::new(plan, stream, lanes));
        let opened: Vec<Option<Recording>> = streams.collect::<Result<_, _>>()?;
        let mut recordings = Self {
            sources: opened.into_iter().flatten().collect(),
            heads: Vec::new(),
            failure: None,
        };
        for position in 0..recordings.sources.len() {
            let head = recordings.advance(position);
            recordings.heads.push(head);
        }
        Ok(recordings)
    }

    fn advance(&mut self, position: usize) -> Option<(Arrival, Event)> {
        match self.sources[position].next()? {
            Ok(head) => Some(head),
            Err(error) => {
                self.failure = Some(error);
                None
            }
        }
    }

    fn peek(&self) -> Option<&Arrival> {
        self.heads.iter().flatten().map(|(arrival, _)| arrival).min()
    }
}

impl Iterator for Recordings {
    type Item = Result<(Arrival, Event), TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failure.take() {
            self.sources.clear();
            self.heads.clear();
            return Some(Err(error));
        }
        let earliest =
            |position: &usize| self.heads[*position].as_ref().map(|(arrival, _)| *arrival);
        let position = (0..self.heads.len())
            .filter(|position| self.heads[*position].is_some())
            .min_by_key(earliest)?;
        let head = self.heads[position].take()?;
        self.heads[position] = self.advance(position);
        Some(Ok(head))
    }
}

/// Every arrival of a plan, synthetic and recorded, in order of time, for some lanes.
pub struct Timelines {
    synthetic: std::iter::Peekable<Timeline>,
    recorded: Recordings,
}

impl Timelines {
    /// Starts the timelines of `plan`.
    ///
    /// # Errors
    /// When the file of a trace cannot be read or is no timeline.
    pub fn new(plan: &Plan, lanes: LaneSet) -> Result<Self, TraceError> {
        let synthetic = Timeline::new(plan, lanes).peekable();
        Ok(Self { synthetic, recorded: Recordings::new(plan, lanes)? })
    }
}

impl Iterator for Timelines {
    type Item = Result<Arrival, TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        let is_synthetic_next = match (self.synthetic.peek(), self.recorded.peek()) {
            (Some(synthetic), Some(recorded)) => synthetic < recorded,
            (synthetic, _) => synthetic.is_some(),
        };
        if is_synthetic_next && self.recorded.failure.is_none() {
            return self.synthetic.next().map(Ok);
        }
        Some(self.recorded.next()?.map(|(arrival, _)| arrival))
    }
}

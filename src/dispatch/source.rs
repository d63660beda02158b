//! What a worker dispatches next: synthetic arrivals, recorded ones, or both.

use openload_traces::TraceError;

use crate::replay::{Ahead, Feed, RecordedRequest};
use crate::schedule::{Arrival, Lookahead, Timeline};

/// The arrivals of one worker in order of time.
pub(super) struct Source {
    synthetic: Lookahead<Timeline>,
    feed: Option<Feed>,
}

impl Source {
    pub fn new(timeline: Timeline) -> Self {
        Self { synthetic: Lookahead::new(timeline), feed: None }
    }

    /// Adds recorded arrivals.
    pub fn set_feed(&mut self, feed: Option<Feed>) {
        self.feed = feed;
    }

    /// The next arrival. While recorded ones are not read yet, the next synthetic one.
    pub fn peek(&mut self) -> Ahead {
        let recorded = self.feed.as_mut().map_or(Ahead::Over, Feed::peek);
        match (self.synthetic.peek(), recorded) {
            (None, recorded) => recorded,
            (Some(&synthetic), Ahead::Known(recorded)) => Ahead::Known(synthetic.min(recorded)),
            (Some(&synthetic), _) => Ahead::Known(synthetic),
        }
    }

    /// Takes the next arrival if it is due at `now_ns`, with its request if it is recorded.
    pub fn take_due(&mut self, now_ns: i64) -> Option<(Arrival, Option<RecordedRequest>)> {
        let Ahead::Known(arrival) = self.peek() else { return None };
        if arrival.intended_ns > now_ns {
            return None;
        }
        if self.synthetic.peek() == Some(&arrival) {
            self.synthetic.next();
            return Some((arrival, None));
        }
        Some((arrival, self.feed.as_mut().map(Feed::take)))
    }

    /// Tells whether recorded arrivals are not read yet that may come before any other.
    pub fn is_behind(&mut self) -> bool {
        self.feed.as_mut().is_some_and(|feed| feed.peek() == Ahead::NotYet)
    }

    /// Why the recorded arrivals ended early, if they did.
    pub fn take_failure(&mut self) -> Option<TraceError> {
        self.feed.as_mut().and_then(Feed::take_failure)
    }
}

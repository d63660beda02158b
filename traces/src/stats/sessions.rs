//! Sessions: how many, how long, how far apart their events.
//!
//! A trace may hold more sessions than memory. Those that are followed are chosen by a hash: all at
//! first, and each time they become too many, half of them, always the same half of the hashes. A
//! session that is still followed at the end has therefore been followed from its first event on,
//! and stands for as many as the halvings say. The number of sessions and all quantiles are then
//! estimates, right to about `1/√cap`; below the cap they are exact.

use std::collections::HashMap;

use openload_contract::digest::mix;
use serde::Serialize;

use super::histogram::{Histogram, Quantiles};

/// Sessions followed at once: about 30 MB.
pub const SESSIONS_MAX: usize = 1 << 20;

/// What is known of a session.
#[derive(Debug, Clone, Copy)]
struct Session {
    events: u64,
    last_ns: i64,
}

/// Follows sessions, in one pass.
#[derive(Debug, Clone)]
pub struct Sessions {
    followed: HashMap<u64, Session>,
    sessions_max: usize,
    halvings: u32,
    gaps: Histogram,
    with_session: u64,
    without: u64,
}

/// What sessions look like.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SessionFigures {
    /// Number of sessions.
    pub sessions: u64,
    /// Whether that and the quantiles are exact, not estimates from a sample.
    pub is_exact: bool,
    /// Events of sessions.
    pub events: u64,
    /// Events that belong to none.
    pub without_session: u64,
    /// Events per session.
    pub events_per_session: Option<Quantiles>,
    /// Time between two events of a session, ns.
    pub gap_ns: Option<Quantiles>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self::new(SESSIONS_MAX)
    }
}

impl Sessions {
    /// Follows at most `sessions_max` sessions.
    pub fn new(sessions_max: usize) -> Self {
        Self {
            followed: HashMap::new(),
            sessions_max: sessions_max.max(1),
            halvings: 0,
            gaps: Histogram::default(),
            with_session: 0,
            without: 0,
        }
    }

    /// Adds an event; they come in ascending order. Session 0 is none.
    pub fn add(&mut self, session: u64, t_ns: i64) {
        if session == 0 {
            self.without += 1;
            return;
        }
        self.with_session += 1;
        if !is_followed(session, self.halvings) {
            return;
        }
        let weight = 1_u64 << self.halvings.min(63);
        let gaps = &mut self.gaps;
        let known = self.followed.entry(session).and_modify(|known| {
            gaps.add(t_ns - known.last_ns, weight);
            *known = Session { events: known.events + 1, last_ns: t_ns };
        });
        known.or_insert(Session { events: 1, last_ns: t_ns });
        while self.followed.len() > self.sessions_max && self.halvings < u64::BITS {
            self.halvings += 1;
            self.followed.retain(|&session, _| is_followed(session, self.halvings));
        }
    }

    /// What the sessions look like.
    pub fn finish(self) -> SessionFigures {
        let weight = 1_u64 << self.halvings.min(63);
        let mut events = Histogram::default();
        for session in self.followed.values() {
            events.add(i64::try_from(session.events).unwrap_or(i64::MAX), 1);
        }
        SessionFigures {
            sessions: (self.followed.len() as u64).saturating_mul(weight),
            is_exact: self.halvings == 0,
            events: self.with_session,
            without_session: self.without,
            events_per_session: events.quantiles(),
            gap_ns: self.gaps.quantiles(),
        }
    }
}

/// Tells whether a session is among the `2^-halvings` that are followed.
fn is_followed(session: u64, halvings: u32) -> bool {
    mix(session).trailing_zeros() >= halvings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(sessions_max: usize, count: u64, events: u64) -> (SessionFigures, usize) {
        let mut sessions = Sessions::new(sessions_max);
        let mut most = 0;
        for event in 0..events {
            for session in 1..=count {
                sessions.add(session, (event * 1_000 + session % 10) as i64);
                most = most.max(sessions.followed.len());
            }
        }
        sessions.add(0, 5);
        (sessions.finish(), most)
    }

    #[test]
    fn sessions_below_the_cap_are_exact() {
        let (figures, _) = figures(100, 50, 7);
        assert_eq!((figures.sessions, figures.is_exact), (50, true));
        assert_eq!((figures.events, figures.without_session), (350, 1));
        assert_eq!(figures.events_per_session.unwrap().p50, 7);
        assert_eq!(figures.events_per_session.unwrap().max, 7);
        let gap_ns = figures.gap_ns.unwrap();
        assert!(gap_ns.p50.abs_diff(1_000) <= 16 && gap_ns.max == 1_000);
    }

    #[test]
    fn sessions_beyond_the_cap_are_estimated_in_bounded_memory() {
        let (figures, most) = figures(1_000, 50_000, 3);
        assert!(most <= 1_001, "{most}");
        assert!(!figures.is_exact);
        let error = figures.sessions as f64 / 50_000.0 - 1.0;
        assert!(error.abs() < 0.15, "{error}");
        assert_eq!(figures.events_per_session.unwrap().p50, 3);
        assert_eq!(figures.events, 150_000);
    }

    #[test]
    fn no_sessions_have_no_quantiles() {
        let figures = Sessions::default().finish();
        assert_eq!((figures.sessions, figures.events_per_session, figures.gap_ns), (0, None, None));
    }
}

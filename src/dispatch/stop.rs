//! Asking workers to stop, from any thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// How urgently to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum StopLevel {
    /// Go on.
    Run = 0,
    /// Send nothing more and wait for what is in flight, within the drain timeout.
    Drain = 1,
    /// Give up what is in flight.
    Now = 2,
}

/// A request to stop that all threads of a run can see. It only ever gets more urgent.
#[derive(Debug, Clone, Default)]
pub struct StopSignal {
    level: Arc<AtomicU8>,
}

impl StopSignal {
    /// Asks for `level`, unless something more urgent was asked for.
    pub fn raise(&self, level: StopLevel) {
        self.level.fetch_max(level as u8, Ordering::Relaxed);
    }

    /// What was asked for.
    pub fn level(&self) -> StopLevel {
        match self.level.load(Ordering::Relaxed) {
            0 => StopLevel::Run,
            1 => StopLevel::Drain,
            _ => StopLevel::Now,
        }
    }
}

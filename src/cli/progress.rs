//! One line about a run under way.

use std::time::{Duration, Instant};

use openload::run::{Progress, RunHandle};
use openload_contract::Manifest;

use super::args::Live;
use super::console;

/// Shows where a run is, at the pace that suits the reader: a terminal sees one line
/// that changes, a file gets a line every five seconds.
pub struct ProgressLine {
    live: Live,
    every: Duration,
    last: Instant,
    last_dispatched: u64,
    planned_ns: i64,
}

impl ProgressLine {
    /// Prepares the line for a run.
    pub fn new(live: Live, manifest: &Manifest) -> Self {
        let live = match live {
            Live::Auto if console::is_terminal() => Live::Auto,
            Live::Auto => Live::Plain,
            other => other,
        };
        let every = Duration::from_millis(if live == Live::Plain { 5_000 } else { 500 });
        Self {
            live,
            every,
            last: Instant::now(),
            last_dispatched: 0,
            planned_ns: manifest.planned_end_ns(),
        }
    }

    /// Shows the line when it is time to.
    pub fn tick(&mut self, handle: &RunHandle) {
        if self.live == Live::None || self.last.elapsed() < self.every {
            return;
        }
        let progress = handle.progress();
        if progress.now_ns <= 0 {
            return;
        }
        let line = self.render(&progress, self.last.elapsed());
        self.last = Instant::now();
        self.last_dispatched = progress.dispatched;
        if self.live == Live::Plain { console::say(line) } else { console::say_over(&line) }
    }

    /// Leaves the terminal's line free for what follows.
    pub fn clear(&self) {
        if self.live == Live::Auto {
            console::say_over("");
        }
    }

    fn render(&self, progress: &Progress, since: Duration) -> String {
        let recent = &progress.recent;
        let per_second = |count: u64| count as f64 / since.as_secs_f64();
        let ms = |p: f64| recent.response_ns.value_at_quantile(p) as f64 / 1e6;
        let lag_us = recent.lag_ns.value_at_quantile(0.99) as f64 / 1e3;
        format!(
            "{} / {}  offered {:.0}/s  done {:.0}/s  in flight {}  p50 {:.1} ms  p99 {:.1} ms  \
             failed {}  lag p99 {:.0} µs",
            minutes(progress.now_ns.min(self.planned_ns)),
            minutes(self.planned_ns),
            per_second(progress.dispatched - self.last_dispatched),
            per_second(recent.ok + recent.failed),
            progress.in_flight,
            ms(0.5),
            ms(0.99),
            recent.failed,
            lag_us,
        )
    }
}

fn minutes(ns: i64) -> String {
    let seconds = ns / 1_000_000_000;
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}

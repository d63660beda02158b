//! How far the writer is behind, in rows.
//!
//! Counters that only grow, of which differences are read: a reader between two of their
//! changes sees a row too many or too few, and never less than none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Default)]
struct Totals {
    /// Rows the workers have put together.
    taken: AtomicU64,
    /// Rows handed to the writer.
    sent: AtomicU64,
    /// Rows the writer is done with.
    written: AtomicU64,
}

/// How far the writer is behind; shared by workers, writer and monitor.
#[derive(Debug, Clone, Default)]
pub struct Backlog(Arc<Totals>);

impl Backlog {
    /// Rows the workers keep because the writer takes no more.
    pub fn kept(&self) -> u64 {
        let sent = self.0.sent.load(Ordering::Relaxed);
        self.0.taken.load(Ordering::Relaxed).saturating_sub(sent)
    }

    /// Rows handed to the writer and not written yet.
    pub fn queued(&self) -> u64 {
        let written = self.0.written.load(Ordering::Relaxed);
        self.0.sent.load(Ordering::Relaxed).saturating_sub(written)
    }

    pub(super) fn note_taken(&self, rows: usize) {
        self.0.taken.fetch_add(rows as u64, Ordering::Relaxed);
    }

    pub(super) fn note_sent(&self, rows: usize) {
        self.0.sent.fetch_add(rows as u64, Ordering::Relaxed);
    }

    pub(super) fn note_written(&self, rows: usize) {
        self.0.written.fetch_add(rows as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::Backlog;

    #[test]
    fn rows_are_kept_then_queued_then_gone() {
        let backlog = Backlog::default();
        backlog.note_taken(10);
        assert_eq!((backlog.kept(), backlog.queued()), (10, 0));
        backlog.note_sent(7);
        assert_eq!((backlog.kept(), backlog.queued()), (3, 7));
        backlog.note_written(7);
        assert_eq!((backlog.kept(), backlog.queued()), (3, 0));
    }
}

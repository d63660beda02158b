//! Collects what is wrong, and reads the values every part of a profile has.

use std::collections::HashMap;
use std::ops::Range;

use crate::profile::diagnostic::{Diagnostic, FOUND_MAX, Fault, ProfileError};
use crate::profile::located::Located;
use crate::profile::quantity::{Share, Time, Written, not_negative, seconds, share};
use crate::profile::source::Source;

/// The faults of a profile so far, in its source.
pub(in crate::profile) struct Checker<'a> {
    source: &'a Source,
    found: Vec<(usize, Diagnostic)>,
    /// Whether there are recorded events that a template can be filled from.
    pub(super) has_trace: bool,
}

impl<'a> Checker<'a> {
    /// Begins with nothing wrong.
    pub(super) fn new(source: &'a Source) -> Self {
        Self { source, found: Vec::new(), has_trace: false }
    }

    /// Number of faults so far.
    pub(super) fn faults(&self) -> usize {
        self.found.len()
    }

    /// Tells whether so much is wrong that more is not worth the search.
    pub(super) fn is_full(&self) -> bool {
        self.found.len() >= FOUND_MAX
    }

    /// Reports a fault at a value.
    pub(super) fn report<T>(&mut self, at: &Located<T>, fault: Fault) {
        self.report_at(at.span(), fault);
    }

    /// Reports a fault at a span.
    pub(super) fn report_at(&mut self, span: Range<usize>, fault: Fault) {
        if !self.is_full() {
            self.found.push((span.start, fault.at(self.source.place(&span))));
        }
    }

    /// Keeps a value that could be read and reports the fault of one that could not.
    pub(super) fn keep<T, V>(&mut self, at: &Located<T>, read: Result<V, Fault>) -> Option<V> {
        read.map_err(|fault| self.report(at, fault)).ok()
    }

    /// Reads a duration above 0, in seconds.
    pub(super) fn duration(&mut self, written: &Located<Written<Time>>) -> Option<f64> {
        let read = seconds(written.get().scalar()).and_then(|read| match read {
            // Less than a nanosecond is nothing on our clock.
            read if read < 1e-9 => {
                let what = if read > 0.0 { "below a nanosecond" } else { "zero" };
                Err(Fault::new(format!("the duration is {what}"))
                    .help("write a duration above 0, such as \"15s\""))
            }
            read => Ok(read),
        });
        self.keep(written, read)
    }

    /// Reads a duration in seconds that may be 0.
    pub(super) fn duration_or_zero(&mut self, written: &Located<Written<Time>>) -> Option<f64> {
        self.keep(written, seconds(written.get().scalar()))
    }

    /// Reads a duration above 0, in nanoseconds.
    pub(super) fn duration_ns(&mut self, written: &Located<Written<Time>>) -> Option<i64> {
        self.duration(written).map(nanoseconds)
    }

    /// Reads a share of any size.
    pub(super) fn share(&mut self, written: &Located<Written<Share>>) -> Option<f64> {
        self.keep(written, share(written.get().scalar()))
    }

    /// Reads a number that is neither infinite nor NaN nor negative.
    pub(super) fn finite(&mut self, written: &Located<f64>, what: &str) -> Option<f64> {
        self.keep(written, not_negative(*written.get(), what))
    }

    /// Reports names that occur twice.
    pub(super) fn unique<'n>(
        &mut self,
        what: &str,
        names: impl Iterator<Item = &'n Located<String>>,
    ) {
        let mut seen: HashMap<&str, Range<usize>> = HashMap::new();
        for name in names {
            if name.get().is_empty() {
                self.report(name, Fault::new(format!("a {what} needs a name")));
            }
            match seen.get(name.get().as_str()) {
                Some(first) => {
                    let line = self.source.place(first).map_or(0, |place| place.line);
                    let fault = Fault::new(format!("two {what}s are called `{}`", name.get()))
                        .label(format!("the first is in line {line}"))
                        .help("give each its own name");
                    self.report(name, fault);
                }
                None => {
                    seen.insert(name.get(), name.span());
                }
            }
        }
    }

    pub(super) fn into_error(self) -> ProfileError {
        let mut found = self.found;
        found.sort_by_key(|(start, _)| *start);
        ProfileError { diagnostics: found.into_iter().map(|(_, diagnostic)| diagnostic).collect() }
    }
}

/// Rounds seconds to nanoseconds. Durations are at most 292 years, which fits.
pub(super) fn nanoseconds(seconds: f64) -> i64 {
    (seconds * 1e9).round() as i64
}

/// Turns seconds into milliseconds; by way of whole nanoseconds, so that 0.333 s are 333 ms.
pub(super) fn to_ms(seconds: f64) -> f64 {
    (seconds * 1e9).round() / 1e6
}

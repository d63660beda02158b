//! Cells in which values are counted: 256 to each factor of two, so that none is wider than
//! 1/256 of its values.
//!
//! Negative times, which no good run has, share the first cell. Failures have the last one to
//! themselves.

use crate::quantile::CENSORED;

/// Bits of a value below its highest one that tell cells apart.
const DETAIL: u32 = 8;

/// Cell of the negative values.
const NEGATIVE: usize = 0;

/// Cell of the failures.
pub(super) const FAILED: usize = 1 + ((63 - DETAIL as usize) << DETAIL) + (1 << DETAIL);

/// Number of cells.
pub(super) const CELLS: usize = FAILED + 1;

/// Values from `low` on, 2^`bits` of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub low: i64,
    pub bits: u32,
}

impl Span {
    /// Tells whether a value lies in it.
    pub fn holds(self, value: i64) -> bool {
        value >= self.low && value.wrapping_sub(self.low).cast_unsigned() >> self.bits == 0
    }
}

/// The cell of a value.
pub(super) fn cell_of(value: i64) -> usize {
    if value < 0 {
        return NEGATIVE;
    }
    if value == CENSORED {
        return FAILED;
    }
    let value = value.cast_unsigned();
    let highest = 63 - (value | (1 << DETAIL)).leading_zeros();
    let shift = highest - DETAIL;
    1 + ((shift as usize) << DETAIL) + (value >> shift) as usize
}

/// The values of a cell.
pub(super) fn span_of(cell: usize) -> Span {
    if cell == NEGATIVE {
        return Span { low: i64::MIN, bits: 63 };
    }
    let place = (cell - 1) as i64;
    let shift = ((place >> DETAIL) - 1).max(0);
    Span { low: (place - (shift << DETAIL)) << shift, bits: shift as u32 }
}

/// A function of times that is the same over wide stretches, remembered cell by cell.
///
/// The function must not come back to a value it has left. Cells at whose ends it is the same are
/// looked up; for the others it is asked again each time.
#[derive(Debug)]
pub struct Memo<F> {
    function: F,
    known: Vec<Option<u32>>,
}

impl<F: Fn(i64) -> u32> Memo<F> {
    /// Asks the function at both ends of every cell.
    pub fn new(function: F) -> Self {
        let known = (0..CELLS).map(|cell| {
            if cell == FAILED {
                return None;
            }
            let Span { low, bits } = span_of(cell);
            let last = low.saturating_add_unsigned((1_u64 << bits) - 1).min(CENSORED - 1);
            let value = function(low);
            (function(last) == value).then_some(value)
        });
        let known = known.collect();
        Self { function, known }
    }

    /// The function's value.
    pub fn get(&self, time_ns: i64) -> u32 {
        self.known[cell_of(time_ns)].unwrap_or_else(|| (self.function)(time_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_follow_one_another_without_a_gap() {
        for cell in 1..FAILED {
            let Span { low, bits } = span_of(cell);
            assert_eq!(cell_of(low), cell);
            let last = low.checked_add(1 << bits).map_or(i64::MAX - 1, |next| next - 1);
            assert_eq!(cell_of(last), cell);
            assert!(span_of(cell).holds(low) && span_of(cell).holds(last));
            if cell + 1 < FAILED {
                assert_eq!(span_of(cell + 1).low, last + 1);
                assert!(!span_of(cell).holds(last + 1));
            }
        }
        assert_eq!((cell_of(-1), cell_of(i64::MIN), cell_of(0)), (0, 0, 1));
        assert_eq!((cell_of(CENSORED), cell_of(CENSORED - 1)), (FAILED, FAILED - 1));
        assert!(span_of(0).holds(-1) && span_of(0).holds(i64::MIN) && !span_of(0).holds(0));
    }
}

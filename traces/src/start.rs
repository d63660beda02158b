//! When a request started, from what its source recorded (TRACES.md, section 3).
//!
//! A recorded start is the start. A recorded end less the recorded duration is the start, to the
//! nanosecond: it is never cut back to the source's step, which would move starts by up to one.
//! An end of unknown duration is taken as it stands, and counted as that.
//!
//! Ends on a coarse clock cannot be settled one at a time: the end is first drawn inside its
//! step, together with the others of that step ([`crate::spread`]), and the duration is
//! subtracted from that. Such rows are sorted by their end first and by their start afterwards.

use crate::event::TimeKind;
use crate::record::{Moment, Record};

/// Bound of times in either direction, ns: the years 1824 to 2116. Differences and sums of two
/// such times are never too large to be written.
pub const TIME_NS_MAX: i64 = 1 << 62;

/// What the start of `record` is made from.
pub fn kind_of(record: &Record<'_>) -> TimeKind {
    match (record.moment, duration_ns(record)) {
        (Moment::Start, _) => TimeKind::Start,
        (Moment::End, Some(_)) => TimeKind::EndMinusDuration,
        (Moment::End, None) => TimeKind::End,
    }
}

/// The recorded duration, unless it is none: formats write −1 and the like for unknown.
pub fn duration_ns(record: &Record<'_>) -> Option<u64> {
    u64::try_from(record.duration_ns?).ok()
}

/// The start that follows from an instant, which is an end unless `kind` says otherwise.
pub fn start_ns(instant_ns: i64, kind: TimeKind, duration_ns: Option<u64>) -> i64 {
    match (kind, duration_ns) {
        (TimeKind::EndMinusDuration, Some(duration_ns)) => {
            instant_ns.saturating_sub_unsigned(duration_ns)
        }
        _ => instant_ns,
    }
}

/// Tells whether a time can be worked with.
pub fn is_possible(time_ns: i64) -> bool {
    (-TIME_NS_MAX..=TIME_NS_MAX).contains(&time_ns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::SECOND_NS;

    fn start(moment: Moment, duration_ns: Option<i64>) -> (i64, TimeKind) {
        let record = Record { time_ns: 5 * SECOND_NS, moment, duration_ns, ..Record::default() };
        let kind = kind_of(&record);
        (start_ns(record.time_ns, kind, super::duration_ns(&record)), kind)
    }

    #[test]
    fn a_start_is_a_start_whatever_the_duration() {
        assert_eq!(start(Moment::Start, Some(7)), (5 * SECOND_NS, TimeKind::Start));
        assert_eq!(start(Moment::Start, None), (5 * SECOND_NS, TimeKind::Start));
    }

    #[test]
    fn an_end_less_its_duration_is_not_cut_back_to_the_second() {
        let expected = (5 * SECOND_NS - 123_456_789, TimeKind::EndMinusDuration);
        assert_eq!(start(Moment::End, Some(123_456_789)), expected);
        assert_eq!(start(Moment::End, Some(0)), (5 * SECOND_NS, TimeKind::EndMinusDuration));
    }

    #[test]
    fn a_missing_duration_is_stated() {
        assert_eq!(start(Moment::End, None), (5 * SECOND_NS, TimeKind::End));
        assert_eq!(start(Moment::End, Some(-1)), (5 * SECOND_NS, TimeKind::End));
    }

    #[test]
    fn no_time_overflows() {
        let longest = Some(u64::MAX);
        assert_eq!(start_ns(-TIME_NS_MAX, TimeKind::EndMinusDuration, longest), i64::MIN);
        assert!(is_possible(0) && is_possible(TIME_NS_MAX) && !is_possible(i64::MIN));
    }
}

//! The traces of Mooncake (Kimi, FAST'25): JSON lines of requests to a language model.
//!
//! `{"timestamp": ms, "input_length": n, "output_length": n, "hash_ids": […]}`. The times count
//! from the trace's own zero. They are written in milliseconds and lie 3 s apart, 3 in 10 of them a
//! millisecond short: whoever wrote them cut 2.999999… s off instead of rounding it. That
//! millisecond is given back, so that the importer finds the real step. The identities of the
//! prefix blocks are not kept.

use super::LineFormat;
use super::json::{Field, FieldMap, JsonLines};
use super::value::{TimeForm, Unit};
use crate::record::{Moment, Record, SECOND_NS, Skip};

/// Step of the traces' clock.
const STEP_NS: i64 = 3 * SECOND_NS;

/// Reads the traces of Mooncake.
#[derive(Debug, Clone)]
pub struct Mooncake(JsonLines);

impl Default for Mooncake {
    fn default() -> Self {
        Self(lines())
    }
}

impl LineFormat for Mooncake {
    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Result<Option<Record<'a>>, Skip> {
        let record = self.0.parse(line)?;
        let millisecond_ns = Unit::Milliseconds.ns();
        Ok(record.map(|record| {
            let is_short = record.time_ns.rem_euclid(STEP_NS) == STEP_NS - millisecond_ns;
            let cut_ns = if is_short { millisecond_ns } else { 0 };
            Record { time_ns: record.time_ns.saturating_add(cut_ns), ..record }
        }))
    }
}

fn lines() -> JsonLines {
    let map = FieldMap::new(TimeForm::Number(Unit::Milliseconds), Moment::Start).with(&[
        (Field::Time, "timestamp"),
        (Field::InputTokens, "input_length"),
        (Field::OutputTokens, "output_length"),
    ]);
    JsonLines::new(FieldMap { resolution_ns: Some(Unit::Milliseconds.ns()), ..map })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::testing::{mutated, read_all, sample};
    use crate::record::{Skip, Tokens};

    #[test]
    fn every_line_of_the_real_trace_is_read() {
        // python3: r = [json.loads(l) for l in gzip.open(...)]; len(r), sum of "input_length",
        // sum of "output_length", r[-1]["timestamp"] of the whole file.
        let kept =
            read_all(&mut Mooncake::default(), &sample("mooncake_conversation.jsonl.gz")).unwrap();
        assert_eq!((kept.records.len(), kept.skips.len()), (12_031, 0));
        let tokens = |pick: fn(Tokens) -> u64| {
            kept.records.iter().filter_map(|record| record.tokens).map(pick).sum::<u64>()
        };
        assert_eq!(tokens(|tokens| tokens.input), 144_793_823);
        assert_eq!(tokens(|tokens| tokens.output), 4_122_048);
        // Written as 3,536,999 ms; 45 lines lie elsewhere between the steps.
        assert_eq!(kept.records[12_030].time_ns, 3_537_000_000_000);
        let on_step = kept.records.iter().filter(|record| record.time_ns % STEP_NS == 0).count();
        assert_eq!(on_step, 8_492 + 3_494);
        assert_eq!(kept.records[0].resolution_ns, 1_000_000);
    }

    #[test]
    fn a_line_cut_off_is_counted() {
        let text = sample("mooncake_conversation.jsonl.gz");
        let kept = read_all(&mut Mooncake::default(), &text[..1_000]).unwrap();
        let whole = text[..1_000].iter().filter(|&&byte| byte == b'\n').count();
        assert_eq!(kept.records.len(), whole);
        assert_eq!(kept.skips, [(whole as u64 + 1, Skip::Malformed)]);
        for input in mutated(&text[..600], 1_000) {
            read_all(&mut Mooncake::default(), &input).unwrap();
        }
    }
}

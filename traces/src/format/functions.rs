//! The traces of Azure Functions.
//!
//! That of 2019 is a wide table for each day: `HashOwner,HashApp,HashFunction,Trigger` and the
//! number of invocations in each minute of the day, `1` to `1440`. A record is a function in a
//! minute with at least one invocation; the session is the application, the tag the function.
//! Counts of minutes say nothing of what happens within one: bursts are lost, see the notes on
//! spreading in the documentation of the importer.
//!
//! That of 2021 has a row an invocation with its end and its duration, in seconds since the
//! trace began: [`functions_2021`].

use std::io::{self, BufRead};

use super::rows::{Fields, Row, Rows, Syntax};
use super::table::{ColumnMap, Table};
use super::value::whole;
use super::{Format, Sink};
use crate::record::{Record, SECOND_NS, Skip};

/// Length of the bins.
const MINUTE_NS: i64 = 60 * SECOND_NS;

/// Minutes of a day.
const DAY_MINUTES: i64 = 1440;

/// Columns before the counts, by the names the heading gives them.
const LABELS: [&[u8]; 4] = [b"HashOwner", b"HashApp", b"HashFunction", b"Trigger"];

/// Reads the invocations of Azure Functions of 2021.
pub fn functions_2021() -> Table {
    Table::csv(ColumnMap::azure_functions_2021())
}

/// Reads the invocations of Azure Functions of 2019.
#[derive(Debug, Clone, Copy, Default)]
pub struct Functions2019 {
    /// Which day of the trace the file holds, from 0: its first minute is that of the day.
    pub day: u16,
}

impl Format for Functions2019 {
    fn read(&mut self, input: &mut dyn BufRead, sink: &mut dyn Sink) -> io::Result<()> {
        let mut rows = Rows::new(input, Syntax::CSV);
        let mut minutes = None;
        while let Some((number, row)) = rows.next_row()? {
            let fields = match row {
                Row::Whole(fields) => fields,
                Row::TooLong(start) => {
                    sink.skip(number, Skip::TooLong, start)?;
                    continue;
                }
                Row::Torn(line) => {
                    sink.skip(number, Skip::Malformed, line)?;
                    continue;
                }
            };
            match minutes {
                None => minutes = Some(heading(fields)?),
                Some(minutes) => match counts_are_read(fields, minutes) {
                    Ok(()) => self.give(number, fields, sink)?,
                    Err(reason) => sink.skip(number, reason, fields.text())?,
                },
            }
        }
        Ok(())
    }
}

impl Functions2019 {
    fn give(self, number: u64, fields: &Fields, sink: &mut dyn Sink) -> io::Result<()> {
        let label = |column: usize| fields.get(column).unwrap_or_default();
        for (minute, count) in (0_i64..).zip(fields.iter().skip(LABELS.len())) {
            let count = whole(count).ok().flatten().unwrap_or_default();
            if count > 0 {
                let record = Record {
                    time_ns: (i64::from(self.day) * DAY_MINUTES + minute) * MINUTE_NS,
                    resolution_ns: MINUTE_NS,
                    count,
                    session: label(1),
                    tag: label(2),
                    ..Record::default()
                };
                sink.record(number, &record)?;
            }
        }
        Ok(())
    }
}

/// Number of minutes that the heading has.
fn heading(fields: &Fields) -> io::Result<usize> {
    let minutes = fields.len().saturating_sub(LABELS.len());
    let has_labels = fields.iter().zip(LABELS).all(|(field, label)| field.trim_ascii() == label);
    let mut numbered = (1_u64..).zip(fields.iter().skip(LABELS.len()));
    let is_counted = numbered.all(|(minute, field)| whole(field) == Ok(Some(minute)));
    if has_labels && is_counted && (1..=DAY_MINUTES as usize).contains(&minutes) {
        return Ok(minutes);
    }
    let reason = "this is no table of Azure Functions of 2019: its heading is expected to be \
                  `HashOwner,HashApp,HashFunction,Trigger,1,2,…,1440`";
    Err(io::Error::new(io::ErrorKind::InvalidData, reason))
}

/// Looks through a whole row before any of it is given away: half a row would not be counted.
fn counts_are_read(fields: &Fields, minutes: usize) -> Result<(), Skip> {
    if fields.len() != LABELS.len() + minutes {
        return Err(Skip::Malformed);
    }
    fields.iter().skip(LABELS.len()).try_for_each(|count| whole(count).map(drop))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;
    use crate::format::testing::{mutated, read_all, sample};
    use crate::record::Moment;

    #[test]
    fn every_count_of_the_real_table_is_read() {
        // python3: sum(int(v) for row in rows for v in row[4:]), sum(int(v) > 0 …) over
        // list(csv.reader(open(…)))[1:]; the first row's first minute with a count.
        let input = sample("azure_functions_2019_counts_per_minute.csv");
        let kept = read_all(&mut Functions2019 { day: 2 }, &input).unwrap();
        assert_eq!((kept.records.len(), kept.skips.len()), (905, 0));
        assert_eq!(kept.records.iter().map(|record| record.count).sum::<u64>(), 4_525);
        let first = &kept.records[0];
        assert!(first.session.starts_with(b"68baea05") && first.tag.starts_with(b"c13acdc7"));
        assert_eq!((first.place, first.resolution_ns), (2, MINUTE_NS));
        assert_eq!((first.time_ns / MINUTE_NS - 2 * DAY_MINUTES, first.count), (0, 5));
        assert!(kept.records.iter().all(|record| record.time_ns < 3 * DAY_MINUTES * MINUTE_NS));
    }

    #[test]
    fn every_invocation_of_the_real_trace_is_read() {
        // python3: len(list(csv.reader(open(…)))) - 1; the sum of column 4; the pairs of
        // neighbours whose end falls.
        let input = sample("azure_functions_2021_first200.csv");
        let kept = read_all(&mut functions_2021(), &input).unwrap();
        assert_eq!((kept.records.len(), kept.skips.len()), (199, 0));
        let total_ns = kept.records.iter().filter_map(|record| record.duration_ns).sum::<i64>();
        assert_eq!(total_ns, 10_599_170_000_000);
        let falls = kept.records.windows(2).filter(|pair| pair[1].time_ns < pair[0].time_ns);
        assert_eq!(falls.count(), 83);
        let first = &kept.records[0];
        assert_eq!((first.time_ns, first.duration_ns), (79_490_900, Some(78_000_000)));
        assert_eq!(first.moment, Moment::End);
        assert!(first.session.starts_with(b"7b2c43a2") && first.tag.starts_with(b"e3cdb488"));
    }

    #[test]
    fn rows_that_do_not_fit_are_counted_whole() {
        let input =
            b"HashOwner,HashApp,HashFunction,Trigger,1,2\no,a,f,t,1,x\no,a,f,t,1\no,a,f,t,0,7\n";
        let kept = read_all(&mut Functions2019::default(), input).unwrap();
        assert_eq!(kept.skips, [(2, Skip::BadNumber), (3, Skip::Malformed)]);
        assert_eq!(
            (kept.records.len(), kept.records[0].count, kept.records[0].time_ns),
            (1, 7, MINUTE_NS)
        );
        for other in [
            "a,b\n",
            "HashOwner,HashApp,HashFunction,Trigger\n",
            "HashOwner,HashApp,HashFunction,Trigger,1,3\n",
        ] {
            let error = read_all(&mut Functions2019::default(), other.as_bytes()).unwrap_err();
            assert!(error.to_string().contains("HashOwner"), "{error}");
        }
    }

    #[test]
    fn no_damage_panics() {
        let input = b"HashOwner,HashApp,HashFunction,Trigger,1,2\no,a,f,t,1,5\no,a,f,t,18446744073709551615,0\n";
        for input in mutated(input, 3_000) {
            let _ = read_all(&mut Functions2019 { day: u16::MAX }, &input);
        }
        let real = sample("azure_functions_2019_counts_per_minute.csv");
        let cut = read_all(&mut Functions2019::default(), &real[..9_000]).unwrap();
        assert_eq!(cut.skips.len(), 1);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>()) {
            let mut input = b"HashOwner,HashApp,HashFunction,Trigger,1,2\n".to_vec();
            input.extend_from_slice(&bytes);
            let _ = read_all(&mut Functions2019::default(), &input);
            let _ = read_all(&mut Functions2019::default(), &bytes);
        }
    }
}

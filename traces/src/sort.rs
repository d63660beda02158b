//! Sorting more rows than fit into memory, by (time, source, line).
//!
//! Rows gather in memory up to a budget. If they all fit, they are sorted there and nothing is
//! written. If not, each full load is sorted and put aside into one temporary file, and the runs
//! are merged at the end.
//!
//! Logs are nearly in order, so a load that begins behind the end of a run is appended to it, and
//! the last part of a load that had to be sorted waits for the next one: an input whose disorder
//! is smaller than that ends as a single run, whatever its size, and its merge is a copy. Once it
//! is known that not everything fits into memory, loads are small enough for the processor's
//! cache; they grow again, up to the budget, with each one that begins before the end of a run.
//!
//! Equal keys keep the order they came in: within a load because the sort is stable, between
//! loads because an earlier one always lies in an earlier run or at an earlier place of the same.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::TraceError;
use crate::rows::{Key, PACKED_HEAD_BYTES, Rows, pack, unpack, unpack_key};

/// Most that is kept in memory: rows find their bytes by offsets of 32 bits.
const BUDGET_BYTES_MAX: usize = 1 << 30;

/// Least that is sorted at once after a first full load: more is slower, being further away from
/// the processor.
const LOAD_BYTES: usize = 4 << 20;

/// The part of a load whose end waits for the next one: a quarter.
const REST_PART: usize = 4;

/// Bytes that are written at once.
const WRITE_BYTES: usize = 256 << 10;

/// Bounds of what is read of a run at once. Below the lower one seeking costs more than reading,
/// above the upper one nothing is gained.
const READ_BYTES: (usize, usize) = (8 << 10, 256 << 10);

/// Takes rows in any order.
pub(crate) struct Sorter {
    directory: PathBuf,
    budget_bytes: usize,
    /// Bytes of a load: the budget, or less once something is put aside.
    load_bytes: usize,
    rows: Rows,
    /// The end of a load while the others are written: beyond the budget, a quarter at most.
    rest: Rows,
    spill: Option<Spill>,
    /// Rows of all runs and of the load.
    count: u64,
}

impl Sorter {
    /// Keeps up to `budget_bytes` in memory and the rest in a nameless file in `directory`.
    pub fn new(directory: &Path, budget_bytes: usize) -> Self {
        let budget_bytes = budget_bytes.min(BUDGET_BYTES_MAX);
        Self {
            directory: directory.to_owned(),
            budget_bytes,
            load_bytes: budget_bytes,
            rows: Rows::default(),
            rest: Rows::default(),
            spill: None,
            count: 0,
        }
    }

    /// Adds all rows of a batch.
    pub fn append(&mut self, rows: &Rows) -> Result<(), TraceError> {
        if !self.rows.is_empty() && self.rows.size_bytes() + rows.size_bytes() > self.load_bytes {
            self.put_aside()?;
        }
        self.count += rows.len() as u64;
        match &mut self.spill {
            // What goes on where the file ends needs no load to be sorted in.
            Some(spill) if self.rows.is_empty() && spill.is_continued_by(rows) => spill.write(rows),
            _ => {
                self.rows.append(rows);
                Ok(())
            }
        }
    }

    /// The number of rows taken so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Sorts the load and writes it to the file, but for the end of one that was out of order:
    /// what comes next may belong before that.
    fn put_aside(&mut self) -> Result<(), TraceError> {
        let was_ordered = self.rows.is_ordered();
        self.rows.sort();
        let spill = match &mut self.spill {
            Some(spill) => {
                if !spill.is_continued_by(&self.rows) {
                    self.load_bytes = (2 * self.load_bytes).min(self.budget_bytes);
                }
                spill
            }
            None => {
                self.load_bytes = LOAD_BYTES.min(self.budget_bytes);
                self.spill.insert(Spill::create(&self.directory)?)
            }
        };
        if !was_ordered {
            let rest_bytes = self.load_bytes / REST_PART;
            let rest_rows = rest_bytes * self.rows.len() / self.rows.size_bytes().max(1);
            let middle = self.rows.len().saturating_sub(rest_rows.max(1));
            self.rows.split_off(middle, &mut self.rest);
        }
        spill.write(&self.rows)?;
        self.rows.clear();
        self.rows.append(&self.rest);
        self.rest.clear();
        Ok(())
    }

    /// Ends the input.
    pub fn finish(mut self) -> Result<Sorted, TraceError> {
        self.rows.sort();
        let store = match self.spill {
            None => Store::Memory { rows: self.rows, next: 0 },
            Some(mut spill) => {
                spill.write(&self.rows)?;
                drop((self.rows, self.rest));
                Store::File(Merge::new(spill, self.budget_bytes)?)
            }
        };
        Ok(Sorted { store })
    }
}

/// Gives rows in order.
pub(crate) struct Sorted {
    store: Store,
}

enum Store {
    Memory { rows: Rows, next: usize },
    File(Merge),
}

impl Sorted {
    /// The key of the next row.
    pub fn peek(&self) -> Option<Key> {
        match &self.store {
            Store::Memory { rows, next } => rows.keys().get(*next).copied(),
            Store::File(merge) => merge.heads.peek().map(|Reverse(head)| head.key),
        }
    }

    /// Moves the next row to the end of `rows`; false when there is none left.
    pub fn next_into(&mut self, rows: &mut Rows) -> Result<bool, TraceError> {
        match &mut self.store {
            Store::Memory { rows: sorted, next } => {
                let Some(&key) = sorted.keys().get(*next) else { return Ok(false) };
                rows.push_encoded(key, sorted.encoded(*next));
                *next += 1;
                Ok(true)
            }
            Store::File(merge) => merge.next_into(rows),
        }
    }
}

/// The temporary file and what lies where in it.
struct Spill {
    file: File,
    directory: PathBuf,
    end: u64,
    runs: Vec<Run>,
    buffer: Vec<u8>,
}

/// A sorted sequence of rows in the file. The key of the first is not there.
struct Run {
    start: u64,
    length: u64,
    first: Key,
    last: Key,
}

impl Spill {
    fn create(directory: &Path) -> Result<Self, TraceError> {
        let file = tempfile::tempfile_in(directory).map_err(TraceError::io(directory))?;
        let buffer = Vec::with_capacity(2 * WRITE_BYTES);
        Ok(Self { file, directory: directory.to_owned(), end: 0, runs: Vec::new(), buffer })
    }

    /// Tells whether these rows are in order and none lies before the end of the latest run.
    fn is_continued_by(&self, rows: &Rows) -> bool {
        let (last, first) = (self.runs.last().map(|run| run.last), rows.keys().first());
        let is_behind = last.zip(first).is_some_and(|(last, first)| last.order() <= first.order());
        is_behind && rows.is_ordered()
    }

    /// Writes rows that are in order.
    fn write(&mut self, rows: &Rows) -> Result<(), TraceError> {
        let (Some(&first), Some(&last)) = (rows.keys().first(), rows.keys().last()) else {
            return Ok(());
        };
        // Only the latest run grows: an earlier load is then never in a later run, which is what
        // keeps rows with equal keys in the order they came in.
        let mut before = self.runs.last().map(|run| run.last);
        if before.is_none_or(|last| last.order() > first.order()) {
            self.runs.push(Run { start: self.end, length: 0, first, last });
            before = None;
        }
        let start = self.end;
        for (index, key) in rows.keys().iter().enumerate() {
            pack(key, before.as_ref(), rows.encoded(index), &mut self.buffer);
            before = Some(*key);
            if self.buffer.len() >= WRITE_BYTES {
                self.flush()?;
            }
        }
        self.flush()?;
        if let Some(run) = self.runs.last_mut() {
            run.length += self.end - start;
            run.last = last;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), TraceError> {
        self.file.write_all(&self.buffer).map_err(TraceError::io(&self.directory))?;
        self.end += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// Merges the runs of a file.
struct Merge {
    file: File,
    directory: PathBuf,
    read_bytes: usize,
    runs: Vec<RunReader>,
    heads: BinaryHeap<Reverse<Head>>,
}

/// The next row of a run.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Head {
    key: Key,
    run: usize,
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.key.order(), self.run).cmp(&(other.key.order(), other.run))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// What is left of a run behind the key of its next row, and a buffer of what was read of it.
struct RunReader {
    /// Beginning and length of what is still to be read.
    start: u64,
    length: u64,
    buffer: Vec<u8>,
    at: usize,
}

impl Merge {
    fn new(spill: Spill, budget_bytes: usize) -> Result<Self, TraceError> {
        let (least, most) = READ_BYTES;
        let read_bytes = (budget_bytes / spill.runs.len().max(1)).clamp(least, most);
        let heads = spill.runs.iter().zip(0..);
        let heads =
            heads.map(|(run, index)| Reverse(Head { key: run.first, run: index })).collect();
        let runs = spill.runs.iter().map(|run| RunReader {
            start: run.start,
            length: run.length,
            buffer: Vec::new(),
            at: 0,
        });
        let runs = runs.collect();
        Ok(Self { file: spill.file, directory: spill.directory, read_bytes, runs, heads })
    }

    fn next_into(&mut self, rows: &mut Rows) -> Result<bool, TraceError> {
        let Some(mut head) = self.heads.peek_mut() else { return Ok(false) };
        let Reverse(Head { key, run }) = *head;
        let source = Source { file: &mut self.file, bytes: self.read_bytes };
        let damaged = || TraceError::Spilled { path: self.directory.clone() };
        let io = TraceError::io(&self.directory);
        let reader = &mut self.runs[run];
        let next = match reader.next_into(key, rows, source).map_err(io)? {
            Taken::Next(next) => Some(next),
            Taken::Last => None,
            Taken::Damaged => return Err(damaged()),
        };
        match next {
            // The heap looks at its order only when a head was changed, and then compares it
            // with two others.
            Some(next) => *head = Reverse(Head { key: next, run }),
            None => {
                PeekMut::pop(head);
                // The buffers of runs that have ended are of no use to those that begin.
                self.runs[run].buffer = Vec::new();
            }
        }
        Ok(true)
    }
}

/// The file, and how much of it to read at once.
struct Source<'a> {
    file: &'a mut File,
    bytes: usize,
}

/// What followed a row that was taken.
enum Taken {
    Next(Key),
    Last,
    Damaged,
}

impl RunReader {
    /// Moves the row whose key is known to `rows` and reads the key of the next.
    fn next_into(
        &mut self,
        key: Key,
        rows: &mut Rows,
        mut source: Source<'_>,
    ) -> std::io::Result<Taken> {
        self.fill(PACKED_HEAD_BYTES, &mut source)?;
        let Some((packed, taken)) = unpack(&self.buffer[self.at..], &key) else {
            return Ok(Taken::Damaged);
        };
        self.at += taken;
        if !self.fill(packed.length, &mut source)? {
            return Ok(Taken::Damaged);
        }
        let end = self.at + packed.length;
        rows.push_packed(key, &packed, &self.buffer[self.at..end]);
        self.at = end;
        if !self.fill(PACKED_HEAD_BYTES, &mut source)? && self.at == self.buffer.len() {
            return Ok(if self.length == 0 { Taken::Last } else { Taken::Damaged });
        }
        Ok(match unpack_key(&self.buffer[self.at..], &key) {
            Some((next, taken)) => {
                self.at += taken;
                Taken::Next(next)
            }
            None => Taken::Damaged,
        })
    }

    /// Sees to it that this many bytes follow in the buffer; false when there are fewer.
    fn fill(&mut self, bytes: usize, source: &mut Source<'_>) -> std::io::Result<bool> {
        if self.buffer.len() - self.at >= bytes {
            return Ok(true);
        }
        self.buffer.drain(..self.at);
        self.at = 0;
        let read = self.length.min(source.bytes.max(bytes - self.buffer.len()) as u64);
        source.file.seek(SeekFrom::Start(self.start))?;
        // A file that ends too early is noticed by the rows that are missing.
        let read = Read::take(&mut *source.file, read).read_to_end(&mut self.buffer)? as u64;
        self.start += read;
        self.length -= read;
        Ok(self.buffer.len() >= bytes)
    }
}

#[cfg(test)]
mod tests {
    use openload_contract::digest::mix;

    use super::*;
    use crate::rows::Row;

    /// Rows whose time is `time(index)`, each with a payload of its own, of three sources.
    fn batches(count: u64, time: impl Fn(u64) -> i64) -> Vec<Rows> {
        keyed(count, |index| Key::new(time(index), (index % 3) as u32, index / 5))
    }

    fn keyed(count: u64, key: impl Fn(u64) -> Key) -> Vec<Rows> {
        let mut batches = Vec::new();
        let indices: Vec<u64> = (0..count).collect();
        for chunk in indices.chunks(700) {
            let mut rows = Rows::default();
            for &index in chunk {
                let target = format!("/{index}/{}", "x".repeat((mix(index) % 50) as usize));
                let row = Row { target: target.as_bytes(), ..Row::default() };
                rows.push(key(index), &row);
            }
            batches.push(rows);
        }
        batches
    }

    /// Whether `sorted` holds the rows of the batches in the order of their keys, equal ones as
    /// they came.
    fn is_stable_sort_of(batches: &[Rows], sorted: &[(Key, Vec<u8>)]) -> bool {
        let mut expected: Vec<_> = batches
            .iter()
            .flat_map(|rows| (0..rows.len()).map(|index| (rows.keys()[index], rows.encoded(index))))
            .collect();
        expected.sort_by_key(|(key, _)| key.order());
        expected.iter().map(|row| row.1).eq(sorted.iter().map(|row| &row.1[..]))
    }

    fn sorted(batches: &[Rows], budget_bytes: usize) -> (Vec<(Key, Vec<u8>)>, usize) {
        let directory = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(directory.path(), budget_bytes);
        batches.iter().for_each(|rows| sorter.append(rows).unwrap());
        let count = sorter.count();
        let mut sorted = sorter.finish().unwrap();
        let runs = match &sorted.store {
            Store::Memory { .. } => 0,
            Store::File(merge) => merge.runs.len(),
        };
        let mut rows = Rows::default();
        while let Some(key) = sorted.peek() {
            assert!(sorted.next_into(&mut rows).unwrap());
            assert_eq!(rows.keys().last().unwrap().order(), key.order());
        }
        assert!(!sorted.next_into(&mut rows).unwrap());
        assert_eq!(rows.len() as u64, count);
        let row = |index: usize| (rows.keys()[index], rows.encoded(index).to_vec());
        ((0..rows.len()).map(row).collect(), runs)
    }

    #[test]
    fn a_sort_beyond_the_budget_equals_one_in_memory() {
        // Many equal times, so that ties are decided by source, line and order of arrival.
        let batches = batches(20_000, |index| (mix(index) % 500).cast_signed());
        let (in_memory, runs) = sorted(&batches, usize::MAX);
        assert_eq!(runs, 0);
        assert!(is_stable_sort_of(&batches, &in_memory));
        for budget_bytes in [1, 200_000, 1_000_000] {
            let (merged, runs) = sorted(&batches, budget_bytes);
            assert!(runs > 1, "{runs}");
            assert!(merged.iter().map(|row| &row.1).eq(in_memory.iter().map(|row| &row.1)));
        }
    }

    #[test]
    fn what_is_in_order_makes_one_run_and_what_is_nearly_so_makes_few() {
        let (_, runs) = sorted(&batches(20_000, |index| (index / 10).cast_signed()), 100_000);
        // Sources and lines under equal times are not in order here, times are.
        assert!(runs <= 2, "{runs}");
        let (_, runs) = sorted(&batches(20_000, u64::cast_signed), 100_000);
        assert_eq!(runs, 1);
        let (_, runs) = sorted(&batches(20_000, |index| -index.cast_signed()), 100_000);
        assert!(runs > 10, "{runs}");
    }

    #[test]
    fn one_source_out_of_order_by_less_than_a_load_makes_one_run() {
        let time = |index: u64| (index / 3 * 3 + mix(index) % 100).cast_signed();
        let batches = keyed(20_000, |index| Key::new(time(index), 0, index / 2));
        let (in_memory, _) = sorted(&batches, usize::MAX);
        assert!(is_stable_sort_of(&batches, &in_memory));
        for budget_bytes in [100_000, 300_000] {
            let (merged, runs) = sorted(&batches, budget_bytes);
            assert_eq!(runs, 1);
            assert!(merged.iter().map(|row| &row.1).eq(in_memory.iter().map(|row| &row.1)));
        }
        let (merged, runs) = sorted(&batches, 1_000);
        assert!(runs > 1, "{runs}");
        assert!(merged.iter().map(|row| &row.1).eq(in_memory.iter().map(|row| &row.1)));
    }

    #[test]
    fn nothing_sorts_to_nothing() {
        assert_eq!(sorted(&[], 0).0, []);
        assert_eq!(sorted(&[Rows::default()], 0).0, []);
    }
}

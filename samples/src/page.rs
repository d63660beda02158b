//! Chunks as encoded columns: the bodies of Parquet data pages.
//!
//! Rows are encoded once. The same bytes go to the journal and into the part, so a row costs
//! the journal what it costs the part, and an open part holds in memory what its file will
//! hold. General encoders hash every value of every column to find a dictionary; here the
//! names are known before the run, and numbers that hardly vary (status, sizes) are looked up
//! in a table of at most [`DISTINCT_MAX`]. Times are delta-packed: no compressor finds
//! anything in what remains, so none is run.

use bytes::Bytes;
use parquet::basic::Encoding;

use crate::chunk::{Chunk, NULL_NS, NULL_STATUS, Names};
use crate::order::Order;
use crate::{delta, hybrid};

/// Most values in the dictionary of a column of numbers.
const DISTINCT_MAX: usize = 64;

/// The values of one column for some rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    /// Dictionary codes, or delta-packed numbers.
    pub is_coded: bool,
    /// Rows that hold null.
    pub nulls: u32,
    /// Length of the levels, which precede the values in nullable columns.
    pub level_bytes: u32,
    /// Levels and values.
    pub bytes: Bytes,
}

impl Page {
    pub fn encoding(&self) -> Encoding {
        if self.is_coded { Encoding::RLE_DICTIONARY } else { Encoding::DELTA_BINARY_PACKED }
    }
}

/// Pages of all columns for the same rows, in the order of the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pages {
    pub(crate) rows: usize,
    /// Least and greatest intended start, where they are known.
    pub(crate) starts_ns: Option<(i64, i64)>,
    pub(crate) columns: Vec<Page>,
}

/// The dictionaries of a part's columns of numbers, by [`NUMBERS`]. They only grow.
pub type Dictionaries = [Distinct; NUMBERS.len()];

/// The dictionary of a column of numbers, in the order of first use.
#[derive(Debug, Clone)]
pub struct Distinct {
    values: Vec<u32>,
    /// Code of the value that was found last at each hash.
    recent: [u8; 256],
}

impl Default for Distinct {
    fn default() -> Self {
        Self { values: Vec::new(), recent: [0; 256] }
    }
}

impl Distinct {
    pub(crate) fn values(&self) -> &[u32] {
        &self.values
    }

    /// Adds values in the order in which another dictionary took them up.
    pub(crate) fn extend(&mut self, values: impl IntoIterator<Item = u32>) {
        self.values.extend(values);
    }

    /// The code of a value, which is taken up while there is room.
    fn code(&mut self, value: u32) -> Option<u16> {
        // Fibonacci hashing: the upper bits of the product depend on all bits of the value.
        let recent = &mut self.recent[(value.wrapping_mul(0x9e37_79b1) >> 24) as usize];
        if self.values.get(usize::from(*recent)) == Some(&value) {
            return Some((*recent).into());
        }
        let known = self.values.iter().position(|&known| known == value);
        let code = known.unwrap_or(self.values.len());
        if code == DISTINCT_MAX {
            return None;
        }
        if known.is_none() {
            self.values.push(value);
        }
        *recent = code as u8;
        Some(code as u16)
    }
}

/// Columns of numbers that usually have few different values.
pub(crate) const NUMBERS: [&str; 4] = ["status", "step", "bytes_in", "bytes_out"];

/// Columns of names.
pub(crate) const NAMES: [&str; 5] = ["outcome", "stream", "phase", "scenario", "request"];

/// Turns chunks into pages.
#[derive(Debug)]
pub struct Encoder {
    /// How many names there are, by [`NAMES`].
    name_counts: [usize; NAMES.len()],
    /// Dictionaries by [`NUMBERS`].
    numbers: Dictionaries,
    codes: Vec<u16>,
    order: Order,
    sorted: Chunk,
}

impl Encoder {
    /// Makes the encoder of one part of a run with `names`.
    pub fn new(names: &Names) -> Self {
        let name_counts = names.by_column().map(<[String]>::len);
        Self {
            name_counts,
            numbers: Default::default(),
            codes: Vec::new(),
            order: Order::default(),
            sorted: Chunk::default(),
        }
    }

    /// The dictionaries that the pages made so far refer to.
    pub fn dictionaries(&self) -> &Dictionaries {
        &self.numbers
    }

    /// Encodes the rows of a chunk.
    ///
    /// # Panics
    /// When a code has no name.
    pub fn encode(&mut self, chunk: &Chunk) -> Pages {
        self.order.sort(&chunk.response_ns);
        let mut sorted = std::mem::take(&mut self.sorted);
        sorted.clear();
        sorted.extend_in_order(chunk, self.order.positions());
        let pages = self.encode_in_order(&sorted);
        self.sorted = sorted;
        pages
    }

    fn encode_in_order(&mut self, chunk: &Chunk) -> Pages {
        let [outcomes, streams, phases, scenarios, requests] = self.name_counts;
        let columns = vec![
            times(&chunk.seq),
            times(&chunk.intended_ns),
            times(&chunk.lag_ns),
            optional_times(&chunk.connect_ns),
            optional_times(&chunk.pool_wait_ns),
            optional_times(&chunk.sent_ns),
            optional_times(&chunk.ttfb_ns),
            times(&chunk.response_ns),
            self.status(&chunk.status),
            names(&chunk.outcome, outcomes),
            names(&chunk.stream, streams),
            names(&chunk.phase, phases),
            names(&chunk.scenario, scenarios),
            names(&chunk.request, requests),
            self.number(1, &chunk.step),
            self.number(2, &chunk.bytes_in),
            self.number(3, &chunk.bytes_out),
        ];
        let least = chunk.intended_ns.iter().min();
        let starts_ns = least.copied().zip(chunk.intended_ns.iter().max().copied());
        Pages { rows: chunk.len(), starts_ns, columns }
    }

    fn status(&mut self, values: &[u16]) -> Page {
        let (levels, nulls) = levels(values, NULL_STATUS);
        if nulls == 0 {
            return self.numbers(0, values, levels, nulls);
        }
        let present: Vec<u16> =
            values.iter().copied().filter(|&value| value != NULL_STATUS).collect();
        self.numbers(0, &present, levels, nulls)
    }

    fn number<T: Copy + PartialEq + Into<u32>>(&mut self, column: usize, values: &[T]) -> Page {
        self.numbers(column, values, Vec::new(), 0)
    }

    /// Appends numbers to their levels: as codes when the dictionary can take them.
    fn numbers<T: Copy + PartialEq + Into<u32>>(
        &mut self,
        column: usize,
        values: &[T],
        mut bytes: Vec<u8>,
        nulls: u32,
    ) -> Page {
        give_way();
        let level_bytes = bytes.len() as u32;
        let is_coded = !values.is_empty() && self.look_up(column, values);
        if is_coded {
            let width = hybrid::width(self.numbers[column].values.len().saturating_sub(1));
            bytes.push(width);
            hybrid::encode(&self.codes, width, &mut bytes);
        } else {
            let values: Vec<i32> = values.iter().map(|&value| value.into().cast_signed()).collect();
            delta::encode_i32(&values, &mut bytes);
        }
        Page { is_coded, nulls, level_bytes, bytes: bytes.into() }
    }

    /// Fills `codes` with the codes of `values`; false when the dictionary is too small.
    fn look_up<T: Copy + PartialEq + Into<u32>>(&mut self, column: usize, values: &[T]) -> bool {
        let distinct = &mut self.numbers[column];
        self.codes.clear();
        if values.iter().all(|&value| value == values[0]) {
            let Some(code) = distinct.code(values[0].into()) else { return false };
            self.codes.resize(values.len(), code);
            return true;
        }
        for &value in values {
            let Some(code) = distinct.code(value.into()) else { return false };
            self.codes.push(code);
        }
        true
    }
}

/// Lets a thread in that waits for this processor.
///
/// Whoever shares a core with a worker must not hold it for long. Without this the scheduler lets
/// a chunk be encoded to its end, a millisecond in which no request leaves; with it, a column.
fn give_way() {
    std::thread::yield_now();
}

fn names(codes: &[u16], count: usize) -> Page {
    give_way();
    let greatest = codes.iter().copied().max().map_or(0, usize::from);
    assert!(greatest < count, "every code has its name");
    let width = hybrid::width(count - 1);
    let mut bytes = vec![width];
    hybrid::encode(codes, width, &mut bytes);
    Page { is_coded: true, nulls: 0, level_bytes: 0, bytes: bytes.into() }
}

/// Room for times of about 20 bits and a few bytes for each block.
fn room(values: usize) -> usize {
    values * 3 + 64
}

fn times(values: &[i64]) -> Page {
    give_way();
    let mut bytes = Vec::with_capacity(room(values.len()));
    delta::encode_i64(values, &mut bytes);
    Page { is_coded: false, nulls: 0, level_bytes: 0, bytes: bytes.into() }
}

fn optional_times(values: &[i64]) -> Page {
    give_way();
    let (mut bytes, nulls) = levels(values, NULL_NS);
    let level_bytes = bytes.len() as u32;
    bytes.reserve(room(values.len()));
    if nulls == 0 {
        delta::encode_i64(values, &mut bytes);
    } else {
        let present: Vec<i64> = values.iter().copied().filter(|&value| value != NULL_NS).collect();
        delta::encode_i64(&present, &mut bytes);
    }
    Page { is_coded: false, nulls, level_bytes, bytes: bytes.into() }
}

/// Which rows of a nullable column hold a value, and how many do not.
fn levels<T: Copy + PartialEq>(values: &[T], null: T) -> (Vec<u8>, u32) {
    let mut bytes = Vec::new();
    let nulls = values.iter().filter(|&&value| value == null).count();
    if nulls == 0 {
        hybrid::encode_run(values.len(), 1, 1, &mut bytes);
    } else {
        let present: Vec<u16> = values.iter().map(|&value| (value != null).into()).collect();
        hybrid::encode(&present, 1, &mut bytes);
    }
    (bytes, nulls as u32)
}

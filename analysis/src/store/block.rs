//! A block: the columns of up to 1,024 rows, packed.
//!
//! | column | holds | why it is small |
//! |---|---|---|
//! | intended | difference to the row before | starts ascend; a gap is shorter than a second |
//! | lag, response | as they are | |
//! | connect | as it is | 0 on a warm connection |
//! | queue | sent − lag − connect | tens of microseconds |
//! | transfer | response − first byte | the time of a body, not of a response |
//! | kind | its code | few kinds |
//! | known | which of connect, sent and first byte are known | most often all |
//!
//! Each column stores the distance from its least value in as many bits as the greatest distance
//! needs; a column of equal values takes none. Differences are taken modulo 2⁶⁴, so that every
//! value comes back whatever it is: damaged times cost room, nothing else. A value that is not
//! known stores the last one that was, which costs no width.

use super::lanes::{COUNT, pack, width_of, words};
use super::rows::{ArrivalColumns, OptionalTimes};

/// Rows of a block. Small enough that one slow response widens few others, large enough that what
/// is noted about a block is an eighth of a byte a row.
pub const BLOCK_ROWS: usize = COUNT;

/// Columns of a block.
pub(super) const COLUMNS: usize = 8;
pub(super) const INTENDED: usize = 0;
pub(super) const LAG: usize = 1;
pub(super) const RESPONSE: usize = 2;
pub(super) const CONNECT: usize = 3;
pub(super) const QUEUE: usize = 4;
pub(super) const TRANSFER: usize = 5;
pub(super) const KIND: usize = 6;
pub(super) const KNOWN: usize = 7;

/// Bits of the column `known`.
pub(super) const KNOWN_CONNECT: i64 = 1;
pub(super) const KNOWN_SENT: i64 = 2;
pub(super) const KNOWN_TTFB: i64 = 4;

/// Where and how a column is packed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Packed {
    /// Least value.
    pub base: i64,
    /// First word.
    pub start: u32,
    /// Bits of a value.
    pub width: u32,
}

/// The packed columns of some rows.
#[derive(Debug, Clone)]
pub struct Block {
    rows: usize,
    first_ns: i64,
    last_ns: i64,
    pub(super) columns: [Packed; COLUMNS],
    words: Box<[u64]>,
}

impl Block {
    /// Packs the rows of an open block, which has some.
    fn new(open: &OpenBlock) -> Self {
        let mut columns = [Packed::default(); COLUMNS];
        let mut packed = Vec::new();
        let mut distances = [0; COUNT];
        for (column, values) in columns.iter_mut().zip(open.values.iter()) {
            let values = &values[..open.rows];
            let first = values[0];
            // Most columns do not vary, and that is found out fastest.
            let varying = values.iter().fold(0, |varying, &value| varying | (value ^ first));
            if varying == 0 {
                *column = Packed { base: first, start: packed.len() as u32, width: 0 };
                continue;
            }
            let (least, greatest) =
                values.iter().fold((i64::MAX, i64::MIN), |(least, greatest), &value| {
                    (least.min(value), greatest.max(value))
                });
            for (distance, value) in distances.iter_mut().zip(values) {
                *distance = value.wrapping_sub(least).cast_unsigned();
            }
            distances[open.rows..].fill(0);
            let width = width_of(greatest.wrapping_sub(least).cast_unsigned());
            *column = Packed { base: least, start: packed.len() as u32, width };
            pack(&distances, width, &mut packed);
        }
        Self {
            rows: open.rows,
            first_ns: open.first_ns,
            last_ns: open.last_ns,
            columns,
            words: packed.into_boxed_slice(),
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Tells that there is no row, which no block says of itself.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// First intended start.
    pub fn first_ns(&self) -> i64 {
        self.first_ns
    }

    /// Last intended start.
    pub fn last_ns(&self) -> i64 {
        self.last_ns
    }

    /// A bound that no schedule lag of the block exceeds.
    pub fn lag_bound_ns(&self) -> i64 {
        let Packed { base, width, .. } = self.columns[LAG];
        let reach = u64::MAX.checked_shr(u64::BITS - width).unwrap_or(0);
        base.saturating_add_unsigned(reach)
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.words.len() * size_of::<u64>()
    }

    pub(super) fn words_of(&self, column: usize) -> &[u64] {
        let Packed { start, width, .. } = self.columns[column];
        &self.words[start as usize..start as usize + words(width)]
    }
}

/// A block that takes rows in the order of the timeline.
#[derive(Debug)]
pub(super) struct OpenBlock {
    rows: usize,
    first_ns: i64,
    last_ns: i64,
    values: Box<[[i64; COUNT]; COLUMNS]>,
    /// What a value that is not known stores: the last one that was, of whatever block.
    connect_ns: i64,
    queue_ns: i64,
    transfer_ns: i64,
}

impl OpenBlock {
    /// Makes an empty one.
    pub fn new() -> Self {
        Self {
            rows: 0,
            first_ns: 0,
            last_ns: 0,
            values: Box::new([[0; COUNT]; COLUMNS]),
            connect_ns: 0,
            queue_ns: 0,
            transfer_ns: 0,
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Rows that it can still take.
    pub fn room(&self) -> usize {
        COUNT - self.rows
    }

    /// Takes rows, no more than there is room for; gives the block out when it is full, and begins
    /// the next one.
    pub fn append(&mut self, rows: &ArrivalColumns<'_>) -> Option<Block> {
        let (&first_ns, &last_ns) = rows.intended_ns.first().zip(rows.intended_ns.last())?;
        if self.rows == 0 {
            (self.first_ns, self.last_ns) = (first_ns, first_ns);
        }
        let places = self.rows..self.rows + rows.len();
        let [intended, lag, response, connect, queue, transfer, kind, known] =
            self.values.each_mut().map(|values| &mut values[places.clone()]);
        let mut before_ns = self.last_ns;
        for (gap_ns, &start_ns) in intended.iter_mut().zip(rows.intended_ns) {
            *gap_ns = start_ns.wrapping_sub(before_ns);
            before_ns = start_ns;
        }
        copy(rows.lag_ns, lag);
        copy(rows.response_ns, response);
        let of_connect = |row: usize| rows.connect_ns.values[row];
        carry(rows.connect_ns, connect, &mut self.connect_ns, of_connect);
        let of_queue =
            |row: usize| rows.sent_ns.values[row].wrapping_sub(lag[row]).wrapping_sub(connect[row]);
        carry(rows.sent_ns, queue, &mut self.queue_ns, of_queue);
        let of_transfer = |row: usize| response[row].wrapping_sub(rows.ttfb_ns.values[row]);
        carry(rows.ttfb_ns, transfer, &mut self.transfer_ns, of_transfer);
        for (kind, &code) in kind.iter_mut().zip(rows.kind) {
            *kind = code.into();
        }
        known.fill(0);
        let bits = [
            (rows.connect_ns, KNOWN_CONNECT),
            (rows.sent_ns, KNOWN_SENT),
            (rows.ttfb_ns, KNOWN_TTFB),
        ];
        for (times, bit) in bits {
            for (row, known) in known.iter_mut().enumerate() {
                *known |= if times.is_known(row) { bit } else { 0 };
            }
        }
        self.last_ns = last_ns;
        self.rows = places.end;
        if self.rows == COUNT { self.close() } else { None }
    }

    /// Packs the rows, if there are any; the next ones begin another block.
    pub fn close(&mut self) -> Option<Block> {
        let block = (self.rows > 0).then(|| Block::new(self));
        self.rows = 0;
        block
    }
}

/// Fills in a column; 0 where it was not read.
fn copy(column: &[i64], out: &mut [i64]) {
    if column.is_empty() { out.fill(0) } else { out.copy_from_slice(column) }
}

/// Fills in the values of known times, and of the others the last one before them.
fn carry(times: OptionalTimes<'_>, out: &mut [i64], last: &mut i64, value: impl Fn(usize) -> i64) {
    if times.values.is_empty() {
        out.fill(*last);
        return;
    }
    for (row, out) in out.iter_mut().enumerate() {
        if times.is_known(row) {
            *last = value(row);
        }
        *out = *last;
    }
}

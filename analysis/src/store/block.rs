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
//! known stores the one before it, which costs no width.

use super::lanes::{COUNT, pack, width_of, words};
use super::rows::ArrivalRow;

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
    /// Packs rows in the order of the timeline.
    ///
    /// # Panics
    /// When there is none, or there are more than [`BLOCK_ROWS`].
    pub fn new(rows: &[ArrivalRow]) -> Self {
        assert!((1..=BLOCK_ROWS).contains(&rows.len()), "a block has rows, and room for them");
        let values = differences(rows);
        let mut columns = [Packed::default(); COLUMNS];
        let mut packed = Vec::new();
        for (column, values) in columns.iter_mut().zip(values.iter()) {
            let values = &values[..rows.len()];
            let (least, greatest) =
                values.iter().fold((i64::MAX, i64::MIN), |(least, greatest), &value| {
                    (least.min(value), greatest.max(value))
                });
            let mut distances = [0; COUNT];
            for (distance, value) in distances.iter_mut().zip(values) {
                *distance = value.wrapping_sub(least).cast_unsigned();
            }
            let width = width_of(greatest.wrapping_sub(least).cast_unsigned());
            *column = Packed { base: least, start: packed.len() as u32, width };
            pack(&distances, width, &mut packed);
        }
        Self {
            rows: rows.len(),
            first_ns: rows[0].intended_ns,
            last_ns: rows[rows.len() - 1].intended_ns,
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

/// The values that the columns store.
fn differences(rows: &[ArrivalRow]) -> Box<[[i64; COUNT]; COLUMNS]> {
    let mut values = Box::new([[0; COUNT]; COLUMNS]);
    let mut before_ns = rows[0].intended_ns;
    // What an unknown value stores: the last known one, at first the first known one.
    let queue = |row: &ArrivalRow, connect_ns: i64| {
        row.sent_ns.map(|sent| sent.wrapping_sub(row.lag_ns).wrapping_sub(connect_ns))
    };
    let transfer = |row: &ArrivalRow| row.ttfb_ns.map(|first| row.response_ns.wrapping_sub(first));
    let mut connect_ns = rows.iter().find_map(|row| row.connect_ns).unwrap_or(0);
    let mut queue_ns =
        rows.iter().find_map(|row| queue(row, row.connect_ns.unwrap_or(connect_ns))).unwrap_or(0);
    let mut transfer_ns = rows.iter().find_map(transfer).unwrap_or(0);
    for (place, row) in rows.iter().enumerate() {
        connect_ns = row.connect_ns.unwrap_or(connect_ns);
        queue_ns = queue(row, connect_ns).unwrap_or(queue_ns);
        transfer_ns = transfer(row).unwrap_or(transfer_ns);
        let known = |is_known: bool, bit: i64| if is_known { bit } else { 0 };
        values[INTENDED][place] = row.intended_ns.wrapping_sub(before_ns);
        values[LAG][place] = row.lag_ns;
        values[RESPONSE][place] = row.response_ns;
        values[CONNECT][place] = connect_ns;
        values[QUEUE][place] = queue_ns;
        values[TRANSFER][place] = transfer_ns;
        values[KIND][place] = row.kind.into();
        values[KNOWN][place] = known(row.connect_ns.is_some(), KNOWN_CONNECT)
            | known(row.sent_ns.is_some(), KNOWN_SENT)
            | known(row.ttfb_ns.is_some(), KNOWN_TTFB);
        before_ns = row.intended_ns;
    }
    values
}

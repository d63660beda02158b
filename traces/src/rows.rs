//! Rows on their way from a parser to the file, without an allocation for each.
//!
//! [`Rows`] is a batch: a vector of [`Key`]s, by which rows are sorted, and an arena of bytes with
//! everything else. Sorting moves keys only. A row in the arena does not depend on its place, so
//! it is copied as it stands; in a file its fixed part is packed ([`pack`]):
//!
//! ```text
//! length u32 | kind u8 | flags u16 | t_src i64 | what the flags name: numbers, lengths of byte
//! strings, session, byte strings
//! ```
//!
//! Numbers that were recorded and lengths are written as varints; what was not recorded takes no
//! byte. Reading is checked: bytes that are no row give `None`.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crate::event::TimeKind;
use crate::record::Tokens;

/// Longest row that is taken, in bytes; what is longer is passed over and counted. It lies far
/// above any request worth replaying and far below what offsets of 32 bits can address.
pub(crate) const ROW_BYTES_MAX: usize = 64 << 20;

/// Bytes of rows that are handed on at once.
pub(crate) const BATCH_BYTES: usize = 1 << 20;

/// Bytes before the optional parts of a row.
const FIXED_BYTES: usize = 4 + 1 + 2 + 8;

/// Where the kind stands in a row.
const KIND_AT: usize = 4;

/// By what rows are ordered, and where the rest of a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    /// The instant to sort by, ns.
    pub time_ns: i64,
    /// Line, row or entry of the source.
    pub seq: u64,
    /// Position of the source among the inputs.
    pub source: u32,
    /// Where the row begins in its arena.
    at: u32,
}

impl Key {
    /// The order of rows. Rows that share all three keep the order they came in.
    pub fn order(&self) -> (i64, u32, u64) {
        (self.time_ns, self.source, self.seq)
    }

    /// The part of the order that does not depend on the time.
    fn place(&self) -> Place {
        (self.source, self.seq)
    }

    /// The same row at another time.
    pub fn at_time(self, time_ns: i64) -> Self {
        Self { time_ns, ..self }
    }

    /// A key without a row, for rows that lie elsewhere.
    pub fn new(time_ns: i64, source: u32, seq: u64) -> Self {
        Self { time_ns, seq, source, at: 0 }
    }
}

/// One row: a record after the scrubbing, with the key apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Row<'a> {
    /// What the row's time was made from.
    pub kind: TimeKind,
    /// The instant as recorded.
    pub recorded_ns: i64,
    /// Requests it stands for, and the width of the bin they lie in, where a format counts.
    pub bin: Option<Bin>,
    pub session: u64,
    pub status: Option<u16>,
    pub bytes: Option<u64>,
    pub duration_ns: Option<u64>,
    pub body_bytes: Option<u64>,
    pub tokens: Option<Tokens>,
    pub method: &'a [u8],
    pub target: &'a [u8],
    pub host: &'a [u8],
    pub headers: &'a [u8],
    pub tag: &'a [u8],
    pub body: Option<&'a [u8]>,
}

/// A number of requests anywhere in a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bin {
    pub count: u64,
    pub width_ns: u64,
}

const BIN: u16 = 1;
const SESSION: u16 = 1 << 1;
const STATUS: u16 = 1 << 2;
const BYTES: u16 = 1 << 3;
const DURATION: u16 = 1 << 4;
const BODY_BYTES: u16 = 1 << 5;
const TOKENS: u16 = 1 << 6;
const METHOD: u16 = 1 << 7;
const TARGET: u16 = 1 << 8;
const HOST: u16 = 1 << 9;
const HEADERS: u16 = 1 << 10;
const TAG: u16 = 1 << 11;
const BODY: u16 = 1 << 12;

/// A batch of rows.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    keys: Vec<Key>,
    bytes: Vec<u8>,
    /// Whether the keys are known to be out of order.
    is_disordered: bool,
    /// Whether rows of equal times may be out of order, so that a stable sort by time would not
    /// be enough.
    is_shuffled: bool,
    /// Whether keys have changed their places since they were added.
    is_sorted: bool,
    /// Greatest place of any key.
    last_place: Place,
}

/// The part of a key that does not depend on the time.
type Place = (u32, u64);

impl Rows {
    /// Makes room for about this many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        let bytes_per_key = 128;
        let keys = Vec::with_capacity(bytes / bytes_per_key);
        Self { keys, bytes: Vec::with_capacity(bytes), ..Self::default() }
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Memory that the rows take.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len() + self.keys.len() * size_of::<Key>()
    }

    pub fn clear(&mut self) {
        self.keys.clear();
        self.bytes.clear();
        *self = Self {
            keys: std::mem::take(&mut self.keys),
            bytes: std::mem::take(&mut self.bytes),
            ..Self::default()
        };
    }

    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Adds a row that is not longer than [`ROW_BYTES_MAX`]; the key's place is set here.
    pub fn push(&mut self, key: Key, row: &Row<'_>) {
        let at = self.bytes.len();
        encode(row, &mut self.bytes);
        self.push_key(Key { at: at as u32, ..key });
    }

    /// Adds an encoded row.
    pub fn push_encoded(&mut self, key: Key, encoded: &[u8]) {
        let at = self.bytes.len() as u32;
        self.bytes.extend_from_slice(encoded);
        self.push_key(Key { at, ..key });
    }

    /// Adds a row that was packed; `last` is its last part.
    pub fn push_packed(&mut self, key: Key, packed: &Packed, last: &[u8]) {
        let at = self.bytes.len() as u32;
        let length = FIXED_BYTES + last.len();
        let mut fixed = [0; FIXED_BYTES];
        fixed[..KIND_AT].copy_from_slice(&(length as u32).to_le_bytes());
        fixed[KIND_AT] = packed.kind;
        fixed[5..7].copy_from_slice(&packed.flags);
        fixed[7..].copy_from_slice(&packed.recorded_ns.to_le_bytes());
        self.bytes.reserve(length);
        self.bytes.extend_from_slice(&fixed);
        self.bytes.extend_from_slice(last);
        self.push_key(Key { at, ..key });
    }

    /// Adds all rows of another batch.
    pub fn append(&mut self, rows: &Self) {
        let offset = self.bytes.len() as u32;
        self.bytes.extend_from_slice(&rows.bytes);
        let Some(first) = rows.keys.first() else { return };
        self.is_disordered |=
            rows.is_disordered || self.keys.last().is_some_and(|last| last.order() > first.order());
        let is_behind = rows.is_sorted || first.place() < self.last_place;
        self.is_shuffled |= rows.is_shuffled || (is_behind && !self.is_empty());
        self.is_sorted |= rows.is_sorted;
        self.last_place = self.last_place.max(rows.last_place);
        self.keys.extend(rows.keys.iter().map(|key| Key { at: key.at + offset, ..*key }));
    }

    fn push_key(&mut self, key: Key) {
        self.is_disordered |= self.keys.last().is_some_and(|last| last.order() > key.order());
        self.is_shuffled |= key.place() < self.last_place;
        self.last_place = self.last_place.max(key.place());
        self.keys.push(key);
    }

    /// Whether the rows are known to be in order.
    pub fn is_ordered(&self) -> bool {
        !self.is_disordered
    }

    /// Puts the rows in order; costs nothing when they are.
    pub fn sort(&mut self) {
        if self.is_disordered {
            // Stable, and linear in stretches that are in order already. The rows of one source
            // come in the order of its lines, so that there are only times to compare.
            if self.is_shuffled {
                self.keys.sort_by_key(Key::order);
            } else {
                self.keys.sort_by_key(|key| key.time_ns);
            }
            (self.is_disordered, self.is_sorted) = (false, true);
        }
        self.is_shuffled = false;
    }

    /// The row at `index` as it stands in the arena.
    pub fn encoded(&self, index: usize) -> &[u8] {
        let at = self.keys.get(index).map_or(usize::MAX, |key| key.at as usize);
        encoded_at(&self.bytes, at).unwrap_or_default()
    }

    /// The row at `index`.
    pub fn get(&self, index: usize) -> Option<Row<'_>> {
        decode(self.encoded(index))
    }

    /// Moves the rows of `range` to other times, and says what these were made from.
    pub fn set_times(&mut self, range: Range<usize>, mut time: impl FnMut(Timing) -> Placed) {
        let end = range.end;
        for index in range {
            let Some(timing) = timing(self.encoded(index)) else { continue };
            let placed = time(timing);
            let at = self.keys[index].at as usize;
            self.keys[index].time_ns = placed.time_ns;
            self.bytes[at + KIND_AT] = placed.kind as u8;
            let is_behind = index > 0 && self.keys[index - 1].order() > self.keys[index].order();
            self.is_disordered |= is_behind;
        }
        self.is_shuffled = true;
        // What follows has not moved.
        let border = self.keys.get(end.saturating_sub(1)).zip(self.keys.get(end));
        self.is_disordered |= border.is_some_and(|(last, next)| last.order() > next.order());
    }

    /// Adds a copy of an encoded row at another time.
    pub fn push_placed(&mut self, key: Key, encoded: &[u8], placed: Placed) {
        self.push_encoded(Key { time_ns: placed.time_ns, ..key }, encoded);
        let at = self.bytes.len() - encoded.len();
        if let Some(kind) = self.bytes.get_mut(at + KIND_AT) {
            *kind = placed.kind as u8;
        }
    }

    /// Parts the rows, which are in order, at `middle`: those from there on move to `rest`, which
    /// is empty.
    pub fn split_off(&mut self, middle: usize, rest: &mut Self) {
        for index in middle..self.keys.len() {
            rest.push_encoded(self.keys[index], self.encoded(index));
        }
        (rest.is_shuffled, rest.is_sorted) = (self.is_shuffled, self.is_sorted);
        self.keys.truncate(middle);
    }
}

/// Emptied batches, to be filled again: fresh memory costs more than what is written into it.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<Vec<Rows>>);

impl Pool {
    /// An empty batch with room for [`BATCH_BYTES`].
    pub fn take(&self) -> Rows {
        let pooled = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        pooled.unwrap_or_else(|| Rows::with_capacity(BATCH_BYTES + BATCH_BYTES / 4))
    }

    /// Takes a batch back. One that has grown large is given up: few rows are that long.
    pub fn put(&self, mut rows: Rows) {
        if rows.bytes.capacity() <= 4 * BATCH_BYTES {
            rows.clear();
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(rows);
        }
    }
}

/// What the place of a row in time depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timing {
    pub kind: TimeKind,
    pub duration_ns: Option<u64>,
}

/// Where a row was put in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    pub time_ns: i64,
    pub kind: TimeKind,
}

/// The encoded row that begins at `at`; `None` when there is none, or not all of it.
pub(crate) fn encoded_at(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let rest = bytes.get(at..)?;
    let (length, _) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    if length < FIXED_BYTES { None } else { rest.get(..length) }
}

/// Bytes of the byte strings of a row.
pub(crate) fn payload_bytes(row: &Row<'_>) -> usize {
    let texts = [row.method, row.target, row.host, row.headers, row.tag];
    texts.iter().map(|text| text.len()).sum::<usize>() + row.body.map_or(0, <[u8]>::len)
}

/// Room for everything of a row but its byte strings: eight numbers and six lengths.
const HEAD_BYTES: usize = FIXED_BYTES + 14 * VARINT_BYTES_MAX + 8;

/// Longest number.
const VARINT_BYTES_MAX: usize = 10;

fn encode(row: &Row<'_>, bytes: &mut Vec<u8>) {
    let mut flags = 0;
    let mut head = Head { bytes: [0; HEAD_BYTES], length: FIXED_BYTES };
    let mut number = |flag: u16, value: Option<u64>| {
        if let Some(value) = value {
            flags |= flag;
            head.put_varint(value);
        }
    };
    number(BIN, row.bin.map(|bin| bin.count));
    number(BIN, row.bin.map(|bin| bin.width_ns));
    number(STATUS, row.status.map(u64::from));
    number(BYTES, row.bytes);
    number(DURATION, row.duration_ns);
    number(BODY_BYTES, row.body_bytes);
    number(TOKENS, row.tokens.map(|tokens| tokens.input));
    number(TOKENS, row.tokens.map(|tokens| tokens.output));
    let texts = [
        (METHOD, row.method),
        (TARGET, row.target),
        (HOST, row.host),
        (HEADERS, row.headers),
        (TAG, row.tag),
    ];
    for (flag, text) in texts {
        number(flag, (!text.is_empty()).then_some(text.len() as u64));
    }
    number(BODY, row.body.map(|body| body.len() as u64));
    if row.session != 0 {
        flags |= SESSION;
        head.put(&row.session.to_le_bytes());
    }
    let length = head.length + payload_bytes(row);
    head.bytes[..KIND_AT].copy_from_slice(&(length as u32).to_le_bytes());
    head.bytes[KIND_AT] = row.kind as u8;
    head.bytes[5..7].copy_from_slice(&flags.to_le_bytes());
    head.bytes[7..FIXED_BYTES].copy_from_slice(&row.recorded_ns.to_le_bytes());
    bytes.reserve(length);
    bytes.extend_from_slice(&head.bytes[..head.length]);
    for (_, text) in texts {
        if !text.is_empty() {
            bytes.extend_from_slice(text);
        }
    }
    bytes.extend_from_slice(row.body.unwrap_or_default());
}

/// The beginning of something encoded, while it is put together.
struct Head<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Head<N> {
    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    /// Seven bits a byte, the lowest first; the highest bit says that more follow.
    fn put_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes[self.length] = value as u8 | 0x80;
            self.length += 1;
            value >>= 7;
        }
        self.bytes[self.length] = value as u8;
        self.length += 1;
    }
}

/// Reads an encoded row; `None` for bytes that are none.
pub(crate) fn decode(encoded: &[u8]) -> Option<Row<'_>> {
    let (fixed, rest) = encoded.split_first_chunk::<FIXED_BYTES>()?;
    let [_, _, _, _, kind, low, high, recorded @ ..] = *fixed;
    let flags = u16::from_le_bytes([low, high]);
    let mut rest = Rest(rest);
    let mut number = |flag| if flags & flag == 0 { Some(None) } else { rest.varint().map(Some) };
    let bin = match (number(BIN)?, number(BIN)?) {
        (Some(count), Some(width_ns)) => Some(Bin { count, width_ns }),
        _ => None,
    };
    let status = match number(STATUS)? {
        Some(status) => Some(u16::try_from(status).ok()?),
        None => None,
    };
    let (bytes, duration_ns, body_bytes) = (number(BYTES)?, number(DURATION)?, number(BODY_BYTES)?);
    let tokens = match (number(TOKENS)?, number(TOKENS)?) {
        (Some(input), Some(output)) => Some(Tokens { input, output }),
        _ => None,
    };
    let mut length = |flag| if flags & flag == 0 { Some(0) } else { rest.length() };
    let (method, target, host) = (length(METHOD)?, length(TARGET)?, length(HOST)?);
    let (headers, tag, body) = (length(HEADERS)?, length(TAG)?, length(BODY)?);
    let session = if flags & SESSION == 0 { 0 } else { u64::from_le_bytes(*rest.chunk()?) };
    let mut text = |length| if length == 0 { Some(&b""[..]) } else { rest.text(length) };
    let (method, target, host) = (text(method)?, text(target)?, text(host)?);
    let (headers, tag, body) = (text(headers)?, text(tag)?, text(body)?);
    let body = (flags & BODY != 0).then_some(body);
    Some(Row {
        kind: *TimeKind::ALL.get(usize::from(kind))?,
        recorded_ns: i64::from_le_bytes(recorded),
        bin,
        session,
        status,
        bytes,
        duration_ns,
        body_bytes,
        tokens,
        method,
        target,
        host,
        headers,
        tag,
        body,
    })
}

/// Reads of an encoded row no more than it takes to place it.
fn timing(encoded: &[u8]) -> Option<Timing> {
    let (fixed, rest) = encoded.split_first_chunk::<FIXED_BYTES>()?;
    let [_, _, _, _, kind, low, high, ..] = *fixed;
    let flags = u16::from_le_bytes([low, high]);
    let kind = *TimeKind::ALL.get(usize::from(kind))?;
    if flags & DURATION == 0 {
        return Some(Timing { kind, duration_ns: None });
    }
    let mut rest = Rest(rest);
    for flag in [BIN, BIN, STATUS, BYTES] {
        if flags & flag != 0 {
            rest.varint()?;
        }
    }
    Some(Timing { kind, duration_ns: Some(rest.varint()?) })
}

/// Most that a packed row begins with: its key and all that has no bytes of its own.
pub(crate) const PACKED_HEAD_BYTES: usize = KEY_BYTES_MAX + 2 * VARINT_BYTES_MAX + 3;

/// Longest packed key.
const KEY_BYTES_MAX: usize = 3 * VARINT_BYTES_MAX;

/// A packed row but for its last part, which is as it was encoded.
pub(crate) struct Packed {
    kind: u8,
    flags: [u8; 2],
    recorded_ns: i64,
    /// Bytes of the last part.
    pub length: usize,
}

/// Appends a row in the form it has in a file: its key as the difference from the key before,
/// and what is recorded as the difference from the key's time. Most of that is zero.
pub(crate) fn pack(key: &Key, before: Option<&Key>, encoded: &[u8], packed: &mut Vec<u8>) {
    let Some((fixed, rest)) = encoded.split_first_chunk::<FIXED_BYTES>() else { return };
    let [_, _, _, _, kind, low, high, recorded @ ..] = *fixed;
    let mut head = Head { bytes: [0; PACKED_HEAD_BYTES], length: 0 };
    if let Some(before) = before {
        head.put_varint(zigzag(key.time_ns.wrapping_sub(before.time_ns)));
        head.put_varint(u64::from(key.source));
        head.put_varint(zigzag(key.seq.wrapping_sub(before.seq).cast_signed()));
    }
    head.put_varint(rest.len() as u64);
    head.put(&[kind, low, high]);
    head.put_varint(zigzag(i64::from_le_bytes(recorded).wrapping_sub(key.time_ns)));
    packed.extend_from_slice(&head.bytes[..head.length]);
    packed.extend_from_slice(rest);
}

/// Reads the key of a packed row, and how many bytes it takes.
pub(crate) fn unpack_key(packed: &[u8], before: &Key) -> Option<(Key, usize)> {
    let mut rest = Rest(packed);
    let time_ns = before.time_ns.wrapping_add(unzigzag(rest.varint()?));
    let source = u32::try_from(rest.varint()?).ok()?;
    let seq = before.seq.wrapping_add_signed(unzigzag(rest.varint()?));
    Some((Key::new(time_ns, source, seq), packed.len() - rest.0.len()))
}

/// Reads what follows the key of a packed row up to its last part, and how many bytes that takes.
pub(crate) fn unpack(packed: &[u8], key: &Key) -> Option<(Packed, usize)> {
    let mut rest = Rest(packed);
    let length = rest.length().filter(|&length| length <= ROW_BYTES_MAX + HEAD_BYTES)?;
    let [kind, low, high] = *rest.chunk()?;
    let recorded_ns = key.time_ns.wrapping_add(unzigzag(rest.varint()?));
    let taken = packed.len() - rest.0.len();
    Some((Packed { kind, flags: [low, high], recorded_ns, length }, taken))
}

/// Small for numbers near zero of either sign.
fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn unzigzag(code: u64) -> i64 {
    (code >> 1).cast_signed() ^ -(code & 1).cast_signed()
}

/// What is left of a row to read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn chunk<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(chunk)
    }

    fn varint(&mut self) -> Option<u64> {
        // Most numbers are lengths, and most of these short.
        if let [byte @ ..0x80, rest @ ..] = self.0 {
            self.0 = rest;
            return Some(u64::from(*byte));
        }
        let mut value = 0;
        for (&byte, place) in self.0.iter().zip(0..10) {
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                self.0 = &self.0[place as usize + 1..];
                return Some(value);
            }
        }
        None
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.varint()?).ok()
    }

    fn text(&mut self, length: usize) -> Option<&'a [u8]> {
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    fn full<'a>() -> Row<'a> {
        Row {
            kind: TimeKind::EndMinusDuration,
            recorded_ns: -5,
            bin: Some(Bin { count: u64::MAX, width_ns: 60_000_000_000 }),
            session: u64::MAX,
            status: Some(404),
            bytes: Some(0),
            duration_ns: Some(1 << 40),
            body_bytes: Some(127),
            tokens: Some(Tokens { input: 128, output: 16_384 }),
            method: b"GET",
            target: b"/a?b",
            host: b"example.com",
            headers: b"a: b\r\n",
            tag: b"f",
            body: Some(b"\0\xff"),
        }
    }

    #[test]
    fn a_row_comes_back_as_it_was() {
        let mut rows = Rows::default();
        let empty = Row { body: Some(b""), ..Row::default() };
        for (row, seq) in [full(), Row::default(), empty].iter().zip(0..) {
            rows.push(Key::new(7, 0, seq), row);
        }
        assert_eq!(rows.get(0), Some(full()));
        assert_eq!(rows.get(1), Some(Row::default()));
        assert_eq!(rows.get(2), Some(empty));
        assert_eq!(rows.get(3), None);
        assert_eq!(rows.encoded(1).len(), FIXED_BYTES);
    }

    #[test]
    fn a_row_cut_short_anywhere_is_no_row() {
        let mut rows = Rows::default();
        rows.push(Key::new(0, 0, 0), &full());
        let whole = rows.encoded(0);
        for length in 0..whole.len() {
            assert_eq!(decode(&whole[..length]), None, "{length}");
            assert_eq!(encoded_at(&whole[..length], 0), None, "{length}");
        }
    }

    #[test]
    fn sorting_moves_keys_and_keeps_what_is_equal_in_its_order() {
        let mut rows = Rows::default();
        let tags: [&[u8]; 5] = [b"a", b"b", b"c", b"d", b"e"];
        let keys = [(3, 0, 1), (1, 1, 9), (1, 0, 4), (1, 0, 4), (1, 0, 2)];
        for (tag, (time_ns, source, seq)) in tags.iter().zip(keys) {
            rows.push(Key::new(time_ns, source, seq), &Row { tag, ..Row::default() });
        }
        let mut joined = Rows::default();
        joined.append(&rows);
        joined.append(&Rows::default());
        joined.sort();
        let order = |rows: &Rows| -> Vec<u8> {
            (0..rows.len()).map(|index| rows.get(index).unwrap().tag[0]).collect()
        };
        assert_eq!(order(&joined), b"ecdba");
        let mut rest = Rows::default();
        joined.split_off(2, &mut rest);
        assert_eq!((order(&joined), order(&rest)), (b"ec".to_vec(), b"dba".to_vec()));
    }

    #[test]
    fn a_row_that_moves_and_a_copy_keep_everything_else() {
        let mut rows = Rows::default();
        rows.push(Key::new(5, 2, 3), &full());
        let encoded = rows.encoded(0).to_vec();
        let placed = Placed { time_ns: 9, kind: TimeKind::Synthetic };
        rows.push_placed(rows.keys()[0], &encoded, placed);
        rows.set_times(0..1, |_| Placed { time_ns: 10, kind: TimeKind::End });
        assert_eq!(rows.get(1), Some(Row { kind: TimeKind::Synthetic, ..full() }));
        assert_eq!(rows.get(0), Some(Row { kind: TimeKind::End, ..full() }));
        rows.sort();
        let times: Vec<_> = rows.keys().iter().map(Key::order).collect();
        assert_eq!(times, [(9, 2, 3), (10, 2, 3)]);
    }

    #[test]
    fn a_packed_row_comes_back_as_it_was() {
        let times = [0, 1, -1, i64::MIN, i64::MAX, 5_000_000_000];
        let keys = times.iter().zip([0, u64::MAX, 1, 2, 300, u64::MAX / 2]);
        let keys: Vec<Key> = keys.map(|(&time_ns, seq)| Key::new(time_ns, u32::MAX, seq)).collect();
        let (mut rows, mut packed) = (Rows::default(), Vec::new());
        for key in &keys {
            rows.push(*key, &full());
            rows.push(*key, &Row::default());
        }
        let mut before = None;
        for (index, key) in rows.keys().iter().enumerate() {
            pack(key, before, rows.encoded(index), &mut packed);
            before = Some(key);
        }
        let (mut read, mut at, mut key) = (Rows::default(), 0, keys[0]);
        for index in 0..rows.len() {
            if index > 0 {
                let (next, taken) = unpack_key(&packed[at..], &key).unwrap();
                (key, at) = (next, at + taken);
            }
            let (row, taken) = unpack(&packed[at..], &key).unwrap();
            let start = at + taken;
            at = start + row.length;
            read.push_packed(key, &row, &packed[start..at]);
        }
        assert_eq!((at, read.keys(), &read.bytes), (packed.len(), rows.keys(), &rows.bytes));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>(), at in any::<usize>()) {
            let _ = (decode(&bytes), encoded_at(&bytes, at), timing(&bytes));
            let key = Key::new(at as i64, 0, 0);
            let _ = (unpack_key(&bytes, &key), unpack(&bytes, &key));
        }
    }
}

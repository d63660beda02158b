//! Parquet's hybrid of run lengths and bit packing: codes of names, levels of nulls.
//!
//! Format: <https://parquet.apache.org/docs/file-format/data-pages/encodings/#RLE>. A page is
//! either one value throughout, which is one run of a few bytes, or bit-packed: in between
//! lies nothing that sample columns would gain from.

use crate::bits::{self, PACKED};

/// Bits that hold every code up to `greatest`.
pub(crate) fn width(greatest: usize) -> u8 {
    (usize::BITS - greatest.leading_zeros()) as u8
}

/// Appends codes of `width` bits.
pub(crate) fn encode(codes: &[u16], width: u8, out: &mut Vec<u8>) {
    let Some((&first, rest)) = codes.split_first() else { return };
    if rest.iter().all(|&code| code == first) {
        encode_run(codes.len(), first, width, out);
        return;
    }
    // The format counts packed codes in eights; a reader knows how many there really are.
    let eights = codes.len().div_ceil(8);
    bits::put_varint((eights as u64) << 1 | 1, out);
    let end = out.len() + eights * usize::from(width);
    for group in codes.chunks(PACKED) {
        let mut values = [0; PACKED];
        for (value, &code) in values.iter_mut().zip(group) {
            *value = code.into();
        }
        bits::pack(&values, width, out);
    }
    out.truncate(end);
}

/// Appends one code `count` times.
pub(crate) fn encode_run(count: usize, code: u16, width: u8, out: &mut Vec<u8>) {
    bits::put_varint((count as u64) << 1, out);
    let bytes = usize::from(width.div_ceil(8));
    out.extend_from_slice(&code.to_le_bytes()[..bytes]);
}

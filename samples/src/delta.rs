//! Parquet's DELTA_BINARY_PACKED: numbers as bit-packed differences.
//!
//! Format: <https://parquet.apache.org/docs/file-format/data-pages/encodings/#DELTAENC>. In
//! blocks of 128 the least difference is subtracted, and each 32 of the rest take as many bits
//! as their greatest. Differences wrap around, so every number can be written.

use crate::bits::{self, PACKED};

const BLOCK: usize = 128;
const PACKS: usize = BLOCK / PACKED;

/// Appends 64-bit numbers.
pub(crate) fn encode_i64(values: &[i64], out: &mut Vec<u8>) {
    encode(values, |value| value, |before, value| value.wrapping_sub(before), out);
}

/// Appends 32-bit numbers: their differences wrap in 32 bits, so none takes more.
pub(crate) fn encode_i32(values: &[i32], out: &mut Vec<u8>) {
    encode(values, i64::from, |before, value| value.wrapping_sub(before).into(), out);
}

fn encode<T: Copy>(
    values: &[T],
    wide: impl Fn(T) -> i64,
    difference: impl Fn(T, T) -> i64,
    out: &mut Vec<u8>,
) {
    bits::put_varint(BLOCK as u64, out);
    bits::put_varint(PACKS as u64, out);
    bits::put_varint(values.len() as u64, out);
    bits::put_zigzag(values.first().map_or(0, |&first| wide(first)), out);
    let mut position = 1;
    while position < values.len() {
        let end = values.len().min(position + BLOCK);
        let mut differences = [0; BLOCK];
        let pairs = values[position - 1..end - 1].iter().zip(&values[position..end]);
        for (place, (&before, &value)) in differences.iter_mut().zip(pairs) {
            *place = difference(before, value);
        }
        encode_block(&differences, end - position, out);
        position = end;
    }
}

/// Appends the first `count` differences; a pack that holds none of them is left out.
fn encode_block(differences: &[i64; BLOCK], count: usize, out: &mut Vec<u8>) {
    let least = differences[..count].iter().copied().min().unwrap_or(0);
    bits::put_zigzag(least, out);
    let mut packs = [[0_u64; PACKED]; PACKS];
    let places = packs.as_flattened_mut().iter_mut();
    for (place, &difference) in places.zip(&differences[..count]) {
        *place = difference.wrapping_sub(least).cast_unsigned();
    }
    let widths = packs.map(|pack| {
        let used = pack.iter().fold(0, |used, value| used | value);
        (u64::BITS - used.leading_zeros()) as u8
    });
    out.extend_from_slice(&widths);
    for (pack, width) in packs.iter().zip(widths).take(count.div_ceil(PACKED)) {
        if width > 0 {
            bits::pack(pack, width, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use openload_contract::digest::mix;

    use super::{encode_i32, encode_i64};

    /// Reads a delta-packed page as the format describes it, in steps as plain as can be.
    fn decode(bytes: &[u8]) -> Vec<i64> {
        let mut reader = Reader { bytes, bit: 0 };
        let (block, packs) = (reader.varint() as usize, reader.varint() as usize);
        let count = reader.varint() as usize;
        let mut values = vec![reader.zigzag()];
        while values.len() < count {
            let least = reader.zigzag();
            let widths: Vec<u64> = (0..packs).map(|_| reader.bits(8)).collect();
            for width in widths {
                // A pack without a value is left out; one with a value is whole.
                if values.len() >= count {
                    continue;
                }
                for _ in 0..block / packs {
                    let difference = least.wrapping_add(reader.bits(width).cast_signed());
                    values.push(values[values.len() - 1].wrapping_add(difference));
                }
            }
        }
        values.truncate(count);
        values
    }

    struct Reader<'a> {
        bytes: &'a [u8],
        bit: usize,
    }

    impl Reader<'_> {
        fn bits(&mut self, width: u64) -> u64 {
            (0..width).fold(0, |value, place| {
                let byte = self.bytes.get(self.bit / 8).copied().unwrap_or(0);
                let bit = byte >> (self.bit % 8) & 1;
                self.bit += 1;
                value | u64::from(bit) << place
            })
        }

        fn varint(&mut self) -> u64 {
            let mut value = 0;
            for shift in (0..).step_by(7) {
                let byte = self.bits(8);
                value |= (byte & 0x7f) << shift;
                if byte < 0x80 {
                    break;
                }
            }
            value
        }

        fn zigzag(&mut self) -> i64 {
            let value = self.varint();
            (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
        }
    }

    #[test]
    fn every_count_and_width_comes_back() {
        for count in [1, 2, 32, 33, 34, 128, 129, 130, 500] {
            for width in 0..64 {
                let values: Vec<i64> = (0..count)
                    .map(|index| {
                        let word = mix(index);
                        (word & ((1 << width) - 1)).cast_signed()
                    })
                    .collect();
                let mut bytes = Vec::new();
                encode_i64(&values, &mut bytes);
                assert_eq!(decode(&bytes), values, "{count} values of {width} bits");
            }
        }
    }

    #[test]
    fn differences_that_overflow_come_back() {
        let values = [i64::MIN, i64::MAX, -1, 0, i64::MIN, 1, i64::MAX];
        let mut bytes = Vec::new();
        encode_i64(&values, &mut bytes);
        assert_eq!(decode(&bytes), values);
    }

    /// Readers of 32-bit columns refuse packs of more than 32 bits.
    #[test]
    fn no_difference_of_32_bit_numbers_takes_more_than_32_bits() {
        let values = [i32::MIN, i32::MAX, 0, i32::MIN, -1, i32::MAX];
        let mut bytes = Vec::new();
        encode_i32(&values, &mut bytes);
        let expected: Vec<i32> = decode(&bytes).into_iter().map(|value| value as i32).collect();
        assert_eq!(expected, values);
        assert!(bytes.len() < 32 + 4 * 32 + 8, "{}", bytes.len());
    }
}

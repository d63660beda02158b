//! 1,024 numbers in as few bits each as the greatest of them needs.
//!
//! The numbers lie in [`LANES`] lanes side by side: number i is in lane i mod 16, and each lane
//! is a string of bits of its own. So the same shift and mask apply to sixteen neighbours at once,
//! which the compiler turns into vector instructions, whatever the width. One string after the
//! other would need code of its own for each width to be as fast. (Lemire & Boytsov 2015; Afroozeh
//! & Boncz 2023.)

/// Numbers packed together.
pub const COUNT: usize = 1_024;

/// Strings of bits side by side.
const LANES: usize = 16;

/// Numbers in one lane: as many as a word has bits, so that a lane of any width ends on a word.
const LANE_COUNT: usize = COUNT / LANES;

/// Words that [`pack`] makes of numbers of `width` bits.
pub const fn words(width: u32) -> usize {
    width as usize * LANES
}

/// Bits that the number needs.
pub const fn width_of(greatest: u64) -> u32 {
    u64::BITS - greatest.leading_zeros()
}

/// Appends numbers of at most `width` bits.
pub fn pack(numbers: &[u64; COUNT], width: u32, out: &mut Vec<u64>) {
    let start = out.len();
    out.resize(start + words(width), 0);
    if width == 0 {
        return;
    }
    let out = &mut out[start..];
    for (place, row) in (0..LANE_COUNT as u32).zip(numbers.chunks_exact(LANES)) {
        let (word, shift) = place_of(place, width);
        for (lane, &number) in row.iter().enumerate() {
            out[word + lane] |= number << shift;
        }
        if shift + width > u64::BITS {
            for (lane, &number) in row.iter().enumerate() {
                out[word + LANES + lane] |= number >> (u64::BITS - shift);
            }
        }
    }
}

/// Unpacks numbers of `width` bits and adds `base` to each, modulo 2⁶⁴.
///
/// # Panics
/// When there are not [`words`] of them.
pub fn unpack(packed: &[u64], width: u32, base: i64, out: &mut [i64; COUNT]) {
    if width == 0 {
        out.fill(base);
        return;
    }
    let mask = u64::MAX >> (u64::BITS - width);
    for (place, row) in (0..LANE_COUNT as u32).zip(out.chunks_exact_mut(LANES)) {
        let (word, shift) = place_of(place, width);
        let low = &packed[word..word + LANES];
        if shift + width > u64::BITS {
            let high = &packed[word + LANES..word + 2 * LANES];
            for ((out, low), high) in row.iter_mut().zip(low).zip(high) {
                let number = (low >> shift | high << (u64::BITS - shift)) & mask;
                *out = base.wrapping_add(number.cast_signed());
            }
        } else {
            for (out, low) in row.iter_mut().zip(low) {
                *out = base.wrapping_add((low >> shift & mask).cast_signed());
            }
        }
    }
}

/// First word and first bit of the numbers in one place of all lanes.
fn place_of(place: u32, width: u32) -> (usize, u32) {
    let bit = place * width;
    ((bit / u64::BITS) as usize * LANES, bit % u64::BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_width_come_back() {
        for width in 0..=64 {
            let mask = if width == 0 { 0 } else { u64::MAX >> (64 - width) };
            let mut numbers = [0; COUNT];
            for (seed, number) in (0..).zip(&mut numbers) {
                *number = openload_contract::digest::mix(seed) & mask;
            }
            numbers[17] = mask;
            let mut packed = vec![7];
            pack(&numbers, width, &mut packed);
            assert_eq!(packed.len(), 1 + words(width));
            let mut unpacked = [0; COUNT];
            unpack(&packed[1..], width, -3, &mut unpacked);
            let expected = numbers.map(|number| number.cast_signed().wrapping_sub(3));
            assert!(unpacked == expected, "{width}");
        }
        assert_eq!([0, 1, 255, 256, u64::MAX].map(width_of), [0, 1, 8, 9, 64]);
    }
}

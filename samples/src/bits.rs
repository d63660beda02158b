//! Numbers in as few bits as they need.

/// Values packed in one go.
pub(crate) const PACKED: usize = 32;

/// Appends `values` with `width` bits each, the least significant bit first: `4 · width` bytes.
pub(crate) fn pack(values: &[u64; PACKED], width: u8, out: &mut Vec<u8>) {
    // One word more than the widest values fill: the last one is always written.
    let mut bytes = [0; PACKED * 8 + 8];
    let (mut word, mut filled, mut end) = (0_u64, 0_u32, 0);
    let width = u32::from(width);
    for &value in values {
        word |= value << filled;
        filled += width;
        if filled >= u64::BITS {
            bytes[end..end + 8].copy_from_slice(&word.to_le_bytes());
            end += 8;
            filled -= u64::BITS;
            // What of this value did not fit; a shift by all 64 bits is not defined.
            word = if filled == 0 { 0 } else { value >> (width - filled) };
        }
    }
    bytes[end..end + 8].copy_from_slice(&word.to_le_bytes());
    out.extend_from_slice(&bytes[..PACKED / 8 * width as usize]);
}

/// Appends a number in groups of seven bits, the least significant group first.
pub(crate) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed number so that small ones of either sign are short.
pub(crate) fn put_zigzag(value: i64, out: &mut Vec<u8>) {
    put_varint((value << 1 ^ value >> 63).cast_unsigned(), out);
}

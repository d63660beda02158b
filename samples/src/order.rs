//! The order in which the rows of a chunk are encoded: by response time, roughly.
//!
//! Rows of different response times are noise to one another. Neighbours in this order differ
//! by little in their response and their first byte, which saves more than a byte a row,
//! although intended starts, no longer in their own order, take a byte more. What a row says
//! does not depend on its place, and rows of several workers never had one common order.
//!
//! Roughly is enough: times are told apart by their highest nine bits, so that one pass of
//! counting puts thousands of rows in order. A full sort costs eight times as much and saves
//! nothing more worth having. Rows that are not told apart keep their order.

/// Bits of a time after its highest one that count.
const DETAIL: u32 = 8;

/// One for each detail at each of the 64 places of the highest bit.
const BUCKETS: usize = 64 << DETAIL;

/// Finds the order of rows by response time.
#[derive(Debug, Default)]
pub(crate) struct Order {
    buckets: Vec<u16>,
    /// Where the next row of each bucket goes.
    next: Vec<u32>,
    positions: Vec<u32>,
}

impl Order {
    /// Orders rows with these response times.
    pub fn sort(&mut self, response_ns: &[i64]) {
        self.buckets.clear();
        self.buckets.extend(response_ns.iter().map(|&time| bucket(time)));
        self.next.clear();
        self.next.resize(BUCKETS, 0);
        for &bucket in &self.buckets {
            self.next[usize::from(bucket)] += 1;
        }
        let mut before = 0;
        for next in &mut self.next {
            before += std::mem::replace(next, before);
        }
        self.positions.resize(response_ns.len(), 0);
        for (&bucket, row) in self.buckets.iter().zip(0..) {
            let next = &mut self.next[usize::from(bucket)];
            self.positions[*next as usize] = row;
            *next += 1;
        }
    }

    /// Positions of the rows that were sorted last, in order.
    pub fn positions(&self) -> &[u32] {
        &self.positions
    }
}

/// Place of the highest bit and the bits after it: how a float is written.
fn bucket(time_ns: i64) -> u16 {
    const MANTISSA_BITS: u32 = f64::MANTISSA_DIGITS - 1;
    let bits = (time_ns.max(1) as f64).to_bits();
    let one = 1.0_f64.to_bits();
    ((bits - one) >> (MANTISSA_BITS - DETAIL)) as u16
}

#[cfg(test)]
mod tests {
    use super::{BUCKETS, Order, bucket};

    #[test]
    fn rows_come_in_order_to_nine_bits_and_otherwise_stay() {
        let times: Vec<i64> = (0..5_000)
            .map(|index| (openload_contract::digest::mix(index) >> (index % 60)).cast_signed())
            .collect();
        let mut order = Order::default();
        order.sort(&times[..10]);
        order.sort(&times);
        let positions = order.positions();
        let keys: Vec<(u16, u32)> =
            positions.iter().map(|&row| (bucket(times[row as usize]), row)).collect();
        assert!(keys.is_sorted());
        assert_eq!(keys.len(), times.len());
    }

    #[test]
    fn every_time_has_a_bucket_and_longer_ones_no_lower() {
        let times = [i64::MIN, -1, 0, 1, 2, 3, 255, 256, 257, 100_000, 101_000, i64::MAX];
        let buckets = times.map(bucket);
        assert!(buckets.is_sorted(), "{buckets:?}");
        assert!(usize::from(buckets[11]) < BUCKETS);
        assert!(buckets[9] < buckets[10]);
    }
}

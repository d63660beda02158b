//! An order-free fingerprint of a timeline.
//!
//! Each arrival is mixed into 128 bits and the mixes are added, so the digest does not
//! depend on the order of the arrivals, and the digests of disjoint parts (workers, shards)
//! add up to the digest of the whole. The generator adds up what it dispatched, `gen plan`
//! what the timeline says, the analysis what the sample rows say: three equal digests mean
//! that no arrival was lost, doubled or moved by a nanosecond.
//!
//! It is a checksum, not a signature: the mixer is SplitMix64's finaliser (Steele, Lea and
//! Flood 2014), which nobody should ask to resist an attacker.

use std::fmt;

/// Sum of the mixes of a set of arrivals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimelineDigest {
    sum: u128,
}

impl TimelineDigest {
    /// Adds one arrival: its number and its intended start.
    pub fn add(&mut self, seq: u64, intended_ns: i64) {
        let time = intended_ns.cast_unsigned();
        let low = mix(seq ^ mix(time));
        let high = mix(low ^ seq.rotate_left(32) ^ time);
        self.sum = self.sum.wrapping_add(u128::from(high) << 64 | u128::from(low));
    }

    /// Adds the arrivals of a disjoint part.
    pub fn merge(&mut self, part: Self) {
        self.sum = self.sum.wrapping_add(part.sum);
    }

    /// Reads a digest back from its 32 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        u128::from_str_radix(text, 16).ok().map(|sum| Self { sum })
    }
}

impl fmt::Display for TimelineDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.sum)
    }
}

/// SplitMix64's finaliser: a bijection of 64 bits in which every input bit moves every
/// output bit with probability near one half.
pub fn mix(mut word: u64) -> u64 {
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::TimelineDigest;

    fn digest(arrivals: &[(u64, i64)]) -> TimelineDigest {
        let mut digest = TimelineDigest::default();
        for &(seq, intended_ns) in arrivals {
            digest.add(seq, intended_ns);
        }
        digest
    }

    #[test]
    fn parts_in_any_order_add_up_to_the_whole() {
        let whole = digest(&[(1, 10), (2, 20), (3, 30)]);
        let mut parts = digest(&[(3, 30)]);
        parts.merge(digest(&[(2, 20), (1, 10)]));
        assert_eq!(whole, parts);
        assert_eq!(TimelineDigest::from_hex(&whole.to_string()), Some(whole));
    }

    #[test]
    fn a_lost_doubled_moved_or_swapped_arrival_shows() {
        let whole = digest(&[(1, 10), (2, 20)]);
        for other in
            [&[(1, 10)][..], &[(1, 10), (2, 20), (2, 20)], &[(1, 10), (2, 21)], &[(1, 20), (2, 10)]]
        {
            assert_ne!(whole, digest(other));
        }
    }
}

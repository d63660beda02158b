//! Keys of the random numbers a timeline is drawn from.
//!
//! Each purpose in each phase of each stream has a generator of its own, seeded with a key
//! that depends on nothing else. The generator draws from them; the analysis draws the state
//! path of an MMPP again to rescale time along it, and must find the same key.

use crate::LANES;
use crate::digest::mix;

/// What a generator is for; each purpose draws from a sequence of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Gaps of the arrivals of one lane.
    Lane(u32),
    /// What all lanes share: a sequence of gaps, or the path of states of an MMPP.
    Common,
}

/// Returns the seed of the generator of one purpose in one phase of one stream.
///
/// The generator itself is xoshiro256++, which is specified to the bit.
pub fn generator_seed(seed: u64, stream: usize, phase: usize, purpose: Purpose) -> u64 {
    let purpose = match purpose {
        Purpose::Lane(lane) => u64::from(lane),
        Purpose::Common => u64::from(LANES),
    };
    let mut key = mix(seed);
    for part in [stream as u64, phase as u64, purpose] {
        key = mix(key ^ part);
    }
    key
}

/// Turns a random word into a number uniform in [0, 1) with 53 bits.
pub fn unit(word: u64) -> f64 {
    (word >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{LANES, Purpose, generator_seed, unit};

    #[test]
    fn every_purpose_has_a_seed_of_its_own() {
        let mut seeds = BTreeSet::new();
        for seed in 0..3 {
            for stream in 0..3 {
                for phase in 0..3 {
                    for lane in 0..LANES {
                        seeds.insert(generator_seed(seed, stream, phase, Purpose::Lane(lane)));
                    }
                    seeds.insert(generator_seed(seed, stream, phase, Purpose::Common));
                }
            }
        }
        assert_eq!(seeds.len(), 27 * (LANES as usize + 1));
    }

    #[test]
    fn words_fill_the_interval_from_0_and_stay_below_1() {
        assert_eq!(unit(0), 0.0);
        assert_eq!(unit(1 << 63), 0.5);
        assert_eq!(unit(u64::MAX), 1.0 - f64::EPSILON / 2.0);
    }
}

//! Lanes, who owns them, and the generators they draw from.

use openload_contract::seeding::{Purpose, generator_seed};
use openload_contract::{LANES, ShardId};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

/// The lanes of one worker of one shard: those that leave `offset` when divided by `stride`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneSet {
    offset: u32,
    stride: u32,
}

impl LaneSet {
    /// Every lane.
    pub const ALL: Self = Self { offset: 0, stride: 1 };

    /// The lanes of worker `worker` of `workers` in a shard; all sets together are every lane.
    ///
    /// # Panics
    /// When the worker or the shard is not below its count.
    pub fn of_worker(shard: ShardId, worker: u32, workers: u32) -> Self {
        assert!(shard.index < shard.count && worker < workers, "positions lie below their counts");
        Self { offset: shard.index + shard.count * worker, stride: shard.count * workers }
    }

    /// Tells whether the set holds `lane`.
    pub fn contains(self, lane: u32) -> bool {
        lane % self.stride == self.offset
    }

    /// Lists the lanes in ascending order.
    pub fn iter(self) -> impl Iterator<Item = u32> {
        (self.offset..LANES).step_by(self.stride as usize)
    }

    /// The lane at a position of [`LaneSet::iter`].
    pub(super) fn lane(self, position: usize) -> u32 {
        self.offset + position as u32 * self.stride
    }

    /// Share of all lanes that lie in the set.
    pub fn share(self) -> f64 {
        self.iter().count() as f64 / f64::from(LANES)
    }
}

/// Makes the generator of one purpose in one phase of one stream.
///
/// xoshiro256++ is specified to the bit, unlike the standard generators of `rand`, so the
/// same seed gives the same timeline on every platform and in every version.
pub(super) fn generator(
    seed: u64,
    stream: usize,
    phase: usize,
    purpose: Purpose,
) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(generator_seed(seed, stream, phase, purpose))
}

#[cfg(test)]
mod tests {
    use super::{LANES, LaneSet, ShardId};

    #[test]
    fn every_lane_has_exactly_one_owner() {
        for (shards, workers) in [(1, 1), (1, 16), (3, 2), (1000, 1), (7, 300)] {
            let mut owners = vec![0_u32; LANES as usize];
            for index in 0..shards {
                for worker in 0..workers {
                    let shard = ShardId { index, count: shards };
                    let lanes = LaneSet::of_worker(shard, worker, workers);
                    for lane in lanes.iter() {
                        assert!(lanes.contains(lane));
                        owners[lane as usize] += 1;
                    }
                }
            }
            assert!(owners.iter().all(|&count| count == 1), "{shards} shards, {workers} workers");
        }
    }
}

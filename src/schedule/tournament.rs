//! A tournament of entrants of which the one with the least key comes first.
//!
//! A loser tree (Knuth, *The Art of Computer Programming* 3, §5.4.1): when the winner gets a
//! new key, it plays only against the losers on its own path to the root. Which nodes those
//! are depends on the entrant and not on who wins, so the processor fetches them all at
//! once, and a match is a minimum and a maximum without a branch to be guessed. A binary
//! heap has neither: for 1,024 lanes it costs three times as much.

/// Entrants by key; keys must differ, and [`Tournament::ABSENT`] loses to every other.
pub(super) struct Tournament {
    /// The winner's key at 0; below node `n` lie nodes `2n` and `2n + 1`, each node holding the
    /// key that lost there.
    nodes: Vec<u128>,
}

impl Tournament {
    /// Key of an entrant that has nothing left.
    pub const ABSENT: u128 = u128::MAX;

    /// Starts a tournament; an entrant is known by its position among the keys.
    pub fn new(keys: Vec<u128>) -> Self {
        let leaves = keys.len().next_power_of_two();
        let mut nodes = vec![Self::ABSENT; leaves];
        let mut round = keys;
        round.resize(leaves, Self::ABSENT);
        while round.len() > 1 {
            let first_node = round.len() / 2;
            let matches = round.chunks_exact(2).enumerate();
            round = matches
                .map(|(index, pair)| {
                    nodes[first_node + index] = pair[0].max(pair[1]);
                    pair[0].min(pair[1])
                })
                .collect();
        }
        nodes[0] = round[0];
        Self { nodes }
    }

    /// The least key; [`Tournament::ABSENT`] when nobody is left.
    pub fn least(&self) -> u128 {
        self.nodes[0]
    }

    /// Gives the entrant that holds the least key another one.
    pub fn replace_least(&mut self, entrant: usize, key: u128) {
        let mut winner = key;
        let mut node = (self.nodes.len() + entrant) / 2;
        while node > 0 {
            let loser = &mut self.nodes[node];
            let less = winner.min(*loser);
            *loser = winner.max(*loser);
            winner = less;
            node /= 2;
        }
        self.nodes[0] = winner;
    }
}

#[cfg(test)]
mod tests {
    use super::Tournament;

    /// Entrants of any number, each with an ascending row of keys: all come out in order.
    #[test]
    fn rows_of_keys_are_merged_in_order() {
        for entrants in [1_usize, 2, 3, 5, 64, 100] {
            let key = |entrant: usize, step: u64| {
                let spread = openload_contract::digest::mix(entrant as u64) % 1000;
                u128::from(step * 1000 + spread) << 64 | entrant as u128
            };
            let mut steps = vec![0; entrants];
            let mut tournament = Tournament::new((0..entrants).map(|e| key(e, 0)).collect());
            let mut merged = Vec::new();
            while tournament.least() != Tournament::ABSENT {
                let least = tournament.least();
                merged.push(least);
                let entrant = least as u64 as usize;
                steps[entrant] += 1;
                let has_more = steps[entrant] < 20;
                let next = if has_more { key(entrant, steps[entrant]) } else { Tournament::ABSENT };
                tournament.replace_least(entrant, next);
            }
            assert!(merged.is_sorted());
            assert_eq!(merged.len(), 20 * entrants);
        }
    }

    #[test]
    fn nobody_is_left_of_nobody() {
        assert_eq!(Tournament::new(Vec::new()).least(), Tournament::ABSENT);
    }
}

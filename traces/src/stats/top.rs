//! What is most frequent, in bounded memory.
//!
//! Space-saving (Metwally, Agrawal and El Abbadi 2005): as many counters as there is room for; what
//! has none takes over the least one with its count. A count is then too high by at most what was
//! taken over, which is kept beside it, and everything that makes up more than one event in as many
//! as there are counters is among them.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use crate::transform::spec::path;

/// Paths counted at once.
const PATHS_MAX: usize = 4_096;

/// Bytes of a path that tell it apart; a longer one is counted by its beginning.
const PATH_BYTES_MAX: usize = 512;

/// Something frequent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopEntry {
    /// What it is, bytes that are no UTF-8 replaced.
    pub name: String,
    /// How often it was seen, at most.
    pub count: u64,
    /// By how much that may be too high.
    pub error_max: u64,
}

/// Counts the most frequent of any number of things.
#[derive(Debug, Clone)]
pub struct TopCounts {
    room: usize,
    places: HashMap<Vec<u8>, usize>,
    counters: Vec<Counter>,
    /// Count and place of every counter.
    order: BTreeSet<(u64, usize)>,
}

#[derive(Debug, Clone)]
struct Counter {
    name: Vec<u8>,
    count: u64,
    error: u64,
}

impl TopCounts {
    /// Makes room for this many counters.
    pub fn new(room: usize) -> Self {
        Self {
            room: room.max(1),
            places: HashMap::new(),
            counters: Vec::new(),
            order: BTreeSet::new(),
        }
    }

    /// Counts something.
    pub fn add(&mut self, name: &[u8]) {
        if let Some(&place) = self.places.get(name) {
            self.count_up(place);
        } else if self.counters.len() < self.room {
            let place = self.counters.len();
            self.places.insert(name.to_vec(), place);
            self.counters.push(Counter { name: name.to_vec(), count: 1, error: 0 });
            self.order.insert((1, place));
        } else if let Some(&(count, place)) = self.order.first() {
            let counter = &mut self.counters[place];
            self.places.remove(&counter.name);
            counter.name = name.to_vec();
            counter.error = count;
            self.places.insert(name.to_vec(), place);
            self.count_up(place);
        }
    }

    fn count_up(&mut self, place: usize) {
        let counter = &mut self.counters[place];
        self.order.remove(&(counter.count, place));
        counter.count += 1;
        self.order.insert((counter.count, place));
    }

    /// Number of different things counted now; all there are while there is room.
    pub fn len(&self) -> usize {
        self.counters.len()
    }

    /// Tells whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.counters.is_empty()
    }

    /// Tells whether every count is exact.
    pub fn is_exact(&self) -> bool {
        self.counters.iter().all(|counter| counter.error == 0)
    }

    /// The most frequent, most frequent first; equal ones by name.
    pub fn finish(self, shown: usize) -> Vec<TopEntry> {
        let mut counters = self.counters;
        counters.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
        let shown = counters.into_iter().take(shown).map(|counter| TopEntry {
            name: String::from_utf8_lossy(&counter.name).into_owned(),
            count: counter.count,
            error_max: counter.error,
        });
        shown.collect()
    }
}

/// Counts the paths of targets, queries left out.
#[derive(Debug, Clone)]
pub struct TopPaths {
    counts: TopCounts,
}

impl Default for TopPaths {
    fn default() -> Self {
        Self { counts: TopCounts::new(PATHS_MAX) }
    }
}

impl TopPaths {
    /// Counts the path of a target; an empty one counts for nothing.
    pub fn add(&mut self, target: &[u8]) {
        let path = path(target);
        let path = &path[..path.len().min(PATH_BYTES_MAX)];
        if !path.is_empty() {
            self.counts.add(path);
        }
    }

    /// The most frequent, most frequent first.
    pub fn finish(self, shown: usize) -> Vec<TopEntry> {
        self.counts.finish(shown)
    }
}

#[cfg(test)]
mod tests {
    use openload_contract::digest::mix;

    use super::*;

    #[test]
    fn counts_are_exact_while_there_is_room() {
        let mut paths = TopPaths::default();
        for target in ["/a?x=1", "/b", "/a", "", "/a#f", "/b", "/c"] {
            paths.add(target.as_bytes());
        }
        let entry = |name: &str, count| TopEntry { name: name.to_owned(), count, error_max: 0 };
        assert_eq!(paths.clone().finish(2), [entry("/a", 3), entry("/b", 2)]);
        assert!(paths.counts.is_exact() && paths.counts.len() == 3);
        assert!(TopPaths::default().finish(3).is_empty());
    }

    #[test]
    fn the_frequent_are_found_among_very_many_and_errors_are_bounds() {
        let mut counts = TopCounts::new(100);
        let mut truth = HashMap::new();
        for event in 0..50_000_u64 {
            // A third are one of five, the rest are all different.
            let name = match mix(event) % 15 {
                frequent @ 0..5 => format!("frequent {frequent}"),
                _ => format!("rare {event}"),
            };
            counts.add(name.as_bytes());
            *truth.entry(name).or_insert(0_u64) += 1;
        }
        assert!(counts.len() == 100 && !counts.is_exact());
        let top = counts.finish(5);
        for entry in top {
            let known = truth[&entry.name];
            assert!(entry.name.starts_with("frequent"), "{entry:?}");
            assert!(entry.count >= known && entry.count - entry.error_max <= known, "{entry:?}");
        }
    }

    #[test]
    fn long_paths_do_not_fill_memory() {
        let mut paths = TopPaths::default();
        paths.add(&[b'/'; 100_000]);
        assert_eq!(paths.finish(1)[0].name.len(), PATH_BYTES_MAX);
    }
}

//! Work that is cut into pieces and done by as many threads as there are processors.
//!
//! Results do not depend on the threads: what is combined is the same in any order (counts, sums of
//! whole numbers, values that are sorted afterwards), or comes back in the order of the pieces.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};

/// More threads than this wait for memory, and each holds tables of its own.
const THREADS_MAX: usize = 8;

fn threads(pieces: usize) -> usize {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    processors.min(THREADS_MAX).min(pieces)
}

/// Waits for a thread; its panic goes on here.
pub(crate) fn join<T>(handle: ScopedJoinHandle<'_, T>) -> T {
    handle.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// Does two things, at once where there is a second processor.
pub(crate) fn both<A: Send, B: Send>(
    one: impl FnOnce() -> A + Send,
    other: impl FnOnce() -> B + Send,
) -> (A, B) {
    if threads(2) < 2 {
        return (one(), other());
    }
    thread::scope(|scope| {
        let other = scope.spawn(other);
        (one(), join(other))
    })
}

/// Computes something of each number below `count`, in their order.
pub(crate) fn map<T: Send>(count: usize, make: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let parts = fold(count, Vec::new, |made, index| made.push((index, make(index))));
    let mut made: Vec<(usize, T)> = parts.into_iter().flatten().collect();
    made.sort_by_key(|&(index, _)| index);
    made.into_iter().map(|(_, made)| made).collect()
}

/// Adds each number below `count` to one of several sums, which come back in no order.
pub(crate) fn fold<A: Send>(
    count: usize,
    new: impl Fn() -> A + Sync,
    add: impl Fn(&mut A, usize) + Sync,
) -> Vec<A> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut sum = new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return sum;
            }
            add(&mut sum, index);
        }
    };
    let others = threads(count).saturating_sub(1);
    if others == 0 {
        return vec![work()];
    }
    thread::scope(|scope| {
        let handles: Vec<_> = (0..others).map(|_| scope.spawn(work)).collect();
        let mut sums = vec![work()];
        sums.extend(handles.into_iter().map(join));
        sums
    })
}

#[cfg(test)]
mod tests {
    use super::{both, fold, map};

    #[test]
    fn every_number_is_taken_once() {
        assert_eq!(map(1_000, |index| index * 2), (0..1_000).map(|i| i * 2).collect::<Vec<_>>());
        let sums = fold(1_000, || 0, |sum, index| *sum += index);
        assert_eq!(sums.into_iter().sum::<usize>(), 499_500);
        assert!(map(0, |index| index).is_empty());
        assert_eq!(both(|| 1, || "two"), (1, "two"));
    }
}

//! Work that is cut into pieces and done by as many threads as there are processors.
//!
//! Results do not depend on the threads: what is combined is the same in any order (counts, sums of
//! whole numbers, values that are sorted afterwards), or comes back in the order of the pieces.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
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

/// Things that each thread of [`in_order`] may be ahead of what is taken.
const AHEAD: usize = 4;

/// Makes something of each number below `count` on threads of their own, as many as there are
/// processors, and hands it to `take` on this thread in the order of the numbers. A few are made
/// ahead.
///
/// # Errors
/// The first that `take` returns; nothing more is made or taken then.
pub(crate) fn in_order<T: Send, E>(
    count: usize,
    make: impl Fn(usize) -> T + Sync,
    mut take: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    let makers = threads(count).max(1);
    let make = &make;
    thread::scope(|scope| {
        // Thread i makes every number that leaves the remainder i, so the next one is always at the
        // front of the next thread's line.
        let (lines, handles): (Vec<_>, Vec<_>) = (0..makers)
            .map(|first| {
                let (sender, line) = sync_channel(AHEAD);
                let work = move || {
                    let mut made = (first..count).step_by(makers).map(make);
                    // Nobody listens any more when `take` has refused something.
                    let _ = made.try_for_each(|thing| sender.send(thing));
                };
                (line, scope.spawn(work))
            })
            .unzip();
        for index in 0..count {
            // A line that ends early is that of a thread that panicked, as this one will.
            let Ok(made) = lines[index % makers].recv() else { break };
            take(made)?;
        }
        drop(lines);
        handles.into_iter().for_each(join);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::{both, fold, in_order, map};

    #[test]
    fn every_number_is_taken_once() {
        assert_eq!(map(1_000, |index| index * 2), (0..1_000).map(|i| i * 2).collect::<Vec<_>>());
        let sums = fold(1_000, || 0, |sum, index| *sum += index);
        assert_eq!(sums.into_iter().sum::<usize>(), 499_500);
        assert!(map(0, |index| index).is_empty());
        assert_eq!(both(|| 1, || "two"), (1, "two"));
    }

    #[test]
    fn things_are_taken_in_order_and_few_are_made_ahead() {
        let mut taken = Vec::new();
        let all: Result<(), ()> = in_order(
            500,
            |index| index * 3,
            |made| {
                taken.push(made);
                Ok(())
            },
        );
        assert_eq!(all, Ok(()));
        assert_eq!(taken, (0..500).map(|index| index * 3).collect::<Vec<_>>());
        assert_eq!(in_order(0, |index| index, |_| Err("nothing is taken")), Ok(()));

        let made = AtomicUsize::new(0);
        let count = |_| made.fetch_add(1, Ordering::Relaxed);
        let take = |number| if number < 10 { Ok(()) } else { Err(number) };
        assert!(in_order(1_000, count, take).is_err());
        assert!(made.into_inner() < 100);
    }

    #[test]
    fn a_panic_anywhere_ends_the_line() {
        let broken = |index: usize| {
            assert!(index != 30, "made");
            index
        };
        assert!(catch_unwind(|| in_order(100, broken, |_| Ok::<(), ()>(()))).is_err());
        let refuse = |index: usize| {
            assert!(index != 30, "taken");
            Ok::<(), ()>(())
        };
        assert!(catch_unwind(|| in_order(100, |index| index, refuse)).is_err());
    }
}

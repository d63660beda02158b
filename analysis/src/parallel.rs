//! Work that is cut into pieces and done by as many threads as there are processors.
//!
//! Results do not depend on the threads: what is combined is the same in any order (counts, sums of
//! whole numbers, values that are sorted afterwards), or comes back in the order of the pieces.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
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
const AHEAD: usize = 2;

/// Makes something of each number below `count`, and hands it to `take` on this thread in the
/// order of the numbers. This thread makes things too while there is nothing to take, and at most
/// a few are made ahead of it.
///
/// # Errors
/// The first that `take` returns; nothing more is made or taken then.
pub(crate) fn in_order<T: Send, E>(
    count: usize,
    make: impl Fn(usize) -> T + Sync,
    mut take: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    let others = threads(count).saturating_sub(1);
    let line = Line::new(count, AHEAD * (others + 1));
    thread::scope(|scope| {
        // However this closure is left, nobody waits for it any more.
        let end = EndOfLine(&line);
        let work = || {
            let end = EndOfLine(&line);
            while let Some(index) = line.claim() {
                line.put(index, make(index));
            }
            // Who has nothing more to make leaves the line to the others; who panics does not.
            std::mem::forget(end);
        };
        let handles: Vec<_> = (0..others).map(|_| scope.spawn(work)).collect();
        for index in 0..count {
            let next = loop {
                match line.next(index) {
                    Next::Ready(made) => break Some(made),
                    Next::Make(other) => line.put(other, make(other)),
                    Next::Over => break None,
                }
            };
            // Without one, a thread has panicked, and so will this one when it waits for it.
            let Some(made) = next else { break };
            take(made)?;
        }
        drop(end);
        handles.into_iter().for_each(join);
        Ok(())
    })
}

/// What is made, between those who make it and the one who takes it.
struct Line<T> {
    count: usize,
    ahead: usize,
    state: Mutex<LineState<T>>,
    changed: Condvar,
}

struct LineState<T> {
    /// The next number of which nothing was made yet.
    next: usize,
    /// How many were taken.
    taken: usize,
    ready: BTreeMap<usize, T>,
    is_over: bool,
}

/// What the taking thread is to do.
enum Next<T> {
    Ready(T),
    Make(usize),
    Over,
}

impl<T> Line<T> {
    fn new(count: usize, ahead: usize) -> Self {
        let state = LineState { next: 0, taken: 0, ready: BTreeMap::new(), is_over: false };
        Self { count, ahead, state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, LineState<T>> {
        // Nothing that can panic is done while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, LineState<T>>) -> MutexGuard<'a, LineState<T>> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// A number to make something of; `None` when there is no more.
    fn claim(&self) -> Option<usize> {
        let mut state = self.lock();
        while !state.is_over && state.next < self.count {
            if let Some(index) = state.claim(self.count, self.ahead) {
                return Some(index);
            }
            state = self.wait(state);
        }
        None
    }

    /// The thing of this number, or what can be done until it is there.
    fn next(&self, index: usize) -> Next<T> {
        let mut state = self.lock();
        loop {
            if let Some(made) = state.ready.remove(&index) {
                state.taken = index + 1;
                self.changed.notify_all();
                return Next::Ready(made);
            }
            if state.is_over {
                return Next::Over;
            }
            if let Some(other) = state.claim(self.count, self.ahead) {
                return Next::Make(other);
            }
            state = self.wait(state);
        }
    }

    fn put(&self, index: usize, made: T) {
        self.lock().ready.insert(index, made);
        self.changed.notify_all();
    }
}

impl<T> LineState<T> {
    fn claim(&mut self, count: usize, ahead: usize) -> Option<usize> {
        let index = self.next;
        let may = index < count && index < self.taken + ahead;
        self.next += usize::from(may);
        may.then_some(index)
    }
}

/// Ends a line when it is dropped.
struct EndOfLine<'a, T>(&'a Line<T>);

impl<T> Drop for EndOfLine<'_, T> {
    fn drop(&mut self) {
        self.0.lock().is_over = true;
        self.0.changed.notify_all();
    }
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

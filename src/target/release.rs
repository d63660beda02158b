//! Lets answers go at the instants the model has set.
//!
//! One task holds all waiting answers in order of their due instants and waits for the first
//! of them with the precise timer. A new answer that is due earlier interrupts the wait.
//! The queue holds one entry per request in the target: its bound is the clients' patience.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use tokio::sync::{Notify, oneshot};

use crate::clock::Clock;

/// Answers that are not due yet.
#[derive(Debug, Default)]
pub(super) struct ReleaseQueue {
    waiting: RefCell<BinaryHeap<Reverse<Waiting>>>,
    earlier: Notify,
}

impl ReleaseQueue {
    /// Completes at `due_ns`, or up to a few microseconds later.
    pub(super) async fn wait_until(&self, due_ns: i64) {
        let (wake, woken) = oneshot::channel();
        if self.next_due_ns().is_none_or(|next_ns| due_ns < next_ns) {
            self.earlier.notify_one();
        }
        self.waiting.borrow_mut().push(Reverse(Waiting { due_ns, wake }));
        // An error means that the queue is gone, and with it the target.
        let _ = woken.await;
    }

    /// Releases what is due, for ever; tells `late` by how many ns each release was late.
    pub(super) async fn run(&self, clock: &impl Clock, late: impl Fn(i64)) {
        loop {
            let Some(due_ns) = self.next_due_ns() else {
                self.earlier.notified().await;
                continue;
            };
            tokio::select! {
                biased;
                _ = clock.wait_until(due_ns) => self.release(clock.now_ns(), &late),
                () = self.earlier.notified() => {}
            }
        }
    }

    fn next_due_ns(&self) -> Option<i64> {
        self.waiting.borrow().peek().map(|Reverse(first)| first.due_ns)
    }

    fn release(&self, now_ns: i64, late: impl Fn(i64)) {
        let mut waiting = self.waiting.borrow_mut();
        while let Some(first) = waiting.peek_mut().filter(|first| first.0.due_ns <= now_ns) {
            let Reverse(Waiting { due_ns, wake }) = PeekMut::pop(first);
            late(now_ns - due_ns);
            // The receiver is gone when the client has hung up.
            let _ = wake.send(());
        }
    }
}

/// One answer and the handler that waits to give it; ordered by the instant alone.
#[derive(Debug)]
struct Waiting {
    due_ns: i64,
    wake: oneshot::Sender<()>,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.due_ns == other.due_ns
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.due_ns.cmp(&other.due_ns)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::ReleaseQueue;
    use crate::clock::{Clock, Epoch};
    use crate::pacer::{Pacer, Pacing};

    const MS: i64 = 1_000_000;

    /// Waits for all of `due_ms` at once and returns them in the order of their release.
    async fn order_of_release(due_ms: &[i64]) -> Vec<i64> {
        let queue = Rc::new(ReleaseQueue::default());
        let released = Rc::new(RefCell::new(Vec::new()));
        let pacer = Pacer::new(Epoch::now(), Pacing::Precise).unwrap();
        for &due in due_ms {
            let (queue, released, pacer) = (queue.clone(), released.clone(), pacer.clone());
            tokio::task::spawn_local(async move {
                queue.wait_until(due * MS).await;
                assert!(pacer.now_ns() >= due * MS, "{due} came early");
                released.borrow_mut().push(due);
            });
        }
        let all = pacer.wait_until(due_ms.iter().max().unwrap() * MS + 20 * MS);
        let releaser = pacer.another().unwrap();
        tokio::select! { () = queue.run(&releaser, |_| ()) => {}, _ = all => {} }
        released.take()
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, future)
    }

    #[test]
    fn answers_leave_in_order_of_their_instants_and_an_earlier_one_interrupts() {
        assert_eq!(block_on(order_of_release(&[40, 5, 20, 5, 1])), [1, 5, 5, 20, 40]);
    }

    #[test]
    fn an_instant_in_the_past_is_released_at_once() {
        assert_eq!(block_on(order_of_release(&[-10, 3])), [-10, 3]);
    }
}

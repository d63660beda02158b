//! Simulated time and the tasks that live in it.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use crate::clock::{Clock, WakeUp};

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// A clock that stands still while anything can run and then jumps to the next due instant.
#[derive(Clone, Default)]
pub struct SimulatedClock(Rc<Core>);

#[derive(Default)]
struct Core {
    now_ns: Cell<i64>,
    /// Due instants in order, with the order of their making as the tie-break.
    due: RefCell<BinaryHeap<Reverse<(i64, u64)>>>,
    waiting: RefCell<BTreeMap<u64, Waker>>,
    next_wait: Cell<u64>,
    spawned: RefCell<Vec<Task>>,
}

struct WakeTask {
    id: usize,
    ready: Arc<Mutex<VecDeque<usize>>>,
}

impl Wake for WakeTask {
    fn wake(self: Arc<Self>) {
        self.ready.lock().unwrap().push_back(self.id);
    }
}

impl SimulatedClock {
    /// Runs `main` and the tasks it spawns until `main` is done; then drops them all.
    pub fn block_on<T: 'static>(&self, main: impl Future<Output = T> + 'static) -> T {
        let result = Rc::new(RefCell::new(None));
        let slot = Rc::clone(&result);
        self.spawn(async move { *slot.borrow_mut() = Some(main.await) });
        let ready = Arc::new(Mutex::new(VecDeque::new()));
        let mut tasks: Vec<Option<Task>> = Vec::new();
        while result.borrow().is_none() {
            for task in self.0.spawned.borrow_mut().drain(..) {
                ready.lock().unwrap().push_back(tasks.len());
                tasks.push(Some(task));
            }
            let next = ready.lock().unwrap().pop_front();
            match next {
                Some(id) => poll_task(&mut tasks, id, &ready),
                None if self.0.spawned.borrow().is_empty() => self.jump(),
                None => {}
            }
        }
        drop(tasks);
        self.0.spawned.borrow_mut().clear();
        result.take().expect("the loop ended because it is there")
    }

    /// Moves time to the next due instant and wakes who waits for it.
    fn jump(&self) {
        let Reverse((due_ns, wait)) =
            self.0.due.borrow_mut().pop().expect("a task that is not done waits for something");
        // A wait that was given up has no waker and moves nothing.
        if let Some(waker) = self.0.waiting.borrow_mut().remove(&wait) {
            self.0.now_ns.set(self.0.now_ns.get().max(due_ns));
            waker.wake();
        }
    }

    fn wait(&self, due_ns: i64) -> Wait {
        Wait { core: Rc::clone(&self.0), due_ns, id: None }
    }
}

fn poll_task(tasks: &mut [Option<Task>], id: usize, ready: &Arc<Mutex<VecDeque<usize>>>) {
    let waker = Waker::from(Arc::new(WakeTask { id, ready: Arc::clone(ready) }));
    if let Some(task) = &mut tasks[id]
        && task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready()
    {
        tasks[id] = None;
    }
}

struct Wait {
    core: Rc<Core>,
    due_ns: i64,
    id: Option<u64>,
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.core.now_ns.get() >= self.due_ns {
            return Poll::Ready(());
        }
        let id = self.id.unwrap_or_else(|| {
            let id = self.core.next_wait.get();
            self.core.next_wait.set(id + 1);
            self.core.due.borrow_mut().push(Reverse((self.due_ns, id)));
            id
        });
        self.id = Some(id);
        self.core.waiting.borrow_mut().insert(id, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.core.waiting.borrow_mut().remove(&id);
        }
    }
}

impl Clock for SimulatedClock {
    fn now_ns(&self) -> i64 {
        self.0.now_ns.get()
    }

    fn sleep_until(&self, due_ns: i64) -> impl Future<Output = ()> + 'static {
        self.wait(due_ns)
    }

    async fn wait_until(&self, due_ns: i64) -> WakeUp {
        self.wait(due_ns).await;
        WakeUp { late_ns: self.now_ns() - due_ns, spun_ns: 0 }
    }

    async fn yield_now(&self) {
        let mut is_second = false;
        poll_fn(|context| {
            if is_second {
                return Poll::Ready(());
            }
            is_second = true;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.0.spawned.borrow_mut().push(Box::pin(task));
    }
}

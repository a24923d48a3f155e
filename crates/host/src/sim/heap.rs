//! One cancellable heap of all that is due later, driven by one madsim timer.
//!
//! madsim's own `sleep` lasts at least a millisecond, cannot be cancelled, and adds a timer at each poll; so this heap arms a
//! single one, and only for a deadline earlier than every armed one.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use madsim::time::{Sleep, TimeHandle};

use super::world::Inner;
use super::{disk, net};

/// What happens at a deadline.
pub(super) enum Action {
    Wake(Waker),
    Net(net::Timer),
    Disk(disk::Timer),
}

/// An entry's place: its deadline, then the order of insertion.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Key {
    deadline: u64,
    sequence: u64,
}

pub(super) struct Heap {
    time: TimeHandle,
    /// madsim's time zero.
    base: Instant,
    sequence: Cell<u64>,
    entries: RefCell<BTreeMap<Key, Action>>,
    alarm: RefCell<Alarm>,
}

struct Alarm {
    sleep: Pin<Box<Sleep>>,
    /// Deadlines armed at madsim and not yet passed, latest first: madsim cannot take them back.
    armed: Vec<u64>,
    driver: Waker,
}

impl Heap {
    pub fn new(time: TimeHandle) -> Heap {
        let sleep = Box::pin(time.sleep(Duration::ZERO));
        Heap {
            base: time.now_instant() - time.elapsed(),
            time,
            sequence: Cell::new(0),
            entries: RefCell::default(),
            alarm: RefCell::new(Alarm { sleep, armed: Vec::new(), driver: Waker::noop().clone() }),
        }
    }

    /// Nanoseconds since the start of the run.
    pub fn now(&self) -> u64 {
        crate::clock::nanos(self.time.elapsed())
    }

    /// Lets `action` happen at `deadline`; at once (but never before this returns) if that has passed.
    pub fn insert(&self, deadline: u64, action: Action) -> Key {
        let sequence = self.sequence.get();
        self.sequence.set(sequence + 1);
        let key = Key { deadline, sequence };
        self.entries.borrow_mut().insert(key, action);
        self.arm(deadline);
        key
    }

    /// Takes an entry out; nothing happens if it is gone.
    pub fn cancel(&self, key: Key) {
        let removed = self.entries.borrow_mut().remove(&key);
        drop(removed); // after the borrow: a waker's drop may run a task's destructors
    }

    fn arm(&self, deadline: u64) {
        let mut alarm = self.alarm.borrow_mut();
        let Alarm { sleep, armed, driver } = &mut *alarm;
        if armed.last().is_some_and(|earliest| *earliest <= deadline) {
            return;
        }
        armed.push(deadline);
        sleep.as_mut().reset(self.base + Duration::from_nanos(deadline));
        if sleep.as_mut().poll(&mut Context::from_waker(driver)).is_ready() {
            driver.wake_by_ref();
        }
    }

    fn pop_due(&self, now: u64) -> Option<Action> {
        let mut entries = self.entries.borrow_mut();
        let first = entries.first_entry()?;
        (first.key().deadline <= now).then(|| first.remove())
    }

    /// Lets the driver task run soon.
    pub fn wake_driver(&self) {
        self.alarm.borrow().driver.wake_by_ref();
    }

    /// Does what is due. The driver task's poll.
    fn drive(&self, world: &Rc<Inner>, cx: &Context<'_>) {
        let now = self.now();
        {
            let mut alarm = self.alarm.borrow_mut();
            if !alarm.driver.will_wake(cx.waker()) {
                // Only the first time: what was armed before would wake nobody.
                alarm.driver = cx.waker().clone();
                alarm.armed.clear();
            }
            while alarm.armed.last().is_some_and(|deadline| *deadline <= now) {
                alarm.armed.pop();
            }
        }
        while let Some(action) = self.pop_due(now) {
            match action {
                Action::Wake(waker) => waker.wake(),
                Action::Net(timer) => net::fire(world, timer),
                Action::Disk(timer) => disk::fire(world, timer),
            }
        }
        let next = self.entries.borrow().first_key_value().map(|(key, _)| key.deadline);
        if let Some(next) = next {
            self.arm(next);
        }
    }

    /// Forgets everything: the run is over, and wakers hold tasks that hold the world.
    pub fn clear(&self) {
        let entries = self.entries.take();
        drop(entries);
        self.alarm.borrow_mut().driver = Waker::noop().clone();
    }
}

/// The driver task's future.
pub(super) async fn drive(world: Rc<Inner>) {
    std::future::poll_fn(|cx| {
        world.start_spawned();
        world.heap.drive(&world, cx);
        Poll::<()>::Pending
    })
    .await;
}

/// Waits for an instant of simulated time. Yields at least once; dropping it takes it out of the heap.
pub(super) struct Deadline {
    world: Rc<Inner>,
    at: u64,
    entry: Option<(Key, Waker)>,
}

impl Deadline {
    pub fn new(world: Rc<Inner>, at: u64) -> Deadline {
        Deadline { world, at, entry: None }
    }
}

impl Future for Deadline {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some((key, waker)) = &self.entry {
            if self.world.heap.now() >= self.at {
                self.world.heap.cancel(*key);
                self.entry = None;
                return Poll::Ready(());
            }
            if waker.will_wake(cx.waker()) {
                return Poll::Pending;
            }
            self.world.heap.cancel(*key);
        }
        let waker = cx.waker().clone();
        let key = self.world.heap.insert(self.at, Action::Wake(waker.clone()));
        self.entry = Some((key, waker));
        Poll::Pending
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        if let Some((key, _)) = &self.entry {
            self.world.heap.cancel(*key);
        }
    }
}

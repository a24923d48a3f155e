//! The device below the page cache: one sync at a time, and what slows it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::super::heap::{Action, Deadline};
use super::super::latency::Table;
use super::super::world::Inner;
use super::tree::{Directory, File};
use super::{DiskFault, SimDisk};
use crate::Entropy;

/// What the heap does for a disk: its sync is done.
pub(crate) struct Timer {
    disk: Rc<SimDisk>,
    power_losses: u32,
}

/// The device's queue.
pub(super) struct Device {
    latency: Table,
    entropy: Entropy,
    waiting: VecDeque<Job>,
    current: Option<Job>,
    /// The current sync would be done, but the disk is stalled.
    parked: bool,
    /// Who waits to be admitted by a stalled disk.
    admissions: Vec<Waker>,
    /// With limited bandwidth: when it will have taken all that was admitted.
    busy_until: u64,
}

struct Job {
    what: Target,
    path: String,
    done: Rc<Done>,
}

pub(super) enum Target {
    File(Rc<File>),
    /// With the number of changes that the sync covers, known once it begins.
    Directory(Rc<Directory>, usize),
}

#[derive(Default)]
struct Done {
    result: RefCell<Option<io::Result<()>>>,
    waker: RefCell<Option<Waker>>,
    /// The disk forgot it: the power went.
    abandoned: Cell<bool>,
}

impl Device {
    pub fn new(latency: Table, entropy: Entropy) -> Device {
        Device {
            latency,
            entropy,
            waiting: VecDeque::new(),
            current: None,
            parked: false,
            admissions: Vec::new(),
            busy_until: 0,
        }
    }

    pub fn power_loss(&mut self) {
        for job in self.waiting.drain(..).chain(self.current.take()) {
            job.done.abandoned.set(true);
            job.done.waker.take();
        }
        self.parked = false;
        self.admissions.clear();
        self.busy_until = 0;
    }
}

impl SimDisk {
    fn is_stalled(&self) -> bool {
        self.fault(|fault| matches!(fault, DiskFault::Stalled)).is_some()
    }

    fn sync_takes(&self, device: &mut Device) -> u64 {
        let faults = self.faults.borrow();
        let slow = faults.iter().rev().find_map(|(id, fault)| Some((*id, fault.latency.as_ref()?)));
        let table = match slow {
            Some((id, table)) => {
                self.hit(id);
                table
            }
            None => &device.latency,
        };
        table.draw(&mut device.entropy)
    }

    /// When the device will have taken `bytes` more, if a fault limits it.
    fn takes_until(&self, now: u64, bytes: usize) -> Option<u64> {
        let faults = self.faults.borrow();
        let (id, rate) = faults.iter().rev().find_map(|(id, fault)| match fault.what {
            DiskFault::Slow { bandwidth: Some(rate), .. } => Some((*id, rate)),
            _ => None,
        })?;
        self.hit(id);
        let takes = bytes as u128 * 1_000_000_000 / u128::from(rate.max(1));
        let mut device = self.device.borrow_mut();
        device.busy_until = device.busy_until.max(now) + takes as u64;
        Some(device.busy_until)
    }
}

/// Begins the next sync if the device is free.
fn start_next(world: &Rc<Inner>, disk: &Rc<SimDisk>) {
    let device = &mut *disk.device.borrow_mut();
    if device.current.is_some() || device.waiting.is_empty() || disk.is_stalled() {
        return;
    }
    let mut job = device.waiting.pop_front().expect("not empty");
    match &mut job.what {
        Target::File(file) => file.content.borrow_mut().begin_sync(),
        Target::Directory(directory, count) => *count = directory.begin_sync(),
    }
    device.current = Some(job);
    let done_at = world.heap.now() + disk.sync_takes(device);
    let timer = Timer { disk: disk.clone(), power_losses: disk.power_losses.get() };
    world.heap.insert(done_at, Action::Disk(timer));
}

/// The current sync is done.
pub(in super::super) fn fire(world: &Rc<Inner>, timer: Timer) {
    let disk = &timer.disk;
    if timer.power_losses == disk.power_losses.get() {
        if disk.is_stalled() {
            disk.device.borrow_mut().parked = true;
        } else {
            complete(world, disk);
        }
    }
}

fn complete(world: &Rc<Inner>, disk: &Rc<SimDisk>) {
    let Some(job) = disk.device.borrow_mut().current.take() else { return };
    let result = disk.check(&job.path);
    match &job.what {
        Target::File(file) => file.content.borrow_mut().end_sync(result.is_ok()),
        Target::Directory(directory, count) if result.is_ok() => directory.end_sync(*count),
        Target::Directory(..) => {}
    }
    job.done.result.replace(Some(result));
    if let Some(waker) = job.done.waker.take() {
        waker.wake();
    }
    start_next(world, disk);
}

/// A fault was healed: what it kept back goes on.
pub(super) fn resume(world: &Rc<Inner>, disk: &Rc<SimDisk>) {
    if disk.is_stalled() {
        return;
    }
    let admissions = std::mem::take(&mut disk.device.borrow_mut().admissions);
    admissions.into_iter().for_each(Waker::wake);
    let parked = std::mem::take(&mut disk.device.borrow_mut().parked);
    if parked { complete(world, disk) } else { start_next(world, disk) }
}

/// Syncs, in turn with others.
pub(super) async fn sync(world: &Rc<Inner>, disk: &Rc<SimDisk>, what: Target, path: &str) -> io::Result<()> {
    let done = Rc::new(Done::default());
    disk.device.borrow_mut().waiting.push_back(Job { what, path: path.into(), done: done.clone() });
    start_next(world, disk);
    poll_fn(|cx| {
        if let Some(result) = done.result.take() {
            return Poll::Ready(result);
        }
        if !done.abandoned.get() {
            done.waker.replace(Some(cx.waker().clone()));
        }
        Poll::Pending
    })
    .await
}

/// Waits until the device takes `bytes` more.
pub(super) async fn admit(world: &Rc<Inner>, disk: &Rc<SimDisk>, bytes: usize) {
    poll_fn(|cx| {
        if disk.is_stalled() {
            disk.device.borrow_mut().admissions.push(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
    if let Some(until) = disk.takes_until(world.heap.now(), bytes) {
        Deadline::new(world.clone(), until).await;
    }
}

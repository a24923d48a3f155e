//! One directed link between two nodes: latency, bandwidth, and the faults laid over it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use trace::EventId;

use super::super::Latency;
use super::super::latency::Table;
use super::Net;
use crate::Entropy;

/// The first retransmission timeout; each further one is twice as long.
const FIRST_RTO: u64 = 200_000_000;
/// Doublings of the retransmission timeout: it grows to 3.2 s.
const DOUBLINGS: u32 = 4;
/// Losses in a row after which a frame counts as lost for good in this attempt.
const MOST_LOSSES: u32 = 8;

/// How long the kernel waits for an acknowledgement before the repetition number `backoff` (from 0).
pub(super) fn retransmission_timeout(backoff: u32) -> u64 {
    FIRST_RTO << backoff.min(DOUBLINGS)
}

/// A fault of a link.
#[derive(Clone)]
pub(crate) enum LinkFault {
    Cut,
    Slow(Rc<Table>),
    Lossy(u32),
    Bandwidth(u64),
}

impl LinkFault {
    pub fn slow(latency: Latency) -> LinkFault {
        LinkFault::Slow(Rc::new(Table::new(latency)))
    }
}

/// A transmission that a fault swallowed.
pub(super) struct Lost {
    /// The fault.
    pub by: EventId,
    /// When the kernel would repeat it next, where the link knows better than the connection's own back-off.
    pub retry_at: Option<u64>,
}

/// A directed link. Its draws come from streams of its own, so that no other link's traffic or faults can shift them.
pub(super) struct Link {
    latency: Rc<Table>,
    bandwidth: Option<u64>,
    delays: RefCell<Entropy>,
    losses: RefCell<Entropy>,
    /// When the last frame will have left, with limited bandwidth.
    busy_until: Cell<u64>,
    faults: RefCell<Vec<(EventId, LinkFault)>>,
}

impl Link {
    pub fn new(seed: u64, from: &str, to: &str, latency: Rc<Table>, bandwidth: Option<u64>) -> Link {
        Link {
            latency,
            bandwidth,
            delays: RefCell::new(Entropy::new(seed, &["link", from, to])),
            losses: RefCell::new(Entropy::new(seed, &["loss", from, to])),
            busy_until: Cell::new(0),
            faults: RefCell::default(),
        }
    }

    pub fn add_fault(&self, id: EventId, fault: LinkFault) {
        self.faults.borrow_mut().push((id, fault));
    }

    pub fn heal(&self, id: EventId) {
        self.faults.borrow_mut().retain(|(fault, _)| *fault != id);
    }

    /// The fault that cuts this link, counted as hit.
    pub fn cut(&self, net: &Net) -> Option<EventId> {
        let faults = self.faults.borrow();
        let cut = faults.iter().find(|(_, fault)| matches!(fault, LinkFault::Cut))?.0;
        net.hit(cut);
        Some(cut)
    }

    /// When a frame that is handed over now arrives. Losses are repeated by the kernel and show as delay.
    pub fn frame(&self, net: &Net, now: u64, bytes: usize) -> Result<u64, Lost> {
        if let Some(by) = self.cut(net) {
            return Err(Lost { by, retry_at: None });
        }
        let mut arrival = self.departure(net, now, bytes) + self.delay(net);
        if let Some((by, ppm)) = self.lossy() {
            let mut losses = self.losses.borrow_mut();
            for repetition in 0..MOST_LOSSES {
                if !losses.chance(ppm) {
                    return Ok(arrival);
                }
                net.hit(by);
                arrival += retransmission_timeout(repetition);
            }
            return Err(Lost { by, retry_at: Some(arrival) });
        }
        Ok(arrival)
    }

    /// When a bare segment (SYN, RST, window update), which nobody repeats for us, arrives.
    pub fn segment(&self, net: &Net, now: u64) -> Result<u64, Lost> {
        if let Some(by) = self.cut(net) {
            return Err(Lost { by, retry_at: None });
        }
        match self.lossy() {
            Some((by, ppm)) if self.losses.borrow_mut().chance(ppm) => {
                net.hit(by);
                Err(Lost { by, retry_at: None })
            }
            _ => Ok(now + self.delay(net)),
        }
    }

    fn delay(&self, net: &Net) -> u64 {
        let faults = self.faults.borrow();
        let slow = faults.iter().rev().find_map(|(id, fault)| match fault {
            LinkFault::Slow(table) => Some((*id, table)),
            _ => None,
        });
        let table = slow.map_or(&self.latency, |(id, table)| {
            net.hit(id);
            table
        });
        table.draw(&mut self.delays.borrow_mut())
    }

    fn lossy(&self) -> Option<(EventId, u32)> {
        let faults = self.faults.borrow();
        let losses = faults.iter().filter_map(|(id, fault)| match fault {
            LinkFault::Lossy(ppm) => Some((*id, *ppm)),
            _ => None,
        });
        losses.max_by_key(|(_, ppm)| *ppm)
    }

    /// When the last byte leaves.
    fn departure(&self, net: &Net, now: u64, bytes: usize) -> u64 {
        let faults = self.faults.borrow();
        let limits = faults.iter().filter_map(|(id, fault)| match fault {
            LinkFault::Bandwidth(rate) => Some((*rate, Some(*id))),
            _ => None,
        });
        let Some((rate, fault)) = limits.chain(self.bandwidth.map(|rate| (rate, None))).min() else { return now };
        if let Some(fault) = fault {
            net.hit(fault);
        }
        let takes = u128::from(bytes as u64) * 1_000_000_000 / u128::from(rate);
        let leaves = self.busy_until.get().max(now) + takes as u64;
        self.busy_until.set(leaves);
        leaves
    }
}

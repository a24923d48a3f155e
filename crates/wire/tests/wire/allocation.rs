//! An allocator that measures: hostile bytes must not make a decoder take memory out of proportion.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // A thread that is being torn down has no cells any more; nothing is measured then.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: everything is passed on to the system's allocator, which upholds the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Runs `work` and returns the most bytes that its thread had allocated at once, beyond what it had before.
pub fn peak<T>(work: impl FnOnce() -> T) -> usize {
    let before = LIVE.get();
    PEAK.set(before);
    drop(work());
    (PEAK.get() - before) as usize
}

#[test]
fn the_allocator_sees_what_an_unguarded_decoder_reserves() {
    use kafka_protocol::protocol::Decodable as _;
    // Produce 3: no transactional id, acks, timeout, and a million topics that are not there.
    let mut body = vec![0xff, 0xff, 0, 1, 0, 0, 0, 1];
    body.extend_from_slice(&1_000_000_i32.to_be_bytes());
    let reserved =
        peak(|| odradek_wire::kafka::messages::ProduceRequest::decode(&mut bytes::Bytes::from(body), 3).is_err());
    assert!(reserved > 50_000_000, "only {reserved} bytes: the harness is blind, or kafka-protocol has been repaired");
}

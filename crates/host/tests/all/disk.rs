//! The simulated disk: what survives, and every fault.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;

use host::sim::{DiskFault, Keep, Latency, World, WorldOptions};
use host::{Disk, Host, Open};
use trace::EventKind;

use crate::support::*;

/// Adds a node that runs `first` in its first process and idles in every later one, and runs it for a minute.
async fn once<F: Future<Output = ()> + 'static>(world: &World, first: impl Fn(Host) -> F + 'static) {
    let first = Rc::new(first);
    idling(world, "a", move |host| {
        let first = first.clone();
        async move {
            if host.incarnation() == 0 {
                first(host).await;
            }
        }
    });
    world.sleep(60 * SECOND).await;
    assert!(world.is_up("a"), "the node's own assertions hold");
}

/// Gives out a handle on a disk.
async fn borrowed_disk(world: &World) -> Disk {
    let disk = Rc::new(RefCell::new(None));
    let disk2 = disk.clone();
    idling(world, "a", move |host| {
        disk2.replace(Some(host.disk()));
        async {}
    });
    world.sleep(MS).await;
    disk.take().unwrap()
}

#[test]
fn a_crash_keeps_the_page_cache_and_the_disk_outlives_the_process() {
    simulate(|world| async move {
        once(&world, |host| async move {
            host.disk().create_dir_all("data/orders-0").unwrap();
            host.disk().open("data/orders-0/0.log", Open::New).unwrap().append(b"unsynced").unwrap();
        })
        .await;
        world.kill("a", ROOT);
        world.start("a", ROOT);
        world.sleep(SECOND).await;
        assert_eq!(world.disk("a").read("data/orders-0/0.log").unwrap(), b"unsynced");
    });
}

#[test]
fn a_power_loss_keeps_what_was_synced_and_reports_what_was_not() {
    simulate(|world| async move {
        once(&world, |host| async move {
            let file = host.disk().open("log", Open::New).unwrap();
            file.append(b"durable").unwrap();
            file.sync().await.unwrap();
            host.disk().sync_dir("").await.unwrap();
            file.append(b" and not").unwrap();
            host.disk().open("other", Open::New).unwrap();
        })
        .await;
        world.power_loss("a", ROOT, Keep::None);
        assert_eq!(world.disk("a").files(), ["log"]);
        assert_eq!(world.disk("a").read("log").unwrap(), b"durable");
        let lost = EventKind::UnsyncedLost { pages_kept: 0, pages_lost: 1, entries_lost: 1 };
        assert!(events(&world).iter().any(|event| event.kind == lost));
    });
}

#[test]
fn a_power_loss_after_a_crash_takes_the_page_cache_too() {
    simulate(|world| async move {
        borrowed_disk(&world).await.open("log", Open::New).unwrap().append(b"unsynced").unwrap();
        world.kill("a", ROOT);
        assert_eq!(world.disk("a").files(), ["log"]);
        world.power_loss("a", ROOT, Keep::None);
        assert!(world.disk("a").files().is_empty());
    });
}

#[test]
fn a_file_whose_directory_was_never_synced_can_vanish_though_its_data_was() {
    let survived: BTreeSet<bool> = (0..20)
        .map(|seed| {
            simulate_with(WorldOptions { seed, ..options() }, |world| async move {
                once(&world, |host| async move {
                    let file = host.disk().open("log", Open::New).unwrap();
                    file.append(b"fsynced").unwrap();
                    file.sync().await.unwrap();
                })
                .await;
                world.power_loss("a", ROOT, Keep::Random);
                let disk = world.disk("a");
                let survived = disk.files() == ["log"];
                assert!(!survived || disk.read("log").unwrap() == b"fsynced");
                survived
            })
        })
        .collect();
    assert_eq!(survived.len(), 2, "sometimes it is there, sometimes not");
}

#[test]
fn an_atomic_write_leaves_the_old_or_the_new_content_after_any_power_loss() {
    let found: BTreeSet<Vec<u8>> = (0..40)
        .map(|seed| {
            simulate_with(WorldOptions { seed, ..options() }, move |world| async move {
                idling(&world, "a", |host| async move {
                    host.disk().write_atomically("checkpoint", b"old").await.unwrap();
                    host.sleep(Duration::from_millis(100)).await;
                    host.disk().write_atomically("checkpoint", b"the new content").await.unwrap();
                });
                // The second write begins at about 104 ms, with two syncs of 2 ms.
                world.sleep(103 * MS + seed * 150_000).await;
                world.power_loss("a", ROOT, Keep::Random);
                world.disk("a").read("checkpoint").unwrap()
            })
        })
        .collect();
    assert_eq!(found, BTreeSet::from([b"old".to_vec(), b"the new content".to_vec()]));
}

#[test]
fn an_unsynced_rename_survives_whole_or_not_at_all() {
    let found: BTreeSet<Vec<String>> = (0..20)
        .map(|seed| {
            simulate_with(WorldOptions { seed, ..options() }, |world| async move {
                once(&world, |host| async move {
                    host.disk().write_atomically("a", b"content").await.unwrap();
                    host.disk().rename("a", "b").unwrap();
                })
                .await;
                world.power_loss("a", ROOT, Keep::Random);
                world.disk("a").files()
            })
        })
        .collect();
    assert_eq!(found, BTreeSet::from([vec!["a".to_string()], vec!["b".to_string()]]));
}

#[test]
fn power_losses_draw_from_a_stream_of_their_own() {
    let after = |schedule_seed| {
        simulate_with(WorldOptions { schedule_seed, ..options() }, |world| async move {
            once(&world, |host| async move {
                let file = host.disk().open("log", Open::New).unwrap();
                host.disk().sync_dir("").await.unwrap();
                for n in 0..100 {
                    file.append(&[n; 1000]).unwrap();
                }
            })
            .await;
            world.power_loss("a", ROOT, Keep::Random);
            world.disk("a").hash()
        })
    };
    assert_eq!(after(1), after(2), "the schedule has no influence");
}

#[test]
fn fsyncs_take_their_time_one_after_the_other() {
    simulate(|world| async move {
        once(&world, |host| async move {
            let start = host.now();
            let finished = Rc::new(RefCell::new(Vec::new()));
            for n in 0..3 {
                let (host2, finished) = (host.clone(), finished.clone());
                host.spawn("sync", async move {
                    let file = host2.disk().open(&format!("file-{n}"), Open::New).unwrap();
                    file.append(b"x").unwrap();
                    file.sync().await.unwrap();
                    finished.borrow_mut().push((host2.now() - start).as_millis());
                });
            }
            host.sleep(Duration::from_secs(1)).await;
            assert_eq!(*finished.borrow(), [2, 4, 6]);
            let file = host.disk().open("file-0", Open::Existing).unwrap();
            let start = host.now();
            file.sync().await.unwrap();
            assert_eq!(host.now(), start, "nothing to sync takes no time");
        })
        .await;
    });
}

#[test]
fn a_full_disk_refuses_growth_and_nothing_else() {
    simulate(|world| async move {
        let disk = borrowed_disk(&world).await;
        let file = disk.open("log", Open::New).unwrap();
        file.append(&[1; 100]).unwrap();
        let fault = fault(&world);
        world.disk_fault(fault, "a", DiskFault::Full);
        assert_eq!(file.append(b"x").unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(disk.open("new", Open::Create).err().map(|error| error.kind()), Some(ErrorKind::StorageFull));
        assert_eq!(disk.free_space(), 0);
        file.write_at(0, &[2; 100]).unwrap();
        assert_eq!(file.read_at(0, 1000).unwrap(), vec![2; 100]);
        assert!(world.disk_hit(fault, "a") > 0);
        world.heal(fault);
        assert_eq!(file.append(b"x").unwrap(), 100);
    });
}

#[test]
fn a_disk_holds_its_capacity() {
    simulate_with(WorldOptions { disk_capacity: 10_000, ..options() }, |world| async move {
        let disk = borrowed_disk(&world).await;
        let file = disk.open("log", Open::New).unwrap();
        file.append(&[1; 9_000]).unwrap();
        assert_eq!(disk.free_space(), 1_000);
        assert_eq!(file.append(&[1; 1_001]).unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(file.len(), 9_000);
        disk.delete("log").unwrap();
        assert_eq!(disk.free_space(), 10_000);
        file.append(&[1; 50_000]).unwrap_err();
    });
}

#[test]
fn rotten_bits_are_read_until_healed_and_the_data_below_is_pristine() {
    simulate(|world| async move {
        let disk = borrowed_disk(&world).await;
        let file = disk.open("log", Open::New).unwrap();
        file.append(&[0; 10_000]).unwrap();
        let (first, second) = (fault(&world), fault(&world));
        let rot = |position| DiskFault::BitRot { path: "log".into(), position, length: 100, flips: 3 };
        world.disk_fault(first, "a", rot(1_000));
        world.disk_fault(second, "a", rot(2_000));
        let flipped = |from| file.read_at(from, 100).unwrap().iter().map(|byte| byte.count_ones()).sum::<u32>();
        assert!(flipped(1_000) > 0 && flipped(2_000) > 0);
        assert_eq!(flipped(5_000), 0);
        assert_eq!(world.disk("a").read("log").unwrap(), [0; 10_000]);
        assert_ne!(world.disk("a").read_through_faults("log").unwrap(), [0; 10_000]);
        world.heal(first);
        assert!(flipped(1_000) == 0 && flipped(2_000) > 0, "removable one by one");
        assert!(world.disk_hit(second, "a") > 0);
    });
}

#[test]
fn a_misdirected_write_happens_once() {
    simulate(|world| async move {
        let disk = borrowed_disk(&world).await;
        let file = disk.open("log", Open::New).unwrap();
        file.append(&[1; 20_000]).unwrap();
        let fault = fault(&world);
        world.disk_fault(fault, "a", DiskFault::MisdirectedWrite { prefix: "log".into() });
        file.append(&[2; 512]).unwrap();
        file.append(&[3; 512]).unwrap();
        let read = file.read_at(0, 100_000).unwrap();
        assert_eq!(read.len(), 21_024);
        assert_eq!(read[20_000..20_512], [0; 512], "missing where it was meant to be");
        assert_eq!(read[..20_000].iter().filter(|byte| **byte == 2).count(), 512, "found where it should not be");
        assert_eq!(read[20_512..], [3; 512]);
        assert_eq!(world.disk_hit(fault, "a"), 1 + 2, "once written, twice seen by one read");
        world.heal(fault);
        assert_eq!(file.read_at(20_000, 512).unwrap(), vec![2; 512]);
    });
}

#[test]
fn a_disk_error_fails_what_touches_its_files() {
    simulate(|world| async move {
        let disk = borrowed_disk(&world).await;
        let (bad, good) = (disk.open("bad-0", Open::New).unwrap(), disk.open("good-0", Open::New).unwrap());
        bad.append(b"x").unwrap();
        good.append(b"x").unwrap();
        let fault = fault(&world);
        world.disk_fault(fault, "a", DiskFault::Error { prefix: "bad".into() });
        assert!(bad.append(b"y").is_err() && bad.read_at(0, 1).is_err() && bad.sync().await.is_err());
        assert!(good.append(b"y").is_ok() && good.read_at(0, 1).is_ok() && good.sync().await.is_ok());
        assert_eq!(world.disk_hit(fault, "a"), 3);
        world.heal(fault);
        assert_eq!(bad.read_at(0, 9).unwrap(), "x");
        bad.sync().await.unwrap();
    });
}

#[test]
fn a_replaced_disk_is_empty() {
    simulate(|world| async move {
        borrowed_disk(&world).await.create_dir_all("data").unwrap();
        world.kill("a", ROOT);
        assert_eq!(world.disk("a").list("").unwrap().len(), 1);
        world.replace_disk("a");
        assert_eq!(world.disk("a").list("").unwrap(), []);
    });
}

/// How long a sync of a dirty file takes under a fault that is healed after 10 s, and how long admission of 1 MB does.
fn delays(what: DiskFault) -> (u64, u64) {
    simulate(move |world| async move {
        let taken = Rc::new(Cell::new((0, 0)));
        let (taken2, world2) = (taken.clone(), world.clone());
        idling(&world, "a", move |host| {
            let (taken, world) = (taken2.clone(), world2.clone());
            async move {
                let file = host.disk().open("log", Open::New).unwrap();
                file.append(b"x").unwrap();
                host.sleep(Duration::from_secs(1)).await;
                let start = world.now_ns();
                file.sync().await.unwrap();
                let synced = world.now_ns();
                host.disk().admit(1_000_000).await;
                taken.set(((synced - start) / MS, (world.now_ns() - synced) / MS));
            }
        });
        world.sleep(SECOND / 2).await;
        let fault = fault(&world);
        world.disk_fault(fault, "a", what);
        world.sleep(10 * SECOND).await;
        world.heal(fault);
        world.sleep(10 * SECOND).await;
        assert!(world.disk_hit(fault, "a") > 0);
        taken.get()
    })
}

#[test]
fn a_slow_disk_is_slow_and_a_stalled_one_waits_until_healed() {
    let slow = Latency { p50_ns: 300 * MS, p99_ns: 300 * MS };
    assert_eq!(delays(DiskFault::Slow { sync: slow, bandwidth: None }), (300, 0));
    assert_eq!(delays(DiskFault::Slow { sync: slow, bandwidth: Some(500_000) }), (300, 2000));
    // Stalled from 0.5 s to 10.5 s, asked at 1 s.
    assert_eq!(delays(DiskFault::Stalled), (9502, 0));
}

#[test]
fn a_sync_in_progress_waits_out_a_stall() {
    simulate(|world| async move {
        let synced = Rc::new(Cell::new(0));
        let (synced2, world2) = (synced.clone(), world.clone());
        idling(&world, "a", move |host| {
            let (synced, world) = (synced2.clone(), world2.clone());
            async move {
                let file = host.disk().open("log", Open::New).unwrap();
                file.append(b"x").unwrap();
                file.sync().await.unwrap();
                synced.set(world.now_ns());
            }
        });
        world.sleep(MS).await;
        let fault = fault(&world);
        world.disk_fault(fault, "a", DiskFault::Stalled);
        world.sleep(5 * SECOND).await;
        assert_eq!(synced.get(), 0);
        world.heal(fault);
        world.sleep(MS).await;
        assert!(synced.get() > 5 * SECOND);
    });
}

#[test]
fn admission_costs_nothing_without_a_fault() {
    simulate(|world| async move {
        once(&world, |host| async move {
            let start = host.now();
            host.disk().admit(usize::MAX).await;
            assert_eq!(host.now(), start);
        })
        .await;
    });
}

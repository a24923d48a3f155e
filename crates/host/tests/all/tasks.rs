//! Tasks, time, and the death of processes.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use host::sim::{ClockSetting, Keep, run};
use host::{Host, Open};
use trace::{EventKind, Name, StopReason};

use crate::support::*;

fn stopped(events: &[trace::Event]) -> Vec<StopReason> {
    let reason = |event: &trace::Event| match event.kind {
        EventKind::NodeStopped { reason } => Some(reason),
        _ => None,
    };
    events.iter().filter_map(reason).collect()
}

#[test]
fn a_sleep_lasts_as_long_as_it_says_even_below_a_millisecond() {
    simulate(|world| async move {
        for nanos in [0, 1, 1_000, 500_000, 30 * SECOND] {
            let start = world.now_ns();
            world.sleep(nanos).await;
            let slept = world.now_ns() - start;
            assert!((nanos..nanos + 1_000).contains(&slept), "wanted {nanos}, slept {slept}");
        }
    });
}

#[test]
fn timers_fire_in_the_order_of_their_deadlines() {
    let order = simulate(|world| async move {
        let order = Rc::new(RefCell::new(Vec::new()));
        for millis in [50, 10, 30, 20, 40] {
            let (world2, order) = (world.clone(), order.clone());
            world.spawn(async move {
                world2.sleep(millis * MS).await;
                order.borrow_mut().push(millis);
            });
        }
        world.sleep(SECOND).await;
        order.take()
    });
    assert_eq!(order, [10, 20, 30, 40, 50]);
}

#[test]
fn a_dropped_sleep_neither_fires_nor_holds_up_the_end() {
    simulate(|world| async move {
        idling(&world, "a", |host| async move {
            let start = host.now();
            for _ in 0..100 {
                let slept = host.timeout(Duration::from_millis(1), host.sleep(Duration::from_secs(1000))).await;
                assert!(slept.is_err());
            }
            assert_eq!((host.now() - start).as_millis(), 100);
        });
        world.sleep(SECOND).await;
        assert!(stopped(&events(&world)).is_empty());
    });
}

#[test]
fn a_run_in_which_nothing_can_happen_any_more_is_an_error() {
    let result = run(options(), |_| Box::pin(pending::<()>()));
    assert!(result.unwrap_err().message.contains("no events"));
}

#[test]
fn a_panic_of_a_world_task_is_the_runs_error() {
    let result = run(options(), |world| {
        Box::pin(async move {
            let world2 = world.clone();
            world.spawn(async move {
                world2.sleep(MS).await;
                panic!("the judge is wrong");
            });
            world.sleep(SECOND).await;
        })
    });
    let message = result.unwrap_err().message;
    assert!(message.starts_with("the judge is wrong at ") && message.contains("tasks.rs:"), "{message}");
}

#[test]
fn a_panic_of_a_task_is_a_finding_and_ends_its_node_only() {
    simulate(|world| async move {
        idling(&world, "a", |host| async move {
            host.spawn("faulty", async { panic!("offset {} out of range", 7) });
        });
        idling(&world, "b", |host| async move { host.sleep(Duration::from_secs(1)).await });
        world.sleep(2 * SECOND).await;
        assert!(!world.is_up("a") && world.is_up("b"));
        let events = events(&world);
        let message = events.iter().find_map(|event| match event.kind {
            EventKind::NodePanicked { message } => Some(message.as_str()),
            _ => None,
        });
        let message = message.expect("a finding");
        assert!(message.starts_with("offset 7 out of range at ") && message.contains("tasks.rs:"), "{message}");
        assert_eq!(stopped(&events), [StopReason::Panic]);
        world.start("a", ROOT);
    });
}

#[test]
fn a_process_ends_when_its_main_function_returns_or_exits() {
    simulate(|world| async move {
        node(&world, "returns", |host| async move {
            host.spawn("never", pending());
            host.sleep(Duration::from_millis(1)).await;
        });
        node(&world, "exits", |host| async move {
            host.exit(ROOT);
            pending::<()>().await;
        });
        world.sleep(SECOND).await;
        assert!(!world.is_up("returns") && !world.is_up("exits"));
        assert_eq!(stopped(&events(&world)), [StopReason::Exit, StopReason::Exit]);
    });
}

#[test]
fn a_restarted_node_boots_anew_and_nothing_of_the_old_process_runs() {
    simulate(|world| async move {
        let log = Rc::new(RefCell::new(Vec::new()));
        let log2 = log.clone();
        node(&world, "a", move |host| {
            let log = log2.clone();
            async move {
                loop {
                    host.sleep(Duration::from_millis(10)).await;
                    log.borrow_mut().push(host.incarnation());
                }
            }
        });
        world.sleep(35 * MS).await;
        world.kill("a", ROOT);
        world.start("a", ROOT);
        world.sleep(25 * MS).await;
        assert_eq!(log.take(), [0, 0, 0, 1, 1]);
    });
}

/// Does all it can to have an effect when it is dropped, and counts that it was.
struct Restless {
    host: Host,
    file: host::File,
    sender: host::FrameSender,
    dropped: Rc<Cell<u32>>,
}

impl Drop for Restless {
    fn drop(&mut self) {
        let Restless { host, file, sender, dropped } = self;
        dropped.set(dropped.get() + 1);
        let cause = host.emit(ROOT, EventKind::Mark { mark: Name::new("from the grave") });
        assert_eq!(cause, ROOT);
        let zombie = dropped.clone();
        host.spawn("zombie", async move { zombie.set(1000) });
        let _ = file.append(b"from the grave");
        let _ = file.set_len(0);
        let _ = host.disk().open("grave", Open::Create);
        let _ = host.disk().rename("data", "grave");
        let _ = host.disk().delete("data");
        host.exit(ROOT);
        sender.close();
        let mut send = Box::pin(sender.send(ROOT, frame(b'a', 99, b"")));
        let mut listen = Box::pin(host.listen(1, FRAMING));
        let mut connect = Box::pin(host.connect(server(), FRAMING, ROOT));
        let mut sync = Box::pin(file.sync());
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(send.as_mut().poll(&mut cx).is_pending());
        assert!(listen.as_mut().poll(&mut cx).is_pending());
        assert!(connect.as_mut().poll(&mut cx).is_pending());
        assert!(sync.as_mut().poll(&mut cx).is_pending());
    }
}

fn restless(world: &host::sim::World, dropped: &Rc<Cell<u32>>) {
    node(world, "server", echo_server);
    let dropped = dropped.clone();
    idling(world, "a", move |host| {
        let dropped = dropped.clone();
        async move {
            if host.incarnation() > 0 {
                return;
            }
            let file = host.disk().open("data", Open::Create).unwrap();
            file.append(b"alive").unwrap();
            let connection = host.connect(server(), FRAMING, ROOT).await.unwrap();
            let sender = connection.sender.clone();
            let restless = Restless { host: host.clone(), file, sender, dropped };
            host.spawn("restless", async move {
                let _both = (restless, connection);
                pending::<()>().await;
            });
        }
    });
}

#[test]
fn after_a_kill_no_call_of_the_dead_process_has_an_effect_not_even_from_a_drop() {
    simulate(|world| async move {
        let dropped = Rc::new(Cell::new(0));
        restless(&world, &dropped);
        world.sleep(SECOND).await;
        events(&world);
        world.kill("a", ROOT);
        world.start("a", ROOT);
        world.sleep(SECOND).await;
        assert_eq!(dropped.get(), 1, "dropped once, and the zombie never ran");
        assert!(world.is_up("a"));
        assert_eq!(world.disk("a").files(), ["data"]);
        assert_eq!(world.disk("a").read("data").unwrap(), b"alive");
        let events = events(&world);
        assert!(!events.iter().any(|event| matches!(event.kind, EventKind::Mark { .. } | EventKind::FrameSent(_))));
        assert_eq!(stopped(&events), [StopReason::Crash]);
    });
}

#[test]
fn killing_a_paused_process_drops_it_without_effect() {
    simulate(|world| async move {
        let dropped = Rc::new(Cell::new(0));
        restless(&world, &dropped);
        world.sleep(SECOND).await;
        world.pause("a", ROOT);
        world.sleep(SECOND).await;
        events(&world);
        world.power_loss("a", ROOT, Keep::All);
        world.sleep(SECOND).await;
        assert_eq!(dropped.get(), 1);
        assert_eq!(stopped(&events(&world)), [StopReason::PowerLoss]);
        assert_eq!(world.disk("a").read("data").unwrap(), b"alive");
    });
}

#[test]
fn a_paused_process_stands_still_and_then_catches_up() {
    simulate(|world| async move {
        let ticks = Rc::new(RefCell::new(Vec::new()));
        let ticks2 = ticks.clone();
        node(&world, "a", move |host| {
            let ticks = ticks2.clone();
            async move {
                let start = host.now();
                for wait in [100, 200, 300] {
                    let (host2, ticks) = (host.clone(), ticks.clone());
                    host.spawn("timer", async move {
                        host2.sleep(Duration::from_millis(wait)).await;
                        ticks.borrow_mut().push((wait, (host2.now() - start).as_millis()));
                    });
                }
                pending::<()>().await;
            }
        });
        world.sleep(150 * MS).await;
        world.pause("a", ROOT);
        world.sleep(850 * MS).await;
        assert_eq!(ticks.borrow().len(), 1, "nothing ran while paused");
        world.resume("a", ROOT);
        world.sleep(MS).await;
        let mut ticks = ticks.take();
        ticks.sort_unstable();
        assert_eq!(ticks, [(100, 100), (200, 1000), (300, 1000)]);
        let kinds: Vec<_> = events(&world).into_iter().map(|event| event.kind).collect();
        assert!(kinds.contains(&EventKind::NodePaused) && kinds.contains(&EventKind::NodeResumed));
    });
}

#[test]
fn a_node_killed_while_paused_starts_unpaused() {
    simulate(|world| async move {
        let boots = Rc::new(Cell::new(0));
        let boots2 = boots.clone();
        idling(&world, "a", move |host| {
            let boots = boots2.clone();
            async move {
                host.sleep(Duration::from_millis(1)).await;
                boots.set(boots.get() + 1);
            }
        });
        world.sleep(10 * MS).await;
        world.pause("a", ROOT);
        world.kill("a", ROOT);
        world.start("a", ROOT);
        world.sleep(10 * MS).await;
        assert_eq!(boots.get(), 2);
        assert!(!world.is_paused("a"));
    });
}

#[test]
fn a_cancelled_task_is_dropped_and_a_detached_one_goes_on() {
    simulate(|world| async move {
        let count = Rc::new(Cell::new(0));
        let count2 = count.clone();
        idling(&world, "a", move |host| {
            let count = count2.clone();
            async move {
                let tick = |step: u32| {
                    let (host, count) = (host.clone(), count.clone());
                    async move {
                        loop {
                            host.sleep(Duration::from_millis(10)).await;
                            count.set(count.get() + step);
                        }
                    }
                };
                drop(host.spawn("detached", tick(1)));
                let cancelled = host.spawn("cancelled", tick(100));
                host.sleep(Duration::from_millis(25)).await;
                cancelled.cancel();
            }
        });
        world.sleep(55 * MS).await;
        assert_eq!(count.get(), 205);
        assert_eq!(Rc::strong_count(&count), 3, "the cancelled future is gone"); // here, boot, detached
    });
}

#[test]
fn a_world_task_may_spawn_on_a_node_through_its_host() {
    simulate(|world| async move {
        let host = Rc::new(RefCell::new(None));
        let (host2, ran) = (host.clone(), Rc::new(Cell::new(false)));
        idling(&world, "a", move |host| {
            host2.replace(Some(host));
            async {}
        });
        world.sleep(MS).await;
        let (host, ran2) = (host.take().unwrap(), ran.clone());
        host.spawn("guest", async move {
            ran2.set(true);
            panic!("the guest's panic is the node's");
        });
        world.sleep(MS).await;
        assert!(ran.get());
        assert!(!world.is_up("a"));
    });
}

#[test]
fn clocks_drift_and_jump_apart_and_sleeps_follow_their_own() {
    simulate(|world| async move {
        let woke = Rc::new(Cell::new(0));
        let host = Rc::new(RefCell::new(None));
        let (woke2, host2, world2) = (woke.clone(), host.clone(), world.clone());
        world.add_node("a", move |host| {
            let (woke, host2, world) = (woke2.clone(), host2.clone(), world2.clone());
            Box::pin(async move {
                host2.replace(Some(host.clone()));
                host.sleep(Duration::from_secs(11)).await;
                woke.set(world.now_ns());
                pending::<()>().await;
            })
        });
        world.set_clock("a", ClockSetting { offset_ns: 3 * SECOND as i64, drift_ppm: 100_000 });
        world.start("a", ROOT);
        world.sleep(9 * SECOND).await;
        let host = host.take().unwrap();
        let (now, wall) = (host.now(), host.wall());
        assert!((wall - 1_700_000_000_000 - 12_900).abs() <= 1, "{wall}");
        world.jump_clock("a", -5 * SECOND as i64);
        assert_eq!(host.wall(), wall - 5_000);
        assert_eq!(host.now(), now, "the monotonic clock never jumps");
        world.sleep(2 * SECOND).await;
        let due = 10 * SECOND;
        assert!((due..due + 10_000).contains(&woke.get()), "{}", woke.get());
    });
}

#[test]
fn changed_wakes_the_judge_and_take_events_gives_each_event_once() {
    simulate(|world| async move {
        idling(&world, "a", |host| async move {
            host.sleep(Duration::from_secs(5)).await;
            host.emit(ROOT, EventKind::Mark { mark: Name::new("late") });
        });
        world.changed().await;
        assert_eq!(events(&world).len(), 1);
        world.changed().await;
        assert!(world.now_ns() >= 5 * SECOND);
        let events = events(&world);
        assert!(matches!(events[..], [trace::Event { kind: EventKind::Mark { .. }, .. }]), "{events:?}");
    });
}

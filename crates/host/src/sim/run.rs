//! Runs a world: a fresh thread, a fresh madsim runtime.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use madsim::runtime::Runtime;

use super::heap;
use super::world::{self, Inner, World};
use super::{Panic, WorldOptions};
use crate::LocalBoxFuture;
use crate::panic::{catch, catch_poll, install_hook, message};

/// Runs `main` in a new world and returns what it returns. The run ends with it; what else goes on then is dropped.
///
/// # Errors
/// The panic of `main` or of another task of the world (nodes' panics are findings, not errors), or that nothing can ever
/// happen any more.
pub fn run<T: Send + 'static>(
    options: WorldOptions,
    main: impl FnOnce(World) -> LocalBoxFuture<T> + Send + 'static,
) -> Result<T, Panic> {
    install_hook();
    // A fresh OS thread: std's RandomState is seeded once a thread, by madsim from the schedule seed.
    let thread = std::thread::Builder::new().name("simulation".into()).spawn(move || in_thread(options, main));
    let thread = thread.map_err(|error| Panic { message: format!("cannot start a thread: {error}") })?;
    match thread.join() {
        Ok(result) => result.map_err(|message| Panic { message }),
        Err(payload) => Err(Panic { message: message(payload.as_ref()) }),
    }
}

fn in_thread<T: 'static>(
    options: WorldOptions,
    main: impl FnOnce(World) -> LocalBoxFuture<T> + 'static,
) -> Result<T, String> {
    let runtime = Runtime::with_seed_and_config(options.schedule_seed, madsim::Config::default());
    let result = catch(|| runtime.block_on(in_runtime(options, main)));
    world::leave();
    drop(runtime);
    result?
}

async fn in_runtime<T: 'static>(
    options: WorldOptions,
    main: impl FnOnce(World) -> LocalBoxFuture<T>,
) -> Result<T, String> {
    let inner = Rc::new(Inner::new(options));
    world::enter(&inner);
    let driver = madsim::task::spawn_local(heap::drive(inner.clone()));
    let result = run_main(&inner, main).await;
    inner.end();
    driver.abort();
    result
}

async fn run_main<T: 'static>(inner: &Rc<Inner>, main: impl FnOnce(World) -> LocalBoxFuture<T>) -> Result<T, String> {
    let mut main = catch(|| main(World(inner.clone())))?;
    poll_fn(|cx| {
        inner.failure.set_waker(cx.waker());
        if let Some(message) = inner.failure.take() {
            return Poll::Ready(Err(message));
        }
        match catch_poll(main.as_mut(), cx) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(message) => Poll::Ready(Err(message)),
        }
    })
    .await
}

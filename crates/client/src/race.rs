//! Waiting for whichever of several futures is done first, always polled in the order given.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

/// Which of two futures was first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum First<A, B> {
    /// The left one (also if both were ready).
    Left(A),
    /// The right one.
    Right(B),
}

/// Runs both until one is done; the other is dropped.
pub(crate) async fn race<A: Future, B: Future>(left: A, right: B) -> First<A::Output, B::Output> {
    let (mut left, mut right) = (pin!(left), pin!(right));
    poll_fn(|cx| {
        if let Poll::Ready(output) = left.as_mut().poll(cx) {
            return Poll::Ready(First::Left(output));
        }
        right.as_mut().poll(cx).map(First::Right)
    })
    .await
}

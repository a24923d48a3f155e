//! Small things that several modules need.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use trace::BrokerList;
use wire::kafka::{ErrorCode, StrBytes, TopicName};

use crate::group::OFFSETS_TOPIC;

/// Ids for an event. What the wire may carry but a list cannot hold (more than 8, or ids outside 1 to 255) is left out.
pub fn broker_list(ids: &[i32]) -> BrokerList {
    BrokerList::new(ids.iter().copied().filter(|id| (1..=255).contains(id)).take(BrokerList::CAPACITY))
}

/// Runs all futures at once; the results in their order.
pub async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut pending = false;
        for (future, output) in running.iter_mut().zip(&mut outputs).filter(|(_, output)| output.is_none()) {
            match future.as_mut().poll(context) {
                Poll::Ready(value) => *output = Some(value),
                Poll::Pending => pending = true,
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    outputs.into_iter().map(|output| output.expect("each future has finished")).collect()
}

/// A topic name for a message.
pub fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

/// Whether Kafka would accept the name for a topic.
pub fn is_legal_topic(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !name.is_empty() && name.len() <= 249 && name != "." && name != ".." && name.bytes().all(legal)
}

/// Whether a topic is the brokers' own: clients may read it, not write it.
pub fn is_internal(topic: &str) -> bool {
    matches!(topic, OFFSETS_TOPIC | "__transaction_state")
}

/// What may be asked of a resource, as the bits that responses tell of (KIP-430). Nobody is refused anything here, so that
/// every client may do all of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Authorized {
    /// Of the cluster: create, alter, describe, cluster action, describe and alter configs, idempotent write.
    Cluster,
    /// Of a topic: read, write, create, delete, alter, describe, describe and alter configs.
    Topic,
    /// Of a group: read, delete, describe.
    Group,
}

impl Authorized {
    /// The bits: one for each code of an operation.
    pub fn operations(self) -> i32 {
        let codes: &[u8] = match self {
            Authorized::Cluster => &[5, 7, 8, 9, 10, 11, 12],
            Authorized::Topic => &[3, 4, 5, 6, 7, 8, 10, 11],
            Authorized::Group => &[3, 6, 8],
        };
        codes.iter().fold(0, |bits, code| bits | 1 << code)
    }
}

/// `NONE` or the error, for a response.
pub fn code<T>(result: &Result<T, ErrorCode>) -> i16 {
    result.as_ref().err().map_or(0, |error| error.code())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Waker};

    #[test]
    fn ids_that_no_event_can_hold_are_left_out() {
        assert_eq!(broker_list(&[3, -1, 256, 0, 1]), BrokerList::new([3, 1]));
        assert_eq!(broker_list(&(1..=20).collect::<Vec<i32>>()).len(), BrokerList::CAPACITY);
    }

    #[test]
    fn joined_results_come_in_the_order_of_their_futures() {
        let (slow_sender, slow) = tokio::sync::oneshot::channel();
        let (fast_sender, fast) = tokio::sync::oneshot::channel();
        let mut joined = pin!(join_all([slow, fast]));
        let mut context = Context::from_waker(Waker::noop());
        fast_sender.send(2).unwrap();
        assert!(joined.as_mut().poll(&mut context).is_pending());
        slow_sender.send(1).unwrap();
        assert_eq!(joined.as_mut().poll(&mut context), Poll::Ready(vec![Ok(1), Ok(2)]));
    }

    #[test]
    fn topic_names_follow_kafkas_rules() {
        for legal in ["orders", "a.b_c-D9", &"x".repeat(249)] {
            assert!(is_legal_topic(legal), "{legal}");
        }
        for illegal in ["", ".", "..", "a b", "ü", "a/b", &"x".repeat(250)] {
            assert!(!is_legal_topic(illegal), "{illegal}");
        }
    }
}

//! Carries votes to one other member. Only the newest vote matters: a newer one replaces what was not sent yet.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use host::{Address, Connection, Host};
use tokio::sync::Notify;
use trace::EventId;

use crate::election::Notification;
use crate::framing;
use crate::zab::Message;

/// Longer than a round trip, shorter than an election should take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Slot {
    vote: RefCell<Option<(EventId, Notification)>>,
    filled: Notify,
}

/// The way to one other member's election port.
pub(super) struct Courier(Rc<Slot>);

impl Courier {
    /// Starts the task that connects when there is something to send.
    pub(super) fn new(host: &Host, to: Address) -> Courier {
        let slot = Rc::new(Slot::default());
        host.spawn("courier", carry(host.clone(), to, Rc::clone(&slot)));
        Courier(slot)
    }

    /// Sends a vote. If it is lost, nobody notices: who is looking repeats its own, and is answered again.
    pub(super) fn send(&self, cause: EventId, vote: Notification) {
        *self.0.vote.borrow_mut() = Some((cause, vote));
        self.0.filled.notify_one();
    }
}

async fn carry(host: Host, to: Address, slot: Rc<Slot>) {
    let mut connection: Option<Connection> = None;
    loop {
        match &mut connection {
            None => slot.filled.notified().await,
            Some(open) => {
                let closed = tokio::select! {
                    biased;
                    // The other side never sends here: whatever comes is the end.
                    _ = open.receiver.next() => true,
                    () = slot.filled.notified() => false,
                };
                if closed {
                    connection = None;
                    continue;
                }
            }
        }
        let Some((cause, _)) = *slot.vote.borrow() else { continue };
        if connection.is_none() {
            let connecting = host.connect(to, framing::quorum(), cause);
            connection = host.timeout(CONNECT_TIMEOUT, connecting).await.ok().and_then(Result::ok);
        }
        let vote = slot.vote.borrow_mut().take();
        if let (Some(open), Some((cause, vote))) = (&connection, vote)
            && open.sender.send(cause, Message::Notification(vote).encode()).await.is_err()
        {
            connection = None;
        }
    }
}

//! Conditions that wait for the state to make them true: fault triggers, notes, expectations.

use std::cell::RefCell;
use std::rc::Rc;

use scenario::Condition;
use tokio::sync::oneshot;
use trace::EventId;

use crate::view::View;

/// A condition that is waited for: it fires once, on the rising edge.
struct Armed {
    condition: Condition,
    /// Whether it held when last looked at; it must be seen false before it can rise.
    held: bool,
    fired: Option<oneshot::Sender<EventId>>,
}

/// The conditions that are waited for. Cloning shares them.
#[derive(Clone, Default)]
pub struct Triggers(Rc<RefCell<Vec<Armed>>>);

impl Triggers {
    /// Waits for the rising edge of `condition`; the answer is the event that made it true.
    pub fn arm(&self, condition: Condition, held_now: bool) -> oneshot::Receiver<EventId> {
        let (fired, answer) = oneshot::channel();
        self.0.borrow_mut().push(Armed { condition, held: held_now, fired: Some(fired) });
        answer
    }

    /// Looks at every armed condition; `cause` is the event after which the view is as it is.
    pub fn look(&self, view: &View<'_>, cause: EventId) {
        let mut armed = self.0.borrow_mut();
        for trigger in armed.iter_mut() {
            let holds = trigger.condition.holds(view) == Some(true);
            if holds && !trigger.held {
                // Nobody listens when the fault's task has ended: then there is nothing to start.
                let _ = trigger.fired.take().expect("an armed trigger fires once").send(cause);
            }
            trigger.held = holds;
        }
        armed.retain(|trigger| trigger.fired.as_ref().is_some_and(|fired| !fired.is_closed()));
    }
}

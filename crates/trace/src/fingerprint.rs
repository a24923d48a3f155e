//! The fingerprint of a run: one number that differs as soon as two runs do.

use std::hash::{Hash, Hasher};

use siphasher::sip::SipHasher13;

use crate::Event;

/// Folds events (never their ids, which are implied, nor record texts, which depend on the trace mode) into a hash.
#[derive(Clone)]
pub struct Fingerprint(SipHasher13);

impl Default for Fingerprint {
    fn default() -> Self {
        Fingerprint(SipHasher13::new_with_keys(0x6f64_7261, 0x6465_6b31))
    }
}

impl Fingerprint {
    /// Folds one event.
    pub fn event(&mut self, event: &Event) {
        self.0.write_u64(event.at);
        self.0.write_u64(event.cause.0);
        event.node.hash(&mut self.0);
        event.kind.hash(&mut self.0);
    }

    /// Folds a number: the run's last random number, the hash of a disk.
    pub fn number(&mut self, number: u64) {
        self.0.write_u64(number);
    }

    /// The fingerprint so far.
    pub fn finish(&self) -> u64 {
        self.0.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Text;
    use crate::{EventId, EventKind, Name, Partition, RecordText};

    fn sent(text: Option<RecordText>) -> Event {
        let kind = EventKind::RecordSent {
            partition: Partition::new("email", 0),
            sequence: 7,
            key: 9,
            text: Text(text.map(Box::new)),
        };
        Event { id: EventId(1), at: 5, node: Name::new("member-service-0"), cause: EventId::ROOT, kind }
    }

    fn fingerprint(event: &Event) -> u64 {
        let mut fingerprint = Fingerprint::default();
        fingerprint.event(event);
        fingerprint.finish()
    }

    #[test]
    fn a_records_text_does_not_change_the_fingerprint() {
        let text = RecordText { key: "k".into(), value: "v".into(), timestamp: 1 };
        assert_eq!(fingerprint(&sent(None)), fingerprint(&sent(Some(text))));
    }

    #[test]
    fn time_cause_node_and_kind_change_the_fingerprint() {
        let base = sent(None);
        let changed = [
            Event { at: 6, ..base.clone() },
            Event { cause: EventId(1), ..base.clone() },
            Event { node: Name::new("x"), ..base.clone() },
            Event { kind: EventKind::RunEnded, ..base.clone() },
        ];
        for event in changed {
            assert_ne!(fingerprint(&base), fingerprint(&event), "{event:?}");
        }
    }
}

//! Topic deletion: replicas first, the topic's znodes when none is left. A dead broker's replica is waited for.

use std::collections::BTreeSet;

use trace::{EventId, Name, Partition};

use super::Active;
use super::requests::Batch;
use super::store::Lost;
use crate::znodes;

impl Active {
    pub(super) async fn deletions_changed(&mut self, cause: EventId) -> Result<(), Lost> {
        let (wanted, cause) = self.store.children(cause, znodes::DELETE_TOPICS).await?;
        let mut batch = Batch::default();
        for name in wanted {
            let topic = Name::new(&name);
            if !self.context.topics.contains_key(&topic) {
                self.store.delete(cause, &znodes::delete_topic(&name)).await?;
                continue;
            }
            if self.context.deleting.insert(topic) {
                self.begin_deletion(topic, &mut batch);
            }
        }
        self.send(batch, cause);
        Ok(())
    }

    fn begin_deletion(&mut self, topic: Name, batch: &mut Batch) {
        let of_topic = self.context.partitions().filter(|partition| partition.topic == topic);
        let partitions: Vec<Partition> = of_topic.collect();
        let mut undeleted = BTreeSet::new();
        for partition in &partitions {
            for replica in self.context.replicas(*partition) {
                undeleted.insert((*partition, *replica));
                batch.stop(*replica, *partition, true);
            }
        }
        batch.metadata(&self.context, partitions);
        self.undeleted.insert(topic, undeleted);
    }

    pub(super) async fn replicas_deleted(
        &mut self,
        broker: i32,
        deleted: Vec<Partition>,
        cause: EventId,
    ) -> Result<(), Lost> {
        for partition in deleted {
            if let Some(undeleted) = self.undeleted.get_mut(&partition.topic) {
                undeleted.remove(&(partition, broker));
            }
        }
        let done: Vec<Name> = self.undeleted.iter().filter(|(_, left)| left.is_empty()).map(|(it, _)| *it).collect();
        for topic in done {
            self.store.delete_topic(cause, topic.as_str()).await?;
            self.undeleted.remove(&topic);
            self.context.forget(topic);
        }
        Ok(())
    }
}

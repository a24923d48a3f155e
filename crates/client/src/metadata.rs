//! What a client knows of the cluster, and when it must ask again.

use std::collections::{BTreeMap, BTreeSet};

use host::{Address, Time};
use trace::{EventId, Name, Partition};
use uuid::Uuid;
use wire::kafka::ErrorCode;
use wire::kafka::messages::MetadataResponse;
use wire::kafka::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};

use crate::backoff::Backoff;
use crate::config::ClientConfig;

/// A partition's leader, as last heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Leadership {
    /// Its broker id; none while there is none, or none is known.
    pub(crate) leader: Option<i32>,
    /// Its epoch, or -1.
    pub(crate) epoch: i32,
}

/// A coordinator has a connection of its own, as in Kafka's client: a broker answers one connection's requests in order, and would keep a
/// heartbeat waiting behind a fetch.
fn coordinator_node(broker: i32) -> i32 {
    i32::MAX - broker
}

const NOBODY: Leadership = Leadership { leader: None, epoch: -1 };

#[derive(Clone, Debug, Default)]
struct Topic {
    id: Uuid,
    partitions: Vec<Leadership>,
    /// Whether the last answer did not know the topic.
    missing: bool,
}

/// The cluster as this client knows it. Knowledge never goes back: an answer from a broker that lags is used only for what is
/// not older than what is known (KIP-320).
#[derive(Debug)]
pub(crate) struct Metadata {
    bootstrap: Vec<Address>,
    brokers: BTreeMap<i32, Address>,
    controller: Option<i32>,
    topics: BTreeMap<Name, Topic>,
    interest: BTreeSet<Name>,
    /// Whether all topics are asked about.
    all_topics: bool,
    /// Where the group's coordinator listens, by its node id here ([`coordinator_node`]).
    coordinator: Option<(i32, Address)>,
    /// The flaw `topic-recreated-same-name`: a topic's id is not looked at.
    pub(crate) ignores_topic_ids: bool,
    /// Grows with every answer.
    version: u64,
    /// The event that made a refresh necessary.
    requested: Option<EventId>,
    last_attempt: Option<Time>,
    last_success: Option<Time>,
    failures: u32,
}

impl Metadata {
    pub(crate) fn new(bootstrap: Vec<Address>) -> Self {
        Self {
            bootstrap,
            brokers: BTreeMap::new(),
            controller: None,
            topics: BTreeMap::new(),
            interest: BTreeSet::new(),
            all_topics: false,
            coordinator: None,
            ignores_topic_ids: false,
            version: 0,
            requested: None,
            last_attempt: None,
            last_success: None,
            failures: 0,
        }
    }

    /// Counts the answers so far.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Where a node listens. Bootstrap servers have the ids -1, -2, ...
    pub(crate) fn address(&self, node: i32) -> Option<Address> {
        if let Some((coordinator, address)) = self.coordinator
            && coordinator == node
        {
            return Some(address);
        }
        match usize::try_from(-1 - i64::from(node)) {
            Ok(place) => self.bootstrap.get(place).copied(),
            Err(_) => self.brokers.get(&node).copied(),
        }
    }

    /// Takes over where the group's coordinator is; returns its node id here.
    pub(crate) fn set_coordinator(&mut self, broker: i32, address: Address) -> i32 {
        let node = coordinator_node(broker);
        self.coordinator = Some((node, address));
        node
    }

    /// Ids of the brokers known.
    pub(crate) fn brokers(&self) -> impl Iterator<Item = i32> {
        self.brokers.keys().copied()
    }

    /// Ids of the bootstrap servers.
    pub(crate) fn bootstrap(&self) -> impl Iterator<Item = i32> + use<> {
        (0..self.bootstrap.len() as i32).map(|place| -1 - place)
    }

    /// The controller's broker id.
    pub(crate) fn controller(&self) -> Option<i32> {
        self.controller
    }

    /// Forgets who is controller: it said it is not.
    pub(crate) fn forget_controller(&mut self) {
        self.controller = None;
    }

    /// The topics asked about.
    pub(crate) fn interest(&self) -> &BTreeSet<Name> {
        &self.interest
    }

    /// Asks about this topic from now on; whether that is new.
    pub(crate) fn add_interest(&mut self, topic: Name) -> bool {
        self.interest.insert(topic)
    }

    /// Asks about all topics from now on.
    pub(crate) fn want_all_topics(&mut self) {
        self.all_topics = true;
    }

    /// Whether all topics are asked about.
    pub(crate) fn wants_all_topics(&self) -> bool {
        self.all_topics
    }

    /// Names of the topics known.
    pub(crate) fn topics(&self) -> impl Iterator<Item = Name> {
        self.topics.keys().copied()
    }

    /// How many partitions a topic has; none while unknown.
    pub(crate) fn partition_count(&self, topic: Name) -> Option<i32> {
        self.topics.get(&topic).map(|topic| topic.partitions.len() as i32).filter(|count| *count > 0)
    }

    /// Whether a topic was known once, and the last answer did not know it.
    pub(crate) fn is_missing(&self, topic: Name) -> bool {
        self.topics.get(&topic).is_some_and(|topic| topic.missing)
    }

    /// Which topic has this name; nil while that is unknown, or not looked at.
    pub(crate) fn topic_id(&self, topic: Name) -> Uuid {
        let known = self.topics.get(&topic).filter(|_| !self.ignores_topic_ids);
        known.map_or(Uuid::nil(), |topic| topic.id)
    }

    /// A partition's leader and epoch.
    pub(crate) fn leadership(&self, partition: Partition) -> Leadership {
        let known = self.topics.get(&partition.topic).and_then(|topic| {
            usize::try_from(partition.index).ok().and_then(|index| topic.partitions.get(index)).copied()
        });
        known.unwrap_or(NOBODY)
    }

    /// Takes over a leader that came with an error response (KIP-951), if it is newer than what is known.
    pub(crate) fn learn_leader(&mut self, partition: Partition, leader: i32, epoch: i32) {
        let is_known = self.brokers.contains_key(&leader);
        let index = usize::try_from(partition.index).unwrap_or(usize::MAX);
        let known = self.topics.get_mut(&partition.topic).and_then(|topic| topic.partitions.get_mut(index));
        if let Some(known) = known
            && is_known
            && epoch > known.epoch
        {
            *known = Leadership { leader: Some(leader), epoch };
            self.version += 1;
        }
    }

    /// Something shows that this metadata is old; `cause` is the event that did.
    pub(crate) fn request_refresh(&mut self, cause: EventId) {
        self.requested = Some(self.requested.map_or(cause, |earlier| earlier.max(cause)));
    }

    /// When to ask next; [`Time::NEVER`] if there is nothing to ask.
    pub(crate) fn next_refresh(&self, config: &ClientConfig, random: u64) -> Time {
        let backoff: Backoff = config.retry();
        let earliest = match self.last_attempt {
            None => Time::ZERO,
            Some(at) => at + backoff.after(self.failures.max(1), random),
        };
        match (self.requested, self.last_success) {
            (Some(_), _) | (None, None) => earliest,
            (None, Some(success)) => earliest.max(success + config.metadata_max_age),
        }
    }

    /// A request goes out now; returns its cause.
    pub(crate) fn begin_refresh(&mut self, now: Time) -> EventId {
        self.last_attempt = Some(now);
        self.requested.take().unwrap_or(EventId::ROOT)
    }

    /// No answer came; what asked for the refresh is still unsatisfied.
    pub(crate) fn refresh_failed(&mut self, now: Time, cause: EventId) {
        self.last_attempt = Some(now);
        self.failures += 1;
        self.request_refresh(cause);
    }

    /// Takes over an answer. Returns whether it leaves something to ask again: a topic of interest without a leader.
    pub(crate) fn update(&mut self, response: &MetadataResponse, now: Time) -> bool {
        (self.last_attempt, self.last_success, self.failures) = (Some(now), Some(now), 0);
        self.version += 1;
        self.brokers = response
            .brokers
            .iter()
            .filter_map(|broker| {
                let port = u16::try_from(broker.port).ok()?;
                Some((broker.node_id.0, Address::new(broker.host.as_str(), port)))
            })
            .collect();
        self.controller = Some(response.controller_id.0).filter(|id| *id >= 0);
        let mut complete = true;
        for topic in &response.topics {
            let Some(name) = &topic.name else { continue };
            complete &= self.update_topic(Name::new(name.as_str()), topic);
        }
        !complete
    }

    /// Whether the topic is completely known now.
    fn update_topic(&mut self, name: Name, response: &MetadataResponseTopic) -> bool {
        let error = ErrorCode::from_code(response.error_code);
        if !error.is_none() {
            // The leaders are gone, the epochs and the number of partitions are still the best we know: a broker that has
            // just started may not know a topic that exists.
            if let Some(topic) = self.topics.get_mut(&name) {
                topic.partitions.iter_mut().for_each(|partition| partition.leader = None);
                topic.missing = error == ErrorCode::UnknownTopicOrPartition;
            }
            return false;
        }
        let topic = self.topics.entry(name).or_default();
        topic.missing = false;
        let recreated = !self.ignores_topic_ids
            && !topic.id.is_nil()
            && !response.topic_id.is_nil()
            && topic.id != response.topic_id;
        if recreated {
            // KAFKA-12257: the new incarnation's epochs begin again.
            topic.partitions.clear();
        }
        if !response.topic_id.is_nil() {
            topic.id = response.topic_id;
        }
        let mut complete = !response.partitions.is_empty();
        for partition in &response.partitions {
            complete &= update_partition(&mut topic.partitions, partition);
        }
        complete
    }
}

fn update_partition(partitions: &mut Vec<Leadership>, response: &MetadataResponsePartition) -> bool {
    let Ok(index) = usize::try_from(response.partition_index) else { return true };
    if partitions.len() <= index {
        partitions.resize(index + 1, NOBODY);
    }
    let known = &mut partitions[index];
    let is_older = response.leader_epoch >= 0 && response.leader_epoch < known.epoch;
    if !is_older {
        let has_leader = ErrorCode::from_code(response.error_code).is_none() && response.leader_id.0 >= 0;
        let leader = has_leader.then_some(response.leader_id.0);
        *known = Leadership { leader, epoch: response.leader_epoch.max(known.epoch) };
    }
    known.leader.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::kafka::messages::metadata_response::MetadataResponseBroker;
    use wire::kafka::{BrokerId, StrBytes, TopicName};

    fn response(topic_id: u128, leader: i32, epoch: i32) -> MetadataResponse {
        let broker = |id: i32| {
            let host = StrBytes::from_string(format!("broker-{id}"));
            MetadataResponseBroker::default().with_node_id(BrokerId(id)).with_host(host).with_port(9092)
        };
        let partition = MetadataResponsePartition::default()
            .with_partition_index(0)
            .with_leader_id(BrokerId(leader))
            .with_leader_epoch(epoch);
        let topic = MetadataResponseTopic::default()
            .with_name(Some(TopicName(StrBytes::from_static_str("t"))))
            .with_topic_id(Uuid::from_u128(topic_id))
            .with_partitions(vec![partition]);
        MetadataResponse::default()
            .with_brokers(vec![broker(1), broker(2)])
            .with_controller_id(BrokerId(1))
            .with_topics(vec![topic])
    }

    fn leader_after(responses: &[(u128, i32, i32)]) -> Leadership {
        let mut metadata = Metadata::new(vec![Address::new("broker-1", 9092)]);
        for (topic_id, leader, epoch) in responses {
            metadata.update(&response(*topic_id, *leader, *epoch), Time::ZERO);
        }
        metadata.leadership(Partition::new("t", 0))
    }

    #[test]
    fn a_leader_of_an_older_epoch_is_not_believed() {
        assert_eq!(leader_after(&[(7, 1, 4), (7, 2, 3)]), Leadership { leader: Some(1), epoch: 4 });
        assert_eq!(leader_after(&[(7, 1, 4), (7, 2, 5)]), Leadership { leader: Some(2), epoch: 5 });
    }

    #[test]
    fn a_recreated_topic_starts_its_epochs_again() {
        assert_eq!(leader_after(&[(7, 1, 4), (8, 2, 0)]), Leadership { leader: Some(2), epoch: 0 });
    }

    #[test]
    fn with_the_flaw_the_epochs_of_a_recreated_topic_are_ignored() {
        let mut metadata = Metadata::new(Vec::new());
        metadata.ignores_topic_ids = true;
        for (topic_id, leader, epoch) in [(7, 1, 4), (8, 2, 0)] {
            metadata.update(&response(topic_id, leader, epoch), Time::ZERO);
        }
        assert_eq!(metadata.leadership(Partition::new("t", 0)), Leadership { leader: Some(1), epoch: 4 });
    }

    #[test]
    fn a_leader_learned_from_an_error_must_be_newer() {
        let mut metadata = Metadata::new(Vec::new());
        metadata.update(&response(7, 1, 4), Time::ZERO);
        let partition = Partition::new("t", 0);
        metadata.learn_leader(partition, 2, 4);
        assert_eq!(metadata.leadership(partition).leader, Some(1));
        metadata.learn_leader(partition, 2, 5);
        assert_eq!(metadata.leadership(partition).leader, Some(2));
    }

    #[test]
    fn metadata_is_asked_for_at_once_then_by_age_and_after_failures_with_backoff() {
        let config = ClientConfig::default();
        let mut metadata = Metadata::new(Vec::new());
        assert_eq!(metadata.next_refresh(&config, 200), Time::ZERO);
        metadata.begin_refresh(Time::from_millis(10));
        metadata.refresh_failed(Time::from_millis(10), EventId::ROOT);
        assert_eq!(metadata.next_refresh(&config, 200), Time::from_millis(110));
        metadata.begin_refresh(Time::from_millis(110));
        metadata.refresh_failed(Time::from_millis(110), EventId::ROOT);
        assert_eq!(metadata.next_refresh(&config, 200), Time::from_millis(310));
        metadata.begin_refresh(Time::from_millis(310));
        metadata.update(&response(7, 1, 0), Time::from_millis(320));
        assert_eq!(metadata.next_refresh(&config, 200), Time::from_millis(300_320));
        metadata.request_refresh(EventId(9));
        assert_eq!(metadata.next_refresh(&config, 200), Time::from_millis(420));
    }
}

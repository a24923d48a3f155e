//! Kafka's znodes: their paths, and their contents as Kafka writes them (kafka.zk.ZkData).

use std::collections::BTreeMap;

use bytes::Bytes;
use host::Address;
use serde::{Deserialize, Serialize};
use trace::Partition;
use uuid::Uuid;

/// `/controller`: who is the controller; ephemeral.
pub const CONTROLLER: &str = "/controller";
/// `/controller_epoch`: the controller epoch, in decimal.
pub const CONTROLLER_EPOCH: &str = "/controller_epoch";
/// `/brokers/ids`: the registrations.
pub const BROKER_IDS: &str = "/brokers/ids";
/// `/brokers/topics`: topics and their partitions' states.
pub const TOPICS: &str = "/brokers/topics";
/// `/isr_change_notification`: leaders tell the controller here which ISRs they changed.
pub const ISR_CHANGES: &str = "/isr_change_notification";
/// `/admin/delete_topics`: topics to be deleted.
pub const DELETE_TOPICS: &str = "/admin/delete_topics";
/// `/config/topics`: the topics' own settings.
pub const TOPIC_CONFIGS: &str = "/config/topics";
/// `/latest_producer_id_block`: the last block of producer ids handed to a broker.
pub const PRODUCER_IDS: &str = "/latest_producer_id_block";
/// `/cluster/id`.
pub const CLUSTER_ID: &str = "/cluster/id";

/// Nodes that every broker creates at start if they are missing, parents first.
pub const PERSISTENT: &[&str] = &[
    "/brokers",
    BROKER_IDS,
    TOPICS,
    "/brokers/seqid",
    "/admin",
    DELETE_TOPICS,
    "/config",
    TOPIC_CONFIGS,
    "/config/changes",
    "/config/brokers",
    ISR_CHANGES,
    "/log_dir_event_notification",
    "/cluster",
];

/// `/brokers/ids/N`.
pub fn broker(id: i32) -> String {
    format!("{BROKER_IDS}/{id}")
}

/// `/brokers/topics/T`.
pub fn topic(topic: &str) -> String {
    format!("{TOPICS}/{topic}")
}

/// `/brokers/topics/T/partitions`.
pub fn partitions(topic: &str) -> String {
    format!("{TOPICS}/{topic}/partitions")
}

/// `/brokers/topics/T/partitions/P`.
pub fn partition(partition: Partition) -> String {
    format!("{TOPICS}/{}/partitions/{}", partition.topic, partition.index)
}

/// `/brokers/topics/T/partitions/P/state`.
pub fn state(partition: Partition) -> String {
    format!("{TOPICS}/{}/partitions/{}/state", partition.topic, partition.index)
}

/// `/config/topics/T`.
pub fn topic_config(topic: &str) -> String {
    format!("{TOPIC_CONFIGS}/{topic}")
}

/// `/admin/delete_topics/T`.
pub fn delete_topic(topic: &str) -> String {
    format!("{DELETE_TOPICS}/{topic}")
}

/// The content of a znode.
pub trait Content: Serialize + for<'a> Deserialize<'a> {
    /// As Kafka would write it.
    fn encode(&self) -> Bytes {
        serde_json::to_vec(self).expect("plain data becomes JSON").into()
    }

    /// None if it is no such content.
    fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// `/controller`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Controller {
    /// 1.
    pub version: i32,
    /// The controller's broker id.
    pub brokerid: i32,
    /// When it was elected, ms since the epoch by its own clock.
    pub timestamp: String,
}

/// `/brokers/ids/N`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Registration {
    /// 5.
    pub version: i32,
    /// Where it listens.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// `LISTENER://HOST:PORT`.
    pub endpoints: Vec<String>,
    /// Listener to security protocol.
    pub listener_security_protocol_map: BTreeMap<String, String>,
    /// When it registered, ms since the epoch by its own clock.
    pub timestamp: String,
    /// Its rack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rack: Option<String>,
    /// -1: no JMX.
    pub jmx_port: i32,
}

impl Registration {
    /// A broker's registration.
    pub fn new(address: Address, rack: Option<String>, wall_ms: i64) -> Registration {
        Registration {
            version: 5,
            host: address.host.to_string(),
            port: address.port,
            endpoints: vec![format!("PLAINTEXT://{address}")],
            listener_security_protocol_map: BTreeMap::from([("PLAINTEXT".to_owned(), "PLAINTEXT".to_owned())]),
            timestamp: wall_ms.to_string(),
            rack,
            jmx_port: -1,
        }
    }

    /// The address it is reached by.
    pub fn address(&self) -> Address {
        Address::new(self.host.as_str(), self.port)
    }
}

/// `/brokers/topics/T`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TopicAssignment {
    /// 3.
    pub version: i32,
    /// The topic id in Kafka's base64.
    #[serde(with = "topic_id")]
    pub topic_id: Uuid,
    /// Replicas of each partition, preferred leader first.
    pub partitions: BTreeMap<i32, Vec<i32>>,
    /// Replicas being added.
    #[serde(default)]
    pub adding_replicas: BTreeMap<i32, Vec<i32>>,
    /// Replicas being removed.
    #[serde(default)]
    pub removing_replicas: BTreeMap<i32, Vec<i32>>,
}

/// `/brokers/topics/T/partitions/P/state`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PartitionState {
    /// Epoch of the controller that made the leader.
    pub controller_epoch: i32,
    /// The leader's broker id, or -1.
    pub leader: i32,
    /// 1.
    pub version: i32,
    /// The leader epoch.
    pub leader_epoch: i32,
    /// The in-sync replicas.
    pub isr: Vec<i32>,
}

/// `/isr_change_notification/isr_change_*`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IsrChangeNotification {
    /// 1.
    pub version: i32,
    /// Whose ISR changed.
    pub partitions: Vec<TopicPartition>,
}

/// A partition in a notification.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct TopicPartition {
    /// Its topic.
    pub topic: String,
    /// Its index.
    pub partition: i32,
}

/// `/config/topics/T`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TopicConfig {
    /// 1.
    pub version: i32,
    /// The topic's own settings.
    pub config: BTreeMap<String, String>,
}

/// `/latest_producer_id_block`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProducerIdBlock {
    /// 1.
    pub version: i32,
    /// Who took the block.
    pub broker: i32,
    /// Its first id, in decimal.
    pub block_start: String,
    /// Its last id, in decimal.
    pub block_end: String,
}

/// `/cluster/id`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClusterId {
    /// "1".
    pub version: String,
    /// The id in Kafka's base64.
    pub id: String,
}

impl Content for Controller {}
impl Content for Registration {}
impl Content for TopicAssignment {}
impl Content for PartitionState {}
impl Content for IsrChangeNotification {}
impl Content for TopicConfig {}
impl Content for ProducerIdBlock {}
impl Content for ClusterId {}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// An id as Kafka prints it: its 16 bytes in URL-safe base64 without padding, 22 characters.
pub fn id_to_text(id: Uuid) -> String {
    let number = u128::from_be_bytes(*id.as_bytes());
    let digit = |place: u32| {
        let shift = 122 - 6 * place as i32;
        let bits = if shift >= 0 { number >> shift } else { number << -shift };
        char::from(BASE64[(bits & 63) as usize])
    };
    (0..22).map(digit).collect()
}

/// Reads what [`id_to_text`] writes.
pub fn id_from_text(text: &str) -> Option<Uuid> {
    if text.len() != 22 {
        return None;
    }
    let mut number = 0u128;
    for (place, byte) in text.bytes().enumerate() {
        let bits = BASE64.iter().position(|digit| *digit == byte)? as u128;
        let shift = 122 - 6 * place as i32;
        number |= if shift >= 0 { bits << shift } else { bits >> -shift };
    }
    Some(Uuid::from_bytes(number.to_be_bytes()))
}

mod topic_id {
    use serde::{Deserialize, Deserializer, Serializer};
    use uuid::Uuid;

    pub fn serialize<S: Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::id_to_text(*id))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
        let text = String::deserialize(deserializer)?;
        super::id_from_text(&text).ok_or_else(|| serde::de::Error::custom("not a topic id"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_kafkas_json() {
        let state = PartitionState { controller_epoch: 1, leader: 2, version: 1, leader_epoch: 0, isr: vec![2, 3] };
        let json = r#"{"controller_epoch":1,"leader":2,"version":1,"leader_epoch":0,"isr":[2,3]}"#;
        assert_eq!(state.encode(), json);
        assert_eq!(PartitionState::decode(json.as_bytes()), Some(state));
        assert_eq!(PartitionState::decode(b"{}"), None);
        // As a 3.9 broker wrote it.
        let topic = br#"{"removing_replicas":{},"partitions":{"0":[1,2]},"topic_id":"8KgcNG5nTYGzlMR9ZZr4XA","adding_replicas":{},"version":3}"#;
        let topic = TopicAssignment::decode(topic).unwrap();
        assert_eq!(topic.partitions[&0], [1, 2]);
        assert_eq!(TopicAssignment::decode(&topic.encode()), Some(topic));
    }

    #[test]
    fn topic_ids_survive_their_text() {
        for number in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_0011_2233_4455_6677] {
            let id = Uuid::from_u128(number);
            assert_eq!(id_from_text(&id_to_text(id)), Some(id));
        }
        assert_eq!(id_to_text(Uuid::from_u128(0)), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(id_to_text(Uuid::from_u128(1)), "AAAAAAAAAAAAAAAAAAAAAQ", "as java.util.Base64 pads bits");
        assert_eq!(id_from_text("short"), None);
        assert_eq!(id_from_text("!!!!!!!!!!!!!!!!!!!!!!"), None);
    }
}

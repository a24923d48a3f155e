//! The records of `__consumer_offsets`, in Kafka's own format: keys say what a record is about, values what is so from
//! here on, and a missing value that it is no more.

use bytes::Bytes;
use wire::codec::{Malformed, Reader, Writer};
use wire::kafka::StrBytes;

/// What a record is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Key {
    /// A committed offset (OffsetCommitKey).
    Offset {
        /// The group.
        group: String,
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
    /// A group and its members (GroupMetadataKey).
    Group {
        /// The group.
        group: String,
    },
}

/// A committed offset (OffsetCommitValue).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OffsetValue {
    /// The offset of the next record to be read.
    pub offset: i64,
    /// The leader epoch of the last record read, -1 if unknown.
    pub leader_epoch: i32,
    /// What the client wrote beside it.
    pub metadata: String,
    /// When it was committed, in ms since 1970.
    pub commit_timestamp: i64,
    /// When it expires, as old clients could ask (version 1).
    pub expire_timestamp: Option<i64>,
}

/// A group (GroupMetadataValue).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct GroupValue {
    /// `consumer`, or what else its members agree on; empty if only offsets were committed.
    pub protocol_type: String,
    /// The generation.
    pub generation: i32,
    /// The protocol that was chosen.
    pub protocol: Option<String>,
    /// The leader's member id.
    pub leader: Option<String>,
    /// When the group came into its state, in ms since 1970; -1 if unknown.
    pub state_since: i64,
    /// Its members.
    pub members: Vec<MemberValue>,
}

/// A member of a group.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MemberValue {
    /// Its member id.
    pub id: String,
    /// Its `group.instance.id`.
    pub instance: Option<String>,
    /// Its client id.
    pub client_id: String,
    /// Where it runs.
    pub client_host: String,
    /// Its rebalance timeout in ms.
    pub rebalance_timeout_ms: i32,
    /// Its session timeout in ms.
    pub session_timeout_ms: i32,
    /// What it said of itself under the chosen protocol.
    pub subscription: Bytes,
    /// What it was assigned.
    pub assignment: Bytes,
}

/// The longest text that is taken into a record: lengths have 15 bits.
pub const LONGEST_TEXT: usize = 32_000;

/// The newest versions we write, which Kafka 3 reads and writes.
const OFFSET_KEY: i16 = 1;
const GROUP_KEY: i16 = 2;
const OFFSET_VALUE: i16 = 3;
/// Version 1 is still written for an offset that expires at a given time: later ones have no room for it.
const EXPIRING_OFFSET_VALUE: i16 = 1;
const GROUP_VALUE: i16 = 3;

impl Key {
    /// As bytes.
    pub fn encode(&self) -> Bytes {
        let mut writer = Writer::default();
        match self {
            Key::Offset { group, topic, partition } => {
                writer.i16(OFFSET_KEY);
                string(&mut writer, group);
                string(&mut writer, topic);
                writer.i32(*partition);
            }
            Key::Group { group } => {
                writer.i16(GROUP_KEY);
                string(&mut writer, group);
            }
        }
        writer.bytes.into()
    }

    /// From bytes; none if it is of a kind that we do not know (Kafka skips those, too).
    ///
    /// # Errors
    /// If the bytes are malformed.
    pub fn decode(bytes: Bytes) -> Result<Option<Key>, Malformed> {
        let mut reader = Reader::new(bytes);
        match reader.i16()? {
            0 | OFFSET_KEY => {
                let (group, topic) = (read_string(&mut reader)?, read_string(&mut reader)?);
                Ok(Some(Key::Offset { group, topic, partition: reader.i32()? }))
            }
            GROUP_KEY => Ok(Some(Key::Group { group: read_string(&mut reader)? })),
            _ => Ok(None),
        }
    }
}

impl OffsetValue {
    /// As bytes.
    pub fn encode(&self) -> Bytes {
        let mut writer = Writer::default();
        let version = if self.expire_timestamp.is_some() { EXPIRING_OFFSET_VALUE } else { OFFSET_VALUE };
        writer.i16(version);
        writer.i64(self.offset);
        if version >= 3 {
            writer.i32(self.leader_epoch);
        }
        string(&mut writer, &self.metadata);
        writer.i64(self.commit_timestamp);
        if let Some(at) = self.expire_timestamp {
            writer.i64(at);
        }
        writer.bytes.into()
    }

    /// From bytes.
    ///
    /// # Errors
    /// If they are malformed or of an unknown version.
    pub fn decode(bytes: Bytes) -> Result<OffsetValue, Malformed> {
        let mut reader = Reader::new(bytes);
        let version = version(&mut reader, OFFSET_VALUE)?;
        let offset = reader.i64()?;
        let leader_epoch = if version >= 3 { reader.i32()? } else { -1 };
        let metadata = read_string(&mut reader)?;
        let commit_timestamp = reader.i64()?;
        let expires = if version == EXPIRING_OFFSET_VALUE { Some(reader.i64()?) } else { None };
        let expire_timestamp = expires.filter(|at| *at != -1);
        Ok(OffsetValue { offset, leader_epoch, metadata, commit_timestamp, expire_timestamp })
    }
}

impl GroupValue {
    /// As bytes.
    pub fn encode(&self) -> Bytes {
        let mut writer = Writer::default();
        writer.i16(GROUP_VALUE);
        string(&mut writer, &self.protocol_type);
        writer.i32(self.generation);
        writer.nullable_string(self.protocol.as_deref());
        writer.nullable_string(self.leader.as_deref());
        writer.i64(self.state_since);
        writer.i32(i32::try_from(self.members.len()).expect("fewer than 2^31 members"));
        for member in &self.members {
            string(&mut writer, &member.id);
            writer.nullable_string(member.instance.as_deref());
            string(&mut writer, &member.client_id);
            string(&mut writer, &member.client_host);
            writer.i32(member.rebalance_timeout_ms);
            writer.i32(member.session_timeout_ms);
            blob(&mut writer, &member.subscription);
            blob(&mut writer, &member.assignment);
        }
        writer.bytes.into()
    }

    /// From bytes.
    ///
    /// # Errors
    /// If they are malformed or of an unknown version.
    pub fn decode(bytes: Bytes) -> Result<GroupValue, Malformed> {
        let mut reader = Reader::new(bytes);
        let version = version(&mut reader, GROUP_VALUE)?;
        let mut value = GroupValue {
            protocol_type: read_string(&mut reader)?,
            generation: reader.i32()?,
            protocol: read_nullable(&mut reader)?,
            leader: read_nullable(&mut reader)?,
            state_since: if version >= 2 { reader.i64()? } else { -1 },
            members: Vec::new(),
        };
        for _ in 0..reader.i32()? {
            value.members.push(MemberValue::decode(&mut reader, version)?);
        }
        Ok(value)
    }
}

impl MemberValue {
    fn decode(reader: &mut Reader, version: i16) -> Result<MemberValue, Malformed> {
        let id = read_string(reader)?;
        let instance = if version >= 3 { read_nullable(reader)? } else { None };
        let (client_id, client_host) = (read_string(reader)?, read_string(reader)?);
        let rebalance_timeout_ms = if version >= 1 { Some(reader.i32()?) } else { None };
        let session_timeout_ms = reader.i32()?;
        let (subscription, assignment) = (read_blob(reader)?, read_blob(reader)?);
        let rebalance_timeout_ms = rebalance_timeout_ms.unwrap_or(session_timeout_ms);
        Ok(MemberValue {
            id,
            instance,
            client_id,
            client_host,
            rebalance_timeout_ms,
            session_timeout_ms,
            subscription,
            assignment,
        })
    }
}

fn version(reader: &mut Reader, newest: i16) -> Result<i16, Malformed> {
    match reader.i16()? {
        version if (0..=newest).contains(&version) => Ok(version),
        _ => Err(Malformed("unknown version")),
    }
}

fn string(writer: &mut Writer, text: &str) {
    writer.nullable_string(Some(text));
}

fn blob(writer: &mut Writer, bytes: &Bytes) {
    writer.i32(i32::try_from(bytes.len()).expect("a record is under 2 GiB"));
    writer.bytes.extend_from_slice(bytes);
}

fn read_nullable(reader: &mut Reader) -> Result<Option<String>, Malformed> {
    Ok(reader.nullable_string()?.map(|text: StrBytes| text.to_string()))
}

fn read_string(reader: &mut Reader) -> Result<String, Malformed> {
    read_nullable(reader)?.ok_or(Malformed("null where a string is required"))
}

fn read_blob(reader: &mut Reader) -> Result<Bytes, Malformed> {
    let length = usize::try_from(reader.i32()?).map_err(|_| Malformed("negative length"))?;
    reader.take(length)
}

/// The partition of `__consumer_offsets` that a group lives in: Java's `abs(group.hashCode()) % partitions`.
pub fn partition_for(group: &str, partitions: i32) -> i32 {
    let hash = group.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    // Kafka's Utils.abs: the sign bit is dropped for the one number that has no absolute value.
    let positive = if hash == i32::MIN { 0 } else { hash.abs() };
    positive % partitions.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member() -> MemberValue {
        MemberValue {
            id: "m".to_owned(),
            instance: Some("i".to_owned()),
            client_id: "c".to_owned(),
            client_host: "h".to_owned(),
            rebalance_timeout_ms: 2,
            session_timeout_ms: 3,
            subscription: Bytes::from_static(&[7]),
            assignment: Bytes::from_static(&[8, 9]),
        }
    }

    fn group() -> GroupValue {
        GroupValue {
            protocol_type: "consumer".to_owned(),
            generation: 4,
            protocol: Some("range".to_owned()),
            leader: Some("m".to_owned()),
            state_since: 5,
            members: vec![member()],
        }
    }

    fn offset(expire_timestamp: Option<i64>) -> OffsetValue {
        let leader_epoch = if expire_timestamp.is_some() { -1 } else { 6 };
        OffsetValue { offset: 258, leader_epoch, metadata: "x".to_owned(), commit_timestamp: 1, expire_timestamp }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for key in [
            Key::Offset { group: "g".to_owned(), topic: "t".to_owned(), partition: 3 },
            Key::Group { group: "mail".to_owned() },
        ] {
            assert_eq!(Key::decode(key.encode()), Ok(Some(key)));
        }
        for value in [offset(None), offset(Some(77))] {
            assert_eq!(OffsetValue::decode(value.encode()), Ok(value));
        }
        for value in [group(), GroupValue::default()] {
            assert_eq!(GroupValue::decode(value.encode()), Ok(value));
        }
    }

    #[test]
    fn the_bytes_are_kafkas() {
        let key = Key::Offset { group: "g".to_owned(), topic: "tt".to_owned(), partition: 3 };
        assert_eq!(&key.encode()[..], b"\0\x01\0\x01g\0\x02tt\0\0\0\x03");
        assert_eq!(&Key::Group { group: "g".to_owned() }.encode()[..], b"\0\x02\0\x01g");
        assert_eq!(
            &offset(None).encode()[..],
            b"\0\x03\0\0\0\0\0\0\x01\x02\0\0\0\x06\0\x01x\0\0\0\0\0\0\0\x01",
            "version, offset, leader epoch, metadata, commit timestamp"
        );
        assert_eq!(
            &group().encode()[..],
            b"\0\x03\0\x08consumer\0\0\0\x04\0\x05range\0\x01m\0\0\0\0\0\0\0\x05\0\0\0\x01\
              \0\x01m\0\x01i\0\x01c\0\x01h\0\0\0\x02\0\0\0\x03\0\0\0\x01\x07\0\0\0\x02\x08\x09",
        );
    }

    #[test]
    fn older_versions_are_read() {
        let first = b"\0\x01\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02";
        let read = OffsetValue::decode(Bytes::from_static(first)).unwrap();
        assert_eq!((read.offset, read.leader_epoch, read.commit_timestamp), (9, -1, 1));
        assert_eq!(read.expire_timestamp, Some(2));
        let zeroth = b"\0\0\0\x01p\0\0\0\x04\xff\xff\xff\xff\0\0\0\x01\0\x01m\0\x01c\0\x01h\0\0\0\x03\0\0\0\0\0\0\0\0";
        let read = GroupValue::decode(Bytes::from_static(zeroth)).unwrap();
        assert_eq!((read.generation, read.protocol, read.state_since), (4, None, -1));
        assert_eq!((read.members[0].rebalance_timeout_ms, read.members[0].session_timeout_ms), (3, 3));
    }

    #[test]
    fn what_is_no_record_of_ours_is_told_apart() {
        assert_eq!(Key::decode(Bytes::from_static(b"\0\x03\0\x01g")), Ok(None), "KIP-848's group metadata");
        assert!(Key::decode(Bytes::from_static(b"\0\x02\0\x09g")).is_err());
        assert!(OffsetValue::decode(Bytes::from_static(b"\0\x09")).is_err());
        let endless = b"\0\x03\0\0\0\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0\0\x7f\xff\xff\xff";
        assert!(GroupValue::decode(Bytes::from_static(endless)).is_err());
    }

    #[test]
    fn a_groups_partition_is_javas_hash_code() {
        // "mail".hashCode() is 3343799, "polygenelubricants".hashCode() is the smallest integer.
        for (group, partitions, expected) in
            [("", 50, 0), ("mail", 50, 49), ("a", 50, 47), ("polygenelubricants", 50, 0)]
        {
            assert_eq!(partition_for(group, partitions), expected, "{group}");
        }
    }
}

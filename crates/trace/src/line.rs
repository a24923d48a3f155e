//! An event from its line of a trace file.
//!
//! A long trace consists of a dozen kinds by far, all in the form in which [`crate::TraceWriter`] writes them: those are read
//! by hand, several times as fast as by a general parser. What looks different in any way is left to serde, so that both ways
//! accept the same files with the same result.

use crate::{Event, EventId, EventKind, FrameInfo, Name, Partition, Protocol, RecordText, Text};

impl Event {
    /// Reads a line, with or without its line feed.
    ///
    /// # Errors
    /// Those of serde: the line is no JSON, or no event.
    pub fn from_line(line: &[u8]) -> Result<Event, serde_json::Error> {
        match quick(line.strip_suffix(b"\n").unwrap_or(line)) {
            Some(event) => Ok(event),
            None => serde_json::from_slice(line),
        }
    }
}

/// The event, where the line has the usual form.
fn quick(line: &[u8]) -> Option<Event> {
    let mut rest = Rest(line);
    let id = EventId(rest.field("{\"id\":")?);
    let at = rest.field(",\"at\":")?;
    let node = rest.field(",\"node\":")?;
    let cause = EventId(rest.field(",\"cause\":")?);
    rest.literal(",\"kind\":{\"")?;
    let kind = kind(&mut rest)?;
    rest.literal("}}")?;
    rest.0.is_empty().then_some(Event { id, at, node, cause, kind })
}

/// What is still to be read.
struct Rest<'a>(&'a [u8]);

/// A value of a field.
trait Value: Sized {
    fn read(rest: &mut Rest) -> Option<Self>;
}

impl<'a> Rest<'a> {
    fn literal(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text.as_bytes())?;
        Some(())
    }

    fn field<T: Value>(&mut self, name: &str) -> Option<T> {
        self.literal(name)?;
        T::read(self)
    }

    fn until_quote(&mut self) -> Option<&'a str> {
        let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
        let end = self.0.iter().position(special)?;
        let text = std::str::from_utf8(&self.0[..end]).ok()?;
        self.0 = self.0[end..].strip_prefix(b"\"")?;
        Some(text)
    }

    /// A string without escapes.
    fn string(&mut self) -> Option<&'a str> {
        self.literal("\"")?;
        self.until_quote()
    }

    /// A string in which quotes may be escaped: values are often JSON themselves.
    fn text(&mut self) -> Option<String> {
        self.literal("\"")?;
        let mut text = Vec::new();
        loop {
            let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
            let end = self.0.iter().position(special)?;
            text.extend_from_slice(&self.0[..end]);
            match self.0[end..] {
                [b'"', ref after @ ..] => {
                    self.0 = after;
                    return String::from_utf8(text).ok();
                }
                [b'\\', escaped @ (b'"' | b'\\'), ref after @ ..] => {
                    text.push(escaped);
                    self.0 = after;
                }
                _ => return None,
            }
        }
    }
}

impl Value for u64 {
    fn read(rest: &mut Rest) -> Option<u64> {
        let digits = rest.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        // No leading zero, and nothing that could overflow while it is summed up.
        if digits == 0 || digits > 19 || (digits > 1 && rest.0[0] == b'0') {
            return None;
        }
        let (number, after) = rest.0.split_at(digits);
        rest.0 = after;
        Some(number.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
    }
}

impl Value for i64 {
    fn read(rest: &mut Rest) -> Option<i64> {
        match rest.0.strip_prefix(b"-") {
            // `-0` is no integer to serde.
            Some(after) if !after.starts_with(b"0") => {
                rest.0 = after;
                Some(-i64::try_from(u64::read(rest)?).ok()?)
            }
            Some(_) => None,
            None => i64::try_from(u64::read(rest)?).ok(),
        }
    }
}

macro_rules! narrow {
    ($($number:ty: $wide:ty),*) => {
        $(impl Value for $number {
            fn read(rest: &mut Rest) -> Option<$number> {
                <$number>::try_from(<$wide>::read(rest)?).ok()
            }
        })*
    };
}

narrow!(u32: u64, i32: i64, i16: i64);

impl Value for bool {
    fn read(rest: &mut Rest) -> Option<bool> {
        match rest.literal("true") {
            Some(()) => Some(true),
            None => rest.literal("false").map(|()| false),
        }
    }
}

impl Value for Name {
    fn read(rest: &mut Rest) -> Option<Name> {
        rest.string().map(Name::new)
    }
}

impl Value for Partition {
    fn read(rest: &mut Rest) -> Option<Partition> {
        let (topic, index) = rest.string()?.rsplit_once('/')?;
        Some(Partition::new(topic, index.parse().ok()?))
    }
}

impl Value for Protocol {
    fn read(rest: &mut Rest) -> Option<Protocol> {
        Some(match rest.string()? {
            "kafka" => Protocol::Kafka,
            "zoo-keeper" => Protocol::ZooKeeper,
            "quorum" => Protocol::Quorum,
            "other" => Protocol::Other,
            _ => return None,
        })
    }
}

impl Value for Text {
    fn read(rest: &mut Rest) -> Option<Text> {
        if rest.literal("null").is_some() {
            return Some(Text(None));
        }
        rest.literal("{\"key\":")?;
        let key = rest.text()?;
        rest.literal(",\"value\":")?;
        let value = rest.text()?;
        let timestamp = rest.field(",\"timestamp\":")?;
        rest.literal("}")?;
        Some(Text(Some(Box::new(RecordText { key, value, timestamp }))))
    }
}

/// The fields of a kind, in the order in which they are written.
macro_rules! fields {
    ($rest:ident, $path:path, $first:ident $(, $field:ident)*) => {{
        let $first = $rest.field(concat!("{\"", stringify!($first), "\":"))?;
        $(let $field = $rest.field(concat!(",\"", stringify!($field), "\":"))?;)*
        $rest.literal("}")?;
        $path { $first $(, $field)* }
    }};
}

impl Value for FrameInfo {
    fn read(rest: &mut Rest) -> Option<FrameInfo> {
        Some(fields!(rest, FrameInfo, connection, peer, api, correlation, bytes, protocol, response))
    }
}

/// The frequent kinds, the most frequent ones first.
fn kind(rest: &mut Rest) -> Option<EventKind> {
    use EventKind as K;
    let name = rest.until_quote()?;
    rest.literal(":")?;
    Some(match name {
        "FrameSent" => K::FrameSent(FrameInfo::read(rest)?),
        "FrameDelivered" => K::FrameDelivered(FrameInfo::read(rest)?),
        "Appended" => fields!(
            rest,
            K::Appended,
            partition,
            base_offset,
            producer_id,
            records,
            leader_epoch,
            crc,
            sequence,
            producer_epoch,
            leading
        ),
        "RecordPolled" => fields!(rest, K::RecordPolled, partition, offset, sequence, producer, leader_epoch, key),
        "HighWatermarkMoved" => fields!(rest, K::HighWatermarkMoved, partition, to, leader_epoch, leading),
        "Served" => {
            fields!(rest, K::Served, partition, base_offset, high_watermark, records, crc, leader_epoch, client)
        }
        "RecordSent" => fields!(rest, K::RecordSent, partition, sequence, key, text),
        "RecordAcked" => fields!(rest, K::RecordAcked, partition, offset, sequence),
        "RecordProcessed" => fields!(rest, K::RecordProcessed, partition, offset, sequence, producer, key),
        "ProduceAcked" => fields!(rest, K::ProduceAcked, partition, base_offset, records, leader_epoch, acks),
        "Flushed" => fields!(rest, K::Flushed, partition, to),
        "SessionView" => fields!(rest, K::SessionView, session, zxid),
        "ZabDelivered" => fields!(rest, K::ZabDelivered, zxid, digest),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> FrameInfo {
        FrameInfo {
            connection: 7,
            peer: Name::new("zk-1"),
            api: Name::new("Fetch"),
            correlation: -3,
            bytes: 4096,
            protocol: Protocol::ZooKeeper,
            response: true,
        }
    }

    fn text(key: &str, value: &str) -> Text {
        Text(Some(Box::new(RecordText { key: key.into(), value: value.into(), timestamp: 1_700_000_000_003 })))
    }

    fn frequent() -> Vec<EventKind> {
        use EventKind as K;
        let partition = Partition::new("orders", 2);
        let sent = |text| K::RecordSent { partition, sequence: 9, key: 4_000_000_000, text };
        vec![
            K::FrameSent(frame()),
            K::FrameDelivered(FrameInfo { protocol: Protocol::Quorum, ..frame() }),
            K::Appended {
                partition,
                base_offset: 11,
                producer_id: -1,
                records: 3,
                leader_epoch: 2,
                crc: u32::MAX,
                sequence: -1,
                producer_epoch: -1,
                leading: false,
            },
            K::RecordPolled {
                partition,
                offset: 11,
                sequence: 9,
                producer: Name::new("order-service-0"),
                leader_epoch: 2,
                key: 5,
            },
            K::HighWatermarkMoved { partition, to: 12, leader_epoch: 2, leading: true },
            K::Served {
                partition,
                base_offset: 11,
                high_watermark: 12,
                records: 1,
                crc: 0,
                leader_epoch: 2,
                client: Name::new("mail"),
            },
            sent(Text(None)),
            sent(text("member-1", "plain")),
            sent(text("회원-1", "{\"name\":\"김\"} \\ end")),
            K::RecordAcked { partition, offset: -1, sequence: 9 },
            K::RecordProcessed { partition, offset: 11, sequence: 9, producer: Name::new("o"), key: 5 },
            K::ProduceAcked { partition, base_offset: 11, records: 1, leader_epoch: 2, acks: -1 },
            K::Flushed { partition, to: 12 },
            K::SessionView { session: 240_093_530_432_396_969, zxid: 4_294_967_298 },
            K::ZabDelivered { zxid: 1, digest: 2 },
        ]
    }

    fn line(kind: EventKind) -> String {
        let event = Event { id: EventId(12), at: 1_003_226_607, node: Name::new("world"), cause: EventId(0), kind };
        serde_json::to_string(&event).unwrap()
    }

    #[test]
    fn what_is_read_by_hand_is_what_serde_reads() {
        for kind in frequent() {
            let line = line(kind);
            let read = quick(line.as_bytes()).unwrap_or_else(|| panic!("not read by hand: {line}"));
            assert_eq!(read, serde_json::from_str(&line).unwrap());
        }
    }

    /// Each byte of each line in turn is another one, or missing: then both ways agree, or the quick one gives way.
    #[test]
    fn a_damaged_line_is_never_read_as_something_else() {
        for line in frequent().into_iter().map(|kind| line(kind).into_bytes()) {
            for place in 0..line.len() {
                let mut damaged: Vec<Vec<u8>> = b"\" \\0-9{}x\n\x01\xff,e."
                    .iter()
                    .map(|byte| {
                        let mut damaged = line.clone();
                        damaged[place] = *byte;
                        damaged
                    })
                    .collect();
                damaged.push(line[..place].to_vec());
                damaged.push([&line[..place], &line[place + 1..]].concat());
                for bytes in damaged {
                    if let Some(event) = quick(&bytes) {
                        let text = String::from_utf8_lossy(&bytes);
                        assert_eq!(Some(event), serde_json::from_slice(&bytes).ok(), "{text}");
                    }
                }
            }
        }
    }

    #[test]
    fn other_forms_of_a_line_are_read_too() {
        let usual = line(EventKind::RunEnded);
        let spaced = usual.replace(':', ": ");
        let numbers = line(EventKind::ZabDelivered { zxid: u64::MAX, digest: 0 });
        let escaped = line(EventKind::RecordSent {
            partition: Partition::new("a", 0),
            sequence: 0,
            key: 0,
            text: text("tab\t", "line\n"),
        });
        for line in [usual, spaced, numbers, escaped] {
            let read = Event::from_line(format!("{line}\n").as_bytes()).unwrap();
            assert_eq!(read, serde_json::from_str(&line).unwrap());
        }
    }
}

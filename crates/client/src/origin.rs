//! Who sent a record: its client and the client's own number for it, in a record header, so that every value can be followed
//! from its send to its last read.

use std::fmt::Write;

use trace::Name;

/// The record header that carries a record's origin as `CLIENT/SEQUENCE`.
pub const ORIGIN_HEADER: &str = "odradek";

/// Writes the header's value into `buffer`, which is reused from record to record.
pub(crate) fn write_origin(buffer: &mut String, client: Name, sequence: u64) {
    buffer.clear();
    write!(buffer, "{client}/{sequence}").expect("writing to a string never fails");
}

/// Reads origins; remembers the last client, since interning takes a lock and clients come in runs.
#[derive(Default)]
pub(crate) struct OriginReader {
    last: Option<Name>,
}

impl OriginReader {
    /// Client and sequence; none if the value is not what [`write_origin`] writes.
    pub(crate) fn read(&mut self, value: &[u8]) -> Option<(Name, u64)> {
        let text = std::str::from_utf8(value).ok()?;
        let (client, sequence) = text.rsplit_once('/')?;
        let sequence = sequence.parse().ok()?;
        let name = self.last.filter(|name| name.as_str() == client).unwrap_or_else(|| Name::new(client));
        self.last = Some(name);
        Some((name, sequence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut buffer = String::from("left over");
        write_origin(&mut buffer, Name::new("order-service-0"), 17);
        assert_eq!(buffer, "order-service-0/17");
        assert_eq!(OriginReader::default().read(buffer.as_bytes()), Some((Name::new("order-service-0"), 17)));
    }

    #[test]
    fn a_foreign_header_is_no_origin() {
        for value in [&b""[..], b"order-service-0", b"order-service-0/x", b"/", b"\xff/1"] {
            assert_eq!(OriginReader::default().read(value), None);
        }
    }
}

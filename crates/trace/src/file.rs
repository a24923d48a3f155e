//! Trace files: JSON lines, a header first, optionally compressed with zstd. Format: docs/trace-format.md.

use std::io::{self, BufRead, BufReader, Read, Write};

use serde::{Deserialize, Serialize};

use crate::{Event, EventId};

/// The schema this build writes. Older ones stay readable.
pub const SCHEMA_VERSION: u32 = 1;

/// The first line of a trace file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Header {
    /// Always `odradek-trace`: what kind of file this is.
    pub format: String,
    /// The schema version of the lines that follow.
    pub schema: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The seed of the run.
    pub seed: u64,
    /// The resolved plan, as TOML.
    pub plan: String,
    /// The version of Odradek that wrote it.
    pub version: String,
    /// The commit it was built from, or `unknown`.
    pub commit: String,
    /// How many events were dropped before the first one kept (ring mode).
    #[serde(default)]
    pub dropped: u64,
}

impl Header {
    /// The value of [`Header::format`].
    pub const FORMAT: &'static str = "odradek-trace";
}

/// What can be wrong with a trace file. Every message names the line.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// It could not be read at all.
    #[error("line {line}: cannot read: {source}")]
    Read {
        /// The line that was wanted, from 1.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// The file has no line.
    #[error("line 1: the file is empty; a trace begins with a header line")]
    Empty,
    /// The first line is no header.
    #[error("line 1: this is no Odradek trace ({reason}); a trace begins with {{\"format\":\"odradek-trace\",...}}")]
    Foreign {
        /// What is wrong with it.
        reason: String,
    },
    /// The file is newer than this build.
    #[error(
        "line 1: the trace has schema {found}, this build reads up to {SCHEMA_VERSION}; read it with a newer odradek"
    )]
    TooNew {
        /// The schema in the header.
        found: u32,
    },
    /// A line is broken.
    #[error("line {line}, column {column}: {reason}")]
    Line {
        /// The line, from 1.
        line: u64,
        /// The column, from 1.
        column: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The file ends in the middle of a line.
    #[error(
        "line {line}: the file ends in the middle of an event: it was cut off; the {complete} events before it are sound"
    )]
    Truncated {
        /// The line, from 1.
        line: u64,
        /// How many whole events were read before.
        complete: u64,
    },
    /// An event claims a cause that had not happened.
    #[error("line {line}: event {found} has event {cause} as its cause, which comes later")]
    CauseInFuture {
        /// The line, from 1.
        line: u64,
        /// Its event id.
        found: EventId,
        /// The cause it claims.
        cause: EventId,
    },
    /// An event is not the next one.
    #[error("line {line}: event {found} follows event {last}: lines are missing or out of order")]
    OutOfOrder {
        /// The line, from 1.
        line: u64,
        /// Its event id.
        found: EventId,
        /// The id before.
        last: EventId,
    },
}

/// Writes a trace.
pub struct TraceWriter<W: Write> {
    out: Sink<W>,
}

enum Sink<W: Write> {
    Plain(io::BufWriter<W>),
    Zstd(Box<zstd::Encoder<'static, W>>),
}

impl<W: Write> TraceWriter<W> {
    /// Starts a file: writes `header`. `compressed` chooses zstd.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(out: W, header: &Header, compressed: bool) -> io::Result<TraceWriter<W>> {
        let out = if compressed {
            Sink::Zstd(Box::new(zstd::Encoder::new(out, 1)?))
        } else {
            Sink::Plain(io::BufWriter::new(out))
        };
        let mut writer = TraceWriter { out };
        writer.line(header)?;
        Ok(writer)
    }

    /// Writes one event.
    ///
    /// # Errors
    /// Those of the file.
    pub fn event(&mut self, event: &Event) -> io::Result<()> {
        self.line(event)
    }

    /// Hands all that was written so far to the file, so that it can be read while it grows.
    ///
    /// # Errors
    /// Those of the file.
    pub fn flush(&mut self) -> io::Result<()> {
        match &mut self.out {
            Sink::Plain(out) => out.flush(),
            Sink::Zstd(out) => out.flush(),
        }
    }

    fn line<T: Serialize>(&mut self, value: &T) -> io::Result<()> {
        let out: &mut dyn Write = match &mut self.out {
            Sink::Plain(out) => out,
            Sink::Zstd(out) => out,
        };
        serde_json::to_writer(&mut *out, value)?;
        out.write_all(b"\n")
    }

    /// Ends the file and gives back what it was written to.
    ///
    /// # Errors
    /// Those of the file: without this call the end may be missing.
    pub fn finish(self) -> io::Result<W> {
        match self.out {
            Sink::Plain(out) => out.into_inner().map_err(io::IntoInnerError::into_error),
            Sink::Zstd(out) => out.finish(),
        }
    }
}

/// Reads a trace, plain or compressed (told by its first bytes), event by event.
pub struct TraceReader<'a> {
    input: Box<dyn BufRead + Send + 'a>,
    header: Header,
    line: u64,
    last: EventId,
    text: String,
    complete: u64,
}

/// The first bytes of every zstd frame.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

impl<'a> TraceReader<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`TraceError`] where `input` is no trace that this build can read.
    pub fn new(input: impl Read + Send + 'a) -> Result<TraceReader<'a>, TraceError> {
        let at_start = |source| TraceError::Read { line: 1, source };
        let mut input = BufReader::with_capacity(1 << 16, input);
        let compressed = input.fill_buf().map_err(at_start)?.starts_with(&ZSTD_MAGIC);
        let mut input: Box<dyn BufRead + Send + 'a> = if compressed {
            Box::new(BufReader::with_capacity(1 << 16, zstd::Decoder::with_buffer(input).map_err(at_start)?))
        } else {
            Box::new(input)
        };
        let mut text = String::new();
        read_line(&mut input, &mut text, 1)?;
        if text.is_empty() {
            return Err(TraceError::Empty);
        }
        let header = parse_header(&text)?;
        Ok(TraceReader { input, header, line: 1, last: EventId::ROOT, text, complete: 0 })
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    fn next_event(&mut self) -> Result<Option<Event>, TraceError> {
        self.line += 1;
        let line = self.line;
        self.text.clear();
        match read_line(&mut self.input, &mut self.text, line) {
            Err(TraceError::Read { source, .. }) if source.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(TraceError::Truncated { line, complete: self.complete });
            }
            other => other?,
        }
        if self.text.is_empty() {
            return Ok(None);
        }
        let event = Event::from_line(self.text.as_bytes()).map_err(|error| {
            if self.text.ends_with('\n') {
                let reason = without_position(&error);
                TraceError::Line { line, column: error.column(), reason }
            } else {
                TraceError::Truncated { line, complete: self.complete }
            }
        })?;
        let follows =
            if self.complete == 0 { event.id > self.last } else { Some(event.id.0) == self.last.0.checked_add(1) };
        if !follows {
            return Err(TraceError::OutOfOrder { line, found: event.id, last: self.last });
        }
        if event.cause >= event.id {
            return Err(TraceError::CauseInFuture { line, found: event.id, cause: event.cause });
        }
        self.last = event.id;
        self.complete += 1;
        Ok(Some(event))
    }
}

fn read_line(input: &mut dyn BufRead, text: &mut String, line: u64) -> Result<(), TraceError> {
    let mut bytes = std::mem::take(text).into_bytes();
    bytes.clear();
    input.read_until(b'\n', &mut bytes).map_err(|source| TraceError::Read { line, source })?;
    *text = String::from_utf8(bytes).map_err(|error| {
        let column = error.utf8_error().valid_up_to() + 1;
        if line == 1 {
            TraceError::Foreign { reason: format!("byte {column} is not UTF-8") }
        } else {
            TraceError::Line { line, column, reason: "not UTF-8".into() }
        }
    })?;
    Ok(())
}

fn parse_header(text: &str) -> Result<Header, TraceError> {
    let foreign = |reason: String| TraceError::Foreign { reason };
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| foreign(error.to_string()))?;
    if value.get("format").and_then(|format| format.as_str()) != Some(Header::FORMAT) {
        return Err(foreign("no \"format\":\"odradek-trace\"".into()));
    }
    // The schema decides before the other fields are read: a newer header may have others.
    match value.get("schema").and_then(serde_json::Value::as_u64) {
        Some(found) if found > u64::from(SCHEMA_VERSION) => {
            Err(TraceError::TooNew { found: u32::try_from(found).unwrap_or(u32::MAX) })
        }
        Some(_) => serde_json::from_value(value).map_err(|error| foreign(error.to_string())),
        None => Err(foreign("no \"schema\"".into())),
    }
}

/// serde_json appends "at line 1 column N"; the line is always 1 here, and we say both ourselves.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

impl Iterator for TraceReader<'_> {
    type Item = Result<Event, TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_event().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EventKind, Name, Phase};

    fn header() -> Header {
        Header {
            format: Header::FORMAT.into(),
            schema: SCHEMA_VERSION,
            scenario: "mail".into(),
            seed: 1,
            plan: "seed = 1".into(),
            version: "0.1.0".into(),
            commit: "unknown".into(),
            dropped: 0,
        }
    }

    fn events() -> Vec<Event> {
        let kinds = [EventKind::PhaseBegan { phase: Phase::Warmup }, EventKind::NodePaused, EventKind::RunEnded];
        let numbered = kinds.into_iter().enumerate();
        numbered
            .map(|(i, kind)| Event {
                id: EventId(i as u64 + 1),
                at: 10 * i as u64,
                node: Name::new("broker-1"),
                cause: EventId(i as u64),
                kind,
            })
            .collect()
    }

    fn file(compressed: bool) -> Vec<u8> {
        let mut writer = TraceWriter::new(Vec::new(), &header(), compressed).unwrap();
        events().iter().for_each(|event| writer.event(event).unwrap());
        writer.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<Vec<Event>, TraceError> {
        TraceReader::new(bytes)?.collect()
    }

    #[test]
    fn a_trace_reads_back_as_it_was_written_plain_and_compressed() {
        for compressed in [false, true] {
            let bytes = file(compressed);
            let reader = TraceReader::new(bytes.as_slice()).unwrap();
            assert_eq!(*reader.header(), header());
            assert_eq!(reader.collect::<Result<Vec<_>, _>>().unwrap(), events());
        }
    }

    #[test]
    fn a_cut_file_says_on_which_line() {
        let bytes = file(false);
        let error = read(&bytes[..bytes.len() - 5]).unwrap_err();
        assert!(matches!(error, TraceError::Truncated { line: 4, complete: 2 }), "{error}");
        let bytes = file(true);
        let error = read(&bytes[..bytes.len() - 5]).unwrap_err().to_string();
        assert!(error.starts_with("line "), "{error}");
    }

    #[test]
    fn foreign_empty_and_newer_files_are_told_apart() {
        assert!(matches!(read(b"").unwrap_err(), TraceError::Empty));
        assert!(matches!(read(b"hello\n").unwrap_err(), TraceError::Foreign { .. }));
        assert!(matches!(read(&[0xff, 0xfe, b'\n']).unwrap_err(), TraceError::Foreign { .. }));
        let newer = br#"{"format":"odradek-trace","schema":999}"#;
        assert!(matches!(read(newer).unwrap_err(), TraceError::TooNew { found: 999 }));
    }

    #[test]
    fn a_broken_line_is_named_with_its_column() {
        let mut bytes = file(false);
        bytes.extend_from_slice(b"{\"id\":4,\"at\":\"noon\"}\n");
        let error = read(&bytes).unwrap_err().to_string();
        assert!(error.starts_with("line 5, column "), "{error}");
    }

    #[test]
    fn an_event_before_its_cause_is_noticed() {
        let text = String::from_utf8(file(false)).unwrap().replace("\"cause\":1", "\"cause\":7");
        let error = read(text.as_bytes()).unwrap_err();
        assert!(matches!(error, TraceError::CauseInFuture { line: 3, .. }), "{error}");
    }

    #[test]
    fn missing_lines_are_noticed() {
        let text = String::from_utf8(file(false)).unwrap();
        let without: Vec<&str> = text.lines().enumerate().filter(|(i, _)| *i != 2).map(|(_, line)| line).collect();
        let error = read((without.join("\n") + "\n").as_bytes()).unwrap_err();
        assert!(matches!(error, TraceError::OutOfOrder { line: 3, .. }), "{error}");
    }
}

//! Loading: off the caller's thread, in chunks of lines, parsed by two threads, indexed by a third.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use trace::{Event, EventId, Header, TraceError, TraceReader};

use super::{Follower, Model};

/// Bytes of lines in a chunk: large enough that handing it over costs nothing, small enough for smooth progress.
const CHUNK: usize = 1 << 20;
/// Threads that parse.
const PARSERS: usize = 2;
/// Chunks waiting between two threads: bounds the memory.
const WAITING: usize = 4;
/// The longest line that is looked at: longer ones are no events.
const LONGEST_LINE: usize = 64 << 20;

/// Why a file cannot be shown at all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoadError(pub String);

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LoadError {}

/// How far loading is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Bytes of the file read.
    pub bytes: u64,
    /// Bytes it has; 0 where unknown.
    pub total: u64,
    /// Events read.
    pub events: u64,
}

impl Progress {
    /// 0 to 1.
    pub fn fraction(&self) -> f32 {
        if self.total == 0 { 0.0 } else { (self.bytes as f32 / self.total as f32).min(1.0) }
    }
}

#[derive(Default)]
struct Counters {
    bytes: AtomicU64,
    total: AtomicU64,
    events: AtomicU64,
    cancelled: AtomicBool,
}

/// What loading gives.
pub struct Loaded {
    /// The trace.
    pub model: Model,
    /// Follows the file as it grows; only plain JSON lines can be followed.
    pub follower: Option<Follower>,
}

/// A file being loaded. Dropping it cancels.
pub struct Loading {
    counters: Arc<Counters>,
    result: Mutex<Receiver<Result<Loaded, LoadError>>>,
}

/// Starts loading a file.
pub fn load(path: &Path) -> Loading {
    let counters = Arc::new(Counters::default());
    let (sender, receiver) = channel();
    let (own, path) = (Arc::clone(&counters), path.to_owned());
    thread::spawn(move || {
        // Nobody listens after a cancel.
        let _ = sender.send(load_file(&path, &own));
    });
    Loading { counters, result: Mutex::new(receiver) }
}

impl Loading {
    /// How far it is.
    pub fn progress(&self) -> Progress {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Progress { bytes: of(&self.counters.bytes), total: of(&self.counters.total), events: of(&self.counters.events) }
    }

    /// The result, once; `None` while it is not there.
    pub fn poll(&mut self) -> Option<Result<Loaded, LoadError>> {
        let receiver = self.result.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        match receiver.try_recv() {
            Ok(result) => Some(result),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(LoadError("loading broke off".into()))),
        }
    }

    /// Waits for the result.
    ///
    /// # Errors
    /// When the file cannot be read, or is no trace that this build knows.
    pub fn wait(self) -> Result<Loaded, LoadError> {
        let receiver = self.result.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        receiver.recv().unwrap_or_else(|_| Err(LoadError("loading broke off".into())))
    }

    /// Stops it; what was read so far is the result.
    pub fn cancel(&self) {
        self.counters.cancelled.store(true, Ordering::Relaxed);
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// Reads a whole trace that lies in memory.
///
/// # Errors
/// When it is no trace that this build knows.
pub fn parse_bytes(bytes: &[u8]) -> Result<Model, LoadError> {
    let counters = Counters::default();
    counters.total.store(bytes.len() as u64, Ordering::Relaxed);
    read(bytes, &counters).map(|(model, _)| model)
}

fn load_file(path: &PathBuf, counters: &Counters) -> Result<Loaded, LoadError> {
    let fail = |error: std::io::Error| LoadError(format!("{}: {error}", path.display()));
    let file = File::open(path).map_err(fail)?;
    let metadata = file.metadata().map_err(fail)?;
    if metadata.is_dir() {
        return Err(LoadError(format!("{} is a folder; open the trace in it", path.display())));
    }
    counters.total.store(metadata.len(), Ordering::Relaxed);
    let (model, end) = read(file, counters).map_err(|error| LoadError(format!("{}: {error}", path.display())))?;
    let follower = end.map(|end| Follower::new(path.clone(), end));
    Ok(Loaded { model, follower })
}

/// Where a plain file was read to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct End {
    /// The byte after the last whole line.
    pub(crate) byte: u64,
    /// How many lines that are.
    pub(crate) line: u64,
    /// The last event.
    pub(crate) last: EventId,
}

/// Counts what is read.
struct Counted<'a, R> {
    inner: R,
    counters: &'a Counters,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(into)?;
        self.counters.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Whole lines.
struct Chunk {
    place: usize,
    bytes: Vec<u8>,
    /// Whether the file ends here, and with an error.
    end: Option<Option<std::io::Error>>,
}

/// What a chunk holds, up to the first line that is broken.
struct Parsed {
    events: Vec<Event>,
    bytes: usize,
    problem: Option<Wrong>,
}

/// What is wrong with a line, wherever in the file it is.
enum Wrong {
    /// The file ends in it.
    Cut,
    /// It is no event.
    Line { column: usize, reason: String },
    /// It could not be read.
    Unreadable(std::io::Error),
}

impl Wrong {
    fn at(self, line: u64, complete: u64) -> TraceError {
        match self {
            Wrong::Cut => TraceError::Truncated { line, complete },
            Wrong::Line { column, reason } => TraceError::Line { line, column, reason },
            Wrong::Unreadable(source) => TraceError::Read { line, source },
        }
    }
}

/// Reads a trace; also where a plain one ended.
fn read(input: impl Read + Send, counters: &Counters) -> Result<(Model, Option<End>), LoadError> {
    let told = |error: TraceError| LoadError(error.to_string());
    let failed = |source| told(TraceError::Read { line: 1, source });
    let mut input = BufReader::with_capacity(1 << 16, Counted { inner: input, counters });
    let compressed = std::io::BufRead::fill_buf(&mut input).map_err(failed)?.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
    let mut input: Box<dyn Read + Send + '_> =
        if compressed { Box::new(zstd::Decoder::with_buffer(input).map_err(failed)?) } else { Box::new(input) };
    let (head, rest) = first_line(&mut input).map_err(failed)?;
    let header = TraceReader::new(head.as_slice()).map_err(told)?.header().clone();
    let (model, mut end) = thread::scope(|scope| {
        let (to_parsers, chunks) = sync_channel::<Chunk>(WAITING);
        let chunks = Arc::new(Mutex::new(chunks));
        let (to_index, parsed) = sync_channel::<(usize, Parsed)>(WAITING);
        for _ in 0..PARSERS {
            let (chunks, to_index) = (Arc::clone(&chunks), to_index.clone());
            scope.spawn(move || parse_chunks(&chunks, &to_index));
        }
        // Only the parsers hold these from here on: when they end, the other sides notice.
        drop((chunks, to_index));
        scope.spawn(move || read_chunks(input, rest, &to_parsers, counters));
        index(header, &parsed, counters)
    });
    end.byte += head.len() as u64;
    Ok((model, (!compressed).then_some(end)))
}

/// The first line, and what was read beyond it.
fn first_line(input: &mut dyn Read) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut more = vec![0; 1 << 16];
    loop {
        let seen = bytes.len();
        let count = input.read(&mut more)?;
        bytes.extend_from_slice(&more[..count]);
        if let Some(end) = bytes[seen..].iter().position(|byte| *byte == b'\n') {
            let rest = bytes.split_off(seen + end + 1);
            return Ok((bytes, rest));
        }
        if count == 0 || bytes.len() > LONGEST_LINE {
            return Ok((bytes, Vec::new()));
        }
    }
}

fn read_chunks(mut input: impl Read, mut rest: Vec<u8>, chunks: &SyncSender<Chunk>, counters: &Counters) {
    for place in 0.. {
        let mut bytes = std::mem::take(&mut rest);
        // A line longer than a chunk makes the chunk longer.
        let (lines, end) = loop {
            bytes.reserve(CHUNK);
            let seen = bytes.len();
            let result = input.by_ref().take(CHUNK as u64).read_to_end(&mut bytes);
            let ended = result.as_ref().is_ok_and(|count| *count < CHUNK) || counters.cancelled.load(Ordering::Relaxed);
            if result.is_err() || ended {
                break (bytes.len(), Some(result.err()));
            }
            if let Some(last) = bytes[seen..].iter().rposition(|byte| *byte == b'\n') {
                break (seen + last + 1, None);
            }
            if bytes.len() > LONGEST_LINE {
                break (bytes.len(), Some(None));
            }
        };
        rest = bytes.split_off(lines);
        let last = end.is_some();
        if chunks.send(Chunk { place, bytes, end }).is_err() || last {
            return;
        }
    }
}

fn parse_chunks(chunks: &Mutex<Receiver<Chunk>>, to_index: &SyncSender<(usize, Parsed)>) {
    loop {
        let next = chunks.lock().unwrap_or_else(std::sync::PoisonError::into_inner).recv();
        let Ok(chunk) = next else { return };
        let mut parsed = parse_lines(&chunk.bytes, chunk.end.is_some());
        if let (None | Some(Wrong::Cut), Some(error)) = (&parsed.problem, chunk.end.flatten()) {
            let cut = error.kind() == std::io::ErrorKind::UnexpectedEof;
            parsed.problem = Some(if cut { Wrong::Cut } else { Wrong::Unreadable(error) });
        }
        if to_index.send((chunk.place, parsed)).is_err() {
            return;
        }
    }
}

/// Parses whole lines; the last one may be cut where the file ends.
fn parse_lines(bytes: &[u8], at_end: bool) -> Parsed {
    let mut parsed = Parsed { events: Vec::with_capacity(bytes.len() / 120), bytes: 0, problem: None };
    for text in bytes.split_inclusive(|byte| *byte == b'\n') {
        match Event::from_line(text) {
            Ok(event) => parsed.events.push(event),
            Err(_) if at_end && !text.ends_with(b"\n") => {
                parsed.problem = Some(Wrong::Cut);
                break;
            }
            Err(error) => {
                let told = error.to_string();
                let reason = told.rfind(" at line ").map_or(told.as_str(), |end| &told[..end]).to_owned();
                parsed.problem = Some(Wrong::Line { column: error.column(), reason });
                break;
            }
        }
        parsed.bytes += text.len();
    }
    parsed
}

/// Puts the parsed chunks in order, checks ids and causes, and builds the model.
fn index(header: Header, parsed: &Receiver<(usize, Parsed)>, counters: &Counters) -> (Model, End) {
    let mut model = Model::empty(header);
    let mut end = End { byte: 0, line: 1, last: EventId::ROOT };
    let mut early = BTreeMap::new();
    let mut wanted = 0;
    while let Ok((place, chunk)) = parsed.recv() {
        early.insert(place, chunk);
        while let Some(chunk) = early.remove(&wanted) {
            wanted += 1;
            let problem = take(&mut model, chunk, &mut end);
            counters.events.store(model.len() as u64, Ordering::Relaxed);
            reserve(&mut model, counters, wanted);
            if problem.is_some() {
                model.set_problem(problem);
                return (model, end);
            }
        }
    }
    (model, end)
}

/// After a few chunks the number of events can be told from the bytes: one allocation instead of doubling.
fn reserve(model: &mut Model, counters: &Counters, chunks: usize) {
    let (bytes, total) = (counters.bytes.load(Ordering::Relaxed), counters.total.load(Ordering::Relaxed));
    if chunks == 8 && bytes > 0 {
        let expected = model.len() as u128 * u128::from(total) * 21 / (u128::from(bytes) * 20);
        model.reserve(usize::try_from(expected).unwrap_or(0).min(40_000_000));
    }
}

/// Takes over the sound events of a chunk; what is wrong after them. Every line so far was an event, or the header.
fn take(model: &mut Model, chunk: Parsed, end: &mut End) -> Option<String> {
    let Parsed { mut events, bytes, problem } = chunk;
    let (sound, wrong) = check(&events, end.line + 1, end.last, model.is_empty());
    if sound == events.len() {
        end.byte += bytes as u64;
    }
    events.truncate(sound);
    end.last = events.last().map_or(end.last, |event| event.id);
    end.line += sound as u64;
    model.append(events);
    let wrong = wrong.or(problem.map(|problem| problem.at(end.line + 1, model.len() as u64)));
    wrong.map(|error| error.to_string())
}

/// How many of `events` follow each other as they must, and what is wrong with the next one.
fn check(events: &[Event], first_line: u64, mut last: EventId, mut first: bool) -> (usize, Option<TraceError>) {
    for (place, event) in events.iter().enumerate() {
        let line = first_line + place as u64;
        let follows = if first { event.id > last } else { Some(event.id.0) == last.0.checked_add(1) };
        if !follows {
            return (place, Some(TraceError::OutOfOrder { line, found: event.id, last }));
        }
        if event.cause >= event.id {
            return (place, Some(TraceError::CauseInFuture { line, found: event.id, cause: event.cause }));
        }
        (last, first) = (event.id, false);
    }
    (events.len(), None)
}

/// Adds what a followed file has gained: whole lines only. How many events that are.
pub(crate) fn append_lines(model: &mut Model, bytes: &[u8], end: &mut End) -> usize {
    let before = model.len();
    // The last event may have been read without its line's end.
    let bytes = match bytes.split_first() {
        Some((b'\n', rest)) => {
            end.byte += 1;
            rest
        }
        _ => bytes,
    };
    let parsed = parse_lines(bytes, false);
    let problem = take(model, parsed, end);
    model.set_problem(problem);
    model.len() - before
}

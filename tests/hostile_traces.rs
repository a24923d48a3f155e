//! A damaged trace gets an error or is read; it never panics, neither the reader nor the fold.

use std::sync::LazyLock;

use proptest::prelude::*;
use scenario::Options;
use sim::RunOptions;
use state::{Causes, ClusterState, describe};
use trace::{Header, Mode, SCHEMA_VERSION, TraceReader, TraceWriter};

use crate::support::plan;

/// The first events of a real run, as a file.
static SOUND: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let options = RunOptions { trace: Mode::Full, ..RunOptions::default() };
    let outcome = sim::run_plan(&plan("split-brain", 1, None, &Options::default()), &options).expect("it runs");
    let header = Header {
        format: Header::FORMAT.into(),
        schema: SCHEMA_VERSION,
        scenario: "split-brain".into(),
        seed: 1,
        plan: String::new(),
        version: "0".into(),
        commit: "unknown".into(),
        dropped: 0,
    };
    let mut writer = TraceWriter::new(Vec::new(), &header, false).expect("memory takes all");
    outcome.events.iter().take(2500).for_each(|event| writer.event(event).expect("memory takes all"));
    writer.finish().expect("memory takes all")
});

fn read_all(bytes: &[u8]) -> usize {
    let Ok(reader) = TraceReader::new(bytes) else { return 0 };
    let events: Vec<_> = reader.map_while(Result::ok).collect();
    let mut state = ClusterState::default();
    for event in &events {
        state.apply(event);
        assert!(!describe(&event.kind).is_empty());
    }
    if let Some(last) = events.last() {
        assert!(!Causes::new(&events).why(last.id).is_empty());
    }
    events.len()
}

#[test]
fn a_sound_trace_is_read_whole() {
    assert_eq!(read_all(&SOUND), 2500);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_bytes_never_panic(damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
        let mut bytes = SOUND.clone();
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        read_all(&bytes);
    }

    #[test]
    fn absurd_numbers_never_panic(places in prop::collection::vec(any::<prop::sample::Index>(), 1..40), huge in any::<bool>()) {
        let text = String::from_utf8(SOUND.clone()).expect("a trace is text");
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for place in places {
            let line = place.index(lines.len() - 1) + 1;
            let number = if huge { "9223372036854775807" } else { "-9223372036854775808" };
            for field in ["base_offset", "to", "from", "log_end", "high_watermark", "offset", "log_start"] {
                let key = format!("\"{field}\":");
                if let Some(start) = lines[line].find(&key) {
                    let start = start + key.len();
                    let end = start + lines[line][start..].find([',', '}']).expect("a field ends");
                    lines[line].replace_range(start..end, number);
                }
            }
        }
        read_all((lines.join("\n") + "\n").as_bytes());
    }

    #[test]
    fn random_bytes_are_no_trace(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read_all(&bytes);
    }
}

//! Interned names: 4 bytes in an event, a string in a file.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;
use std::sync::{Mutex, OnceLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Names a chunk holds; chunks are allocated on demand and never move, so that reading a name takes no lock.
const CHUNK: usize = 4096;
/// Chunks there may be: 16 million names, far over what any trace holds.
const CHUNKS: usize = 4096;

struct Entry {
    text: &'static str,
    digest: u64,
}

type Chunk = Box<[OnceLock<Entry>]>;

static TABLE: [OnceLock<Chunk>; CHUNKS] = [const { OnceLock::new() }; CHUNKS];
static INDEX: Mutex<BTreeMap<&'static str, Name>> = Mutex::new(BTreeMap::new());

/// An interned string, such as a node, a topic or a path.
///
/// Names are process-wide and live as long as the process, so only what recurs may be interned (never a record's value).
/// They compare and hash by their text: the order in which they were interned has no influence on a run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name(NonZeroU32);

/// Names a thread remembers, so that interning a recurring text takes no lock: traces are read by several threads.
const REMEMBERED: usize = 1024;

thread_local! {
    static RECENT: [Cell<Option<Name>>; REMEMBERED] = const { [const { Cell::new(None) }; REMEMBERED] };
}

impl Name {
    /// Interns `text`.
    pub fn new(text: &str) -> Name {
        let digest = digest(text);
        let place = (digest ^ (digest >> 32)) as usize % REMEMBERED;
        RECENT.with(|recent| match recent[place].get().filter(|name| name.as_str() == text) {
            Some(name) => name,
            None => {
                let name = Name::intern(text, digest);
                recent[place].set(Some(name));
                name
            }
        })
    }

    fn intern(text: &str, digest: u64) -> Name {
        let mut index = INDEX.lock().expect("no panic while interning");
        if let Some(name) = index.get(text) {
            return *name;
        }
        let position = index.len();
        assert!(position < CHUNK * CHUNKS, "more than {} distinct names", CHUNK * CHUNKS);
        let chunk = TABLE[position / CHUNK].get_or_init(|| (0..CHUNK).map(|_| OnceLock::new()).collect());
        let text: &'static str = Box::leak(text.into());
        let entry = Entry { text, digest };
        assert!(chunk[position % CHUNK].set(entry).is_ok(), "a name's place is filled once");
        let name = Name(NonZeroU32::new(position as u32 + 1).expect("one added"));
        index.insert(text, name);
        name
    }

    fn entry(self) -> &'static Entry {
        let position = self.0.get() as usize - 1;
        let chunk = TABLE[position / CHUNK].get().expect("a name's chunk exists");
        chunk[position % CHUNK].get().expect("a name's entry exists")
    }

    /// The text.
    pub fn as_str(self) -> &'static str {
        self.entry().text
    }

    /// A stable 64-bit hash of the text.
    pub fn digest(self) -> u64 {
        self.entry().digest
    }
}

/// FNV-1a: stable over versions and machines, computed once a name.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.digest());
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        if self.0 == other.0 { std::cmp::Ordering::Equal } else { self.as_str().cmp(other.as_str()) }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Name {
        Name::new(text)
    }
}

impl From<&String> for Name {
    fn from(text: &String) -> Name {
        Name::new(text)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Name;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_str<E>(self, text: &str) -> Result<Name, E> {
                Ok(Name::new(text))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_one_name() {
        assert_eq!(Name::new("broker-1"), Name::new("broker-1"));
        assert_ne!(Name::new("broker-1"), Name::new("broker-2"));
        assert_eq!(Name::new("broker-1").as_str(), "broker-1");
        assert_eq!(std::mem::size_of::<Option<Name>>(), 4);
    }

    #[test]
    fn names_order_by_text_not_by_age() {
        let later = Name::new("z-interned-first");
        let earlier = Name::new("a-interned-second");
        assert!(earlier < later);
    }
}

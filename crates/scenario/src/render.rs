//! What a producer's n-th record holds: a pure function of seed, client and n.

use std::collections::BTreeMap;

use crate::random::{mix, of_name};
use crate::{Payload, Producer};

/// The record header that carries [`Rendered::identity`], so that values stay as the scenario wrote them.
pub const IDENTITY_HEADER: &str = "odradek";

/// A record, ready to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// `CLIENT/SEQUENCE`, such as `order-service-0/17`: the value of the header [`IDENTITY_HEADER`].
    pub identity: String,
}

impl Producer {
    /// Record `n` (from 0) of node `NAME-client_index`. It depends on nothing else than this producer's lines and `seed`.
    pub fn render(&self, seed: u64, client_index: u32, n: u64) -> Rendered {
        let client = format!("{}-{client_index}", self.name);
        let draw = mix(mix(seed ^ of_name(&client)) ^ n);
        let k = draw % u64::from(self.keys.max(1));
        let key = fill(&self.key, &[("k", &k.to_string())]);
        let identity = format!("{client}/{n}");
        let places = [("n", n.to_string()), ("k", k.to_string()), ("key", key.clone()), ("client", client)];
        let places: Vec<(&str, &str)> = places.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let value = match &self.payload {
            Payload::Bytes(size) => filler(&identity, size.0, draw),
            Payload::Template(text) => fill(text, &places),
            Payload::Fields(fields) => {
                let parts: Vec<String> = fields
                    .iter()
                    .map(|(name, text)| format!("{}:{}", json(name), json(&fill(text, &places))))
                    .collect();
                format!("{{{}}}", parts.join(","))
            }
        };
        Rendered { key, value, identity }
    }
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Replaces `{name}`; braces around anything else stay as they are.
fn fill(template: &str, places: &[(&str, &str)]) -> String {
    let values: BTreeMap<&str, &str> = places.iter().copied().collect();
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        rest = &rest[open..];
        let found = rest.find('}').and_then(|close| values.get(&rest[1..close]).map(|value| (close, value)));
        match found {
            Some((close, value)) => {
                out.push_str(value);
                rest = &rest[close + 1..];
            }
            None => {
                out.push('{');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// `size` bytes that start with the identity and go on with drawn letters.
fn filler(identity: &str, size: u64, draw: u64) -> String {
    let size = usize::try_from(size).expect("a value's size was checked when it was read");
    let mut value = format!("{identity} ");
    let mut state = draw;
    while value.len() < size {
        state = mix(state);
        value.push(char::from(b'a' + (state % 26) as u8));
    }
    value.truncate(size);
    value
}

//! The topics of `subscribe_pattern`.

/// Topic names with `.*` in them, which stands for any text: `mail.*` is every topic that begins with `mail`. No other part of regular
/// expressions is understood; everything else stands for itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Pattern(Vec<String>);

impl Pattern {
    pub(crate) fn new(text: &str) -> Pattern {
        Pattern(text.split(".*").map(str::to_owned).collect())
    }

    /// Whether a topic is meant. Kafka's own topics never are (`exclude.internal.topics`).
    pub(crate) fn matches(&self, topic: &str) -> bool {
        if matches!(topic, "__consumer_offsets" | "__transaction_state") {
            return false;
        }
        let [first, middle @ .., last] = self.0.as_slice() else { return self.0[0] == topic };
        let Some(mut rest) = topic.strip_prefix(first.as_str()).and_then(|rest| rest.strip_suffix(last.as_str()))
        else {
            return false;
        };
        for part in middle {
            let Some(found) = rest.find(part.as_str()) else { return false };
            rest = &rest[found + part.len()..];
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_star_stands_for_any_text_and_all_else_for_itself() {
        for (pattern, topic, matches) in [
            ("mail.*", "mail", true),
            ("mail.*", "mail-urgent", true),
            ("mail.*", "email", false),
            (".*mail", "email", true),
            ("a.*b.*c", "a-b-c", true),
            ("a.*b.*c", "acb", false),
            ("aba.*aba", "aba", false),
            ("mail", "mails", false),
            (".*", "__consumer_offsets", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(topic), matches, "{pattern} {topic}");
        }
    }
}

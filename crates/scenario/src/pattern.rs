//! The patterns by which a consumer finds its topics: `.*` stands for any text, everything else for itself.

use crate::OFFSETS_TOPIC;

/// Whether `topic` has the form of `pattern`. Kafka's own topics never have (`exclude.internal.topics`).
pub fn matches(pattern: &str, topic: &str) -> bool {
    if topic == OFFSETS_TOPIC {
        return false;
    }
    let parts: Vec<&str> = pattern.split(".*").collect();
    let [first, middle @ .., last] = parts.as_slice() else { return pattern == topic };
    let Some(mut rest) = topic.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else { return false };
    for part in middle {
        let Some(found) = rest.find(part) else { return false };
        rest = &rest[found + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn only_a_star_after_a_dot_stands_for_other_text() {
        for (pattern, topic) in
            [("mail", "mail"), ("mail.*", "mail-eu"), (".*", "sms"), ("a.*b.*c", "a1b2c"), ("a.*a", "aa")]
        {
            assert!(matches(pattern, topic), "{pattern} {topic}");
        }
        for (pattern, topic) in
            [("mail", "mails"), ("mail.*", "email"), ("a.*a", "a"), ("a.*b.*c", "acb"), (".*", "__consumer_offsets")]
        {
            assert!(!matches(pattern, topic), "{pattern} {topic}");
        }
    }
}

//! The little language inside strings: `other(brokers)`, `leader(orders/0)`, `isr(orders/1)`.

use crate::Problem;

/// Nesting beyond this is a mistake, and would cost stack.
const DEEPEST: usize = 16;

/// A word, or a word applied to arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// The word.
    pub(crate) name: String,
    /// Whether parentheses follow it.
    pub(crate) called: bool,
    /// What stands in the parentheses.
    pub(crate) arguments: Vec<Call>,
}

impl Call {
    /// Reads the whole text as one call.
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        match Self::prefix(text)? {
            (call, rest) if rest.trim().is_empty() => Ok(call),
            (_, rest) => Err(Problem::new(format!("`{}` is left over in `{text}`", rest.trim()))),
        }
    }

    /// Reads one call from the start of `text` and returns what follows it.
    pub(crate) fn prefix(text: &str) -> Result<(Self, &str), Problem> {
        let mut rest = text;
        let call = Self::read(text, &mut rest, 0)?;
        Ok((call, rest))
    }

    fn read(whole: &str, rest: &mut &str, depth: usize) -> Result<Self, Problem> {
        if depth > DEEPEST {
            return Err(Problem::new(format!("`{whole}` is nested too deeply")));
        }
        *rest = rest.trim_start();
        let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        let name = rest[..end].to_string();
        if name.is_empty() {
            return Err(Problem::new(match whole.trim().is_empty() {
                true => "a name is missing here".to_string(),
                false => format!("a name is missing in `{whole}`"),
            }));
        }
        *rest = &rest[end..];
        let mut call = Call { name, called: false, arguments: Vec::new() };
        if !rest.starts_with('(') {
            return Ok(call);
        }
        call.called = true;
        *rest = rest[1..].trim_start();
        while !rest.starts_with(')') {
            call.arguments.push(Self::read(whole, rest, depth + 1)?);
            *rest = rest.trim_start();
            if let Some(after) = rest.strip_prefix(',') {
                *rest = after;
            } else if !rest.starts_with(')') {
                return Err(Problem::new(format!("a `)` is missing in `{whole}`")));
            }
        }
        *rest = &rest[1..];
        Ok(call)
    }

    /// The argument as a plain word.
    pub(crate) fn word(&self) -> Result<String, Problem> {
        match self.called {
            false => Ok(self.name.clone()),
            true => Err(Problem::new(format!("a name is expected here, not `{}(...)`", self.name))),
        }
    }

    /// The argument as `TOPIC/PARTITION`.
    pub(crate) fn partition(&self) -> Result<(String, u32), Problem> {
        let problem = || {
            Problem::with_help(
                format!("`{}` is not a partition", self.name),
                "write TOPIC/PARTITION, such as `orders/0`",
            )
        };
        let word = self.word()?;
        let (topic, partition) = word.rsplit_once('/').ok_or_else(problem)?;
        let partition = partition.parse().map_err(|_| problem())?;
        if topic.is_empty() { Err(problem()) } else { Ok((topic.to_string(), partition)) }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '*')
}

//! Why a record was rejected.

use std::fmt;

use simd_json::{Node, StaticNode};

/// How much of the offending text a message shows, in characters. Enough to recognise it, too little to fill a log.
const EXCERPT_CHARS: usize = 48;

/// The kind of fault, by which rejected records are counted. The names are part of the metrics' contract.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reason {
    /// There is no value: a tombstone, or only white space.
    Empty,
    /// The record is larger than [`RECORD_BYTES_MAX`](super::RECORD_BYTES_MAX).
    Oversize,
    /// The bytes are no UTF-8.
    Utf8,
    /// The text is no JSON, or something follows it.
    Syntax,
    /// Containers are nested too deep.
    Depth,
    /// A container has too many entries.
    Shape,
    /// A member stands twice.
    DuplicateKey,
    /// The envelope was recognised, but holds no payload that can be read.
    Envelope,
    /// The JSON is no flow record of the formats that are read.
    NotAFlow,
    /// A member that every flow needs is missing.
    MissingField,
    /// A member has a value of the wrong kind.
    BadField,
    /// Labels are malformed, too long or too many.
    Labels,
    /// A name is too long or holds control characters.
    Name,
    /// A number is outside of its range.
    Range,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 14] = [
        Self::Empty,
        Self::Oversize,
        Self::Utf8,
        Self::Syntax,
        Self::Depth,
        Self::Shape,
        Self::DuplicateKey,
        Self::Envelope,
        Self::NotAFlow,
        Self::MissingField,
        Self::BadField,
        Self::Labels,
        Self::Name,
        Self::Range,
    ];

    /// Returns the stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Oversize => "oversize",
            Self::Utf8 => "utf8",
            Self::Syntax => "syntax",
            Self::Depth => "depth",
            Self::Shape => "shape",
            Self::DuplicateKey => "duplicate_key",
            Self::Envelope => "envelope",
            Self::NotAFlow => "not_a_flow",
            Self::MissingField => "missing_field",
            Self::BadField => "bad_field",
            Self::Labels => "labels",
            Self::Name => "name",
            Self::Range => "range",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a record was rejected: what is wrong, in which field, and where.
///
/// Prints ``field `dest_port`: expected a port number, found `"http"` ``. Text of the record is cut and escaped, so
/// the message is safe in a log line.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct Reject {
    /// The kind of fault.
    pub reason: Reason,
    /// The member at fault; nothing when it is the record as a whole.
    pub field: Option<&'static str>,
    /// The byte at which the fault shows, counted from the begin of the payload (behind the envelope), where known.
    pub offset: Option<usize>,
    expected: &'static str,
    found: Option<String>,
}

impl Reject {
    /// Rejects the record as a whole; `expected` says what would have been right, or what is wrong.
    pub(super) const fn record(reason: Reason, expected: &'static str) -> Self {
        Self { reason, field: None, offset: None, expected, found: None }
    }

    /// Rejects the record because `field` is not there.
    pub(super) const fn missing(field: &'static str) -> Self {
        Self::untold(field, "is missing")
    }

    /// Rejects the record because `field` is not there; `cause` says so, and why nothing else tells it.
    pub(super) const fn untold(field: &'static str, cause: &'static str) -> Self {
        Self { reason: Reason::MissingField, field: Some(field), offset: None, expected: cause, found: None }
    }

    /// Adds what was found, as text.
    pub(super) fn found(mut self, found: impl Into<String>) -> Self {
        self.found = Some(found.into());
        self
    }

    /// Adds where.
    pub(super) fn at(mut self, offset: Option<usize>) -> Self {
        self.offset = offset;
        self
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field {
            Some(field) if self.reason == Reason::MissingField => {
                write!(f, "field `{field}` {}", self.expected)?
            }
            Some(field) => write!(f, "field `{field}`: expected {}", self.expected)?,
            None => f.write_str(self.expected)?,
        }
        if let Some(found) = &self.found {
            write!(f, ", found `{found}`")?;
        }
        match self.offset {
            Some(offset) if self.field.is_none() => write!(f, " at byte {offset}"),
            _ => Ok(()),
        }
    }
}

/// What is wrong with one value; the caller knows which field it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Fault {
    /// The kind of fault.
    pub(super) reason: Reason,
    /// What would have been right.
    pub(super) expected: &'static str,
}

impl Fault {
    /// Says that a value is of the wrong kind.
    pub(super) const fn bad(expected: &'static str) -> Self {
        Self { reason: Reason::BadField, expected }
    }

    /// Makes the reject: `field` is at fault, and `value` is what stands there.
    #[cold]
    pub(super) fn of(self, field: &'static str, value: Option<&Node<'_>>) -> Reject {
        Reject {
            reason: self.reason,
            field: Some(field),
            offset: None,
            expected: self.expected,
            found: value.map(describe),
        }
    }
}

/// Cuts and escapes text of a record for a message.
pub(super) fn excerpt(text: &str) -> String {
    let mut cut: String = text.chars().take(EXCERPT_CHARS).flat_map(char::escape_debug).collect();
    if text.chars().nth(EXCERPT_CHARS).is_some() {
        cut.push_str("...");
    }
    cut
}

/// Says what a value is.
fn describe(node: &Node<'_>) -> String {
    match node {
        Node::String(text) => format!("\"{}\"", excerpt(text)),
        Node::Object { .. } => "an object".to_owned(),
        Node::Array { .. } => "an array".to_owned(),
        Node::Static(StaticNode::Null) => "null".to_owned(),
        Node::Static(StaticNode::Bool(it)) => it.to_string(),
        Node::Static(StaticNode::I64(it)) => it.to_string(),
        Node::Static(StaticNode::U64(it)) => it.to_string(),
        Node::Static(StaticNode::F64(it)) => it.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_reasons_are_distinct() {
        let mut names: Vec<_> = Reason::ALL.iter().map(|it| it.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Reason::ALL.len());
    }

    #[test]
    fn text_of_the_record_is_cut_and_escaped() {
        let reject = Fault::bad("a port number").of("dest_port", Some(&Node::String("http\n\u{1b}[31m")));
        assert_eq!(
            reject.to_string(),
            r#"field `dest_port`: expected a port number, found `"http\n\u{1b}[31m"`"#
        );
        assert_eq!(excerpt(&"x".repeat(100)).len(), EXCERPT_CHARS + 3);
    }
}

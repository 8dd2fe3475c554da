//! What shippers wrap around a record, and how to find the record in it.
//!
//! Facts: the documentation of Fluent Bit (`kafka` output, `tail` input, `kubernetes` filter), Vector (`file` source,
//! `kafka` sink), Filebeat, Kafka Connect (`JsonConverter`), Confluent's serializers ("wire format"), CloudEvents,
//! Cloud Logging (`LogEntry`), rsyslog (`omkafka`, `@cee:`), and the CRI log format.

use std::fmt;

use simd_json::Node;

use super::error::{Reason, Reject};
use super::tape::Item;

/// Confluent's wire format: a zero byte, and four bytes of schema id. JSON has no message indexes behind them.
const CONFLUENT_BYTES: usize = 5;

/// The envelopes that are taken off.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Envelope {
    /// None: the record itself, possibly with a shipper's own members beside its members.
    Bare,
    /// Five bytes of Confluent's serializer.
    Confluent,
    /// A header of text before the record: syslog, `@cee:`, or a line of a container's log.
    Header,
    /// The member `log`: Fluent Bit and Fluentd, without a parser.
    Log,
    /// The member `message`: Vector and Filebeat.
    Message,
    /// The member `payload`: Kafka Connect, beside `schema`.
    Payload,
    /// The member `jsonPayload`: Cloud Logging.
    JsonPayload,
    /// The member `data`: CloudEvents.
    Data,
    /// The member `flow`: Goldmane's gRPC results.
    FlowResult,
    /// The member `_source`: a document taken out of Elasticsearch.
    Source,
}

impl Envelope {
    /// Every envelope.
    pub const ALL: [Self; 10] = [
        Self::Bare,
        Self::Confluent,
        Self::Header,
        Self::Log,
        Self::Message,
        Self::Payload,
        Self::JsonPayload,
        Self::Data,
        Self::FlowResult,
        Self::Source,
    ];

    /// Returns the stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Confluent => "confluent",
            Self::Header => "header",
            Self::Log => "log",
            Self::Message => "message",
            Self::Payload => "payload",
            Self::JsonPayload => "json_payload",
            Self::Data => "data",
            Self::FlowResult => "flow_result",
            Self::Source => "source",
        }
    }

    /// Returns the envelope that a member's name makes.
    fn of_member(key: &str) -> Option<Self> {
        Some(match key {
            "log" => Self::Log,
            "message" => Self::Message,
            "payload" => Self::Payload,
            "jsonPayload" => Self::JsonPayload,
            "data" => Self::Data,
            "flow" => Self::FlowResult,
            "_source" => Self::Source,
            _ => return None,
        })
    }
}

impl fmt::Display for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How many flows came in which envelope. Of two around each other the inner one counts.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct EnvelopeCounts([u64; Envelope::ALL.len()]);

impl EnvelopeCounts {
    /// Counts one flow.
    pub(super) fn add(&mut self, envelope: Envelope) {
        if let Some(count) = self.0.get_mut(envelope as usize) {
            *count += 1;
        }
    }

    /// Returns the count of one envelope.
    #[must_use]
    pub fn get(&self, envelope: Envelope) -> u64 {
        self.0.get(envelope as usize).copied().unwrap_or(0)
    }

    /// Returns every envelope with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Envelope, u64)> + '_ {
        Envelope::ALL.into_iter().map(|it| (it, self.get(it)))
    }
}

/// Takes off what stands before the JSON, as bytes.
pub(super) fn strip(value: &[u8]) -> (Envelope, &[u8]) {
    match value.trim_ascii_start().first() {
        Some(b'{') | None => (Envelope::Bare, value),
        Some(0) => match value.get(CONFLUENT_BYTES..) {
            Some(rest) if rest.trim_ascii_start().first() == Some(&b'{') => (Envelope::Confluent, rest),
            _ => (Envelope::Bare, value),
        },
        Some(_) => match behind_header(value) {
            Some(rest) => (Envelope::Header, rest),
            None => (Envelope::Bare, value),
        },
    }
}

/// Finds the record behind a header of text: behind `@cee:`, behind the tag of a whole line in a container's log, or
/// behind a syslog header, which begins with its priority in angle brackets.
fn behind_header(line: &[u8]) -> Option<&[u8]> {
    let behind = |mark: &[u8]| {
        let at = line.windows(mark.len()).position(|window| window == mark)?;
        let rest = line.get(at + mark.len()..)?.trim_ascii_start();
        (rest.first() == Some(&b'{')).then_some(rest)
    };
    let syslog = || {
        let at = line.windows(2).position(|window| window == b" {")?;
        line.get(at + 1..).filter(|_| line.first() == Some(&b'<'))
    };
    behind(b"@cee:").or_else(|| behind(b" stdout F ")).or_else(|| behind(b" stderr F ")).or_else(syslog)
}

/// A record inside an envelope.
#[derive(Clone, Copy, Debug)]
pub(super) enum Payload<'t, 'a> {
    /// As text, to be parsed.
    Text(&'a str),
    /// As an object of the same document.
    Object(Item<'t, 'a>),
}

/// Finds the record inside an object that is none itself.
///
/// # Errors
///
/// When the object is an envelope, but what it holds is no JSON.
pub(super) fn find<'t, 'a>(root: Item<'t, 'a>) -> Result<Option<(Envelope, Payload<'t, 'a>)>, Reject> {
    let mut is_envelope = false;
    for (key, value) in root.members().ok().flatten().into_iter().flatten() {
        let Some(envelope) = Envelope::of_member(key) else { continue };
        match value.node() {
            Some(Node::String(text)) => {
                is_envelope |= matches!(envelope, Envelope::Log | Envelope::Message);
                let text = text.trim_ascii_start();
                if text.starts_with('{') {
                    return Ok(Some((envelope, Payload::Text(text))));
                }
                if let Some(rest) = behind_header(text.as_bytes()).and_then(|it| std::str::from_utf8(it).ok())
                {
                    // The header is ASCII, so this is the same text without it.
                    let text = text.get(text.len() - rest.len()..).unwrap_or_default();
                    return Ok(Some((envelope, Payload::Text(text))));
                }
            }
            Some(Node::Object { .. }) if holds_record(value) => {
                return Ok(Some((envelope, Payload::Object(value))));
            }
            _ => {}
        }
    }
    if is_envelope {
        return Err(Reject::record(Reason::Envelope, "the envelope holds text that is not one JSON object"));
    }
    Ok(None)
}

/// Tells whether an object looks like a flow. Filebeat's `log` holds a file's name, and Hubble's `flow` a Hubble flow.
fn holds_record(item: Item<'_, '_>) -> bool {
    item.members().ok().flatten().is_some_and(|mut members| {
        members.any(|(key, _)| matches!(key, "Key" | "reporter" | "source_name_aggr" | "dest_name_aggr"))
    })
}

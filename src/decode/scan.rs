//! The quick way: bare records of Calico Enterprise, read in one pass from the first byte to the last.
//!
//! It reads what that exporter writes and nothing else. On anything unusual it gives up, and says nothing about the
//! record: the strict reader then decides, so no record is taken or refused here that would not be there.
//!
//! Facts: the members and their values are those of the flow-log data types of tigera/docs.

use simd_json::Node;
use simdutf8::basic::from_utf8;

use super::containers::{Container, Containers};
use super::cursor::Cursor;
use super::draft::{Complete, Draft, Texts};
use super::error::Fault;
use super::field::Field;
use super::keys::Keys;
use super::limits::{COUNTER_END, MILLIS_END, NAME_BYTES_MAX, SECONDS_END};
use super::scalar;
use super::tape::Item;
use crate::model::{EventTime, Flow, IpAddr};

/// What is kept from record to record.
#[derive(Debug)]
pub(super) struct Scanner {
    keys: Keys,
    labels: Containers,
    policies: Containers,
}

/// A record that was read in full, but for texts that the scanner keeps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanned<'a> {
    complete: Complete<'a>,
    found: FoundTexts,
}

#[derive(Clone, Copy, Default, Debug)]
struct FoundTexts {
    source_labels: Container,
    dest_labels: Container,
    policies: Container,
}

impl<'a> Scanned<'a> {
    /// Adds the texts, which `scanner` holds until it reads the next record.
    #[inline]
    pub(super) fn with_texts(self, scanner: &'a Scanner) -> Flow<'a> {
        let Scanner { keys: _, labels, policies } = scanner;
        let FoundTexts { source_labels, dest_labels, policies: traces } = self.found;
        self.complete.with_texts(Texts {
            source_labels: labels.first(source_labels),
            dest_labels: labels.first(dest_labels),
            enforced: policies.first(traces),
            pending: policies.second(traces),
        })
    }
}

impl Scanner {
    /// Starts without experience.
    pub(super) fn new() -> Self {
        Self { keys: Keys::new(), labels: Containers::of_labels(), policies: Containers::of_policies() }
    }

    /// Reads a record; nothing when it is not as usual. Never part of its caller: the loop has use for every register.
    #[inline(never)]
    pub(super) fn scan<'a>(&mut self, value: &'a [u8]) -> Option<Scanned<'a>> {
        let value = value.strip_suffix(b"\n").unwrap_or(value);
        if value.first() != Some(&b'{') {
            return None;
        }
        let mut cursor = Cursor::new(from_utf8(value).ok()?);
        cursor.advance(1);
        self.labels.make_room();
        self.policies.make_room();
        let mut draft = Draft::default();
        let mut found = FoundTexts::default();
        let mut seen = 0;
        let mut last = self.keys.begin();
        loop {
            let key = self.keys.find(last, cursor.rest())?;
            last = key.place;
            cursor.advance(key.bytes);
            if seen & key.meaning.bit != 0 {
                return None;
            }
            seen |= key.meaning.bit;
            let value = read_value(&mut cursor)?;
            match key.meaning.field {
                Some(field) => self.read_member(field, value, &mut cursor, &mut draft, &mut found)?,
                None => skip(value, &mut cursor)?,
            }
            // The space that may follow is one with the next key.
            match cursor.next()? {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
        if !cursor.is_at_end() {
            return None;
        }
        Some(Scanned { complete: draft.complete().ok()?, found })
    }

    /// Reads one member. This is the table of the format, less what only other exporters write.
    #[inline(always)]
    fn read_member<'a>(
        &mut self,
        field: Field,
        value: Value<'a>,
        cursor: &mut Cursor<'a>,
        draft: &mut Draft<'a>,
        found: &mut FoundTexts,
    ) -> Option<()> {
        let Draft { source, dest, counters, .. } = draft;
        match field {
            Field::StartTime => draft.start = Some(time(value)?),
            Field::EndTime => draft.end = Some(time(value)?),
            Field::Action => draft.action = word(value, scalar::action)?,
            Field::Reporter => draft.reporter = word(value, scalar::reporter)?,
            Field::Proto => draft.protocol = word(value, scalar::protocol)?,
            Field::SourceIp => source.address = address(value)?,
            Field::SourceName => source.name = name(value)?,
            Field::SourceNameAggr => source.name_aggr = name(value)?,
            Field::SourceNamespace => source.namespace = name(value)?,
            Field::SourceType => source.kind = word(value, scalar::endpoint_kind)?,
            Field::SourcePort => source.port = port(value)?,
            Field::SourceLabels => {
                found.source_labels = container(value, cursor, &mut self.labels)?;
                source.has_labels = found.source_labels.is_known;
            }
            Field::DestIp => dest.address = address(value)?,
            Field::DestName => dest.name = name(value)?,
            Field::DestNameAggr => dest.name_aggr = name(value)?,
            Field::DestNamespace => dest.namespace = name(value)?,
            Field::DestType => dest.kind = word(value, scalar::endpoint_kind)?,
            Field::DestPort => dest.port = port(value)?,
            Field::DestLabels => {
                found.dest_labels = container(value, cursor, &mut self.labels)?;
                dest.has_labels = found.dest_labels.is_known;
            }
            Field::ServiceNamespace => draft.service_namespace = name(value)?,
            Field::ServiceName => draft.service_name = name(value)?,
            // A number here is Goldmane's way.
            Field::ServicePort | Field::ServicePortName => {
                draft.service_port_name = name(value)?.or(draft.service_port_name);
            }
            Field::ServicePortNumber => draft.service_port = port(value)?.or(draft.service_port),
            Field::Policies => found.policies = container(value, cursor, &mut self.policies)?,
            Field::PacketsIn => counters.packets_in = counter(value)?,
            Field::PacketsOut => counters.packets_out = counter(value)?,
            Field::BytesIn => counters.bytes_in = counter(value)?,
            Field::BytesOut => counters.bytes_out = counter(value)?,
            Field::ConnectionsLive => counters.connections_live = counter(value)?,
            Field::ConnectionsStarted => counters.connections_started = counter(value)?,
            Field::ConnectionsCompleted => counters.connections_completed = counter(value)?,
            // Goldmane's.
            Field::Key => return None,
            Field::Timestamp
            | Field::Host
            | Field::DestDomains
            | Field::HttpAllowed
            | Field::HttpDenied
            | Field::ProcessName
            | Field::ProcessId
            | Field::ProcessArgs
            | Field::ProcessNames
            | Field::ProcessIds
            | Field::ProcessArgsCount
            | Field::NatPorts
            | Field::OriginalIps
            | Field::OriginalIpsCount
            | Field::TcpMeanWindow
            | Field::TcpMinWindow
            | Field::TcpMeanRtt
            | Field::TcpMaxRtt
            | Field::TcpMeanMinRtt
            | Field::TcpMaxMinRtt
            | Field::TcpMeanMss
            | Field::TcpMinMss
            | Field::TcpRetransmissions
            | Field::TcpLost
            | Field::TcpUnrecovered => skip(value, cursor)?,
        }
        Some(())
    }
}

/// A value, as far as it tells by its first byte what it is.
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Null,
    Text(&'a str),
    /// A number, or what stands before the point of one.
    Whole(u64),
    /// Anything else. The cursor still stands before it.
    Other,
}

/// Reads a value. There is one place that reads text and one that reads numbers, so that the cursor stays in registers.
#[inline(always)]
fn read_value<'a>(cursor: &mut Cursor<'a>) -> Option<Value<'a>> {
    Some(match cursor.peek()? {
        b'"' => Value::Text(cursor.string()?),
        b'0'..=b'9' => Value::Whole(cursor.whole()?),
        b'n' => {
            if !cursor.null() {
                return None;
            }
            Value::Null
        }
        _ => Value::Other,
    })
}

/// Passes over a value that is not read.
#[inline(always)]
fn skip<'a>(value: Value<'a>, cursor: &mut Cursor<'a>) -> Option<()> {
    let rest = match value {
        Value::Null | Value::Text(_) => return Some(()),
        Value::Whole(_) if cursor.peek() != Some(b'.') => return Some(()),
        Value::Whole(_) => skip_fraction(*cursor)?,
        Value::Other => skip_other(*cursor)?,
    };
    *cursor = rest;
    Some(())
}

// The rare ways take the cursor and give it back, so that it need not lie in memory for them.

#[inline(never)]
fn skip_fraction(mut cursor: Cursor<'_>) -> Option<Cursor<'_>> {
    cursor.skip_fraction().map(|()| cursor)
}

#[inline(never)]
fn skip_other(mut cursor: Cursor<'_>) -> Option<Cursor<'_>> {
    cursor.skip().map(|()| cursor)
}

/// Reads labels or policies that may be unset.
#[inline(always)]
fn container<'a>(value: Value<'a>, cursor: &mut Cursor<'a>, known: &mut Containers) -> Option<Container> {
    match value {
        Value::Null => Some(Container::default()),
        Value::Other => {
            let raw = cursor.flat_object()?;
            known.read(raw)
        }
        Value::Text(_) | Value::Whole(_) => None,
    }
}

/// Reads a name that may be unset.
#[inline(always)]
fn name(value: Value<'_>) -> Option<Option<&str>> {
    match value {
        Value::Null | Value::Text("" | "-") => Some(None),
        Value::Text(name) if name.len() <= NAME_BYTES_MAX => Some(Some(name)),
        Value::Text(_) | Value::Whole(_) | Value::Other => None,
    }
}

/// Reads text of few meanings.
#[inline]
fn word<'a, T>(
    value: Value<'a>,
    read: impl FnOnce(Item<'_, 'a>) -> Result<Option<T>, Fault>,
) -> Option<Option<T>> {
    match value {
        Value::Text(text) => read(Item::root(&[Node::String(text)])).ok(),
        Value::Null | Value::Whole(_) | Value::Other => None,
    }
}

/// Reads an address that may be unset.
#[inline]
fn address(value: Value<'_>) -> Option<Option<IpAddr>> {
    match value {
        Value::Null => Some(None),
        Value::Text(_) | Value::Whole(_) | Value::Other => word(value, scalar::address),
    }
}

/// Reads a moment.
#[inline]
fn time(value: Value<'_>) -> Option<EventTime> {
    let Value::Whole(number) = value else { return None };
    match i64::try_from(number).ok()? {
        number @ 1..SECONDS_END => Some(EventTime::from_secs(number)),
        number @ SECONDS_END..MILLIS_END => Some(EventTime::from_millis(number)),
        _ => None,
    }
}

/// Reads a counter.
#[inline]
fn counter(value: Value<'_>) -> Option<u64> {
    match value {
        Value::Whole(number) if number < COUNTER_END => Some(number),
        Value::Whole(_) | Value::Null | Value::Text(_) | Value::Other => None,
    }
}

/// Reads a port that may be unset.
#[inline]
fn port(value: Value<'_>) -> Option<Option<u16>> {
    match value {
        Value::Null => Some(None),
        Value::Whole(number) => u16::try_from(number).ok().map(|port| (port != 0).then_some(port)),
        Value::Text(_) | Value::Other => None,
    }
}

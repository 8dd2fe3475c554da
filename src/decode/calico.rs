//! Calico's flow records: the members of Enterprise's documents, and of Goldmane's `Key` object and what is beside it.
//!
//! Facts: the flow-log data types of tigera/docs, `goldmane/proto/api.proto` and `whisker-backend` of
//! projectcalico/calico.

use simd_json::Node;

use super::draft::{Draft, Scratch};
use super::error::{Fault, Reason, Reject, excerpt};
use super::field::{Field, Predictor, Seen};
use super::tape::{Item, Members};
use super::{labels, scalar, traces};

/// Keys that this reader does not know, kept to find those that stand twice.
const STRANGERS: usize = 24;

/// What the reader keeps from record to record.
#[derive(Debug)]
pub(super) struct Reader {
    outer: Predictor,
    key: Predictor,
}

/// Whether a `Key` object is followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum KeyObject {
    /// It is read where it stands.
    Read,
    /// It must be there.
    Required,
    /// It is a member like any other that is not known.
    Skipped,
}

impl Reader {
    /// Starts without experience.
    pub(super) const fn new() -> Self {
        Self { outer: Predictor::new(), key: Predictor::new() }
    }

    /// Reads an object's members into a draft.
    pub(super) fn read<'a>(
        &mut self,
        members: Members<'_, 'a>,
        key_object: KeyObject,
        scratch: &mut Scratch,
    ) -> Result<Draft<'a>, Reject> {
        scratch.clear();
        let mut draft = Draft::default();
        let mut seen = Seen::default();
        let nested = walk(&mut self.outer, members, &mut seen, &mut draft, scratch)?;
        match (key_object, nested) {
            (KeyObject::Skipped, _) | (KeyObject::Read, None) => {}
            (KeyObject::Required, None) => {
                return Err(Reject::record(Reason::NotAFlow, "no flow record of Goldmane: it has no `Key`"));
            }
            (KeyObject::Read | KeyObject::Required, Some(item)) => {
                let members = item.members().map_err(|fault| fault.of("Key", item.node()))?;
                let Some(members) = members else {
                    return Err(Fault::bad("an object").of("Key", item.node()));
                };
                walk(&mut self.key, members, &mut seen, &mut draft, scratch)?;
            }
        }
        Ok(draft)
    }
}

/// Reads every member of one object, and returns its `Key`.
fn walk<'t, 'a>(
    predictor: &mut Predictor,
    members: Members<'t, 'a>,
    seen: &mut Seen,
    draft: &mut Draft<'a>,
    scratch: &mut Scratch,
) -> Result<Option<Item<'t, 'a>>, Reject> {
    let mut nested = None;
    let mut strangers = Strangers::new();
    for (place, (key, value)) in members.enumerate() {
        let Some(field) = predictor.find(place, key) else {
            if !strangers.insert(key) {
                return Err(twice(key));
            }
            continue;
        };
        if !seen.insert(field) {
            return Err(twice(key));
        }
        if field == Field::Key {
            nested = Some(value);
        }
        read_member(field, value, draft, scratch)
            .map_err(|fault| fault.of(field.name(), value.node()).at(Some(key.as_ptr().addr())))?;
    }
    Ok(nested)
}

/// Reads one member. This is the table of the format.
#[inline]
fn read_member<'a>(
    field: Field,
    value: Item<'_, 'a>,
    draft: &mut Draft<'a>,
    scratch: &mut Scratch,
) -> Result<(), Fault> {
    let Draft { source, dest, counters, .. } = draft;
    match field {
        Field::StartTime => draft.start = scalar::time(value)?,
        Field::EndTime => draft.end = scalar::time(value)?,
        Field::Action => draft.action = scalar::action(value)?,
        Field::Reporter => draft.reporter = scalar::reporter(value)?,
        Field::Proto => draft.protocol = scalar::protocol(value)?,
        Field::SourceIp => source.address = scalar::address(value)?,
        Field::SourceName => source.name = scalar::name(value)?,
        Field::SourceNameAggr => source.name_aggr = scalar::name(value)?,
        Field::SourceNamespace => source.namespace = scalar::name(value)?,
        Field::SourceType => source.kind = scalar::endpoint_kind(value)?,
        Field::SourcePort => source.port = scalar::port(value)?,
        Field::SourceLabels => source.has_labels = labels::read(value, &mut scratch.source_labels)?,
        Field::DestIp => dest.address = scalar::address(value)?,
        Field::DestName => dest.name = scalar::name(value)?,
        Field::DestNameAggr => dest.name_aggr = scalar::name(value)?,
        Field::DestNamespace => dest.namespace = scalar::name(value)?,
        Field::DestType => dest.kind = scalar::endpoint_kind(value)?,
        Field::DestPort => dest.port = scalar::port(value)?,
        Field::DestLabels => dest.has_labels = labels::read(value, &mut scratch.dest_labels)?,
        Field::ServiceNamespace => draft.service_namespace = scalar::name(value)?,
        Field::ServiceName => draft.service_name = scalar::name(value)?,
        // Enterprise writes the port's name here, Goldmane its number; each has another member for the other.
        Field::ServicePort if matches!(value.node(), Some(Node::Static(_))) => {
            draft.service_port = scalar::port(value)?.or(draft.service_port);
        }
        Field::ServicePort => draft.service_port_name = scalar::name(value)?.or(draft.service_port_name),
        Field::ServicePortName => draft.service_port_name = scalar::name(value)?.or(draft.service_port_name),
        Field::ServicePortNumber => draft.service_port = scalar::port(value)?.or(draft.service_port),
        Field::Policies => traces::read(value, &mut scratch.enforced, &mut scratch.pending)?,
        Field::PacketsIn => counters.packets_in = scalar::counter(value)?,
        Field::PacketsOut => counters.packets_out = scalar::counter(value)?,
        Field::BytesIn => counters.bytes_in = scalar::counter(value)?,
        Field::BytesOut => counters.bytes_out = scalar::counter(value)?,
        Field::ConnectionsLive => counters.connections_live = scalar::counter(value)?,
        Field::ConnectionsStarted => counters.connections_started = scalar::counter(value)?,
        Field::ConnectionsCompleted => counters.connections_completed = scalar::counter(value)?,
        Field::Key
        | Field::Timestamp
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
        | Field::TcpUnrecovered => {}
    }
    Ok(())
}

/// Rejects a record for a member that stands twice.
#[cold]
fn twice(key: &str) -> Reject {
    Reject::record(Reason::DuplicateKey, "a member stands twice")
        .found(excerpt(key))
        .at(Some(key.as_ptr().addr()))
}

/// The unknown keys of one object. The first few lie on the stack, so that usual records cost no allocation.
struct Strangers<'a> {
    first: [&'a str; STRANGERS],
    count: usize,
    rest: Vec<&'a str>,
}

impl<'a> Strangers<'a> {
    const fn new() -> Self {
        Self { first: [""; STRANGERS], count: 0, rest: Vec::new() }
    }

    /// Notes a key; tells whether it is new.
    fn insert(&mut self, key: &'a str) -> bool {
        let known = self.first.get(..self.count).unwrap_or_default();
        if known.contains(&key) || self.rest.contains(&key) {
            return false;
        }
        match self.first.get_mut(self.count) {
            Some(free) => {
                *free = key;
                self.count += 1;
            }
            None => self.rest.push(key),
        }
        true
    }
}

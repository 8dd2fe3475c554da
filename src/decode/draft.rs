//! A flow under construction: what the members said so far, and what they must have said to make one.

use super::error::{Reason, Reject, excerpt};
use super::field::Field;
use crate::model::{
    Counters, EndpointKind, EndpointView, EventTime, Flow, IpAddr, LabelsText, NameScope, Protocol,
    RecordedAction, Reporter, ServiceView, TraceText,
};

/// What several services behind one address are written as.
const AMBIGUOUS: &str = "*";

/// What Calico calls addresses that are nothing it knows, if they are none of the private IPv4 ranges.
const PUBLIC: &str = "pub";

/// What it calls those that are.
const PRIVATE: &str = "pvt";

/// Texts that are put together, one entry a line. Reused from record to record.
#[derive(Default, Debug)]
pub(super) struct Scratch {
    /// The source's labels.
    pub(super) source_labels: String,
    /// The destination's labels.
    pub(super) dest_labels: String,
    /// The enforced trace.
    pub(super) enforced: String,
    /// The pending trace.
    pub(super) pending: String,
}

impl Scratch {
    /// Forgets the last record.
    pub(super) fn clear(&mut self) {
        let Self { source_labels, dest_labels, enforced, pending } = self;
        source_labels.clear();
        dest_labels.clear();
        enforced.clear();
        pending.clear();
    }

    /// Returns the texts.
    pub(super) fn texts(&self) -> Texts<'_> {
        let Self { source_labels, dest_labels, enforced, pending } = self;
        Texts { source_labels, dest_labels, enforced, pending }
    }
}

/// The texts of one record, one entry a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Texts<'a> {
    pub(super) source_labels: &'a str,
    pub(super) dest_labels: &'a str,
    pub(super) enforced: &'a str,
    pub(super) pending: &'a str,
}

/// One end, as far as it was read. Unset is nothing.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct End<'a> {
    pub(super) kind: Option<EndpointKind>,
    pub(super) namespace: Option<&'a str>,
    pub(super) name: Option<&'a str>,
    pub(super) name_aggr: Option<&'a str>,
    pub(super) address: Option<IpAddr>,
    pub(super) port: Option<u16>,
    /// Whether its labels are known; they stand apart.
    pub(super) has_labels: bool,
}

/// A record, as far as it was read. Unset is nothing.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Draft<'a> {
    pub(super) start: Option<EventTime>,
    pub(super) end: Option<EventTime>,
    pub(super) reporter: Option<Reporter>,
    pub(super) action: Option<RecordedAction>,
    pub(super) protocol: Option<Protocol>,
    pub(super) source: End<'a>,
    pub(super) dest: End<'a>,
    pub(super) service_namespace: Option<&'a str>,
    pub(super) service_name: Option<&'a str>,
    pub(super) service_port_name: Option<&'a str>,
    pub(super) service_port: Option<u16>,
    pub(super) counters: Counters,
}

impl Draft<'_> {
    /// Tells whether the record has any member that marks a flow.
    fn is_flow(&self) -> bool {
        self.reporter.is_some()
            || self.source.name.or(self.source.name_aggr).is_some()
            || self.dest.name.or(self.dest.name_aggr).is_some()
    }
}

/// A draft that has all that a flow needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Complete<'a> {
    flow: Flow<'a>,
    source_has_labels: bool,
    dest_has_labels: bool,
}

impl<'a> Draft<'a> {
    /// Tells what stands at an end where the record does not say so (Whisker's records, abridged ones), but leaves no
    /// doubt. Only the strict reader asks: the quick one gives up on records without the kinds.
    pub(super) fn tell_kinds(&mut self, texts: Texts<'_>) {
        let Self { reporter, source, dest, .. } = self;
        source.tell_kind(*reporter == Some(Reporter::Source), texts.source_labels);
        dest.tell_kind(*reporter == Some(Reporter::Destination), texts.dest_labels);
    }

    /// Checks that all is there that a flow needs.
    pub(super) fn complete(&self) -> Result<Complete<'a>, Reject> {
        if !self.is_flow() {
            return Err(Reject::record(Reason::NotAFlow, "no flow record of Calico or Goldmane"));
        }
        let need = |field: Field| move || Reject::missing(field.name());
        let end = self.end.ok_or_else(need(Field::EndTime))?;
        let start = self.start.unwrap_or(end);
        if start > end {
            return Err(Reject::record(Reason::Range, "the record ends before it begins"));
        }
        let protocol = self.protocol.ok_or_else(need(Field::Proto))?;
        let port_of = |end: &End<'_>| end.port.filter(|_| protocol.has_ports());
        // Felix writes an ICMP type and code into the port.
        let dest_port = self.dest.port.filter(|_| protocol.has_ports() || protocol.is_icmp());
        Ok(Complete {
            flow: Flow {
                start,
                end,
                reporter: self.reporter.ok_or_else(need(Field::Reporter))?,
                action: self.action.ok_or_else(need(Field::Action))?,
                source: self.source.view().ok_or_else(|| self.source.untold(Field::SourceType))?,
                dest: self.dest.view().ok_or_else(|| self.dest.untold(Field::DestType))?,
                protocol,
                source_port: port_of(&self.source),
                dest_port,
                service: self.service(),
                counters: self.counters,
                enforced: TraceText::default(),
                pending: TraceText::default(),
            },
            source_has_labels: self.source.has_labels,
            dest_has_labels: self.dest.has_labels,
        })
    }

    /// Returns the Service, if one is named and no other could be meant.
    fn service(&self) -> Option<ServiceView<'a>> {
        let (namespace, name) = (self.service_namespace?, self.service_name?);
        if namespace == AMBIGUOUS || name == AMBIGUOUS {
            return None;
        }
        let port_name = self.service_port_name.filter(|it| *it != AMBIGUOUS).unwrap_or_default();
        Some(ServiceView { namespace, name, port_name, port: self.service_port })
    }
}

impl<'a> End<'a> {
    /// Makes the endpoint; nothing when it is not known what it is. Labels come later.
    fn view(&self) -> Option<EndpointView<'a>> {
        let (name, name_scope) = self.scoped_name();
        let kind = self.kind?;
        let name_scope = if kind == EndpointKind::Network { NameScope::Aggregated } else { name_scope };
        Some(EndpointView {
            kind,
            namespace: self.namespace,
            name,
            name_scope,
            address: self.address,
            labels: None,
        })
    }

    /// Picks the most exact name. The aggregated one is the endpoint's own where it has no `*`: Calico writes the pod's
    /// name there when the pod has no `generateName`.
    fn scoped_name(&self) -> (&'a str, NameScope) {
        let Some(name) = self.name.or(self.name_aggr) else { return ("", NameScope::Aggregated) };
        (name, if name.ends_with('*') { NameScope::Aggregated } else { NameScope::Exact })
    }

    /// Sets the kind if the rest leaves no doubt about it.
    fn tell_kind(&mut self, is_reporter: bool, labels: &str) {
        if self.kind.is_none() {
            self.name = self.name.map(undisplayed);
            self.kind = self.kind_of_rest(is_reporter, labels);
        }
    }

    /// Tells the kind from all that is said beside it. Pods and some network sets have namespaces, hosts and networks
    /// have none. Of these only pods have a `generateName`, which ends in `*`, and policies, by which an end comes to
    /// report a flow; and networks have no labels, and are called `pub` or `pvt`.
    fn kind_of_rest(&self, is_reporter: bool, labels: &str) -> Option<EndpointKind> {
        let aggr = self.name_aggr.or(self.name)?;
        match self.namespace {
            Some(_) if is_reporter || aggr.ends_with('*') => Some(EndpointKind::Workload),
            None if matches!(aggr, PUBLIC | PRIVATE) && labels.is_empty() => Some(EndpointKind::Network),
            Some(_) | None => None,
        }
    }

    /// Says that `field`, the kind, is missing, and why nothing else tells it.
    #[cold]
    fn untold(&self, field: Field) -> Reject {
        let cause = match (self.scoped_name(), self.namespace) {
            // A pod whose namespace is missing too, or nothing at all.
            (("", _) | (_, NameScope::Aggregated), _) => return Reject::missing(field.name()),
            (_, Some(_)) => "is missing, and the name may be a pod's or a network set's",
            (_, None) => "is missing, and the name may be a host's or a network set's",
        };
        let (name, _) = self.scoped_name();
        Reject::untold(field.name(), cause).found(excerpt(name))
    }
}

/// Undoes what Whisker makes of the names of networks for display. The names of objects hold no space.
fn undisplayed(name: &str) -> &str {
    match name {
        "PUBLIC NETWORK" => PUBLIC,
        "PRIVATE NETWORK" => PRIVATE,
        _ => name,
    }
}

impl<'a> Complete<'a> {
    /// Adds the texts.
    #[inline]
    pub(super) fn with_texts(self, texts: Texts<'a>) -> Flow<'a> {
        let mut flow = self.flow;
        flow.source.labels = self.source_has_labels.then_some(LabelsText(texts.source_labels));
        flow.dest.labels = self.dest_has_labels.then_some(LabelsText(texts.dest_labels));
        flow.enforced = TraceText(texts.enforced);
        flow.pending = TraceText(texts.pending);
        flow
    }
}

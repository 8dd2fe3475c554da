//! One decoded flow record.

use super::endpoint::EndpointView;
use super::net::Protocol;
use super::time::EventTime;

/// Which end wrote the record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reporter {
    /// The source's node: the egress policy of the source was applied.
    Source,
    /// The destination's node: the ingress policy of the destination was applied.
    Destination,
    /// A host that only forwarded the traffic (`fwd`).
    Forward,
}

/// What the data plane did with the traffic, as the record says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RecordedAction {
    /// It was let through at the reporter's end.
    Allow,
    /// It was dropped at the reporter's end.
    Deny,
}

/// The Service by which the destination was reached.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ServiceView<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// The name of its port, empty when the port has none or the record does not say.
    pub port_name: &'a str,
    /// The number of its port before translation.
    pub port: Option<u16>,
}

/// What one record counts, in absolute numbers since the exporter's last report.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash, Debug)]
pub struct Counters {
    /// Connections that were live during the interval (`num_flows`). Carried over from interval to interval, so
    /// it is never summed.
    pub connections_live: u64,
    /// Connections that began in the interval.
    pub connections_started: u64,
    /// Connections that ended in the interval.
    pub connections_completed: u64,
    /// Packets towards the reporter's own end.
    pub packets_in: u64,
    /// Packets away from the reporter's own end.
    pub packets_out: u64,
    /// Bytes towards the reporter's own end.
    pub bytes_in: u64,
    /// Bytes away from the reporter's own end.
    pub bytes_out: u64,
}

/// A policy trace as the record spells it: one policy hit a line, in the record's order, not yet parsed.
///
/// Empty text means that the record has no such trace, which is not the same as that no policy applied.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash, Debug)]
pub struct TraceText<'a>(pub &'a str);

/// One aggregated connection record from one reporter, in the form that every reader decodes into.
///
/// Text is borrowed from the record or from the decoder's scratch; nothing is allocated for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Flow<'a> {
    /// Begin of the interval that the record covers.
    pub start: EventTime,
    /// End of the interval. This is the flow's event time.
    pub end: EventTime,
    /// Which end wrote the record.
    pub reporter: Reporter,
    /// What the data plane did.
    pub action: RecordedAction,
    /// The end that opened the connection.
    pub source: EndpointView<'a>,
    /// The end that was called.
    pub dest: EndpointView<'a>,
    /// The IP protocol.
    pub protocol: Protocol,
    /// The source port, if the record has it.
    pub source_port: Option<u16>,
    /// The destination port after translation: the pod's own. For ICMP the message, as
    /// [`IcmpMessage::from_port`](super::IcmpMessage::from_port) reads it.
    pub dest_port: Option<u16>,
    /// The Service by which the destination was reached, if the record names one.
    pub service: Option<ServiceView<'a>>,
    /// Connections, packets and bytes.
    pub counters: Counters,
    /// The trace of what was enforced.
    pub enforced: TraceText<'a>,
    /// The trace that Calico computed with the staged policies in force.
    pub pending: TraceText<'a>,
}

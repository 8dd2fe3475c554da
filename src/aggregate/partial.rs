//! Partials on their log: the one codec.
//!
//! A message holds counts of one pane of one input partition, absolute and stamped with the offset that they are
//! complete up to, or the frontier of one input partition. Endpoints stand once a message and edges name them by
//! place. The form is postcard behind a version byte.

use serde::{Deserialize, Serialize};

use super::checkpoint::Ledger;
use super::fold::Frontier;
use super::pane::Pane;
use super::totals::Totals;
use crate::model::{
    Direction, Edge, Endpoint, EndpointKind, EventTime, IpAddr, LabelSet, Name, NameScope, Offset,
    PartitionId, Protocol, ServiceRef,
};

/// The version of the form. A reader refuses others.
const VERSION: u8 = 1;

/// A message of the partials log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Partial {
    /// The fingerprint of the settings that it was folded under.
    pub settings: u64,
    /// The input partition.
    pub partition: PartitionId,
    /// Which assignment of the partition wrote it: a random number, for the log's readers only.
    pub incarnation: u64,
    /// The counts hold every record before this offset.
    pub upto: Offset,
    /// What is said.
    pub body: Body,
}

/// What a partial says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// Absolute counts of edges in one pane.
    Counts {
        /// The pane.
        pane: Pane,
        /// The edges and their counts.
        edges: Vec<(Edge, Totals)>,
    },
    /// How far the input partition has come.
    Frontier {
        /// The first pane that is not shut.
        closed: Option<Pane>,
        /// The newest event time.
        newest: Option<EventTime>,
        /// The accounts.
        ledger: Ledger,
        /// How many partitions the flows topic has.
        partitions: u32,
        /// Whether the partition had no new record for some time.
        idle: bool,
    },
}

impl Partial {
    /// Makes the message that tells how far a fold has come.
    #[must_use]
    pub fn frontier(
        settings: u64,
        partition: PartitionId,
        incarnation: u64,
        frontier: &Frontier,
        partitions: u32,
        idle: bool,
    ) -> Self {
        let Frontier { upto, closed, newest, ledger } = *frontier;
        let body = Body::Frontier { closed, newest, ledger, partitions, idle };
        Self { settings, partition, incarnation, upto, body }
    }
}

/// Why bytes are no partial.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartialError {
    /// The first byte names another version.
    #[error("partial of version {0} cannot be read")]
    Version(u8),
    /// The rest does not have the form.
    #[error("malformed partial: {0}")]
    Malformed(String),
}

#[derive(Serialize, Deserialize)]
struct WirePartial {
    settings: u64,
    partition: i32,
    incarnation: u64,
    upto: i64,
    body: WireBody,
}

#[derive(Serialize, Deserialize)]
enum WireBody {
    Counts {
        pane: i64,
        endpoints: Vec<WireEndpoint>,
        edges: Vec<WireEdge>,
    },
    Frontier {
        closed: Option<i64>,
        newest: Option<i64>,
        ledger: [u64; 7],
        base: i64,
        partitions: u32,
        idle: bool,
    },
}

#[derive(Serialize, Deserialize)]
struct WireEndpoint {
    kind: u8,
    namespace: Option<String>,
    name: String,
    exact: bool,
    address: Option<IpAddr>,
    labels: Option<Vec<(String, String)>>,
}

#[derive(Serialize, Deserialize)]
struct WireEdge {
    egress: bool,
    subject: u32,
    peer: u32,
    protocol: u8,
    port: Option<u16>,
    service: Option<[String; 3]>,
    counts: [u64; 8],
    seen: [i64; 2],
}

/// Builds the messages of one pane, cutting when one is full.
#[derive(Debug)]
pub(crate) struct Encoder {
    /// A message is closed once its endpoints and edges pass this many bytes, roughly.
    pub(crate) bytes_max: usize,
}

impl Encoder {
    /// Writes counts into as many messages as needed, and hands each to `emit`.
    pub(crate) fn counts<'a>(
        &self,
        head: &Partial,
        pane: Pane,
        edges: impl Iterator<Item = (&'a Edge, Totals)>,
        emit: &mut dyn FnMut(Vec<u8>),
    ) {
        let mut builder = Builder::default();
        for (edge, totals) in edges {
            builder.push(edge, &totals);
            if builder.bytes >= self.bytes_max {
                emit(std::mem::take(&mut builder).finish(head, pane));
            }
        }
        if !builder.edges.is_empty() {
            emit(builder.finish(head, pane));
        }
    }
}

#[derive(Default)]
struct Builder<'a> {
    places: hashbrown::HashMap<&'a Endpoint, u32, foldhash::fast::RandomState>,
    endpoints: Vec<WireEndpoint>,
    edges: Vec<WireEdge>,
    bytes: usize,
}

impl<'a> Builder<'a> {
    fn push(&mut self, edge: &'a Edge, totals: &Totals) {
        let Edge { direction, subject, peer, protocol, port, service } = edge;
        let subject = self.place(subject);
        let peer = self.place(peer);
        let service =
            service.as_ref().map(|it| [&it.namespace, &it.name, &it.port_name].map(|it| it.to_string()));
        self.bytes += 60 + service.iter().flatten().map(String::len).sum::<usize>();
        let (counts, seen) = totals_to_wire(totals);
        self.edges.push(WireEdge {
            egress: *direction == Direction::Egress,
            subject,
            peer,
            protocol: protocol.0,
            port: *port,
            service,
            counts,
            seen,
        });
    }

    fn place(&mut self, endpoint: &'a Endpoint) -> u32 {
        if let Some(place) = self.places.get(endpoint) {
            return *place;
        }
        let place = u32::try_from(self.endpoints.len()).unwrap_or(u32::MAX);
        let wire = endpoint_to_wire(endpoint);
        let labels = wire.labels.iter().flatten().map(|(key, value)| key.len() + value.len() + 2);
        self.bytes +=
            24 + wire.name.len() + wire.namespace.as_ref().map_or(0, String::len) + labels.sum::<usize>();
        self.endpoints.push(wire);
        self.places.insert(endpoint, place);
        place
    }

    fn finish(self, head: &Partial, pane: Pane) -> Vec<u8> {
        let body = WireBody::Counts { pane: pane.0, endpoints: self.endpoints, edges: self.edges };
        encode(head, body)
    }
}

impl Partial {
    /// Writes the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match &self.body {
            Body::Counts { pane, edges } => {
                let mut builder = Builder::default();
                for (edge, totals) in edges {
                    builder.push(edge, totals);
                }
                builder.finish(self, *pane)
            }
            Body::Frontier { closed, newest, ledger, partitions, idle } => {
                let Ledger { base, accepted, late, skewed, rejected, filtered, gaps, overflowed } = *ledger;
                let body = WireBody::Frontier {
                    closed: closed.map(|it| it.0),
                    newest: newest.map(EventTime::as_millis),
                    ledger: [accepted, late, skewed, rejected, filtered, gaps, overflowed],
                    base: base.0,
                    partitions: *partitions,
                    idle: *idle,
                };
                encode(self, body)
            }
        }
    }

    /// Reads a message.
    ///
    /// # Errors
    ///
    /// When the bytes are of another version or do not have the form.
    pub fn decode(bytes: &[u8]) -> Result<Self, PartialError> {
        let (version, rest) =
            bytes.split_first().ok_or_else(|| PartialError::Malformed("no bytes".to_owned()))?;
        if *version != VERSION {
            return Err(PartialError::Version(*version));
        }
        let malformed = |what: &str| PartialError::Malformed(what.to_owned());
        let wire: WirePartial =
            postcard::from_bytes(rest).map_err(|error| PartialError::Malformed(error.to_string()))?;
        let WirePartial { settings, partition, incarnation, upto, body } = wire;
        let body = match body {
            WireBody::Counts { pane, endpoints, edges } => {
                let endpoints: Option<Vec<Endpoint>> =
                    endpoints.into_iter().map(endpoint_from_wire).collect();
                let endpoints = endpoints.ok_or_else(|| malformed("unknown kind of endpoint"))?;
                let edges: Option<Vec<_>> =
                    edges.into_iter().map(|it| edge_from_wire(it, &endpoints)).collect();
                Body::Counts {
                    pane: Pane(pane),
                    edges: edges.ok_or_else(|| malformed("edge names an endpoint that is not there"))?,
                }
            }
            WireBody::Frontier { closed, newest, ledger, base, partitions, idle } => {
                let [accepted, late, skewed, rejected, filtered, gaps, overflowed] = ledger;
                let base = Offset(base);
                Body::Frontier {
                    closed: closed.map(Pane),
                    newest: newest.map(EventTime::from_millis),
                    ledger: Ledger { base, accepted, late, skewed, rejected, filtered, gaps, overflowed },
                    partitions,
                    idle,
                }
            }
        };
        Ok(Self { settings, partition: PartitionId(partition), incarnation, upto: Offset(upto), body })
    }
}

fn encode(head: &Partial, body: WireBody) -> Vec<u8> {
    let Partial { settings, partition, incarnation, upto, body: _ } = head;
    let wire = WirePartial {
        settings: *settings,
        partition: partition.0,
        incarnation: *incarnation,
        upto: upto.0,
        body,
    };
    postcard::to_extend(&wire, vec![VERSION]).expect("writing into a growing buffer does not fail")
}

fn totals_to_wire(totals: &Totals) -> ([u64; 8], [i64; 2]) {
    let Totals {
        flows,
        flows_denied,
        connections_started,
        connections_completed,
        packets_in,
        packets_out,
        bytes_in,
        bytes_out,
        first_seen,
        last_seen,
    } = *totals;
    (
        [
            flows,
            flows_denied,
            connections_started,
            connections_completed,
            packets_in,
            packets_out,
            bytes_in,
            bytes_out,
        ],
        [first_seen.as_millis(), last_seen.as_millis()],
    )
}

fn totals_from_wire(counts: [u64; 8], seen: [i64; 2]) -> Totals {
    let [
        flows,
        flows_denied,
        connections_started,
        connections_completed,
        packets_in,
        packets_out,
        bytes_in,
        bytes_out,
    ] = counts;
    let [first_seen, last_seen] = seen.map(EventTime::from_millis);
    Totals {
        flows,
        flows_denied,
        connections_started,
        connections_completed,
        packets_in,
        packets_out,
        bytes_in,
        bytes_out,
        first_seen,
        last_seen,
    }
}

fn endpoint_to_wire(endpoint: &Endpoint) -> WireEndpoint {
    let Endpoint { kind, namespace, name, name_scope, address, labels } = endpoint;
    WireEndpoint {
        kind: match kind {
            EndpointKind::Workload => 1,
            EndpointKind::Host => 2,
            EndpointKind::NetworkSet => 3,
            EndpointKind::Network => 4,
        },
        namespace: namespace.as_ref().map(ToString::to_string),
        name: name.to_string(),
        exact: *name_scope == NameScope::Exact,
        address: *address,
        labels: labels
            .as_ref()
            .map(|it| it.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()),
    }
}

fn endpoint_from_wire(wire: WireEndpoint) -> Option<Endpoint> {
    let WireEndpoint { kind, namespace, name, exact, address, labels } = wire;
    Some(Endpoint {
        kind: match kind {
            1 => EndpointKind::Workload,
            2 => EndpointKind::Host,
            3 => EndpointKind::NetworkSet,
            4 => EndpointKind::Network,
            _ => return None,
        },
        namespace: namespace.map(Name::from),
        name: Name::from(name),
        name_scope: if exact { NameScope::Exact } else { NameScope::Aggregated },
        address,
        labels: labels.map(|it| it.into_iter().collect::<LabelSet>()),
    })
}

fn edge_from_wire(wire: WireEdge, endpoints: &[Endpoint]) -> Option<(Edge, Totals)> {
    let WireEdge { egress, subject, peer, protocol, port, service, counts, seen } = wire;
    let edge = Edge {
        direction: if egress { Direction::Egress } else { Direction::Ingress },
        subject: endpoints.get(subject as usize)?.clone(),
        peer: endpoints.get(peer as usize)?.clone(),
        protocol: Protocol(protocol),
        port,
        service: service.map(|[namespace, name, port_name]| ServiceRef {
            namespace: namespace.into(),
            name: name.into(),
            port_name: port_name.into(),
        }),
    };
    Some((edge, totals_from_wire(counts, seen)))
}

//! Partials on their log: the one codec.
//!
//! A message holds counts of one pane of one input partition, absolute and stamped with the offset that they are
//! complete up to, or the frontier of one input partition. Endpoints and services stand once a message and rows name
//! them by place, so that a row is a few numbers to write, to read and to merge. The form is postcard behind a version
//! byte; endpoints are bytes as `spelling` writes them.

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize, Serializer};

use super::checkpoint::Ledger;
use super::edges::{EdgeIdx, EdgeKey, EdgeTable};
use super::fold::Frontier;
use super::intern::EndpointIdx;
use super::pane::Pane;
use super::spelling::has_control;
use super::totals::Totals;
use crate::model::{Direction, EventTime, Offset, PartitionId, Protocol};

/// The version of the form. A reader refuses others.
pub(super) const VERSION: u8 = 2;

/// Bytes that a row has usually; with the largest counts it may have twice as many.
const ROW_BYTES: usize = 48;

/// A message of the partials log, as it lies in its bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Partial<'a> {
    /// Who says it, and up to where.
    pub head: Head,
    /// What is said.
    pub body: Body<'a>,
}

/// Who wrote a message of the partials log, and up to where it is complete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// The fingerprint of the settings that it was folded under.
    pub settings: u64,
    /// The input partition.
    pub partition: PartitionId,
    /// Which assignment of the partition wrote it: a random number, for the log's readers only.
    pub incarnation: u64,
    /// It holds every record before this offset.
    pub upto: Offset,
}

/// What a partial says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body<'a> {
    /// Absolute counts of edges in one pane.
    Counts(Counts<'a>),
    /// How far the input partition has come.
    Frontier {
        /// How far; complete up to the head's offset.
        frontier: Frontier,
        /// How many partitions the flows topic has.
        partitions: u32,
        /// Whether the partition had no new record for some time.
        idle: bool,
    },
}

/// Absolute counts of edges in one pane.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Counts<'a> {
    pane: i64,
    #[serde(borrow)]
    endpoints: Vec<Spelled<'a>>,
    #[serde(borrow)]
    services: Vec<[&'a str; 3]>,
    rows: Vec<Row>,
}

/// One endpoint's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
struct Spelled<'a>(&'a [u8]);

/// As bytes and not as a list of numbers, which is how serde sees a slice.
impl Serialize for Spelled<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// One edge and its counts. Ends are places in the message's list; a service is one more than its place, 0 none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Row {
    egress: bool,
    subject: u32,
    peer: u32,
    service: u32,
    protocol: u8,
    port: Option<u16>,
    counts: [u64; 8],
    first_seen: i64,
    // How much later the last record was, in milliseconds: a pane is short, so this is a small number.
    seen_for: i64,
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

impl PartialError {
    fn malformed(what: &dyn ToString) -> Self {
        Self::Malformed(what.to_string())
    }
}

#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    settings: u64,
    partition: i32,
    incarnation: u64,
    upto: i64,
    #[serde(borrow)]
    body: WireBody<'a>,
}

#[derive(Serialize, Deserialize)]
enum WireBody<'a> {
    #[serde(borrow)]
    Counts(Counts<'a>),
    Frontier {
        closed: Option<i64>,
        newest: Option<i64>,
        ledger: [u64; 7],
        base: i64,
        partitions: u32,
        idle: bool,
    },
}

impl<'a> Partial<'a> {
    /// Reads a message.
    ///
    /// # Errors
    ///
    /// When the bytes are of another version or do not have the form.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, PartialError> {
        let (version, rest) = bytes.split_first().ok_or_else(|| PartialError::malformed(&"no bytes"))?;
        if *version != VERSION {
            return Err(PartialError::Version(*version));
        }
        let wire: Wire<'a> = postcard::from_bytes(rest).map_err(|it| PartialError::malformed(&it))?;
        let Wire { settings, partition, incarnation, upto, body } = wire;
        let upto = Offset(upto);
        let body = match body {
            WireBody::Counts(counts) => Body::Counts(counts),
            WireBody::Frontier { closed, newest, ledger, base, partitions, idle } => {
                let [accepted, late, skewed, rejected, filtered, gaps, overflowed] = ledger;
                let base = Offset(base);
                let ledger = Ledger { base, accepted, late, skewed, rejected, filtered, gaps, overflowed };
                let (closed, newest) = (closed.map(Pane), newest.map(EventTime::from_millis));
                Body::Frontier { frontier: Frontier { upto, closed, newest, ledger }, partitions, idle }
            }
        };
        Ok(Self { head: Head { settings, partition: PartitionId(partition), incarnation, upto }, body })
    }
}

impl Counts<'_> {
    /// Returns the pane.
    #[must_use]
    pub const fn pane(&self) -> Pane {
        Pane(self.pane)
    }

    /// Finds or enters every edge in a table, and returns them with their counts. All or none; endpoints that stand
    /// before one that cannot be read stay known, and count nothing.
    ///
    /// # Errors
    ///
    /// When an endpoint or a service cannot be read, or a row names a place that is not there.
    pub(super) fn enter(&self, table: &mut EdgeTable) -> Result<Vec<(EdgeIdx, Totals)>, PartialError> {
        let Self { pane: _, endpoints, services, rows } = self;
        let is_sound = |row: &Row| {
            let ends = row.subject.max(row.peer) as usize;
            ends < endpoints.len() && row.service as usize <= services.len()
        };
        if !rows.iter().all(is_sound) {
            return Err(PartialError::malformed(&"an edge names an end or a service that is not there"));
        }
        if services.iter().flatten().any(|it| has_control(it)) {
            return Err(PartialError::malformed(&"a service's name holds a control character"));
        }
        let ends: Option<Vec<EndpointIdx>> =
            endpoints.iter().map(|it| table.spelled_endpoint(it.0)).collect();
        let ends = ends.ok_or_else(|| PartialError::malformed(&"an endpoint cannot be read"))?;
        let services: Vec<u32> = services.iter().map(|it| table.service_of(*it)).collect();
        let enter = |row: &Row| {
            let key = EdgeKey {
                subject: *ends.get(row.subject as usize)?,
                peer: *ends.get(row.peer as usize)?,
                service: row
                    .service
                    .checked_sub(1)
                    .map_or(Some(0), |it| services.get(it as usize).copied())?,
                port: row.port,
                protocol: Protocol(row.protocol),
                direction: if row.egress { Direction::Egress } else { Direction::Ingress },
            };
            Some((table.find_or_insert(key), row.totals()))
        };
        Ok(rows.iter().filter_map(enter).collect())
    }
}

impl Row {
    fn totals(&self) -> Totals {
        let [
            flows,
            flows_denied,
            connections_started,
            connections_completed,
            packets_in,
            packets_out,
            bytes_in,
            bytes_out,
        ] = self.counts;
        Totals {
            flows,
            flows_denied,
            connections_started,
            connections_completed,
            packets_in,
            packets_out,
            bytes_in,
            bytes_out,
            first_seen: EventTime::from_millis(self.first_seen),
            last_seen: EventTime::from_millis(self.first_seen.saturating_add(self.seen_for)),
        }
    }
}

/// Writes the message that tells how far a fold has come.
pub(crate) fn encode_frontier(head: &Head, frontier: &Frontier, partitions: u32, idle: bool) -> Vec<u8> {
    let Frontier { upto: _, closed, newest, ledger } = *frontier;
    let Ledger { base, accepted, late, skewed, rejected, filtered, gaps, overflowed } = ledger;
    let body = WireBody::Frontier {
        closed: closed.map(|it| it.0),
        newest: newest.map(EventTime::as_millis),
        ledger: [accepted, late, skewed, rejected, filtered, gaps, overflowed],
        base: base.0,
        partitions,
        idle,
    };
    encode(head, body)
}

/// Writes counts of one pane into as many messages as needed, and hands each to `emit`.
///
/// A message is closed once it has about `bytes_max` bytes. Edges of one subject should come together: each end is
/// written once a message.
pub(crate) fn encode_counts(
    head: &Head,
    pane: Pane,
    table: &EdgeTable,
    counts: impl Iterator<Item = (EdgeIdx, Totals)>,
    bytes_max: usize,
    emit: &mut dyn FnMut(Vec<u8>),
) {
    let mut builder = Builder::new(table);
    for (edge, totals) in counts {
        builder.push(edge, &totals);
        if builder.bytes >= bytes_max {
            emit(builder.finish(head, pane));
        }
    }
    if !builder.rows.is_empty() {
        emit(builder.finish(head, pane));
    }
}

/// Builds the messages of one pane, one after the other.
struct Builder<'a> {
    table: &'a EdgeTable,
    ends: HashMap<EndpointIdx, u32, RandomState>,
    endpoints: Vec<Spelled<'a>>,
    service_places: HashMap<u32, u32, RandomState>,
    services: Vec<[&'a str; 3]>,
    rows: Vec<Row>,
    bytes: usize,
}

impl<'a> Builder<'a> {
    fn new(table: &'a EdgeTable) -> Self {
        Self {
            table,
            ends: HashMap::default(),
            endpoints: Vec::new(),
            service_places: HashMap::default(),
            services: Vec::new(),
            rows: Vec::new(),
            bytes: 0,
        }
    }

    fn push(&mut self, edge: EdgeIdx, totals: &Totals) {
        let Some(key) = self.table.key(edge) else { return };
        let EdgeKey { subject, peer, service, port, protocol, direction } = *key;
        let (subject, peer, service) = (self.end(subject), self.end(peer), self.service(service));
        let first_seen = totals.first_seen.as_millis();
        self.bytes += ROW_BYTES;
        self.rows.push(Row {
            egress: direction == Direction::Egress,
            subject,
            peer,
            service,
            protocol: protocol.0,
            port,
            counts: [
                totals.flows,
                totals.flows_denied,
                totals.connections_started,
                totals.connections_completed,
                totals.packets_in,
                totals.packets_out,
                totals.bytes_in,
                totals.bytes_out,
            ],
            first_seen,
            seen_for: totals.last_seen.as_millis().saturating_sub(first_seen),
        });
    }

    fn end(&mut self, endpoint: EndpointIdx) -> u32 {
        let Self { table, ends, endpoints, bytes, .. } = self;
        *ends.entry(endpoint).or_insert_with(|| {
            let spelled = table.spelling(endpoint).unwrap_or_default();
            *bytes += 2 + spelled.len();
            endpoints.push(Spelled(spelled));
            place(endpoints.len() - 1)
        })
    }

    fn service(&mut self, number: u32) -> u32 {
        let Self { table, service_places, services, bytes, .. } = self;
        let Some(texts) = table.service(number) else { return 0 };
        *service_places.entry(number).or_insert_with(|| {
            *bytes += 3 + texts.iter().map(|it| it.len()).sum::<usize>();
            services.push(texts);
            place(services.len())
        })
    }

    fn finish(&mut self, head: &Head, pane: Pane) -> Vec<u8> {
        self.ends.clear();
        self.service_places.clear();
        self.bytes = 0;
        let counts = Counts {
            pane: pane.0,
            endpoints: std::mem::take(&mut self.endpoints),
            services: std::mem::take(&mut self.services),
            rows: std::mem::take(&mut self.rows),
        };
        encode(head, WireBody::Counts(counts))
    }
}

fn place(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

fn encode(head: &Head, body: WireBody<'_>) -> Vec<u8> {
    let Head { settings, partition, incarnation, upto } = *head;
    let wire = Wire { settings, partition: partition.0, incarnation, upto: upto.0, body };
    postcard::to_extend(&wire, vec![VERSION]).expect("writing into a growing buffer does not fail")
}

//! The dense table of edges that a worker knows: an edge is a row.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::digest::{digest_edge, namespace_hash};
use super::intern::{EndpointIdx, Interner};
use super::report::EdgeDigest;
use super::reporter::Observation;
use crate::evaluate::{JudgementId, Touched};
use crate::model::{Direction, Edge, Endpoint, Name, Protocol, ServiceRef, ServiceView};

/// An edge by its place in a worker's table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct EdgeIdx(pub(crate) u32);

/// What makes an edge, by numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct EdgeKey {
    pub(crate) subject: EndpointIdx,
    pub(crate) peer: EndpointIdx,
    /// 0 is none.
    pub(super) service: u32,
    pub(crate) port: Option<u16>,
    pub(crate) protocol: Protocol,
    pub(crate) direction: Direction,
}

/// One edge: what it is, what was said of it, and where it was counted last.
///
/// A flow of a known edge finds its row by the key, then asks for the hint and the verdict: all of it is one line of the
/// cache, which is mostly not at hand.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct EdgeRow {
    /// What makes it, by numbers of this table.
    pub(crate) key: EdgeKey,
    /// The pane table that counted this edge last, and where in it.
    pub(super) hint: (u32, u32),
    /// The generation of programs that `judgement` was given under; 0 for none.
    pub(crate) judged_in: u32,
    /// The verdict, remembered; nothing for an edge that is never judged.
    pub(crate) judgement: Option<JudgementId>,
    /// Whether it stands for all further peers beyond a limit. Such an edge is never judged.
    pub(crate) is_overflow: bool,
    /// The edge.
    pub(crate) edge: Arc<Edge>,
    /// Chooses the partition of the partials log.
    pub(crate) route: u64,
}

const _: () = assert!(size_of::<EdgeRow>() == 64);

/// The name of the peer that stands for all the peers beyond a limit. No Kubernetes name can be spelled so.
const OTHER: &str = "<other>";

/// Edges by number. One a worker; nothing in it is shared.
#[derive(Debug, Default)]
pub struct EdgeTable {
    hasher: RandomState,
    endpoints: Interner,
    services: Services,
    by_key: HashTable<u32>,
    rows: Vec<EdgeRow>,
    digests: Vec<EdgeDigest>,
    pane_uids: u32,
}

impl EdgeTable {
    /// Makes an empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns how many edges are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Tells whether no edge is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns how many spellings of endpoints are held.
    #[must_use]
    pub fn endpoint_spellings(&self) -> usize {
        self.endpoints.len()
    }

    /// Returns the number of the edge that was observed.
    pub(crate) fn observed(&mut self, observation: &Observation<'_>) -> EdgeIdx {
        let key = EdgeKey {
            subject: self.endpoints.intern(&observation.subject),
            peer: self.endpoints.intern(&observation.peer),
            service: self.services.intern(observation.flow.service.as_ref()),
            port: observation.flow.dest_port,
            protocol: observation.flow.protocol,
            direction: observation.direction,
        };
        self.find_or_insert(key)
    }

    /// Returns the number of an edge that is at hand already.
    pub(crate) fn owned(&mut self, edge: Edge) -> EdgeIdx {
        let Edge { direction, subject, peer, protocol, port, service } = edge;
        let key = EdgeKey {
            subject: self.endpoints.intern_owned(subject),
            peer: self.endpoints.intern_owned(peer),
            service: self.services.intern_owned(service),
            port,
            protocol,
            direction,
        };
        self.find_or_insert(key)
    }

    /// Returns the number of the edge that stands for all further peers of `of`'s subject in its direction.
    pub(super) fn overflow(&mut self, of: EdgeIdx) -> EdgeIdx {
        let Some(key) = self.row(of).map(|row| row.key) else { return of };
        let peer = self.endpoints.intern_owned(overflow_peer());
        self.find_or_insert(EdgeKey { peer, service: 0, port: None, ..key })
    }

    /// Returns the subject of an edge by number, for limits.
    pub(crate) fn subject(&self, edge: EdgeIdx) -> Option<EndpointIdx> {
        self.row(edge).map(|row| row.key.subject)
    }

    /// Returns the endpoint of a number that this table gave.
    pub(crate) fn endpoint(&self, idx: EndpointIdx) -> Option<&Endpoint> {
        self.endpoints.get(idx).map(Arc::as_ref)
    }

    /// Returns the number of an endpoint by its bytes from any table; nothing where they spell none.
    pub(super) fn spelled_endpoint(&mut self, bytes: &[u8]) -> Option<EndpointIdx> {
        self.endpoints.intern_spelled(bytes)
    }

    /// Returns the bytes of an endpoint.
    pub(super) fn spelling(&self, endpoint: EndpointIdx) -> Option<&[u8]> {
        self.endpoints.spelling(endpoint)
    }

    /// Returns the number of the service of this namespace, name and port name.
    pub(super) fn service_of(&mut self, [namespace, name, port_name]: [&str; 3]) -> u32 {
        self.services.intern(Some(&ServiceView { namespace, name, port_name, port: None }))
    }

    /// Returns namespace, name and port name of a service by number.
    pub(super) fn service(&self, number: u32) -> Option<[&str; 3]> {
        self.services.get(number).map(|it| [&*it.namespace, &*it.name, &*it.port_name])
    }

    /// Returns what makes an edge.
    pub(super) fn key(&self, edge: EdgeIdx) -> Option<&EdgeKey> {
        self.row(edge).map(|row| &row.key)
    }

    /// Returns a row.
    pub(crate) fn row(&self, idx: EdgeIdx) -> Option<&EdgeRow> {
        self.rows.get(idx.0 as usize)
    }

    /// Returns the short name of an edge.
    pub(crate) fn digest(&self, idx: EdgeIdx) -> Option<EdgeDigest> {
        self.digests.get(idx.0 as usize).copied()
    }

    /// Returns a row to write to.
    pub(crate) fn row_mut(&mut self, idx: EdgeIdx) -> Option<&mut EdgeRow> {
        self.rows.get_mut(idx.0 as usize)
    }

    /// Counts the rows that were judged in a generation.
    pub(crate) fn judged_in(&self, generation: u32) -> usize {
        self.rows.iter().filter(|row| row.judged_in == generation).count()
    }

    /// Takes rows that were judged in generation `from` into generation `to`, where a change of policies has `touched`
    /// neither end, and tells the judgements that they `keep`.
    pub(crate) fn carry_over(
        &mut self,
        from: u32,
        to: u32,
        touched: impl Fn(&Endpoint) -> Touched,
        mut keep: impl FnMut(JudgementId),
    ) {
        let mut known: Vec<Option<Touched>> = vec![None; self.endpoints.count()];
        let endpoints = &self.endpoints;
        let mut touched = |idx: EndpointIdx| {
            let anew = || endpoints.get(idx).map(|it| touched(it));
            known.get_mut(idx.0 as usize).and_then(|it| it.or_else(anew).inspect(|found| *it = Some(*found)))
        };
        for row in self.rows.iter_mut().filter(|row| row.judged_in == from) {
            let subject = touched(row.key.subject).is_none_or(|it| it.as_subject(row.key.direction));
            if !subject && !touched(row.key.peer).is_none_or(|it| it.as_peer) {
                row.judged_in = to;
                row.judgement.into_iter().for_each(&mut keep);
            }
        }
    }

    /// Returns a number that no pane table of this worker had before; 0 is none.
    pub(super) fn next_pane_uid(&mut self) -> u32 {
        self.pane_uids = self.pane_uids.checked_add(1).unwrap_or_else(|| {
            // After four billion pane tables old hints could be taken for new ones.
            for row in &mut self.rows {
                row.hint = (0, 0);
            }
            1
        });
        self.pane_uids
    }

    /// Returns a table of the given edges alone, and the new number of each old one.
    ///
    /// A table only grows; this is how it forgets edges that no pane counts any more.
    pub(crate) fn rebuilt(&self, live: &[bool]) -> (Self, Vec<EdgeIdx>) {
        let mut table = Self { pane_uids: self.pane_uids, ..Self::default() };
        let renumbered =
            self.rows.iter().zip(live).map(|(row, live)| {
                if *live { table.owned(Edge::clone(&row.edge)) } else { EdgeIdx(u32::MAX) }
            });
        let renumbered = renumbered.collect();
        (table, renumbered)
    }

    /// Returns the number of the edge with this key; its numbers are of this table.
    pub(super) fn find_or_insert(&mut self, key: EdgeKey) -> EdgeIdx {
        let hash = self.hasher.hash_one(key);
        let rows = &self.rows;
        match self.by_key.find(hash, |it| rows.get(*it as usize).is_some_and(|row| row.key == key)) {
            Some(idx) => EdgeIdx(*idx),
            None => self.insert(hash, key),
        }
    }

    #[cold]
    fn insert(&mut self, hash: u64, key: EdgeKey) -> EdgeIdx {
        let endpoint = |idx| self.endpoints.get(idx).map_or_else(overflow_peer, |it| Endpoint::clone(it));
        let edge = Edge {
            direction: key.direction,
            subject: endpoint(key.subject),
            peer: endpoint(key.peer),
            protocol: key.protocol,
            port: key.port,
            service: self.services.get(key.service).cloned(),
        };
        let idx = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        let is_overflow = edge.peer.name == OTHER;
        self.digests.push(digest_edge(&edge));
        self.rows.push(EdgeRow {
            route: namespace_hash(edge.subject.namespace.as_deref()),
            edge: Arc::new(edge),
            judged_in: 0,
            judgement: None,
            is_overflow,
            hint: (0, 0),
            key,
        });
        let Self { rows, hasher, .. } = self;
        self.by_key
            .insert_unique(hash, idx, |it| rows.get(*it as usize).map_or(0, |row| hasher.hash_one(row.key)));
        EdgeIdx(idx)
    }
}

/// The peer that stands for all the peers beyond a limit: nothing is known of it.
fn overflow_peer() -> Endpoint {
    Endpoint {
        kind: crate::model::EndpointKind::Network,
        namespace: None,
        name: Name::from(OTHER),
        name_scope: crate::model::NameScope::Aggregated,
        address: None,
        labels: None,
    }
}

/// Services by number; 0 is none.
#[derive(Debug, Default)]
struct Services {
    by_ref: hashbrown::HashMap<ServiceRef, u32, RandomState>,
    by_text: HashTable<u32>,
    hasher: RandomState,
    refs: Vec<ServiceRef>,
}

impl Services {
    fn intern(&mut self, view: Option<&ServiceView<'_>>) -> u32 {
        let Some(view) = view else { return 0 };
        let text = (view.namespace, view.name, view.port_name);
        let hash = self.hasher.hash_one(text);
        let refs = &self.refs;
        let found =
            self.by_text.find(hash, |it| refs.get(*it as usize).is_some_and(|known| text_of(known) == text));
        match found {
            Some(idx) => idx + 1,
            None => self.intern_owned(Some(ServiceRef {
                namespace: Name::from(view.namespace),
                name: Name::from(view.name),
                port_name: Name::from(view.port_name),
            })),
        }
    }

    fn intern_owned(&mut self, service: Option<ServiceRef>) -> u32 {
        let Some(service) = service else { return 0 };
        if let Some(known) = self.by_ref.get(&service) {
            return *known;
        }
        let idx = u32::try_from(self.refs.len()).unwrap_or(u32::MAX - 1);
        let hash = self.hasher.hash_one(text_of(&service));
        self.refs.push(service.clone());
        let Self { refs, hasher, .. } = self;
        self.by_text.insert_unique(hash, idx, |it| {
            refs.get(*it as usize).map_or(0, |known| hasher.hash_one(text_of(known)))
        });
        self.by_ref.insert(service, idx + 1);
        idx + 1
    }

    fn get(&self, number: u32) -> Option<&ServiceRef> {
        self.refs.get(number.checked_sub(1)? as usize)
    }
}

fn text_of(service: &ServiceRef) -> (&str, &str, &str) {
    (&service.namespace, &service.name, &service.port_name)
}

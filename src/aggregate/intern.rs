//! Endpoints by number: text is compared once and copied never again.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashTable};

use crate::model::{Endpoint, EndpointKind, EndpointView, IpAddr, NameScope};

/// An endpoint by its place in a worker's table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct EndpointIdx(pub(super) u32);

/// One raw spelling of an endpoint: where its bytes stand, and which endpoint it is.
#[derive(Debug)]
struct Spelling {
    start: usize,
    len: usize,
    endpoint: EndpointIdx,
}

/// Interns endpoints by the raw text of their record.
///
/// The same endpoint may be spelled in several ways (labels in another order); each spelling is parsed once.
/// Identity is decided by comparing bytes, never by a hash alone.
#[derive(Debug, Default)]
pub(super) struct Interner {
    hasher: RandomState,
    by_spelling: HashTable<u32>,
    spellings: Vec<Spelling>,
    arena: Vec<u8>,
    by_endpoint: HashMap<Arc<Endpoint>, EndpointIdx, RandomState>,
    endpoints: Vec<Arc<Endpoint>>,
    scratch: Vec<u8>,
}

impl Interner {
    /// Returns the number of the endpoint.
    pub(super) fn intern(&mut self, view: &EndpointView<'_>) -> EndpointIdx {
        let mut scratch = std::mem::take(&mut self.scratch);
        spell(view, &mut scratch);
        let hash = self.hasher.hash_one(scratch.as_slice());
        let found = self
            .by_spelling
            .find(hash, |it| {
                self.spellings.get(*it as usize).is_some_and(|known| known.bytes(&self.arena) == scratch)
            })
            .and_then(|it| self.spellings.get(*it as usize));
        let endpoint = match found {
            Some(known) => known.endpoint,
            None => self.learn(hash, &scratch, view),
        };
        self.scratch = scratch;
        endpoint
    }

    /// Returns the number of an endpoint that is at hand already.
    pub(super) fn intern_owned(&mut self, endpoint: Endpoint) -> EndpointIdx {
        if let Some(known) = self.by_endpoint.get(&endpoint) {
            return *known;
        }
        let idx = EndpointIdx(u32::try_from(self.endpoints.len()).unwrap_or(u32::MAX));
        let endpoint = Arc::new(endpoint);
        self.endpoints.push(Arc::clone(&endpoint));
        self.by_endpoint.insert(endpoint, idx);
        idx
    }

    /// Returns the endpoint of a number that this table gave.
    pub(super) fn get(&self, idx: EndpointIdx) -> Option<&Arc<Endpoint>> {
        self.endpoints.get(idx.0 as usize)
    }

    /// Returns how many endpoints are known.
    pub(super) fn count(&self) -> usize {
        self.endpoints.len()
    }

    /// Returns how many spellings are held.
    pub(super) fn len(&self) -> usize {
        self.spellings.len()
    }

    #[cold]
    fn learn(&mut self, hash: u64, bytes: &[u8], view: &EndpointView<'_>) -> EndpointIdx {
        let endpoint = self.intern_owned(view.to_endpoint());
        let start = self.arena.len();
        self.arena.extend_from_slice(bytes);
        let idx = u32::try_from(self.spellings.len()).unwrap_or(u32::MAX);
        self.spellings.push(Spelling { start, len: bytes.len(), endpoint });
        let Self { spellings, arena, hasher, .. } = self;
        self.by_spelling.insert_unique(hash, idx, |it| {
            hasher.hash_one(spellings.get(*it as usize).map_or(&[][..], |known| known.bytes(arena)))
        });
        endpoint
    }
}

impl Spelling {
    fn bytes<'a>(&self, arena: &'a [u8]) -> &'a [u8] {
        arena.get(self.start..self.start + self.len).unwrap_or(&[])
    }
}

/// Writes everything that makes the endpoint into `out`, unambiguously: no part may hold a zero byte (the decoder
/// rejects control characters), so a zero byte ends each.
fn spell(view: &EndpointView<'_>, out: &mut Vec<u8>) {
    let EndpointView { kind, namespace, name, name_scope, address, labels } = view;
    out.clear();
    let kind = match kind {
        EndpointKind::Workload => 1,
        EndpointKind::Host => 2,
        EndpointKind::NetworkSet => 3,
        EndpointKind::Network => 4,
    };
    let scope = match name_scope {
        NameScope::Exact => 0x10,
        NameScope::Aggregated => 0x20,
    };
    let known = 0x40 * u8::from(labels.is_some());
    out.push(kind | scope | known);
    match address {
        None => out.push(0),
        Some(IpAddr::V4(it)) => {
            out.push(4);
            out.extend_from_slice(&it.octets());
        }
        Some(IpAddr::V6(it)) => {
            out.push(6);
            out.extend_from_slice(&it.octets());
        }
    }
    match namespace {
        None => out.push(1),
        Some(it) => out.extend_from_slice(it.as_bytes()),
    }
    out.push(0);
    out.extend_from_slice(name.as_bytes());
    out.push(0);
    out.extend_from_slice(labels.map_or("", |it| it.0).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LabelsText;

    fn view<'a>(name: &'a str, labels: Option<&'a str>) -> EndpointView<'a> {
        EndpointView {
            kind: EndpointKind::Workload,
            namespace: Some("shop"),
            name,
            name_scope: NameScope::Exact,
            address: None,
            labels: labels.map(LabelsText),
        }
    }

    #[test]
    fn labels_in_another_order_are_the_same_endpoint() {
        let mut interner = Interner::default();
        let one = interner.intern(&view("web", Some("app=web\ntier=front")));
        let two = interner.intern(&view("web", Some("tier=front\napp=web")));
        assert_eq!(one, two);
        assert_eq!(interner.len(), 2, "both spellings are remembered");
    }

    #[test]
    fn unknown_labels_are_not_empty_labels() {
        let mut interner = Interner::default();
        assert_ne!(interner.intern(&view("web", None)), interner.intern(&view("web", Some(""))));
    }

    #[test]
    fn numbers_stay_and_lead_back_to_the_endpoint() {
        let mut interner = Interner::default();
        let names: Vec<String> = (0..1_000).map(|it| format!("web-{it}")).collect();
        let first: Vec<_> = names.iter().map(|it| interner.intern(&view(it, None))).collect();
        let again: Vec<_> = names.iter().map(|it| interner.intern(&view(it, None))).collect();
        assert_eq!(first, again);
        for (name, idx) in names.iter().zip(first) {
            assert_eq!(interner.get(idx).unwrap().name, *name.as_str());
        }
    }
}

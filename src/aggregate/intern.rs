//! Endpoints by number: text is compared once and copied never again.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashTable};

use super::spelling::{read, spell, spell_owned};
use crate::model::{Endpoint, EndpointView};

/// An endpoint by its place in a worker's table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct EndpointIdx(pub(crate) u32);

/// One raw spelling of an endpoint: where its bytes stand, and which endpoint it is.
#[derive(Debug)]
struct Spelling {
    start: usize,
    len: usize,
    endpoint: EndpointIdx,
}

/// One endpoint, and a spelling of it to hand on.
#[derive(Debug)]
struct Known {
    endpoint: Arc<Endpoint>,
    spelling: u32,
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
    known: Vec<Known>,
    scratch: Vec<u8>,
}

impl Interner {
    /// Returns the number of the endpoint.
    pub(super) fn intern(&mut self, view: &EndpointView<'_>) -> EndpointIdx {
        let mut scratch = std::mem::take(&mut self.scratch);
        spell(view, &mut scratch);
        let hash = self.hasher.hash_one(scratch.as_slice());
        let endpoint = match self.find(hash, &scratch) {
            Some(known) => known,
            None => self.learn(hash, &scratch, view.to_endpoint()),
        };
        self.scratch = scratch;
        endpoint
    }

    /// Returns the number of the endpoint that [`Interner::spelling`] wrote; nothing where the bytes spell none.
    pub(super) fn intern_spelled(&mut self, bytes: &[u8]) -> Option<EndpointIdx> {
        let hash = self.hasher.hash_one(bytes);
        match self.find(hash, bytes) {
            Some(known) => Some(known),
            None => Some(self.learn(hash, bytes, read(bytes)?.to_endpoint())),
        }
    }

    /// Returns the number of an endpoint that is at hand already.
    pub(super) fn intern_owned(&mut self, endpoint: Endpoint) -> EndpointIdx {
        if let Some(known) = self.by_endpoint.get(&endpoint) {
            return *known;
        }
        let mut bytes = Vec::new();
        spell_owned(&endpoint, &mut bytes);
        self.learn(self.hasher.hash_one(bytes.as_slice()), &bytes, endpoint)
    }

    /// Returns the endpoint of a number that this table gave.
    pub(super) fn get(&self, idx: EndpointIdx) -> Option<&Arc<Endpoint>> {
        self.known.get(idx.0 as usize).map(|it| &it.endpoint)
    }

    /// Returns the endpoint of a number that this table gave, as bytes for [`Interner::intern_spelled`] of any table.
    pub(super) fn spelling(&self, idx: EndpointIdx) -> Option<&[u8]> {
        let known = self.known.get(idx.0 as usize)?;
        self.spellings.get(known.spelling as usize).map(|it| it.bytes(&self.arena))
    }

    /// Returns how many endpoints are known.
    pub(super) fn count(&self) -> usize {
        self.known.len()
    }

    /// Returns how many spellings are held.
    pub(super) fn len(&self) -> usize {
        self.spellings.len()
    }

    fn find(&self, hash: u64, bytes: &[u8]) -> Option<EndpointIdx> {
        let spelled = |it: &u32| self.spellings.get(*it as usize);
        let found =
            self.by_spelling.find(hash, |it| spelled(it).is_some_and(|it| it.bytes(&self.arena) == bytes));
        found.and_then(spelled).map(|it| it.endpoint)
    }

    #[cold]
    fn learn(&mut self, hash: u64, bytes: &[u8], endpoint: Endpoint) -> EndpointIdx {
        let spelling = u32::try_from(self.spellings.len()).unwrap_or(u32::MAX);
        let endpoint = match self.by_endpoint.get(&endpoint) {
            Some(known) => *known,
            None => {
                let idx = EndpointIdx(u32::try_from(self.known.len()).unwrap_or(u32::MAX));
                let endpoint = Arc::new(endpoint);
                self.known.push(Known { endpoint: Arc::clone(&endpoint), spelling });
                self.by_endpoint.insert(endpoint, idx);
                idx
            }
        };
        self.spellings.push(Spelling { start: self.arena.len(), len: bytes.len(), endpoint });
        self.arena.extend_from_slice(bytes);
        let Self { spellings, arena, hasher, .. } = self;
        self.by_spelling.insert_unique(hash, spelling, |it| {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EndpointKind, LabelsText, NameScope};

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

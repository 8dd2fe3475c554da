//! Stage two: for each slot the value with the highest `upto`, summed over the input partitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::edges::{EdgeIdx, EdgeTable};
use super::finality::Finalities;
use super::pane::{Pane, Spec};
use super::partial::{Body, Head, Partial, PartialError};
use super::report::Finality;
use super::totals::Totals;
use super::window::{ClosedWindow, WindowEdge};
use crate::model::{MergePartitionId, Name, Offset, PartitionId};

/// Merges one partition of the partials log. Associative, commutative and idempotent: the order, the repetition and
/// the split of what is absorbed do not matter.
#[derive(Debug)]
pub struct Merge {
    partition: MergePartitionId,
    spec: Spec,
    settings: u64,
    position: Offset,
    panes: BTreeMap<Pane, MergePane>,
    finalities: Finalities,
    // Windows that end at this pane's begin, or before, are closed.
    closed_to: Option<Pane>,
}

#[derive(Debug)]
struct MergePane {
    first_offset: Offset,
    slots: Vec<MergeSlot>,
    by_edge: HashMap<EdgeIdx, u32, RandomState>,
    dirty: Vec<u32>,
}

#[derive(Debug)]
struct MergeSlot {
    edge: EdgeIdx,
    dirty: bool,
    // One an input partition that counted the edge, sorted by it.
    parts: Vec<(PartitionId, Offset, Totals)>,
}

/// The sum of one slot over the input partitions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Summed {
    pub(crate) pane: Pane,
    pub(crate) edge: EdgeIdx,
    pub(crate) totals: Totals,
    pub(crate) revision: u64,
    pub(crate) finality: Finality,
}

/// What absorbing a partial did.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Absorbed {
    /// It was taken in. `stale` of its values were out-voted by newer ones.
    Taken {
        /// How many values a newer one had replaced before.
        stale: u32,
    },
    /// Its pane was published and forgotten: every window that holds it was closed.
    Expired,
    /// It was folded under other settings.
    ForeignSettings,
}

impl Merge {
    /// Begins with nothing known. `closed_to` is what an earlier owner had closed.
    #[must_use]
    pub fn new(partition: MergePartitionId, spec: Spec, settings: u64, closed_to: Option<Pane>) -> Self {
        Self {
            partition,
            spec,
            settings,
            position: Offset(0),
            panes: BTreeMap::new(),
            finalities: Finalities::default(),
            closed_to,
        }
    }

    /// Returns the partition of the partials log.
    #[must_use]
    pub const fn partition(&self) -> MergePartitionId {
        self.partition
    }

    /// Returns the first pane that windows may still be closed at.
    #[must_use]
    pub const fn closed_to(&self) -> Option<Pane> {
        self.closed_to
    }

    /// Notes that windows up to this pane were closed and published before: they are not closed again.
    pub fn raise_closed_to(&mut self, pane: Pane) {
        self.closed_to = self.closed_to.max(Some(pane));
    }

    /// Tells whether every input partition has told how far it has come.
    #[must_use]
    pub fn has_heard_of_all(&self) -> bool {
        self.finalities.heard_of_all()
    }

    /// Returns how many slots are held.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.panes.values().map(|it| it.slots.len()).sum()
    }

    /// Takes in a partial that stands at `offset`.
    ///
    /// # Errors
    ///
    /// When its counts do not hold together. Nothing of it is taken in, and it is passed over.
    pub fn absorb(
        &mut self,
        edges: &mut EdgeTable,
        offset: Offset,
        partial: &Partial<'_>,
    ) -> Result<Absorbed, PartialError> {
        self.position = self.position.max(offset.next());
        let Head { settings, partition, incarnation: _, upto } = partial.head;
        if settings != self.settings {
            return Ok(Absorbed::ForeignSettings);
        }
        let counts = match &partial.body {
            Body::Frontier { frontier, partitions, idle } => {
                let newest = frontier.newest.map(|it| self.spec.pane_of(it));
                self.finalities.note(partition, upto, frontier.closed, newest, *partitions, *idle);
                return Ok(Absorbed::Taken { stale: 0 });
            }
            Body::Counts(counts) => counts,
        };
        let pane = counts.pane();
        if self.is_expired(pane) {
            return Ok(Absorbed::Expired);
        }
        let counts = counts.enter(edges)?;
        let into = self.panes.entry(pane).or_insert_with(|| MergePane::new(offset));
        let taken = counts.into_iter().map(|(edge, totals)| into.absorb(edge, partition, upto, totals));
        Ok(Absorbed::Taken { stale: taken.map(|is_news| u32::from(!is_news)).sum() })
    }

    /// Hands out the sum of every slot that changed since the last call.
    pub(crate) fn take_dirty(&mut self, mut each: impl FnMut(Summed)) {
        let shut = self.finalities.shut();
        for (pane, it) in &mut self.panes {
            let finality = match shut {
                Some(shut) if *pane < shut => Finality::Final,
                _ => Finality::Provisional,
            };
            for idx in it.dirty.drain(..) {
                let Some(slot) = it.slots.get_mut(idx as usize) else { continue };
                slot.dirty = false;
                if let Some((totals, revision)) = slot.sum() {
                    each(Summed { pane: *pane, edge: slot.edge, totals, revision, finality });
                }
            }
        }
    }

    /// Marks everything as changed, because it has to be judged anew.
    pub(crate) fn mark_all_dirty(&mut self) {
        for pane in self.panes.values_mut() {
            for (idx, slot) in (0..).zip(&mut pane.slots) {
                if !slot.dirty {
                    slot.dirty = true;
                    pane.dirty.push(idx);
                }
            }
        }
    }

    /// Closes windows that all input partitions have passed, in order and at most `windows_max` at once, and forgets
    /// panes that no later window holds. What changed must have been taken out before.
    pub fn close(&mut self, edges: &EdgeTable, windows_max: usize) -> Vec<ClosedWindow> {
        let Some(shut) = self.finalities.shut() else { return Vec::new() };
        let width = self.spec.panes_per_window();
        let Some((&first, &last)) = self.panes.keys().next().zip(self.panes.keys().next_back()) else {
            self.closed_to = self.closed_to.max(Some(shut));
            return Vec::new();
        };
        // A window without a pane that holds anything is empty and is not spoken of.
        let begin = self.closed_to.map_or(first.next(), |it| it.next().max(first.next()));
        let end = shut.min(Pane(last.0.saturating_add(width)));
        let at_once = i64::try_from(windows_max).unwrap_or(i64::MAX);
        let until = end.min(Pane(begin.0.saturating_add(at_once - 1)));
        let windows = (begin.0..=until.0).flat_map(|end| self.window(edges, Pane(end))).collect();
        let closed = if until < end { until } else { shut };
        self.closed_to = self.closed_to.max(Some(closed));
        self.panes.retain(|pane, _| pane.0.saturating_add(width) > closed.0);
        windows
    }

    /// Returns from where a new owner has to read again, once everything up to now is published.
    #[must_use]
    pub fn floor(&self) -> Offset {
        self.panes.values().map(|it| it.first_offset).min().unwrap_or(self.position)
    }

    /// Hands to `live` every edge that a pane holds.
    pub(crate) fn mark_live(&self, live: &mut dyn FnMut(EdgeIdx)) {
        for pane in self.panes.values() {
            pane.slots.iter().for_each(|slot| live(slot.edge));
        }
    }

    /// Gives edges other numbers.
    pub(crate) fn renumber(&mut self, renumber: &dyn Fn(EdgeIdx) -> EdgeIdx) {
        for pane in self.panes.values_mut() {
            pane.by_edge.clear();
            for (idx, slot) in (0..).zip(&mut pane.slots) {
                slot.edge = renumber(slot.edge);
                pane.by_edge.insert(slot.edge, idx);
            }
        }
    }

    fn is_expired(&self, pane: Pane) -> bool {
        let width = self.spec.panes_per_window();
        self.closed_to.is_some_and(|closed| pane.0.saturating_add(width) <= closed.0)
    }

    /// Sums the panes of the window that ends where `end` begins, apart by namespace.
    fn window(&self, edges: &EdgeTable, end: Pane) -> Vec<ClosedWindow> {
        let start = end.minus(self.spec.panes_per_window());
        let mut sums = Sums::new(edges.len());
        for pane in self.panes.range(start..end).map(|(_, it)| it) {
            for slot in &pane.slots {
                if let Some((totals, _)) = slot.sum() {
                    sums.add(slot.edge, &totals);
                }
            }
        }
        let mut by_namespace: BTreeMap<Name, Vec<WindowEdge>> = BTreeMap::new();
        for (idx, totals) in sums.rows {
            // Hosts have no namespace; nothing is recommended for them.
            let Some(edge) = edges.row(idx).map(|row| &row.edge) else { continue };
            let Some(namespace) = edge.subject.namespace.clone() else { continue };
            by_namespace.entry(namespace).or_default().push(WindowEdge { edge: Arc::clone(edge), totals });
        }
        let window = |(namespace, mut edges): (Name, Vec<WindowEdge>)| {
            edges.sort_by(|a, b| a.edge.cmp(&b.edge));
            ClosedWindow { namespace, start: self.spec.start_of(start), end: self.spec.start_of(end), edges }
        };
        by_namespace.into_iter().map(window).collect()
    }
}

impl MergePane {
    fn new(first_offset: Offset) -> Self {
        Self { first_offset, slots: Vec::new(), by_edge: HashMap::default(), dirty: Vec::new() }
    }

    /// Returns whether the value was news.
    fn absorb(&mut self, edge: EdgeIdx, partition: PartitionId, upto: Offset, totals: Totals) -> bool {
        let slots = &mut self.slots;
        let idx = *self.by_edge.entry(edge).or_insert_with(|| {
            slots.push(MergeSlot { edge, dirty: false, parts: Vec::new() });
            u32::try_from(slots.len() - 1).unwrap_or(u32::MAX)
        });
        let Some(slot) = slots.get_mut(idx as usize) else { return false };
        if !slot.absorb(partition, upto, totals) {
            return false;
        }
        if !slot.dirty {
            slot.dirty = true;
            self.dirty.push(idx);
        }
        true
    }
}

impl MergeSlot {
    fn absorb(&mut self, partition: PartitionId, upto: Offset, totals: Totals) -> bool {
        match self.parts.binary_search_by_key(&partition, |(it, _, _)| *it) {
            Ok(place) => match self.parts.get_mut(place) {
                Some((_, known, _)) if upto <= *known => false,
                Some((_, known, counts)) => {
                    // The same counts complete up to a later offset are no news to readers, but must out-vote later ones.
                    let changed = *counts != totals;
                    (*known, *counts) = (upto, totals);
                    changed
                }
                None => false,
            },
            Err(place) => {
                self.parts.insert(place, (partition, upto, totals));
                true
            }
        }
    }

    /// Sums the parts. The revision is the sum of their offsets: it grows with every change.
    fn sum(&self) -> Option<(Totals, u64)> {
        let mut parts = self.parts.iter();
        let (_, upto, mut totals) = *parts.next()?;
        let mut revision = u64::try_from(upto.0).unwrap_or(0);
        for (_, upto, more) in parts {
            totals.absorb(more);
            revision = revision.saturating_add(u64::try_from(upto.0).unwrap_or(0));
        }
        Some((totals, revision))
    }
}

/// Sums by edge. Edges are dense numbers, so the way to a row is an index: a window of many panes is mostly this.
struct Sums {
    rows: Vec<(EdgeIdx, Totals)>,
    // Place in `rows` plus one; 0 for none.
    places: Vec<u32>,
}

impl Sums {
    fn new(edges: usize) -> Self {
        Self { rows: Vec::new(), places: vec![0; edges] }
    }

    fn add(&mut self, edge: EdgeIdx, totals: &Totals) {
        let Some(place) = self.places.get_mut(edge.0 as usize) else { return };
        match place.checked_sub(1).and_then(|it| self.rows.get_mut(it as usize)) {
            Some((_, sum)) => sum.absorb(totals),
            None => {
                self.rows.push((edge, *totals));
                *place = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
            }
        }
    }
}

//! The counts of one pane of one input partition.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::edges::{EdgeIdx, EdgeTable};
use super::intern::EndpointIdx;
use super::limits::Limits;
use super::pane::Pane;
use super::totals::Totals;

/// An append-only list of slots, one an edge, and the way from edge to slot.
///
/// Flows of one edge come in runs, so each edge's row remembers where it was counted last: most flows find their slot
/// without a look-up.
#[derive(Debug)]
pub(super) struct PaneTable {
    pane: Pane,
    uid: u32,
    slots: Vec<Slot>,
    by_edge: HashMap<EdgeIdx, u32, RandomState>,
    by_subject: HashMap<EndpointIdx, u32, RandomState>,
    dirty: Vec<u32>,
}

#[derive(Debug)]
struct Slot {
    edge: EdgeIdx,
    dirty: bool,
    totals: Totals,
}

impl PaneTable {
    pub(super) fn new(pane: Pane, uid: u32) -> Self {
        Self {
            pane,
            uid,
            slots: Vec::new(),
            by_edge: HashMap::default(),
            by_subject: HashMap::default(),
            dirty: Vec::new(),
        }
    }

    pub(super) const fn pane(&self) -> Pane {
        self.pane
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn edges(&self) -> impl Iterator<Item = EdgeIdx> + '_ {
        self.slots.iter().map(|slot| slot.edge)
    }

    /// Counts into `edge`, or beyond a limit into the edge that stands for the subject's further peers. Returns which.
    ///
    /// First come stays: an edge that has a slot keeps it, so counts never fall, and the decision depends on this
    /// pane's records alone.
    pub(super) fn count(
        &mut self,
        edges: &mut EdgeTable,
        limits: &Limits,
        edge: EdgeIdx,
        totals: &Totals,
    ) -> EdgeIdx {
        let hint = edges.row(edge).map_or((0, 0), |row| row.hint);
        if hint.0 == self.uid {
            self.add(hint.1, totals);
            return edge;
        }
        let (edge, slot) = match self.by_edge.get(&edge) {
            Some(slot) => (edge, *slot),
            None if self.has_room(edges, limits, edge) => (edge, self.open_slot(edges, edge, totals)),
            None => {
                let other = edges.overflow(edge);
                let slot = self.by_edge.get(&other).copied();
                (other, slot.unwrap_or_else(|| self.open_slot(edges, other, totals)))
            }
        };
        if let Some(row) = edges.row_mut(edge) {
            row.hint = (self.uid, slot);
        }
        self.add(slot, totals);
        edge
    }

    /// Hands out every slot that changed since the last call.
    pub(super) fn take_dirty(&mut self, mut each: impl FnMut(EdgeIdx, &Totals)) {
        for idx in self.dirty.drain(..) {
            if let Some(slot) = self.slots.get_mut(idx as usize) {
                slot.dirty = false;
                each(slot.edge, &slot.totals);
            }
        }
    }

    /// Moves to the numbers of another table.
    pub(super) fn renumber(&mut self, edges: &EdgeTable, uid: u32, renumber: &dyn Fn(EdgeIdx) -> EdgeIdx) {
        self.uid = uid;
        self.by_edge.clear();
        self.by_subject.clear();
        for (idx, slot) in (0..).zip(&mut self.slots) {
            slot.edge = renumber(slot.edge);
            self.by_edge.insert(slot.edge, idx);
            if let Some(subject) = edges.subject(slot.edge) {
                *self.by_subject.entry(subject).or_insert(0) += 1;
            }
        }
    }

    fn has_room(&self, edges: &EdgeTable, limits: &Limits, edge: EdgeIdx) -> bool {
        let of_subject = edges.subject(edge).and_then(|it| self.by_subject.get(&it)).copied().unwrap_or(0);
        of_subject < limits.edges_per_subject && self.slots.len() < limits.edges_per_pane as usize
    }

    fn open_slot(&mut self, edges: &EdgeTable, edge: EdgeIdx, first: &Totals) -> u32 {
        let slot = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        // Zero counts with the times of the first record, which is added right after.
        let Totals { first_seen, last_seen, .. } = *first;
        self.slots.push(Slot { edge, dirty: false, totals: Totals::zero(first_seen, last_seen) });
        self.by_edge.insert(edge, slot);
        if let Some(subject) = edges.subject(edge) {
            *self.by_subject.entry(subject).or_insert(0) += 1;
        }
        slot
    }

    fn add(&mut self, idx: u32, totals: &Totals) {
        if let Some(slot) = self.slots.get_mut(idx as usize) {
            slot.totals.absorb(totals);
            if !slot.dirty {
                slot.dirty = true;
                self.dirty.push(idx);
            }
        }
    }
}

//! Stage one: one input partition's records turned into absolute counts per pane and edge.

use std::collections::{BTreeMap, VecDeque};

use super::checkpoint::{Checkpoint, Ledger};
use super::edges::{EdgeIdx, EdgeTable};
use super::limits::Settings;
use super::pane::Pane;
use super::pane_table::PaneTable;
use super::reporter::Observation;
use super::totals::Totals;
use super::watermark::{Admission, Watermark};
use crate::model::{EventTime, Offset, PartitionId};

/// How far back a restart must be able to build panes again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Retain {
    /// Panes that are still open: the partials log keeps the others.
    OpenPanes,
    /// Every pane of a window that is still open: the partials log is in memory and ends with the process.
    Windows,
}

/// What became of an observation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Folded {
    /// It was counted into this edge.
    Counted(EdgeIdx),
    /// It was counted before the last restart; its pane is not built again.
    Skipped,
    /// It came after its pane was shut.
    Late,
    /// Its event time is not believed.
    Skewed,
}

/// Folds one input partition. A function of the log alone: record bytes, offset, broker timestamp.
#[derive(Debug)]
pub struct Fold {
    partition: PartitionId,
    settings: Settings,
    retain: Retain,
    // False until the first record tells at which offset the log begins.
    started: bool,
    position: Offset,
    watermark: Watermark,
    ledger: Ledger,
    resume_from: Pane,
    // Newest last; open panes only, so a handful.
    panes: VecDeque<PaneTable>,
    // The state before the first record of each pane that a restart may have to build again.
    openings: BTreeMap<Pane, Opening>,
}

#[derive(Clone, Copy, Debug)]
struct Opening {
    offset: Offset,
    watermark: Watermark,
    ledger: Ledger,
}

/// What a fold has to publish: the counts of one edge in one pane, as they are now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct DirtySlot {
    /// The pane.
    pub(crate) pane: Pane,
    /// The edge.
    pub(crate) edge: EdgeIdx,
    /// Its absolute counts.
    pub(crate) totals: Totals,
}

/// How far a fold has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frontier {
    /// Everything before this offset is in what was published.
    pub upto: Offset,
    /// The first pane that is not shut; nothing while no record was accepted.
    pub closed: Option<Pane>,
    /// The newest event time.
    pub newest: Option<EventTime>,
    /// The accounts.
    pub ledger: Ledger,
}

impl Fold {
    /// Begins with nothing known, at whatever record comes first.
    #[must_use]
    pub fn begin(partition: PartitionId, settings: Settings, retain: Retain) -> Self {
        let start = Checkpoint {
            offset: Offset(0),
            watermark: Watermark::default(),
            ledger: Ledger::default(),
            resume_from: Pane(i64::MIN),
        };
        Self { started: false, ..Self::resume(partition, settings, retain, &start) }
    }

    /// Continues from a checkpoint.
    #[must_use]
    pub fn resume(partition: PartitionId, settings: Settings, retain: Retain, from: &Checkpoint) -> Self {
        let Checkpoint { offset, watermark, ledger, resume_from } = *from;
        Self {
            partition,
            settings,
            retain,
            started: true,
            position: offset,
            watermark,
            ledger,
            resume_from,
            panes: VecDeque::new(),
            openings: BTreeMap::new(),
        }
    }

    /// Returns the partition.
    #[must_use]
    pub const fn partition(&self) -> PartitionId {
        self.partition
    }

    /// Returns the next offset to be folded.
    #[must_use]
    pub const fn position(&self) -> Offset {
        self.position
    }

    /// Returns how many edges are counted in open panes.
    #[must_use]
    pub fn open_slots(&self) -> usize {
        self.panes.iter().map(PaneTable::len).sum()
    }

    /// Tells whether a record was folded before: Kafka's client may deliver a record again after a seek.
    #[must_use]
    pub fn is_behind(&self, offset: Offset) -> bool {
        offset < self.position
    }

    /// Counts a record that could not be read.
    pub(crate) fn reject(&mut self, offset: Offset) {
        self.advance(offset);
        self.ledger.rejected += 1;
    }

    /// Counts a record that is no observation of an endpoint's policy.
    pub(crate) fn filter(&mut self, offset: Offset) {
        self.advance(offset);
        self.ledger.filtered += 1;
    }

    /// Folds an observation.
    pub(crate) fn observe(
        &mut self,
        edges: &mut EdgeTable,
        offset: Offset,
        broker: Option<EventTime>,
        observation: &Observation<'_>,
    ) -> Folded {
        self.advance(offset);
        let opening = Opening { offset, watermark: self.watermark, ledger: self.ledger };
        let end = observation.flow.end;
        let pane = match self.watermark.admit(&self.settings.spec, end, broker) {
            Admission::Open(pane) => pane,
            Admission::Late => {
                self.ledger.late += 1;
                return Folded::Late;
            }
            Admission::Skewed => {
                self.ledger.skewed += 1;
                return Folded::Skewed;
            }
        };
        self.ledger.accepted += 1;
        if pane < self.resume_from {
            return Folded::Skipped;
        }
        let edge = edges.observed(observation);
        let totals = Totals::of_flow(&observation.flow.counters, observation.flow.action, end);
        let limits = self.settings.limits;
        let table = self.pane_mut(edges, pane, opening);
        let counted = table.count(edges, &limits, edge, &totals);
        if counted != edge {
            self.ledger.overflowed += 1;
        }
        Folded::Counted(counted)
    }

    /// Hands out what changed since the last call, and drops panes that are shut.
    pub(crate) fn take_dirty(&mut self, mut each: impl FnMut(DirtySlot)) {
        for table in &mut self.panes {
            let pane = table.pane();
            table.take_dirty(|edge, totals| each(DirtySlot { pane, edge, totals: *totals }));
        }
        if let Some(closed) = self.watermark.closed() {
            self.panes.retain(|table| table.pane() >= closed);
        }
    }

    /// Returns how far the fold has come.
    #[must_use]
    pub fn frontier(&self) -> Frontier {
        Frontier {
            upto: self.position,
            closed: self.watermark.closed(),
            newest: self.watermark.newest(),
            ledger: self.ledger,
        }
    }

    /// Returns from where a restart has to read again once everything up to now is published; nothing while no record
    /// was folded.
    ///
    /// `windows_closed` is the pane that windows were closed and published up to. It matters where the partials log
    /// ends with the process: then every pane of a window that is not closed has to be built again.
    pub fn checkpoint(&mut self, windows_closed: Option<Pane>) -> Option<Checkpoint> {
        if !self.started {
            return None;
        }
        let closed = self.watermark.closed().unwrap_or(self.resume_from);
        let needed = match self.retain {
            Retain::OpenPanes => closed,
            Retain::Windows => windows_closed.map_or(self.resume_from, |windows| {
                closed.min(windows.minus(self.settings.spec.panes_per_window() - 1))
            }),
        };
        let resume_from = needed.max(self.resume_from);
        self.openings = self.openings.split_off(&resume_from);
        let now = Opening { offset: self.position, watermark: self.watermark, ledger: self.ledger };
        let Opening { offset, watermark, ledger } =
            self.openings.values().min_by_key(|it| it.offset).copied().unwrap_or(now);
        Some(Checkpoint { offset, watermark, ledger, resume_from })
    }

    /// Gives edges other numbers: `renumber` maps each edge of an open pane.
    pub(crate) fn renumber(&mut self, edges: &mut EdgeTable, renumber: &dyn Fn(EdgeIdx) -> EdgeIdx) {
        for table in &mut self.panes {
            let uid = edges.next_pane_uid();
            table.renumber(edges, uid, renumber);
        }
    }

    /// Hands to `live` every edge that an open pane counts.
    pub(crate) fn mark_live(&self, live: &mut dyn FnMut(EdgeIdx)) {
        for table in &self.panes {
            table.edges().for_each(&mut *live);
        }
    }

    fn advance(&mut self, offset: Offset) {
        if !self.started {
            self.started = true;
            self.position = offset;
            self.ledger.base = offset;
        }
        self.ledger.gaps += u64::try_from(offset.0 - self.position.0).unwrap_or(0);
        self.position = offset.next();
    }

    fn pane_mut(&mut self, edges: &mut EdgeTable, pane: Pane, opening: Opening) -> &mut PaneTable {
        let at = match self.panes.iter().rposition(|it| it.pane() <= pane) {
            Some(idx) if self.panes.get(idx).is_some_and(|it| it.pane() == pane) => idx,
            below => {
                let idx = below.map_or(0, |it| it + 1);
                self.openings.entry(pane).or_insert(opening);
                self.panes.insert(idx, PaneTable::new(pane, edges.next_pane_uid()));
                idx
            }
        };
        let panes = &mut self.panes;
        panes.get_mut(at).expect("the pane was found or inserted at this place")
    }
}

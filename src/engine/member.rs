//! The engine of one member of the group.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::comparing::{Compared, Comparing, ReadTrace};
use super::event::{Effect, Event, Ticket};
use super::judging::Judging;
use super::observed::Observed;
use super::tally::{Tallied, Tally};
use crate::aggregate::{
    Absorbed, DirtySlot, EdgeIdx, EdgeReport, EdgeTable, Fold, Folded, Head, Merge, Observation, Pane,
    Partial, PartialError, Retain, Settings, encode_counts, encode_frontier,
};
use crate::evaluate::{Judgement, Programs};
use crate::model::{EventTime, Flow, MergePartitionId, Offset, PartitionId};
use crate::recommend::{self, Learned, Recommender};

/// What an engine is told when it is made.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// How the log is folded.
    pub settings: Settings,
    /// How far back a restart must be able to read again.
    pub retain: Retain,
    /// How many partitions the flows topic has.
    pub partitions: u32,
    /// A random number that marks this member's writes.
    pub incarnation: u64,
    /// Bytes after which a message of the partials log is closed.
    pub message_bytes_max: usize,
}

/// Folds, merges, judges; decides what is published and what may be committed.
#[derive(Debug)]
pub struct Engine {
    spec: Spec,
    fingerprint: u64,
    edges: EdgeTable,
    compact_at: usize,
    judging: Judging,
    tally: Tally,
    comparing: Comparing,
    folds: BTreeMap<PartitionId, Member>,
    merges: BTreeMap<MergePartitionId, Share>,
    recommend: recommend::Config,
    windows_closed: Option<Pane>,
    tickets: u64,
    pending: VecDeque<(Ticket, Vec<Effect>)>,
}

/// One partition of the partials log that is ours: its merge, and what is recommended from its windows.
#[derive(Debug)]
struct Share {
    merge: Merge,
    recommender: Recommender,
}

/// One input partition that is ours.
#[derive(Debug)]
struct Member {
    fold: Fold,
    idle: bool,
    // What the last frontier said, and how many flushes ago: nothing new is told seldom.
    told: Option<(Offset, bool)>,
    quiet_flushes: u32,
}

/// Flushes without news after which a frontier is told again, for new owners of the partials' partitions.
const QUIET_FLUSHES_MAX: u32 = 5;

/// Windows that are closed in one publication. After a backlog many are due, and each costs a recommendation a namespace:
/// the group's protocol must be served in between.
const WINDOWS_AT_ONCE: usize = 8;

/// Edges below which the table is not worth compacting.
const COMPACT_MIN: usize = 200_000;

impl Engine {
    /// Makes an engine that owns nothing yet.
    #[must_use]
    pub fn new(spec: Spec, recommend: recommend::Config, programs: Arc<Programs>) -> Self {
        Self {
            spec,
            fingerprint: spec.settings.fingerprint(),
            edges: EdgeTable::new(),
            compact_at: COMPACT_MIN,
            comparing: Comparing::new(Arc::clone(&programs)),
            judging: Judging::new(programs),
            tally: Tally::default(),
            folds: BTreeMap::new(),
            merges: BTreeMap::new(),
            recommend,
            windows_closed: None,
            tickets: 0,
            pending: VecDeque::new(),
        }
    }

    /// Returns the programs in force.
    #[must_use]
    pub fn programs(&self) -> &Arc<Programs> {
        self.judging.programs()
    }

    /// Returns the folds, for those who show where they stand.
    pub fn folds(&self) -> impl Iterator<Item = &Fold> {
        self.folds.values().map(|it| &it.fold)
    }

    /// Returns the merges, for those who show where they stand.
    pub fn merges(&self) -> impl Iterator<Item = &Merge> {
        self.merges.values().map(|it| &it.merge)
    }

    /// Returns how many edges are known.
    #[must_use]
    pub fn edges(&self) -> usize {
        self.edges.len()
    }

    /// Counts the edges that have a verdict under the programs in force.
    #[must_use]
    pub fn judged(&self) -> usize {
        self.judging.count(&self.edges)
    }

    /// Returns how often, since the last call, the ends and classes that verdicts rest on were forgotten because they took
    /// too much memory; each time costs a new look at every end.
    pub fn take_judge_resets(&mut self) -> u64 {
        self.judging.take_resets() + self.comparing.take_resets()
    }

    /// Folds a flow: the hot path. Nothing is allocated for an edge that is known.
    pub fn observe(
        &mut self,
        partition: PartitionId,
        offset: Offset,
        broker: Option<EventTime>,
        flow: &Flow<'_>,
    ) -> Observed {
        match self.fold(partition, offset, broker, flow) {
            Ok(edge) => {
                if let Some(judgement) = self.judging.judge(&mut self.edges, edge) {
                    self.tally.count(judgement, &flow.counters);
                    self.comparing.count(&self.edges, edge, &self.judging, judgement, flow);
                }
                Observed::Counted
            }
            Err(observed) => observed,
        }
    }

    /// As [`Engine::observe`], but judges nothing: what judging costs is the difference.
    pub fn count(
        &mut self,
        partition: PartitionId,
        offset: Offset,
        broker: Option<EventTime>,
        flow: &Flow<'_>,
    ) -> Observed {
        self.fold(partition, offset, broker, flow).map_or_else(|it| it, |_| Observed::Counted)
    }

    /// Folds a flow. Returns its edge, or why it was not counted.
    #[inline]
    fn fold(
        &mut self,
        partition: PartitionId,
        offset: Offset,
        broker: Option<EventTime>,
        flow: &Flow<'_>,
    ) -> Result<EdgeIdx, Observed> {
        let fold = ours(&mut self.folds, partition, offset).ok_or(Observed::NotOurs)?;
        let observation = Observation::of(flow).map_err(|filtered| {
            fold.filter(offset);
            Observed::Filtered(filtered)
        })?;
        match fold.observe(&mut self.edges, offset, broker, &observation) {
            Folded::Counted(edge) => Ok(edge),
            Folded::Skipped => Err(Observed::Repeated),
            Folded::Late => Err(Observed::Late),
            Folded::Skewed => Err(Observed::Skewed),
        }
    }

    /// Counts a record that could not be read. Returns whether the partition is ours.
    pub fn reject(&mut self, partition: PartitionId, offset: Offset) -> bool {
        let fold = ours(&mut self.folds, partition, offset);
        fold.map(|fold| fold.reject(offset)).is_some()
    }

    /// Merges a message of the partials log. Nothing when its partition is not ours.
    ///
    /// # Errors
    ///
    /// When the bytes are no partial. The message is passed over.
    pub fn absorb(
        &mut self,
        partition: MergePartitionId,
        offset: Offset,
        value: &[u8],
    ) -> Result<Option<Absorbed>, PartialError> {
        let Some(Share { merge, .. }) = self.merges.get_mut(&partition) else { return Ok(None) };
        let partial = Partial::decode(value)?;
        merge.absorb(&mut self.edges, offset, &partial).map(Some)
    }

    /// Hands out the flows counted since the last call, by judgement.
    pub fn drain_tally(&mut self, mut each: impl FnMut(&Judgement, Tallied)) {
        let Self { tally, judging, .. } = self;
        tally.drain(|id, tallied| {
            if let Some(judgement) = judging.by_id(id) {
                each(judgement, tallied);
            }
        });
    }

    /// From now on compares every flow's recorded traces with its judgement; `read` reads a trace as records spell it. At
    /// most `looks_max` flows get a closer look between two calls of [`Engine::drain_compared`].
    pub const fn compare_traces(&mut self, read: ReadTrace, looks_max: u32) {
        self.comparing.begin(read, looks_max);
    }

    /// Hands out how many flows were found to stand so to what was recorded of them, since the last call.
    pub fn drain_compared(&mut self, each: impl FnMut(Compared, u64)) {
        self.comparing.drain(each);
    }

    /// Tells whether something that was published is not acknowledged yet.
    #[must_use]
    pub fn awaits_acknowledgement(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Takes in an event and appends what the shell is to do.
    pub fn apply(&mut self, event: Event, effects: &mut Vec<Effect>) {
        match event {
            Event::FlowsAssigned { partition, from } => {
                let Spec { settings, retain, .. } = self.spec;
                let fold = match &from {
                    Some(from) => Fold::resume(partition, settings, retain, from),
                    None => Fold::begin(partition, settings, retain),
                };
                self.folds.insert(partition, Member { fold, idle: false, told: None, quiet_flushes: 0 });
            }
            Event::PartialsAssigned { partition, closed_to, learned } => {
                let merge = Merge::new(partition, self.spec.settings.spec, self.fingerprint, closed_to);
                let mut recommender = Recommender::new(self.recommend.clone());
                let is_here = |it: &&Learned| self.spec.settings.route(Some(&it.namespace)) == partition;
                learned.iter().filter(is_here).for_each(|it| recommender.restore(it));
                self.merges.insert(partition, Share { merge, recommender });
            }
            Event::FlowsReleased(partition) => {
                self.folds.remove(&partition);
            }
            Event::PartialsReleased(partition) => {
                self.merges.remove(&partition);
            }
            Event::CatalogChanged(programs) => {
                self.comparing.change(Arc::clone(&programs));
                self.judging.change(programs, &mut self.edges, self.tally.counted());
                self.merges.values_mut().for_each(|it| it.merge.mark_all_dirty());
            }
            Event::Idle(partition, idle) => {
                if let Some(member) = self.folds.get_mut(&partition) {
                    member.idle = idle;
                }
            }
            Event::WindowsClosed(pane) => {
                self.windows_closed = self.windows_closed.max(Some(pane));
                self.merges.values_mut().for_each(|it| it.merge.raise_closed_to(pane));
            }
            Event::Flush => self.flush(effects),
            Event::Publish => self.publish(effects),
            Event::Acknowledged(ticket) => self.acknowledged(ticket, effects),
        }
    }

    fn flush(&mut self, effects: &mut Vec<Effect>) {
        let before = effects.len();
        let mut commits = Vec::new();
        let Self { spec, fingerprint, edges, folds, windows_closed, .. } = self;
        for (&partition, member) in folds {
            let head = Head {
                settings: *fingerprint,
                partition,
                incarnation: spec.incarnation,
                upto: member.fold.position(),
            };
            flush_counts(spec, &head, edges, &mut member.fold, effects);
            if member.has_news() {
                tell_frontier(spec, &head, &member.fold, member.idle, effects);
            }
            if let Some(checkpoint) = member.fold.checkpoint(*windows_closed) {
                commits.push(Effect::CommitFlows {
                    partition,
                    offset: checkpoint.offset,
                    metadata: checkpoint.to_metadata(*fingerprint),
                });
            }
        }
        if effects.len() > before {
            self.await_acknowledgement(commits, effects);
        }
        self.compact();
    }

    fn publish(&mut self, effects: &mut Vec<Effect>) {
        let mut commits = Vec::new();
        let before = effects.len();
        let Self { spec, edges, merges, judging, .. } = self;
        let policy_set = judging.programs().revision();
        let cut = spec.settings.spec;
        for (&partition, Share { merge, recommender }) in merges {
            // A log in memory begins empty after a restart. Until every input partition is heard of, sums would leave
            // out what was published before.
            if spec.retain == Retain::Windows && !merge.has_heard_of_all() {
                continue;
            }
            let mut changed = Vec::new();
            merge.take_dirty(|it| changed.push(it));
            for it in changed {
                let id = judging.judge(edges, it.edge);
                let (Some(row), Some(digest)) = (edges.row(it.edge), edges.digest(it.edge)) else { continue };
                effects.push(Effect::Report(Box::new(EdgeReport {
                    policy_set,
                    pane: it.pane,
                    start: cut.start_of(it.pane),
                    end: cut.end_of(it.pane),
                    edge: Arc::clone(&row.edge),
                    digest,
                    totals: it.totals,
                    revision: it.revision,
                    finality: it.finality,
                    judgement: judging.judgement(row.edge.direction, id),
                })));
            }
            let closed_before = merge.closed_to();
            for window in merge.close(edges, WINDOWS_AT_ONCE) {
                match recommender.observe(&window, judging.programs()) {
                    Some(Ok(it)) => effects.push(Effect::Recommend(Box::new(it))),
                    Some(Err(it)) => effects.push(Effect::Withhold(Box::new(it))),
                    None => {}
                }
            }
            if effects.len() > before || merge.closed_to() != closed_before {
                commits.push(Effect::CommitPartials {
                    partition,
                    offset: merge.floor(),
                    closed_to: merge.closed_to(),
                });
            }
        }
        if !commits.is_empty() {
            self.await_acknowledgement(commits, effects);
        }
    }

    /// Puts a barrier behind the effects so far; `commits` become effects once it is reported back.
    fn await_acknowledgement(&mut self, commits: Vec<Effect>, effects: &mut Vec<Effect>) {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        effects.push(Effect::Barrier(ticket));
        self.pending.push_back((ticket, commits));
    }

    /// Lets the commits go that waited for `ticket` or an earlier one, but for partitions that are gone.
    fn acknowledged(&mut self, ticket: Ticket, effects: &mut Vec<Effect>) {
        while self.pending.front().is_some_and(|(it, _)| *it <= ticket) {
            let Some((_, commits)) = self.pending.pop_front() else { break };
            effects.extend(commits.into_iter().filter(|commit| match commit {
                Effect::CommitFlows { partition, .. } => self.folds.contains_key(partition),
                Effect::CommitPartials { partition, .. } => self.merges.contains_key(partition),
                Effect::Append { .. }
                | Effect::Report(_)
                | Effect::Recommend(_)
                | Effect::Withhold(_)
                | Effect::Barrier(_) => true,
            }));
        }
    }

    /// Forgets edges that no pane counts any more, when they are the most.
    fn compact(&mut self) {
        if self.edges.len() < self.compact_at {
            return;
        }
        let mut live = vec![false; self.edges.len()];
        let mut mark = |edge: EdgeIdx| {
            if let Some(it) = live.get_mut(edge.0 as usize) {
                *it = true;
            }
        };
        self.folds.values().for_each(|it| it.fold.mark_live(&mut mark));
        self.merges.values().for_each(|it| it.merge.mark_live(&mut mark));
        let count = live.iter().filter(|it| **it).count();
        if count < self.edges.len() / 2 {
            let (mut edges, numbers) = self.edges.rebuilt(&live);
            let renumber = |old: EdgeIdx| numbers.get(old.0 as usize).copied().unwrap_or(old);
            self.folds.values_mut().for_each(|it| it.fold.renumber(&mut edges, &renumber));
            self.merges.values_mut().for_each(|it| it.merge.renumber(&renumber));
            self.edges = edges;
            self.comparing.forget_edges();
            self.judging.forget_numbers();
        }
        self.compact_at = (2 * count).max(COMPACT_MIN);
    }
}

impl Member {
    /// Tells whether the frontier says more than the last one that was told, or that one is long ago.
    fn has_news(&mut self) -> bool {
        let now = Some((self.fold.position(), self.idle));
        self.quiet_flushes += 1;
        let news = now != self.told || self.quiet_flushes > QUIET_FLUSHES_MAX;
        if news {
            self.told = now;
            self.quiet_flushes = 0;
        }
        news
    }
}

fn ours(
    folds: &mut BTreeMap<PartitionId, Member>,
    partition: PartitionId,
    offset: Offset,
) -> Option<&mut Fold> {
    folds.get_mut(&partition).map(|it| &mut it.fold).filter(|fold| !fold.is_behind(offset))
}

/// Appends the changed counts of a fold, apart by partition of the partials log and by pane.
fn flush_counts(spec: &Spec, head: &Head, edges: &EdgeTable, fold: &mut Fold, effects: &mut Vec<Effect>) {
    let mut changed: BTreeMap<(MergePartitionId, Pane), Vec<DirtySlot>> = BTreeMap::new();
    fold.take_dirty(|slot| {
        if let Some(row) = edges.row(slot.edge) {
            changed.entry((spec.settings.spread(row.route), slot.pane)).or_default().push(slot);
        }
    });
    for ((to, pane), mut slots) in changed {
        slots.sort_unstable_by_key(|slot| edges.subject(slot.edge));
        let counts = slots.into_iter().map(|slot| (slot.edge, slot.totals));
        let mut emit = |value| effects.push(Effect::Append { to, value });
        encode_counts(head, pane, edges, counts, spec.message_bytes_max, &mut emit);
    }
}

/// Appends the frontier of a fold to every partition of the partials log.
fn tell_frontier(spec: &Spec, head: &Head, fold: &Fold, idle: bool, effects: &mut Vec<Effect>) {
    let message = encode_frontier(head, &fold.frontier(), spec.partitions, idle);
    for to in 0..spec.settings.merge_partitions {
        let to = MergePartitionId(i32::try_from(to).unwrap_or(0));
        effects.push(Effect::Append { to, value: message.clone() });
    }
}

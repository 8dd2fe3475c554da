//! The lock-sharded store: per-endpoint edge sets that readers see.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use foldhash::fast::RandomState;

use super::pane::{Pane, Spec};
use super::policy_counts::PolicyCounts;
use super::report::{EdgeDigest, EdgeReport};
use super::totals::Totals;
use crate::evaluate::{Judgement, Outcome};
use crate::model::{Edge, EndpointKind, EventTime, Name};
use crate::policy::Revision;

/// How much the store keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoreLimits {
    /// Edges; further ones are counted and not kept.
    pub edges_max: u64,
    /// For how long, in event time, would-be denies are kept.
    pub deny_retention: Duration,
}

impl Default for StoreLimits {
    /// 500,000 edges, and would-be denies of a day.
    fn default() -> Self {
        Self { edges_max: 500_000, deny_retention: Duration::from_hours(24) }
    }
}

/// The endpoint that an edge set belongs to: all the addresses and label sets behind one name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct SubjectKey {
    kind: EndpointKind,
    namespace: Option<Name>,
    name: Name,
}

/// What the readers of one process see: the edges of the live window and the would-be denies of a longer time.
///
/// It is fed with the reports that were published, its own process's and the others' alike, so every process gives
/// the same answer. Reports may be applied in any order and any number of times.
#[derive(Debug)]
pub struct EdgeStore {
    spec: Spec,
    limits: StoreLimits,
    by_subject: DashMap<SubjectKey, BTreeMap<EdgeDigest, StoredEdge>, RandomState>,
    denies: DashMap<(Revision, EdgeDigest), StoredEdge, RandomState>,
    current: AtomicU64,
    newest: AtomicI64,
    edges: AtomicU64,
    refused: AtomicU64,
    foreign: AtomicU64,
}

/// An edge with its counts, pane by pane.
#[derive(Clone, Debug)]
pub struct StoredEdge {
    /// The edge.
    pub edge: Arc<Edge>,
    /// Its short name.
    pub digest: EdgeDigest,
    /// The policy set that `judgement` was given under.
    pub policy_set: Revision,
    /// What the policies say.
    pub judgement: Arc<Judgement>,
    panes: BTreeMap<Pane, StoredPane>,
}

/// The counts of one pane.
#[derive(Clone, Copy, Debug)]
struct StoredPane {
    revision: u64,
    totals: Totals,
}

impl StoredEdge {
    fn of(report: &EdgeReport) -> Self {
        Self {
            edge: Arc::clone(&report.edge),
            digest: report.digest,
            policy_set: report.policy_set,
            judgement: Arc::clone(&report.judgement),
            panes: BTreeMap::new(),
        }
    }

    /// Takes the report's counts, unless later ones are known.
    fn absorb(&mut self, report: &EdgeReport) {
        let EdgeReport { pane, revision, totals, .. } = *report;
        if self.panes.get(&pane).is_none_or(|it| it.revision <= revision) {
            self.panes.insert(pane, StoredPane { revision, totals });
        }
    }

    /// Returns the sum over the panes that are kept.
    #[must_use]
    pub fn totals(&self) -> Option<Totals> {
        let mut panes = self.panes.values();
        let mut sum = panes.next()?.totals;
        panes.for_each(|it| sum.absorb(&it.totals));
        Some(sum)
    }
}

impl EdgeStore {
    /// Makes an empty store.
    #[must_use]
    pub fn new(spec: Spec, limits: StoreLimits) -> Self {
        Self {
            spec,
            limits,
            by_subject: DashMap::default(),
            denies: DashMap::default(),
            current: AtomicU64::new(0),
            newest: AtomicI64::new(i64::MIN),
            edges: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            foreign: AtomicU64::new(0),
        }
    }

    /// Names the policy set in force here: its judgements are preferred to those of others.
    pub fn set_current(&self, policy_set: Revision) {
        self.current.store(policy_set.0, Ordering::Relaxed);
    }

    /// Counts what the staged policies of the set in force here do with the flows of the live window. Edges that have no
    /// judgement under it yet are left out.
    #[must_use]
    pub fn policy_counts(&self) -> PolicyCounts {
        let current = self.current();
        let mut counts = PolicyCounts::default();
        self.visit_edges(|edge| {
            if edge.policy_set == current
                && let Some(totals) = edge.totals()
            {
                counts.add(&edge.judgement, totals.flows);
            }
        });
        counts
    }

    /// Returns the policy set in force here.
    #[must_use]
    pub fn current(&self) -> Revision {
        Revision(self.current.load(Ordering::Relaxed))
    }

    /// Takes in a report. One of another pane length than ours is left out: groups with other windows may write to the
    /// same topics, and their panes cannot be summed with ours.
    pub fn apply(&self, report: &EdgeReport) {
        let (start, end) = (self.spec.start_of(report.pane), self.spec.end_of(report.pane));
        if (start, end) != (report.start, report.end) {
            self.foreign.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.newest.fetch_max(report.pane.0, Ordering::Relaxed);
        if report.pane >= self.oldest_kept(self.spec.width()) {
            self.apply_edge(report);
        }
        let denied = matches!(report.judgement.outcome, Outcome::WouldDeny { .. });
        if denied && report.pane >= self.oldest_kept(self.limits.deny_retention) {
            self.denies
                .entry((report.policy_set, report.digest))
                .or_insert_with(|| StoredEdge::of(report))
                .absorb(report);
        }
    }

    /// Forgets what lies behind the live window or the retention.
    pub fn expire(&self) {
        let window = self.oldest_kept(self.spec.width());
        self.by_subject.retain(|_, edges| {
            let before = edges.len();
            edges.retain(|_, edge| {
                edge.panes = edge.panes.split_off(&window);
                !edge.panes.is_empty()
            });
            let gone = u64::try_from(before - edges.len()).unwrap_or(0);
            self.edges.fetch_sub(gone, Ordering::Relaxed);
            !edges.is_empty()
        });
        let retention = self.oldest_kept(self.limits.deny_retention);
        self.denies.retain(|_, edge| {
            edge.panes = edge.panes.split_off(&retention);
            !edge.panes.is_empty()
        });
    }

    /// Shows every edge of the live window, in no order. A part of the store is locked meanwhile, so `each` must be
    /// short and must not write to it.
    pub fn visit_edges(&self, mut each: impl FnMut(&StoredEdge)) {
        self.by_subject.iter().for_each(|it| it.value().values().for_each(&mut each));
    }

    /// Shows every edge that the policy set in force here would newly deny, over the retention, as
    /// [`EdgeStore::visit_edges`] does.
    pub fn visit_denies(&self, mut each: impl FnMut(&StoredEdge)) {
        let current = self.current();
        self.denies.iter().filter(|it| it.key().0 == current).for_each(|it| each(it.value()));
    }

    /// Returns the edges of the live window, sorted by edge.
    #[must_use]
    pub fn edges(&self) -> Vec<StoredEdge> {
        let mut all = Vec::new();
        self.visit_edges(|it| all.push(it.clone()));
        all.sort_by(|a, b| a.edge.cmp(&b.edge));
        all
    }

    /// Returns the edges that the policy set in force here would newly deny, over the retention, sorted by edge.
    #[must_use]
    pub fn denies(&self) -> Vec<StoredEdge> {
        let mut all = Vec::new();
        self.visit_denies(|it| all.push(it.clone()));
        all.sort_by(|a, b| a.edge.cmp(&b.edge));
        all
    }

    /// Returns how many edges the live window holds.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.edges.load(Ordering::Relaxed)
    }

    /// Tells whether the live window is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many reports were not kept because the store was full.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Returns how many reports were left out because their panes have another length.
    #[must_use]
    pub fn foreign(&self) -> u64 {
        self.foreign.load(Ordering::Relaxed)
    }

    /// Returns the end of the newest pane that was reported.
    #[must_use]
    pub fn newest_end(&self) -> Option<EventTime> {
        let newest = self.newest.load(Ordering::Relaxed);
        (newest != i64::MIN).then(|| self.spec.end_of(Pane(newest)))
    }

    fn apply_edge(&self, report: &EdgeReport) {
        let subject = &report.edge.subject;
        let key = SubjectKey {
            kind: subject.kind,
            namespace: subject.namespace.clone(),
            name: subject.name.clone(),
        };
        let mut edges = self.by_subject.entry(key).or_default();
        if !edges.contains_key(&report.digest) {
            if self.edges.load(Ordering::Relaxed) >= self.limits.edges_max {
                self.refused.fetch_add(1, Ordering::Relaxed);
                return;
            }
            self.edges.fetch_add(1, Ordering::Relaxed);
        }
        let edge = edges.entry(report.digest).or_insert_with(|| StoredEdge::of(report));
        edge.absorb(report);
        let current = self.current();
        if report.policy_set == current || edge.policy_set != current {
            edge.policy_set = report.policy_set;
            edge.judgement = Arc::clone(&report.judgement);
        }
    }

    fn oldest_kept(&self, span: Duration) -> Pane {
        let panes = span.as_millis().div_ceil(self.spec.slide().as_millis().max(1));
        let newest = Pane(self.newest.load(Ordering::Relaxed));
        newest.next().minus(i64::try_from(panes).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Finality;
    use super::*;
    use crate::evaluate::{Answer, StagedHit, StagedResult, Verdict};
    use crate::model::{
        Counters, Direction, Endpoint, HitOwner, NameScope, PolicyId, PolicyKind, Protocol, RecordedAction,
        RuleIndex, RuleRef, Trace,
    };

    const MINUTE: Duration = Duration::from_mins(1);

    fn spec(slide: Duration) -> Spec {
        Spec::new(15 * MINUTE, slide, 2 * MINUTE, MINUTE).unwrap()
    }

    fn policy() -> PolicyId {
        let name = |it: &str| Name::from(it);
        PolicyId { kind: PolicyKind::StagedNetworkPolicy, namespace: Some(name("shop")), name: name("web") }
    }

    /// What one staged policy does with an edge.
    fn judgement(denies: bool) -> Judgement {
        let verdict = |answer| Verdict { answer, trace: Trace::default() };
        let (result, outcome) = if denies {
            let owner = HitOwner::Policy { tier: Name::from("default"), policy: policy() };
            let by = RuleRef { owner, direction: Direction::Ingress, rule: RuleIndex::EndOfTier };
            (StagedResult::Deny, Outcome::WouldDeny { by, charged: policy() })
        } else {
            (StagedResult::Allow, Outcome::Agrees)
        };
        Judgement {
            direction: Direction::Ingress,
            enforced: verdict(Answer::Allow),
            pending: verdict(if denies { Answer::Deny } else { Answer::Allow }),
            outcome,
            blame: vec![],
            staged: vec![StagedHit { policy: 0, result }],
        }
    }

    fn report(spec: Spec, set: u64, pane: i64, flows: u64, denies: bool) -> EdgeReport {
        let endpoint = |name: &str| Endpoint {
            kind: EndpointKind::Workload,
            namespace: Some(Name::from("shop")),
            name: Name::from(name),
            name_scope: NameScope::Exact,
            address: None,
            labels: None,
        };
        let edge = Edge {
            direction: Direction::Ingress,
            subject: endpoint("web"),
            peer: endpoint("cart"),
            protocol: Protocol::TCP,
            port: Some(80),
            service: None,
        };
        let pane = Pane(pane);
        let end = spec.end_of(pane);
        let mut totals = Totals::zero(end, end);
        let one = Totals::of_flow(&Counters::default(), RecordedAction::Allow, end);
        (0..flows).for_each(|_| totals.absorb(&one));
        EdgeReport {
            policy_set: Revision(set),
            pane,
            start: spec.start_of(pane),
            end,
            edge: Arc::new(edge),
            digest: EdgeDigest(7),
            totals,
            revision: flows,
            finality: Finality::Provisional,
            judgement: Arc::new(judgement(denies)),
        }
    }

    #[track_caller]
    fn check(store: &EdgeStore, evaluated: u64, newly_denied: u64) {
        let totals = store.policy_counts().of(0, &policy());
        assert_eq!((totals.evaluated, totals.newly_denied), (evaluated, newly_denied));
    }

    #[test]
    fn policies_that_are_edited_and_put_back_count_each_flow_once() {
        let spec = spec(MINUTE);
        let store = EdgeStore::new(spec, StoreLimits::default());
        store.set_current(Revision(1));
        store.apply(&report(spec, 1, 100, 5, true));
        store.apply(&report(spec, 1, 101, 3, true));
        check(&store, 8, 8);
        // Mended: until the edge is judged anew, nothing is said of it.
        store.set_current(Revision(2));
        check(&store, 0, 0);
        store.apply(&report(spec, 2, 100, 5, false));
        store.apply(&report(spec, 2, 101, 3, false));
        check(&store, 8, 0);
        // Put back, and one more flow.
        store.set_current(Revision(1));
        for _ in 0..3 {
            store.apply(&report(spec, 1, 100, 5, true));
            store.apply(&report(spec, 1, 101, 4, true));
        }
        check(&store, 9, 9);
        // A process that starts now reads back what the topic holds, in any order.
        let again = EdgeStore::new(spec, StoreLimits::default());
        again.set_current(Revision(1));
        for (set, pane, flows, denies) in
            [(2, 101, 3, false), (1, 101, 4, true), (1, 100, 5, true), (2, 100, 5, false), (1, 101, 3, true)]
        {
            again.apply(&report(spec, set, pane, flows, denies));
        }
        check(&again, 9, 9);
    }

    #[test]
    fn policies_count_the_live_window_alone() {
        let spec = spec(MINUTE);
        let store = EdgeStore::new(spec, StoreLimits::default());
        store.set_current(Revision(1));
        store.apply(&report(spec, 1, 100, 5, true));
        store.apply(&report(spec, 1, 114, 3, true));
        check(&store, 8, 8);
        store.apply(&report(spec, 1, 115, 2, true));
        store.expire();
        check(&store, 5, 5);
        assert_eq!(store.denies().first().and_then(StoredEdge::totals).map(|it| it.flows), Some(10));
    }

    #[test]
    fn panes_of_another_length_are_left_out() {
        let (ours, other) = (spec(5 * MINUTE), spec(MINUTE));
        let store = EdgeStore::new(ours, StoreLimits::default());
        store.set_current(Revision(1));
        store.apply(&report(ours, 1, 20, 5, true));
        (100..105).for_each(|pane| store.apply(&report(other, 1, pane, 1, true)));
        check(&store, 5, 5);
        assert_eq!((store.foreign(), store.denies().len()), (5, 1));
    }
}

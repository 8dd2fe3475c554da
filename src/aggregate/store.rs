//! The lock-sharded store: per-endpoint edge sets that readers see.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use foldhash::fast::RandomState;

use super::pane::{Pane, Spec};
use super::policy_counts::{PolicyCounts, PolicyTotals};
use super::report::{EdgeDigest, EdgeReport};
use super::totals::Totals;
use crate::evaluate::{Judgement, Outcome};
use crate::model::{Edge, EndpointKind, EventTime, Name, PolicyId};
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
    policies: PolicyCounts,
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

/// The counts of one pane, and the policy set under which they were counted last.
#[derive(Clone, Copy, Debug)]
struct StoredPane {
    revision: u64,
    policy_set: Revision,
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

    /// Takes the report's counts, unless later ones are known. Returns how many flows are new under its policy set.
    fn absorb(&mut self, report: &EdgeReport) -> u64 {
        let EdgeReport { revision, policy_set, totals, .. } = *report;
        let before = self.panes.get(&report.pane);
        if before.is_some_and(|it| it.revision > revision) {
            return 0;
        }
        let counted = before.filter(|it| it.policy_set == policy_set).map_or(0, |it| it.totals.flows);
        self.panes.insert(report.pane, StoredPane { revision, policy_set, totals });
        totals.flows.saturating_sub(counted)
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
            policies: PolicyCounts::default(),
        }
    }

    /// Names the policy set in force here: its judgements are preferred to those of others.
    pub fn set_current(&self, policy_set: Revision) {
        self.current.store(policy_set.0, Ordering::Relaxed);
        self.policies.keep(policy_set);
    }

    /// Returns what the policy at `place` of the set in force did with the flows of every report that was applied.
    #[must_use]
    pub fn policy_totals(&self, place: u32, id: &PolicyId) -> PolicyTotals {
        self.policies.of(self.current(), place, id)
    }

    /// Returns the policy set in force here.
    #[must_use]
    pub fn current(&self) -> Revision {
        Revision(self.current.load(Ordering::Relaxed))
    }

    /// Takes in a report.
    pub fn apply(&self, report: &EdgeReport) {
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
        let news = edge.absorb(report);
        self.policies.add(report.policy_set, &report.judgement, news);
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

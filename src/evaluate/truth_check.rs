//! The truth check: what Calico recorded against what is said here.
//!
//! ```text
//!   the set in force says the same, hit by hit ----------------------------------------> agrees
//!     | no
//!   some way in which what the record leaves open may have been gives the trace -------> address, ICMP message, ...
//!     | no
//!   a change lies in the record's interval, and the trace is of one of its sides ------> spans change
//!     | no
//!   the trace is that of an earlier set ------------------------------------------------> older connection
//!     | no
//!   unexplained
//! ```
//!
//! No cause is taken on trust: each is put to the test, and what it does not bear out goes on to the next. A record's
//! trace is a fact about the connection's first packet, and its labels are those of the interval's end, so around a
//! change either may be of either side.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::judging::Which;
use super::programs::Programs;
use super::recorded::{Agreement, Cause, Recorded, Sameness, ends_as, is_action};
use super::verdict::{Answer, Judgement, Verdict};
use super::worlds::{Enough, Open, pods, worlds};
use crate::model::{Edge, Endpoint, EndpointKind, EventTime, HitOwner, LabelSet, NameScope, PolicyId, Trace};

/// Pods that went with a change whose addresses are tried: each is a whole look, and a rollout may take a thousand.
const VANISHED_MAX: usize = 8;

/// A policy set that was in force until the next one came.
#[derive(Clone, Debug)]
struct Era {
    since: EventTime,
    programs: Arc<Programs>,
}

/// Compares recorded traces with the evaluator's, by the policy sets that were in force one after the other.
#[derive(Clone, Debug)]
pub struct TruthCheck {
    // INVARIANT: never empty, in the order of `since`; the first since ever.
    eras: Vec<Era>,
    margin: Duration,
}

/// Where a record's interval lies among the changes of policies.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Phase {
    at: u32,
    begin: u32,
    end: u32,
}

impl Phase {
    /// A phase that no record is in.
    pub const NONE: Self = Self { at: u32::MAX, begin: 0, end: 0 };
}

/// One trace of a record, and by whose rules it is asked for.
#[derive(Clone, Copy)]
struct Question<'a> {
    recorded: &'a Recorded<'a>,
    trace: &'a Trace,
    which: Which,
    sameness: Sameness,
    /// Which of a set's programs answer: nothing for those in force, else one of its checkers.
    checker: Option<usize>,
}

impl TruthCheck {
    /// Makes a check by one set. Recorded times and those of changes are taken for exact up to `margin`.
    #[must_use]
    pub fn new(programs: Arc<Programs>, margin: Duration) -> Self {
        Self { eras: vec![Era { since: EventTime::MIN, programs }], margin }
    }

    /// Takes in that another set came into force. Changes come in order; one that is told too late counts from the
    /// change before it on.
    pub fn change(&mut self, since: EventTime, programs: Arc<Programs>) {
        let since = self.eras.last().map_or(since, |it| it.since.max(since));
        self.eras.push(Era { since, programs });
    }

    /// Forgets all sets but the last `count`, which is at least one.
    pub fn keep(&mut self, count: usize) {
        let gone = self.eras.len().saturating_sub(count.max(1));
        self.eras.drain(..gone);
        if let Some(first) = self.eras.first_mut() {
            first.since = EventTime::MIN;
        }
    }

    /// Returns in which phase a record's interval lies: records of one phase are compared alike.
    #[must_use]
    pub fn phase(&self, start: EventTime, end: EventTime) -> Phase {
        if self.eras.len() == 1 {
            return Phase::default();
        }
        let touched = self.touched(start, end);
        let place = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
        Phase { at: place(self.era_at(start)), begin: place(touched.start), end: place(touched.end) }
    }

    /// Compares an enforced trace with the verdict of the set that is in force; nothing where it takes a closer look:
    /// see [`TruthCheck::enforced`].
    #[must_use]
    pub fn enforced_at_a_glance(&self, recorded: &Recorded<'_>, verdict: &Verdict) -> Option<Agreement> {
        let era = self.current(recorded)?;
        if recorded.enforced.0.is_empty() {
            return match is_action(verdict.answer, recorded.action) {
                Some(true) | None => Some(Agreement::NotRecorded),
                Some(false) => None,
            };
        }
        let sameness = Sameness::of_enforced(era.programs.options().end_of_tier);
        let is_same =
            ends_as(recorded.enforced, recorded.action) && sameness.is_recorded(verdict, recorded.enforced);
        is_same.then_some(Agreement::Agrees)
    }

    /// Compares a pending trace with the verdict of the set that is in force, and, where it is another, with what
    /// `by_checker` says by the rules of [`Programs::checker`]; nothing where it takes a closer look: see
    /// [`TruthCheck::pending`].
    #[must_use]
    pub fn pending_at_a_glance(
        &self,
        recorded: &Recorded<'_>,
        verdict: &Verdict,
        by_checker: impl FnOnce() -> Option<Arc<Judgement>>,
    ) -> Option<Agreement> {
        if recorded.pending.0.is_empty() {
            return Some(Agreement::NotRecorded);
        }
        self.current(recorded)?;
        let is_same = |it: &Verdict| Sameness::of_pending().is_recorded(it, recorded.pending);
        if is_same(verdict) {
            return Some(Agreement::Agrees);
        }
        by_checker().is_some_and(|it| is_same(&it.pending)).then_some(Agreement::Differs(Cause::Checker))
    }

    /// Returns the last set, where it was in force when the record began.
    fn current(&self, recorded: &Recorded<'_>) -> Option<&Era> {
        self.eras.last().filter(|it| it.since <= recorded.start)
    }

    /// Compares the trace of what was enforced. Where the record has none, what was done is compared alone: it may
    /// differ, but not agree, as many traces end in one action.
    #[must_use]
    pub fn enforced(&self, recorded: &Recorded<'_>) -> Agreement {
        let Some(era) = self.eras.get(self.era_at(recorded.start)) else { return Agreement::NotRecorded };
        let trace = recorded.enforced;
        if !ends_as(trace, recorded.action) {
            return Agreement::Differs(Cause::Unexplained);
        }
        if trace.0.is_empty() {
            return self.action_alone(recorded, &era.programs);
        }
        let sameness = Sameness::of_enforced(era.programs.options().end_of_tier);
        self.compare(&Question { recorded, trace, which: Which::Enforced, sameness, checker: None })
    }

    /// Compares the pending trace: by the rules in force, and, where they say something else, by those of Calico's
    /// checker, which wrote it.
    #[must_use]
    pub fn pending(&self, recorded: &Recorded<'_>) -> Agreement {
        let in_force = self.pending_by(recorded, None);
        match in_force {
            Agreement::Agrees | Agreement::NotRecorded => in_force,
            Agreement::Differs(_) => match self.pending_by_checker(recorded) {
                Agreement::Agrees => Agreement::Differs(Cause::Checker),
                Agreement::Differs(Cause::Unexplained) => in_force,
                other => other,
            },
        }
    }

    /// Compares the pending trace by the rules of Calico's checker alone.
    #[must_use]
    pub fn pending_by_checker(&self, recorded: &Recorded<'_>) -> Agreement {
        let count = self.eras.get(self.era_at(recorded.start)).map_or(1, |it| it.programs.checkers().len());
        let mut best = Agreement::Differs(Cause::Unexplained);
        for checker in 0..count {
            match self.pending_by(recorded, Some(checker)) {
                found @ (Agreement::Agrees | Agreement::NotRecorded) => return found,
                found @ Agreement::Differs(_) => best = best.min(found),
            }
        }
        best
    }

    fn pending_by(&self, recorded: &Recorded<'_>, checker: Option<usize>) -> Agreement {
        let trace = recorded.pending;
        if trace.0.is_empty() {
            return Agreement::NotRecorded;
        }
        let sameness = Sameness::of_pending();
        self.compare(&Question { recorded, trace, which: Which::Pending, sameness, checker })
    }

    /// Where no trace is known, only a sure answer can be wrong.
    fn action_alone(&self, recorded: &Recorded<'_>, programs: &Programs) -> Agreement {
        let connection = recorded.edge.into();
        let verdict = programs.verdict(Which::Enforced, recorded.edge.direction, &connection);
        match is_action(verdict.answer, recorded.action) {
            Some(true) | None => Agreement::NotRecorded,
            Some(false) => {
                let is_one = |place: usize| {
                    let found = self
                        .eras
                        .get(place)
                        .map(|it| it.programs.verdict(Which::Enforced, recorded.edge.direction, &connection));
                    found.and_then(|it| is_action(it.answer, recorded.action)) == Some(true)
                };
                let at = self.era_at(recorded.start);
                let mut touched = self.touched(recorded.start, recorded.end);
                if touched.any(|after| is_one(after - 1) || is_one(after)) {
                    Agreement::Differs(Cause::SpansChange)
                } else if (0..at).any(is_one) {
                    Agreement::Differs(Cause::OlderConnection)
                } else {
                    Agreement::Differs(Cause::Unexplained)
                }
            }
        }
    }

    fn compare(&self, question: &Question<'_>) -> Agreement {
        let at = self.era_at(question.recorded.start);
        match self.by_era(question, at, question.recorded.edge) {
            Finding::Agrees => return Agreement::Agrees,
            Finding::Open(cause) => return Agreement::Differs(cause),
            Finding::Not => {}
        }
        let mut touched = self.touched(question.recorded.start, question.recorded.end);
        if touched.any(|after| self.spans(question, after - 1, after)) {
            return Agreement::Differs(Cause::SpansChange);
        }
        let is_of = |era: usize| self.by_era(question, era, question.recorded.edge) != Finding::Not;
        let is_before = |it: usize| is_of(it) || self.relabelled(question, it, it + 1, Labels::Older);
        if (0..at).rev().any(is_before) {
            return Agreement::Differs(Cause::OlderConnection);
        }
        Agreement::Differs(Cause::Unexplained)
    }

    /// Returns the place of the set that was in force.
    fn era_at(&self, time: EventTime) -> usize {
        self.eras.iter().rposition(|it| it.since <= time).unwrap_or(0)
    }

    /// Returns the changes that lie in an interval, by the places of the sets behind them.
    fn touched(&self, start: EventTime, end: EventTime) -> Range<usize> {
        let (from, to) = (start.minus(self.margin), end.plus(self.margin));
        let later = self.eras.get(1..).unwrap_or_default();
        let begin = 1 + later.partition_point(|it| it.since < from);
        begin..1 + later.partition_point(|it| it.since <= to)
    }

    fn programs(&self, question: &Question<'_>, era: usize) -> Option<&Programs> {
        let programs = &self.eras.get(era)?.programs;
        match question.checker {
            None => Some(programs),
            // The sets of one cluster need not all have what makes for a second checker.
            Some(idx) => {
                programs.checkers().get(idx).or_else(|| programs.checkers().last()).map(AsRef::as_ref)
            }
        }
    }

    /// Compares with one set: as it is, then with what the record leaves open put in its place.
    fn by_era(&self, question: &Question<'_>, era: usize, edge: &Edge) -> Finding {
        let Some(programs) = self.programs(question, era) else { return Finding::Not };
        let Question { trace, which, sameness, .. } = *question;
        let verdict = programs.verdict(which, edge.direction, &edge.into());
        if sameness.is_recorded(&verdict, trace) {
            return Finding::Agrees;
        }
        Open::ALL
            .into_iter()
            .find_map(|open| by_worlds(programs, edge, which, open, sameness, trace))
            .unwrap_or(Finding::Not)
    }

    /// Tells whether a trace is explained by the change between two sets.
    fn spans(&self, question: &Question<'_>, before: usize, after: usize) -> bool {
        let edge = question.recorded.edge;
        [before, after].into_iter().any(|it| self.by_era(question, it, edge) != Finding::Not)
            || self.relabelled(question, before, after, Labels::Either)
            || self.vanished(question, before, after)
            || self.half_way(question, before, after)
    }

    /// Tells whether the trace follows from the labels that pods had on one side of a change, where the record has
    /// those of the other. A record keeps the labels of when its connection was first seen.
    fn relabelled(&self, question: &Question<'_>, before: usize, after: usize, labels: Labels) -> bool {
        let edge = question.recorded.edge;
        let relabel = |end: &Endpoint| match self.was_relabelled(end, before, after, labels) {
            true => Endpoint { labels: None, ..end.clone() },
            false => end.clone(),
        };
        let changed = Edge { subject: relabel(&edge.subject), peer: relabel(&edge.peer), ..edge.clone() };
        let mut sides = [before, after].into_iter().skip(match labels {
            Labels::Either => 0,
            Labels::Older => 1,
        });
        changed != *edge && sides.any(|it| self.by_era(question, it, &changed) != Finding::Not)
    }

    /// Tells whether the labels of an end's pods are others after a change, and the record has those of before or,
    /// where `labels` says so, of after.
    fn was_relabelled(&self, end: &Endpoint, before: usize, after: usize, labels: Labels) -> bool {
        let Some(own) = &end.labels else { return false };
        let of_pods = |era: usize| {
            let party = self.eras.get(era)?.programs.party(&Endpoint { labels: None, ..end.clone() });
            party.pods().map(|it| it.labels.clone()).reduce(|all, it| common(&all, &it))
        };
        let (Some(old), Some(new)) = (of_pods(before), of_pods(after)) else { return false };
        let differing = || {
            let keys = old.iter().chain(new.iter()).map(|(key, _)| key);
            keys.filter(|key| old.get(key) != new.get(key))
        };
        let has_those_of = |side: &LabelSet| differing().all(|key| own.get(key) == side.get(key));
        differing().next().is_some()
            && match labels {
                Labels::Older => has_those_of(&old),
                Labels::Either => has_those_of(&old) || has_those_of(&new),
            }
    }

    /// Tells whether the trace follows from a peer that went with the change: the checker goes on to evaluate live
    /// connections, and the address is nobody's by then.
    fn vanished(&self, question: &Question<'_>, before: usize, after: usize) -> bool {
        let edge = question.recorded.edge;
        let (Some(old), Some(new)) = (self.eras.get(before), self.eras.get(after)) else { return false };
        let gone = pods(&old.programs, &edge.peer).into_iter().filter_map(|it| it.address);
        let mut gone = gone.filter(|it| new.programs.roster().holders(it).is_empty()).take(VANISHED_MAX);
        gone.any(|address| {
            let peer = Endpoint {
                kind: EndpointKind::Network,
                namespace: None,
                name: "pvt".into(),
                name_scope: NameScope::Aggregated,
                address: Some(address),
                labels: None,
            };
            let edge = Edge { peer, ..edge.clone() };
            self.by_era(question, after, &edge) == Finding::Agrees
        })
    }

    /// Tells whether the trace, but for hits of policies that were just changed, is the begin of what either side
    /// says: their sets of addresses are filled bit by bit, and one trace may gather hits of before and of after.
    fn half_way(&self, question: &Question<'_>, before: usize, after: usize) -> bool {
        let is_kept = |owner: &HitOwner| match owner {
            HitOwner::Policy { policy, .. } => !self.has_changed(policy, before, after),
            HitOwner::Profile(_) => true,
        };
        let without =
            |trace: &Trace| -> Vec<_> { trace.0.iter().filter(|it| is_kept(&it.owner)).cloned().collect() };
        let rest = without(question.trace);
        if rest.len() == question.trace.0.len() {
            return false;
        }
        let edge = question.recorded.edge;
        [before, after].into_iter().filter_map(|it| self.programs(question, it)).any(|programs| {
            let verdict = programs.verdict(question.which, edge.direction, &edge.into());
            question.sameness.begins(&rest, &without(&verdict.trace))
        })
    }

    /// Tells whether a policy is in one of two sets and not, or not so, in the other.
    fn has_changed(&self, policy: &PolicyId, before: usize, after: usize) -> bool {
        let find = |era: usize| {
            let set = self.eras.get(era).map(|it| it.programs.set());
            set.and_then(|it| it.policies().iter().find(|it| it.id == *policy))
        };
        find(before) != find(after)
    }
}

/// Whose labels a record may have, of the two sides of a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Labels {
    Older,
    Either,
}

/// How a trace stands to one set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Finding {
    Agrees,
    /// It may be so, by what the record leaves open.
    Open(Cause),
    Not,
}

/// Returns the labels that two sets have in common.
fn common(one: &LabelSet, other: &LabelSet) -> LabelSet {
    let both = one.iter().filter(|(key, value)| other.get(key) == Some(*value));
    both.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Looks for the recorded trace among the worlds. Nothing where none of them has it.
fn by_worlds(
    programs: &Programs,
    edge: &Edge,
    which: Which,
    open: Open,
    sameness: Sameness,
    trace: &Trace,
) -> Option<Finding> {
    let (mut has_it, mut has_another, mut may_be) = (false, false, false);
    worlds(programs, edge, which, open, |verdict: Verdict| {
        let is_it = sameness.is_recorded(&verdict, trace);
        has_it |= is_it;
        has_another |= !is_it;
        may_be |=
            matches!(verdict.answer, Answer::Undetermined(_)) && sameness.begins(&verdict.trace.0, &trace.0);
        if has_it && has_another { Enough::Yes } else { Enough::No }
    });
    let cause = match open {
        Open::Pods => Cause::AggregatedEnds,
        Open::Messages => Cause::IcmpMessage,
        Open::Addresses => Cause::Address,
    };
    match (has_it, has_another) {
        // Whatever was left open, it makes no difference.
        (true, false) => Some(Finding::Agrees),
        (true, true) => Some(Finding::Open(cause)),
        // Nothing is left that could be put in its place.
        (false, _) if may_be && open == Open::Addresses => Some(Finding::Open(Cause::Attribute)),
        (false, _) => None,
    }
}

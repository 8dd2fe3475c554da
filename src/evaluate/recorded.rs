//! What Calico wrote of one end of a flow, and how it may stand to what is said here.

use std::fmt;

use super::options::EndOfTier;
use super::verdict::{Answer, Verdict};
use crate::model::{Action, Edge, EventTime, HitOwner, PolicyHit, RecordedAction, RuleIndex, Trace};

/// One end of a flow as its record tells it.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    /// The edge under which the flow is counted.
    pub edge: &'a Edge,
    /// Begin of the interval that the record covers.
    pub start: EventTime,
    /// End of the interval.
    pub end: EventTime,
    /// What the data plane did.
    pub action: RecordedAction,
    /// The trace of what was enforced; empty when it is not known.
    pub enforced: &'a Trace,
    /// The trace that Calico computed with the staged policies in force; empty when it is not known.
    pub pending: &'a Trace,
}

/// Why a record says something else than the evaluator, or more than it can.
///
/// Each was tested: what a cause supposes was put into the place of what is not known, and the recorded trace followed
/// from it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Cause {
    /// The record does not carry an address. Where the address is decides, and at some place it may be the recorded
    /// trace follows.
    Address,
    /// The edge does not carry the ICMP message, and some message gives the recorded trace.
    IcmpMessage,
    /// Neither the record nor the catalog has another attribute: the trace agrees as far as it goes.
    Attribute,
    /// The pods behind an aggregated name are treated differently, and one of them as recorded.
    AggregatedEnds,
    /// A change of policies or pods lies in the record's interval, and the trace follows from one of its sides, or is
    /// theirs but for hits of the policies that were just changed.
    SpansChange,
    /// The record begins after a change and its trace is the one of before: that of a connection which is older than
    /// the policy, or of a policy that has not reached its node yet.
    OlderConnection,
    /// The pending trace follows by the rules of Calico's checker alone, which are not the data plane's.
    Checker,
    /// None of these: the evaluator, the catalog or the record is wrong.
    Unexplained,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 8] = [
        Self::Address,
        Self::IcmpMessage,
        Self::Attribute,
        Self::AggregatedEnds,
        Self::SpansChange,
        Self::OlderConnection,
        Self::Checker,
        Self::Unexplained,
    ];

    /// Returns a stable name for counters and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::IcmpMessage => "icmp_message",
            Self::Attribute => "attribute",
            Self::AggregatedEnds => "aggregated_ends",
            Self::SpansChange => "spans_change",
            Self::OlderConnection => "older_connection",
            Self::Checker => "checker",
            Self::Unexplained => "unexplained",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a recorded trace stands to the evaluator's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Agreement {
    /// They are the same, hit by hit.
    Agrees,
    /// They are not.
    Differs(Cause),
    /// The record has nothing to compare: no trace, or none that can be read.
    NotRecorded,
}

/// How hits are told apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sameness {
    /// Whether an end of tier must be charged to the same policy: Calico's documents call the choice arbitrary.
    pub(super) charge_counts: bool,
}

impl Sameness {
    /// Returns how hits of an enforced trace are told apart: the data plane charges the end of a tier to its last
    /// policy.
    pub(super) const fn of_enforced(end_of_tier: EndOfTier) -> Self {
        Self { charge_counts: matches!(end_of_tier, EndOfTier::Last) }
    }

    /// Returns how hits of a pending trace are told apart.
    pub(super) const fn of_pending() -> Self {
        Self { charge_counts: true }
    }

    fn same_hit(self, ours: &PolicyHit, theirs: &PolicyHit) -> bool {
        if ours.action != theirs.action {
            return false;
        }
        match (ours.rule, theirs.rule) {
            (RuleIndex::EndOfTier, RuleIndex::EndOfTier) if !self.charge_counts => {
                tier(&ours.owner) == tier(&theirs.owner)
            }
            // Old releases did not write the rule.
            (_, RuleIndex::Unknown) => ours.owner == theirs.owner,
            (ours_rule, theirs_rule) => ours_rule == theirs_rule && ours.owner == theirs.owner,
        }
    }

    /// Tells whether two traces are the same, hit by hit.
    pub(super) fn same(self, ours: &Trace, theirs: &Trace) -> bool {
        ours.0.len() == theirs.0.len() && self.begins(&ours.0, &theirs.0)
    }

    /// Tells whether `theirs` begins with all of `ours`.
    pub(super) fn begins(self, ours: &[PolicyHit], theirs: &[PolicyHit]) -> bool {
        ours.len() <= theirs.len()
            && ours.iter().zip(theirs).all(|(ours, theirs)| self.same_hit(ours, theirs))
    }

    /// Tells whether a verdict is what was recorded, beyond doubt.
    pub(super) fn is_recorded(self, ours: &Verdict, theirs: &Trace) -> bool {
        match ours.answer {
            Answer::Allow | Answer::Deny => self.same(&ours.trace, theirs),
            Answer::Undetermined(_) => false,
        }
    }
}

fn tier(owner: &HitOwner) -> Option<&str> {
    match owner {
        HitOwner::Policy { tier, .. } => Some(tier),
        HitOwner::Profile(_) => None,
    }
}

/// Tells whether an answer is what the data plane did; nothing where the answer is not known.
pub(super) const fn is_action(answer: Answer, action: RecordedAction) -> Option<bool> {
    match (answer, action) {
        (Answer::Allow, RecordedAction::Allow) | (Answer::Deny, RecordedAction::Deny) => Some(true),
        (Answer::Allow, RecordedAction::Deny) | (Answer::Deny, RecordedAction::Allow) => Some(false),
        (Answer::Undetermined(_), _) => None,
    }
}

/// Tells whether a trace ends with what the record says was done. One that ends with a pass says nothing.
pub(super) fn ends_as(trace: &Trace, action: RecordedAction) -> bool {
    match trace.0.last().map(|it| it.action) {
        Some(Action::Allow) => action == RecordedAction::Allow,
        Some(Action::Deny) => action == RecordedAction::Deny,
        Some(Action::Pass) | None => true,
    }
}

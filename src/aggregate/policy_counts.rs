//! What each staged policy did, summed over the reports that were applied.

use dashmap::DashMap;
use foldhash::fast::RandomState;

use crate::evaluate::{Answer, Judgement, Outcome, StagedResult};
use crate::model::{HitOwner, PolicyId};
use crate::policy::Revision;

/// Flows by what a staged policy did with them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PolicyTotals {
    /// Flows that the policy selects and that could be judged.
    pub evaluated: u64,
    /// Flows that are denied now and that it denies too.
    pub already_denied: u64,
    /// Flows that it could not be judged on.
    pub undetermined: u64,
    /// Flows that are allowed now and whose deny is charged to it.
    pub newly_denied: u64,
    /// Flows that are denied now and that it would let through.
    pub newly_allowed: u64,
}

/// Counts by policy set, and in it by policy.
#[derive(Debug, Default)]
pub(super) struct PolicyCounts {
    by_place: DashMap<(Revision, u32), PolicyTotals, RandomState>,
    by_id: DashMap<(Revision, PolicyId), PolicyTotals, RandomState>,
}

impl PolicyCounts {
    /// Adds flows with this judgement.
    pub(super) fn add(&self, policy_set: Revision, judgement: &Judgement, flows: u64) {
        if flows == 0 {
            return;
        }
        let denied_now = judgement.enforced.answer == Answer::Deny;
        for hit in &judgement.staged {
            let mut totals = self.by_place.entry((policy_set, hit.policy)).or_default();
            match hit.result {
                StagedResult::Undetermined => totals.undetermined += flows,
                StagedResult::Deny => {
                    totals.evaluated += flows;
                    totals.already_denied += if denied_now { flows } else { 0 };
                }
                StagedResult::Allow
                | StagedResult::Pass
                | StagedResult::NoMatch
                | StagedResult::NotReached => totals.evaluated += flows,
            }
        }
        match &judgement.outcome {
            Outcome::WouldDeny { by: _, charged } => {
                self.by_id.entry((policy_set, charged.clone())).or_default().newly_denied += flows;
            }
            Outcome::WouldAllow { by } => {
                if let HitOwner::Policy { policy, .. } = &by.owner {
                    self.by_id.entry((policy_set, policy.clone())).or_default().newly_allowed += flows;
                }
            }
            Outcome::Agrees | Outcome::Undetermined { .. } => {}
        }
    }

    /// Returns the counts of the policy at `place` of the set, by its id and its place.
    pub(super) fn of(&self, policy_set: Revision, place: u32, id: &PolicyId) -> PolicyTotals {
        let by_place = self.by_place.get(&(policy_set, place)).map(|it| *it).unwrap_or_default();
        let by_id = self.by_id.get(&(policy_set, id.clone())).map(|it| *it).unwrap_or_default();
        PolicyTotals { newly_denied: by_id.newly_denied, newly_allowed: by_id.newly_allowed, ..by_place }
    }

    /// Forgets every set but `current`.
    pub(super) fn keep(&self, current: Revision) {
        self.by_place.retain(|(set, _), _| *set == current);
        self.by_id.retain(|(set, _), _| *set == current);
    }
}

//! What each staged policy of one set does with the flows of some edges.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::evaluate::{Answer, Judgement, Outcome, StagedResult};
use crate::model::{HitOwner, PolicyId};

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

/// Counts by policy.
///
/// A sum over what the store holds, made when it is asked for: judgements come and go with the policies in force, and
/// panes with the window, so numbers that only grow would be wrong after each of them.
#[derive(Clone, Default, Debug)]
pub struct PolicyCounts {
    by_place: HashMap<u32, PolicyTotals, RandomState>,
    by_id: HashMap<PolicyId, PolicyTotals, RandomState>,
}

impl PolicyCounts {
    /// Adds flows with this judgement.
    pub(super) fn add(&mut self, judgement: &Judgement, flows: u64) {
        let denied_now = judgement.enforced.answer == Answer::Deny;
        for hit in &judgement.staged {
            let totals = self.by_place.entry(hit.policy).or_default();
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
            Outcome::WouldDeny { by: _, charged } => self.by_id_mut(charged).newly_denied += flows,
            Outcome::WouldAllow { by } => {
                if let HitOwner::Policy { policy, .. } = &by.owner {
                    self.by_id_mut(policy).newly_allowed += flows;
                }
            }
            Outcome::Agrees | Outcome::Undetermined { .. } => {}
        }
    }

    /// Returns the counts of the policy of this id, which stands at `place` of the set.
    #[must_use]
    pub fn of(&self, place: usize, id: &PolicyId) -> PolicyTotals {
        let place = u32::try_from(place).ok();
        let by_place = place.and_then(|it| self.by_place.get(&it)).copied().unwrap_or_default();
        let by_id = self.by_id.get(id).copied().unwrap_or_default();
        PolicyTotals { newly_denied: by_id.newly_denied, newly_allowed: by_id.newly_allowed, ..by_place }
    }

    fn by_id_mut(&mut self, id: &PolicyId) -> &mut PolicyTotals {
        self.by_id.entry_ref(id).or_default()
    }
}

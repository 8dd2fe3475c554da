//! A policy set that is in force: its programs and its counters, swapped together.

use std::collections::HashMap;
use std::sync::Arc;

use crate::engine::Tallied;
use crate::evaluate::{Answer, Judgement, Outcome, Programs, StagedHit, StagedResult};
use crate::model::{Direction, HitOwner, PolicyId};
use crate::telemetry::{
    DeniedFlows, DirectionLabel, Metrics, MissingLabel, PolicyCounters, PolicySeries, PolicySlot,
    TransitionLabel, VerdictLabel,
};

/// Programs of one revision, with the counters of its staged policies.
#[derive(Debug)]
pub struct Loaded {
    programs: Arc<Programs>,
    counters: PolicyCounters,
    // Place in the set -> place among the counters; nothing for enforced policies.
    by_place: Vec<Option<usize>>,
    by_id: HashMap<PolicyId, usize>,
}

impl Loaded {
    /// Creates every series of the set's staged policies at 0 and removes those of policies that are gone.
    #[must_use]
    pub fn install(programs: Arc<Programs>, metrics: &Metrics) -> Self {
        let mut series = Vec::new();
        let mut by_place = Vec::new();
        let mut by_id = HashMap::new();
        for policy in programs.set().policies() {
            let staged = policy.id.kind.is_staged();
            by_place.push(staged.then_some(series.len()));
            if staged {
                by_id.insert(policy.id.clone(), series.len());
                series.push(PolicySeries {
                    kind: policy.id.kind.as_str().to_owned(),
                    tier: policy.tier.to_string(),
                    namespace: policy.id.namespace.as_ref().map(ToString::to_string).unwrap_or_default(),
                    name: policy.id.name.to_string(),
                });
            }
        }
        let counters = metrics.install_policies(&series);
        metrics.staged_policies.with(["active"]).set_count(u64::try_from(series.len()).unwrap_or(u64::MAX));
        Self { programs, counters, by_place, by_id }
    }

    /// Returns the programs.
    #[must_use]
    pub const fn programs(&self) -> &Arc<Programs> {
        &self.programs
    }

    /// Adds flows of one judgement to the counters of the staged policies that it speaks of; `seconds` is the latest
    /// event time among them, as Unix time.
    pub fn count(&self, judgement: &Judgement, tallied: Tallied, seconds: f64) {
        let direction = match judgement.direction {
            Direction::Ingress => DirectionLabel::Ingress,
            Direction::Egress => DirectionLabel::Egress,
        };
        let denied_now = judgement.enforced.answer == Answer::Deny;
        let denied =
            DeniedFlows { flows: tallied.flows, connections: tallied.connections, bytes: tallied.bytes };
        for hit in &judgement.staged {
            let Some(slot) = self.slot_at(hit) else { continue };
            match hit.result {
                StagedResult::Allow => slot.add_flows(direction, VerdictLabel::Allow, tallied.flows),
                StagedResult::Deny => slot.add_flows(direction, VerdictLabel::Deny, tallied.flows),
                StagedResult::Pass => slot.add_flows(direction, VerdictLabel::Pass, tallied.flows),
                StagedResult::NoMatch => slot.add_flows(direction, VerdictLabel::NoMatch, tallied.flows),
                StagedResult::NotReached => {
                    slot.add_flows(direction, VerdictLabel::NotReached, tallied.flows)
                }
                StagedResult::Undetermined => count_undetermined(slot, judgement, tallied.flows),
            }
            if denied_now && hit.result == StagedResult::Deny {
                slot.add_denied(direction, TransitionLabel::AlreadyDenied, denied, seconds);
            }
        }
        match &judgement.outcome {
            Outcome::WouldDeny { by: _, charged } => {
                if let Some(slot) = self.slot_of(charged) {
                    slot.add_denied(direction, TransitionLabel::NewlyDenied, denied, seconds);
                }
            }
            Outcome::WouldAllow { by } => {
                if let HitOwner::Policy { policy, .. } = &by.owner
                    && let Some(slot) = self.slot_of(policy)
                {
                    slot.add_newly_allowed(direction, tallied.flows);
                }
            }
            Outcome::Agrees | Outcome::Undetermined { .. } => {}
        }
    }

    fn slot_at(&self, hit: &StagedHit) -> Option<&PolicySlot> {
        let place = usize::try_from(hit.policy).ok()?;
        self.counters.get((*self.by_place.get(place)?)?)
    }

    fn slot_of(&self, policy: &PolicyId) -> Option<&PolicySlot> {
        self.counters.get(*self.by_id.get(policy)?)
    }
}

/// Counts once for each attribute that the verdict with the staged policies lacked.
fn count_undetermined(slot: &PolicySlot, judgement: &Judgement, flows: u64) {
    let Answer::Undetermined(missing) = judgement.pending.answer else {
        // The answer is the same whatever the policy does: nothing is open for the reader.
        return;
    };
    let mut counted = Vec::new();
    for label in missing.names().filter_map(MissingLabel::from_attribute) {
        if !counted.contains(&label) {
            slot.add_indeterminate(label, flows);
            counted.push(label);
        }
    }
}

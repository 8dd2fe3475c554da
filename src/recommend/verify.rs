//! Puts a drafted policy to the test: on top of everything that is known, on the window it was made from.

use std::sync::Arc;

use super::config::Config;
use super::evidence::{is_itself, is_needed};
use crate::aggregate::{ClosedWindow, WindowEdge};
use crate::evaluate::{Connection, Judgement, Outcome, Programs};
use crate::model::{Edge, HitOwner, PolicyId};
use crate::policy::{Policy, PolicySet};

/// What the test found, in edges of the window.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Verification {
    /// Needed, judged, and not denied by the policy.
    pub(super) verified: u64,
    /// Needed, and not to be judged.
    pub(super) undetermined: u64,
    /// Needed, and the policy would deny them.
    pub(super) denied: Vec<Arc<Edge>>,
    /// Denied now, and the policy would let them through.
    pub(super) would_allow: u64,
}

/// Replays the window with `policy` staged in `set`, in place of an earlier one of the same name.
pub(super) fn verify(
    policy: &Policy,
    window: &ClosedWindow,
    programs: &Programs,
    config: &Config,
) -> Verification {
    let set = Arc::new(with_policy(programs.set(), policy, config));
    let (programs, _) = programs.recompile(set);
    let mut found = Verification::default();
    for WindowEdge { edge, totals } in &window.edges {
        if is_itself(&edge.subject, &edge.peer) {
            continue;
        }
        let judgement = programs.judge(edge.direction, &Connection::from(&**edge));
        if !is_needed(totals) {
            found.would_allow += u64::from(lets_through(&judgement, &policy.id));
        } else if denies(&judgement, &policy.id) {
            found.denied.push(Arc::clone(edge));
        } else if matches!(judgement.outcome, Outcome::Undetermined { .. }) {
            found.undetermined += 1;
        } else {
            found.verified += 1;
        }
    }
    found.denied.sort();
    found
}

fn with_policy(set: &PolicySet, policy: &Policy, config: &Config) -> PolicySet {
    let mut tiers = set.tiers().to_vec();
    tiers.push(config.tier_in(set));
    let others = set.policies().iter().filter(|it| it.id != policy.id).cloned();
    let policies = others.chain([Arc::new(policy.clone())]).collect();
    PolicySet::of_version(set.version(), tiers, policies, Arc::clone(set.cluster()), set.revision())
}

/// A would-be deny that the policy causes: it is charged with it, or is to blame.
fn denies(judgement: &Judgement, id: &PolicyId) -> bool {
    match &judgement.outcome {
        Outcome::WouldDeny { by: _, charged } => charged == id || judgement.blame.contains(id),
        Outcome::Agrees | Outcome::WouldAllow { .. } | Outcome::Undetermined { .. } => false,
    }
}

fn lets_through(judgement: &Judgement, id: &PolicyId) -> bool {
    match &judgement.outcome {
        Outcome::WouldAllow { by } => match &by.owner {
            HitOwner::Policy { tier: _, policy } => policy == id,
            HitOwner::Profile(_) => false,
        },
        Outcome::Agrees | Outcome::WouldDeny { .. } | Outcome::Undetermined { .. } => false,
    }
}

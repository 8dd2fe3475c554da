//! Staged policies that change nothing, or whose change Calico rehearses otherwise than it will come.
//!
//! In Calico's engine a staged policy is one more policy of its tier, whatever its name and its `stagedAction`; only
//! `Delete` is dropped (`projectcalico/calico`, `libcalico-go/lib/backend/syncersv1/updateprocessors`).

use super::finding::{Finding, Problem};
use super::place::of_policy;
use crate::evaluate::what_if::enforced_kind;
use crate::model::{LabelSet, PolicyId};
use crate::policy::{Policy, PolicySet, StagedAction};

/// Looks at a policy beside its enforced namesake.
pub(super) fn look_at(set: &PolicySet, policy: &Policy, findings: &mut Vec<Finding>) {
    let Some(action) = policy.staged_action else { return };
    let id = PolicyId { kind: enforced_kind(policy.id.kind), ..policy.id.clone() };
    let namesake = set.policies().iter().find(|it| it.id == id);
    let found = match (action, namesake) {
        (StagedAction::Delete, None) => {
            Some(("spec.stagedAction", Problem::StagedDeleteOfNothing, format!("there is no {id} to remove")))
        }
        (StagedAction::Delete, Some(_)) => Some((
            "spec.stagedAction",
            Problem::StagedDelete,
            "Calico's pending traces keep the policy that this removes; only `what-if` shows what is left"
                .to_owned(),
        )),
        (StagedAction::Set | StagedAction::Learn | StagedAction::Ignore, Some(enforced))
            if bare(policy, &id) == bare(enforced, &id) =>
        {
            Some(("", Problem::StagedUnchanged, format!("it is {id} once more, and stages no change")))
        }
        (StagedAction::Learn | StagedAction::Ignore, _) => {
            let name = if action == StagedAction::Learn { "Learn" } else { "Ignore" };
            let text = format!(
                "Calico's pending traces evaluate it as though `{name}` were `Set`; `flowstage evaluate --mode what-if` \
                 leaves it out"
            );
            Some(("spec.stagedAction", Problem::StagedUndecided, text))
        }
        // Every edit of an enforced policy is one of these. It is no fault of the policy, but a limit of the traces.
        (StagedAction::Set, Some(_)) => Some((
            "",
            Problem::StagedEdit,
            format!(
                "Calico's pending traces evaluate it beside {id} and not in its place; `flowstage evaluate --mode \
                 what-if` shows the edit"
            ),
        )),
        (StagedAction::Set, None) => None,
    };
    if let Some((path, problem, text)) = found {
        findings.push(of_policy(policy, path, problem, text));
    }
}

/// Returns what of a policy decides about flows.
fn bare(policy: &Policy, id: &PolicyId) -> Policy {
    Policy { id: id.clone(), staged_action: None, labels: LabelSet::default(), ..policy.clone() }
}

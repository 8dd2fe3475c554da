//! The policy set in which staged policies take the place of their enforced namesakes.

use flowstage::model::{PolicyId, PolicyKind};
use flowstage::policy::{Policy, PolicySet, StagedAction};

/// Starts from the enforced policies. A staged policy that is set replaces the enforced one of the corresponding kind,
/// namespace and name, or is added; a staged removal removes it. What is still being learned, or was dismissed, takes
/// part only where it is named.
pub fn what_if(set: &PolicySet, named: &[PolicyId]) -> PolicySet {
    let (staged, mut policies): (Vec<Policy>, Vec<Policy>) =
        set.policies().iter().map(|it| Policy::clone(it)).partition(|it| it.id.kind.is_staged());
    for policy in staged {
        let target = PolicyId { kind: enforced_kind(policy.id.kind), ..policy.id.clone() };
        let action = policy.staged_action.unwrap_or_default();
        let (removes, adds) = match action {
            StagedAction::Set => (true, true),
            StagedAction::Delete => (true, false),
            StagedAction::Learn | StagedAction::Ignore => {
                let is_named = named.contains(&policy.id);
                (is_named, is_named)
            }
        };
        if removes {
            policies.retain(|it| it.id != target);
        }
        if adds {
            policies.push(Policy { id: target, staged_action: None, ..policy });
        }
    }
    PolicySet::new(set.tiers().to_vec(), policies, set.cluster().as_ref().clone(), set.revision())
}

fn enforced_kind(kind: PolicyKind) -> PolicyKind {
    match kind {
        PolicyKind::StagedNetworkPolicy => PolicyKind::NetworkPolicy,
        PolicyKind::StagedGlobalNetworkPolicy => PolicyKind::GlobalNetworkPolicy,
        PolicyKind::StagedKubernetesNetworkPolicy => PolicyKind::KubernetesNetworkPolicy,
        PolicyKind::NetworkPolicy
        | PolicyKind::GlobalNetworkPolicy
        | PolicyKind::KubernetesNetworkPolicy
        | PolicyKind::ClusterNetworkPolicy
        | PolicyKind::AdminNetworkPolicy
        | PolicyKind::BaselineAdminNetworkPolicy => kind,
    }
}

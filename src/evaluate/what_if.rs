//! Turns a question of *what if* into a policy set that can be judged like any other.
//!
//! Pending verdicts evaluate staged policies beside the enforced ones, as Calico does. People also ask what an edit,
//! a removal or a promotion would do: here a staged policy replaces what it is meant to replace.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::model::{PolicyId, PolicyKind};
use crate::policy::{Policy, PolicySet, Revision, StagedAction};

/// Returns the set as it would be if candidates went into force.
///
/// The staged policies of the set itself take no part; pass those that are meant as candidates. Candidates are taken
/// in order, each upon what the ones before it left:
///
/// - staged `Set`: replaces the enforced policy of the corresponding kind, namespace and name, or is added;
/// - staged `Delete`: removes it;
/// - staged `Learn` and `Ignore`: as `Set`, but only when named in `named`;
/// - an enforced policy: replaces its namesake or is added.
///
/// The revision of the result is a digest of the set's own and of the candidates, so equal questions have equal
/// revisions.
#[must_use]
pub fn what_if(set: &PolicySet, candidates: &[Policy], named: &[PolicyId]) -> PolicySet {
    let enforced = set.policies().iter().filter(|it| !it.id.kind.is_staged());
    let mut order: Vec<PolicyId> = Vec::new();
    let mut policies: HashMap<PolicyId, Arc<Policy>> = HashMap::new();
    for policy in enforced {
        order.push(policy.id.clone());
        policies.insert(policy.id.clone(), Arc::clone(policy));
    }
    let mut hasher = DefaultHasher::new();
    set.revision().0.hash(&mut hasher);
    for candidate in candidates {
        let is_named = named.contains(&candidate.id);
        let id = PolicyId { kind: enforced_kind(candidate.id.kind), ..candidate.id.clone() };
        match candidate.staged_action {
            Some(StagedAction::Learn | StagedAction::Ignore) if !is_named => continue,
            Some(StagedAction::Delete) => {
                policies.remove(&id);
            }
            None | Some(StagedAction::Set | StagedAction::Learn | StagedAction::Ignore) => {
                let promoted = Policy { id: id.clone(), staged_action: None, ..candidate.clone() };
                if policies.insert(id.clone(), Arc::new(promoted)).is_none() {
                    order.push(id);
                }
            }
        }
        format!("{candidate:?}").hash(&mut hasher);
    }
    // A policy that was removed and added again stands in the order twice; it is taken once.
    let policies: Vec<Arc<Policy>> = order.iter().filter_map(|it| policies.remove(it)).collect();
    let (tiers, cluster) = (set.tiers().to_vec(), Arc::clone(set.cluster()));
    PolicySet::of_version(set.version(), tiers, policies, cluster, Revision(hasher.finish()))
}

/// Returns the kind that a staged kind becomes when it goes into force.
pub(super) const fn enforced_kind(kind: PolicyKind) -> PolicyKind {
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

//! Turns a question of *what if* into a policy set that can be judged like any other.
//!
//! Pending verdicts evaluate staged policies beside the enforced ones, as Calico does. People also ask what an edit,
//! a removal or a promotion would do: here a staged policy replaces what it is meant to replace.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::change::{is_same, origins, places};
use super::connection::Connection;
use super::evidence::Evidence;
use super::programs::Programs;
use super::verdict::Verdict;
use crate::model::{Direction, PolicyId, PolicyKind};
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

/// What would be in force with some candidates, beside what is in force.
#[derive(Debug)]
pub struct Supposed {
    programs: Programs,
    /// For each policy its place in the set in force, if it is the same there.
    origins: Vec<Option<u32>>,
}

impl Supposed {
    /// Compiles [`what_if`] of the programs in force, with their options.
    #[must_use]
    pub fn new(in_force: &Programs, candidates: &[Policy], named: &[PolicyId]) -> Self {
        let set = Arc::new(what_if(in_force.set(), candidates, named));
        let (old, new) = (in_force.set().policies(), set.policies());
        let is_kept =
            |policy: &Arc<Policy>, origin: usize| old.get(origin).is_some_and(|it| is_same(it, policy));
        let origins = new
            .iter()
            .zip(origins(&places(old, new), new.len()))
            .map(|(policy, origin)| u32::try_from(origin.filter(|it| is_kept(policy, *it))?).ok())
            .collect();
        Self { programs: Programs::compile_with(set, in_force.options().clone()), origins }
    }

    /// Judges one end of a connection. Evidence is of the programs in force; it counts for the policies that no
    /// candidate changes.
    #[must_use]
    pub fn enforced(
        &self,
        direction: Direction,
        connection: &Connection<'_>,
        evidence: Option<&Evidence>,
    ) -> Verdict {
        let origin = |place: u32| *self.origins.get(usize::try_from(place).ok()?)?;
        self.programs.enforced_by(direction, connection, evidence, origin)
    }
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

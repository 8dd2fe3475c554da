//! From policy values to manifests, ready for `kubectl apply`.

use super::out::Out;
use super::{calico_object, calico_policy, cluster_policy, kubernetes_policy};
use crate::model::{PolicyId, PolicyKind};
use crate::policy::{NetworkSet, Policy, Tier};

/// A policy of a Kubernetes kind asks for what that kind has no words for.
///
/// Never of a policy that was read from that kind, but for rules that failed closed; never of the kinds of Calico.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy `{policy}` asks for what its kind cannot say: {what}")]
pub struct Inexpressible {
    /// The policy.
    pub policy: PolicyId,
    /// What cannot be said.
    pub what: String,
}

/// Writes a policy as a YAML document, deterministic to the byte. What is written reads as the same policy.
///
/// # Errors
///
/// Where the policy is of a kind of Kubernetes that cannot say what it asks for.
pub fn write(policy: &Policy) -> Result<String, Inexpressible> {
    out(policy).map(|it| it.to_yaml())
}

/// Writes a policy as JSON.
///
/// # Errors
///
/// Where the policy is of a kind of Kubernetes that cannot say what it asks for.
pub fn to_json(policy: &Policy) -> Result<serde_json::Value, Inexpressible> {
    out(policy).map(|it| it.to_json())
}

/// Writes a tier as a YAML document.
#[must_use]
pub fn write_tier(tier: &Tier) -> String {
    calico_object::write_tier(tier).to_yaml()
}

/// Writes a network set as a YAML document.
#[must_use]
pub fn write_network_set(set: &NetworkSet) -> String {
    calico_object::write_network_set(set).to_yaml()
}

fn out(policy: &Policy) -> Result<Out, Inexpressible> {
    match policy.id.kind {
        PolicyKind::NetworkPolicy
        | PolicyKind::GlobalNetworkPolicy
        | PolicyKind::StagedNetworkPolicy
        | PolicyKind::StagedGlobalNetworkPolicy => Ok(calico_policy::write(policy)),
        PolicyKind::KubernetesNetworkPolicy | PolicyKind::StagedKubernetesNetworkPolicy => {
            kubernetes_policy::write(policy)
        }
        PolicyKind::ClusterNetworkPolicy
        | PolicyKind::AdminNetworkPolicy
        | PolicyKind::BaselineAdminNetworkPolicy => cluster_policy::write(policy),
    }
}

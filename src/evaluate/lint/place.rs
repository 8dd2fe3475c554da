//! Where in a policy something was found.

use super::finding::{Finding, Problem};
use crate::evaluate::rule::Side;
use crate::model::{Direction, PolicyKind};
use crate::policy::{Policy, Rule};

/// A rule, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) policy: &'a Policy,
    pub(super) direction: Direction,
    pub(super) index: usize,
    pub(super) rule: &'a Rule,
}

impl<'a> Place<'a> {
    /// Returns every rule of a policy.
    pub(super) fn all(policy: &'a Policy) -> impl Iterator<Item = Self> {
        [Direction::Ingress, Direction::Egress].into_iter().flat_map(move |direction| {
            let rules = policy.rules(direction).iter().enumerate();
            rules.map(move |(index, rule)| Self { policy, direction, index, rule })
        })
    }

    /// Makes a finding about a field of the rule; of the rule as a whole where `field` is empty.
    pub(super) fn finding(&self, field: &str, problem: Problem, text: impl Into<String>) -> Finding {
        let Self { policy, direction, index, rule: _ } = self;
        let path = if is_written(policy.id.kind) {
            let dot = if field.is_empty() { "" } else { "." };
            format!("spec.{direction}[{index}]{dot}{field}")
        } else {
            format!("spec.{direction}, converted rule {index}")
        };
        Finding { policy: policy.id.clone(), path, problem, text: text.into() }
    }

    /// Returns the two ends of the rule.
    pub(super) const fn ends(&self) -> [(Side, &'a crate::policy::EntityRule); 2] {
        [(Side::Source, &self.rule.source), (Side::Destination, &self.rule.destination)]
    }
}

/// Tells whether the rules of a kind are numbered as they were written.
const fn is_written(kind: PolicyKind) -> bool {
    match kind {
        PolicyKind::NetworkPolicy
        | PolicyKind::GlobalNetworkPolicy
        | PolicyKind::StagedNetworkPolicy
        | PolicyKind::StagedGlobalNetworkPolicy => true,
        PolicyKind::KubernetesNetworkPolicy
        | PolicyKind::StagedKubernetesNetworkPolicy
        | PolicyKind::ClusterNetworkPolicy
        | PolicyKind::AdminNetworkPolicy
        | PolicyKind::BaselineAdminNetworkPolicy => false,
    }
}

/// Makes a finding about a field of the policy.
pub(super) fn of_policy(policy: &Policy, path: &str, problem: Problem, text: impl Into<String>) -> Finding {
    Finding { policy: policy.id.clone(), path: path.to_owned(), problem, text: text.into() }
}

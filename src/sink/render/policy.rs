//! Names of policies and rules, and the hits of a trace.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::edge::DirectionRecord;
use super::error::RecordError;
use super::text::Text;
use crate::model::{Action, HitOwner, Name, PolicyHit, PolicyId, PolicyKind, RuleIndex, RuleRef, Trace};

/// The kind of a policy, as the API spells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub enum PolicyKindRecord {
    /// Calico `NetworkPolicy`.
    NetworkPolicy,
    /// Calico `GlobalNetworkPolicy`.
    GlobalNetworkPolicy,
    /// `StagedNetworkPolicy`.
    StagedNetworkPolicy,
    /// `StagedGlobalNetworkPolicy`.
    StagedGlobalNetworkPolicy,
    /// `networking.k8s.io` `NetworkPolicy`; the prefix tells it from Calico's own.
    KubernetesNetworkPolicy,
    /// `StagedKubernetesNetworkPolicy`.
    StagedKubernetesNetworkPolicy,
    /// `policy.networking.k8s.io` `ClusterNetworkPolicy`.
    ClusterNetworkPolicy,
    /// `AdminNetworkPolicy`.
    AdminNetworkPolicy,
    /// `BaselineAdminNetworkPolicy`.
    BaselineAdminNetworkPolicy,
}

/// What a rule does with what it matches.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ActionRecord {
    /// Lets the flow through.
    Allow,
    /// Drops the flow.
    Deny,
    /// Goes on with the next tier.
    Pass,
}

/// Which policy.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct PolicyRecord {
    /// The kind.
    pub kind: PolicyKindRecord,
    /// The namespace; `null` for a global kind.
    #[schema(value_type = Option<String>)]
    pub namespace: Option<Text>,
    /// The name.
    #[schema(value_type = String)]
    pub name: Text,
}

/// One step of a trace. It has either a tier and a policy, or a profile.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct HitRecord {
    /// The tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub tier: Option<Text>,
    /// The policy; for an end of tier, the one that the end is charged to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyRecord>,
    /// The profile, reached when no tier decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub profile: Option<Text>,
    /// What was done.
    pub action: ActionRecord,
    /// The rule by its place in the list, counted from 0; -1 for the end of the tier; `null` when it is not known.
    pub rule: Option<i64>,
}

/// A rule that decided. It has either a tier and a policy, or a profile.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct RuleRecord {
    /// The tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub tier: Option<Text>,
    /// The policy; for an end of tier, the one that the end is charged to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyRecord>,
    /// The profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub profile: Option<Text>,
    /// In which of the policy's lists the rule stands.
    pub direction: DirectionRecord,
    /// The rule by its place in the list, counted from 0; -1 for the end of the tier; `null` when it is not known.
    pub rule: Option<i64>,
}

impl From<PolicyKind> for PolicyKindRecord {
    fn from(kind: PolicyKind) -> Self {
        match kind {
            PolicyKind::NetworkPolicy => Self::NetworkPolicy,
            PolicyKind::GlobalNetworkPolicy => Self::GlobalNetworkPolicy,
            PolicyKind::StagedNetworkPolicy => Self::StagedNetworkPolicy,
            PolicyKind::StagedGlobalNetworkPolicy => Self::StagedGlobalNetworkPolicy,
            PolicyKind::KubernetesNetworkPolicy => Self::KubernetesNetworkPolicy,
            PolicyKind::StagedKubernetesNetworkPolicy => Self::StagedKubernetesNetworkPolicy,
            PolicyKind::ClusterNetworkPolicy => Self::ClusterNetworkPolicy,
            PolicyKind::AdminNetworkPolicy => Self::AdminNetworkPolicy,
            PolicyKind::BaselineAdminNetworkPolicy => Self::BaselineAdminNetworkPolicy,
        }
    }
}

impl From<PolicyKindRecord> for PolicyKind {
    fn from(kind: PolicyKindRecord) -> Self {
        match kind {
            PolicyKindRecord::NetworkPolicy => Self::NetworkPolicy,
            PolicyKindRecord::GlobalNetworkPolicy => Self::GlobalNetworkPolicy,
            PolicyKindRecord::StagedNetworkPolicy => Self::StagedNetworkPolicy,
            PolicyKindRecord::StagedGlobalNetworkPolicy => Self::StagedGlobalNetworkPolicy,
            PolicyKindRecord::KubernetesNetworkPolicy => Self::KubernetesNetworkPolicy,
            PolicyKindRecord::StagedKubernetesNetworkPolicy => Self::StagedKubernetesNetworkPolicy,
            PolicyKindRecord::ClusterNetworkPolicy => Self::ClusterNetworkPolicy,
            PolicyKindRecord::AdminNetworkPolicy => Self::AdminNetworkPolicy,
            PolicyKindRecord::BaselineAdminNetworkPolicy => Self::BaselineAdminNetworkPolicy,
        }
    }
}

impl From<Action> for ActionRecord {
    fn from(action: Action) -> Self {
        match action {
            Action::Allow => Self::Allow,
            Action::Deny => Self::Deny,
            Action::Pass => Self::Pass,
        }
    }
}

impl From<ActionRecord> for Action {
    fn from(action: ActionRecord) -> Self {
        match action {
            ActionRecord::Allow => Self::Allow,
            ActionRecord::Deny => Self::Deny,
            ActionRecord::Pass => Self::Pass,
        }
    }
}

impl From<&PolicyId> for PolicyRecord {
    fn from(id: &PolicyId) -> Self {
        let PolicyId { kind, namespace, name } = id;
        Self { kind: (*kind).into(), namespace: namespace.as_ref().map(Text::from), name: name.into() }
    }
}

impl From<PolicyRecord> for PolicyId {
    fn from(record: PolicyRecord) -> Self {
        let PolicyRecord { kind, namespace, name } = record;
        Self { kind: kind.into(), namespace: namespace.map(Name::from), name: name.into() }
    }
}

impl From<&PolicyHit> for HitRecord {
    fn from(hit: &PolicyHit) -> Self {
        let PolicyHit { owner, action, rule } = hit;
        let (tier, policy, profile) = owner_fields(owner);
        Self { tier, policy, profile, action: (*action).into(), rule: rule_number(*rule) }
    }
}

impl TryFrom<HitRecord> for PolicyHit {
    type Error = RecordError;

    fn try_from(record: HitRecord) -> Result<Self, RecordError> {
        let HitRecord { tier, policy, profile, action, rule } = record;
        Ok(Self { owner: owner_from(tier, policy, profile)?, action: action.into(), rule: rule_index(rule)? })
    }
}

impl From<&RuleRef> for RuleRecord {
    fn from(rule: &RuleRef) -> Self {
        let RuleRef { owner, direction, rule } = rule;
        let (tier, policy, profile) = owner_fields(owner);
        Self { tier, policy, profile, direction: (*direction).into(), rule: rule_number(*rule) }
    }
}

impl TryFrom<RuleRecord> for RuleRef {
    type Error = RecordError;

    fn try_from(record: RuleRecord) -> Result<Self, RecordError> {
        let RuleRecord { tier, policy, profile, direction, rule } = record;
        Ok(Self {
            owner: owner_from(tier, policy, profile)?,
            direction: direction.into(),
            rule: rule_index(rule)?,
        })
    }
}

/// Renders the hits of a trace.
pub(super) fn hits(trace: &Trace) -> Vec<HitRecord> {
    trace.0.iter().map(HitRecord::from).collect()
}

/// Reads what [`hits`] rendered.
pub(super) fn trace_from(hits: Vec<HitRecord>) -> Result<Trace, RecordError> {
    hits.into_iter().map(PolicyHit::try_from).collect::<Result<_, _>>().map(Trace)
}

fn owner_fields(owner: &HitOwner) -> (Option<Text>, Option<PolicyRecord>, Option<Text>) {
    match owner {
        HitOwner::Policy { tier, policy } => (Some(tier.into()), Some(policy.into()), None),
        HitOwner::Profile(name) => (None, None, Some(name.into())),
    }
}

fn owner_from(
    tier: Option<Text>,
    policy: Option<PolicyRecord>,
    profile: Option<Text>,
) -> Result<HitOwner, RecordError> {
    match (tier, policy, profile) {
        (Some(tier), Some(policy), None) => Ok(HitOwner::Policy { tier: tier.into(), policy: policy.into() }),
        (None, None, Some(name)) => Ok(HitOwner::Profile(name.into())),
        _ => Err(RecordError::Owner),
    }
}

fn rule_number(rule: RuleIndex) -> Option<i64> {
    match rule {
        RuleIndex::Rule(index) => Some(i64::from(index)),
        RuleIndex::EndOfTier => Some(-1),
        RuleIndex::Unknown => None,
    }
}

fn rule_index(number: Option<i64>) -> Result<RuleIndex, RecordError> {
    match number {
        None => Ok(RuleIndex::Unknown),
        Some(-1) => Ok(RuleIndex::EndOfTier),
        Some(number) => {
            u32::try_from(number).map(RuleIndex::Rule).map_err(|_| RecordError::RuleNumber { number })
        }
    }
}

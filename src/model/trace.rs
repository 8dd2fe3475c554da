//! Policy identities, and the trail of hits that leads to a verdict.

use std::fmt;

use super::calico_version::CalicoVersion;
use super::edge::Direction;
use super::name::Name;

/// What a rule does with a flow that it matches. `Log` is no action here: it neither ends the evaluation nor
/// leaves a hit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Action {
    /// Lets the flow through; ends the evaluation of this end.
    Allow,
    /// Drops the flow; ends the evaluation.
    Deny,
    /// Leaves this tier and goes on with the next.
    Pass,
}

impl Action {
    /// Returns `allow`, `deny` or `pass`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Pass => "pass",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The kinds of policy.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PolicyKind {
    /// Calico `NetworkPolicy`.
    NetworkPolicy,
    /// Calico `GlobalNetworkPolicy`.
    GlobalNetworkPolicy,
    /// `StagedNetworkPolicy`.
    StagedNetworkPolicy,
    /// `StagedGlobalNetworkPolicy`.
    StagedGlobalNetworkPolicy,
    /// `networking.k8s.io` `NetworkPolicy`.
    KubernetesNetworkPolicy,
    /// `StagedKubernetesNetworkPolicy`.
    StagedKubernetesNetworkPolicy,
    /// `policy.networking.k8s.io` `ClusterNetworkPolicy`.
    ClusterNetworkPolicy,
    /// `AdminNetworkPolicy`, read by Calico 3.29 to 3.31.
    AdminNetworkPolicy,
    /// `BaselineAdminNetworkPolicy`, read by Calico 3.29 to 3.31.
    BaselineAdminNetworkPolicy,
}

impl PolicyKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::NetworkPolicy,
        Self::GlobalNetworkPolicy,
        Self::StagedNetworkPolicy,
        Self::StagedGlobalNetworkPolicy,
        Self::KubernetesNetworkPolicy,
        Self::StagedKubernetesNetworkPolicy,
        Self::ClusterNetworkPolicy,
        Self::AdminNetworkPolicy,
        Self::BaselineAdminNetworkPolicy,
    ];

    /// Returns the short form that traces use: `np`, `gnp`, `snp`, `sgnp`, `knp`, `sknp`, `kcnp`.
    ///
    /// Calico reserves no short form for the two admin kinds; `kanp` and `kbanp` are those of its older keys.
    #[must_use]
    pub const fn short(self) -> &'static str {
        match self {
            Self::NetworkPolicy => "np",
            Self::GlobalNetworkPolicy => "gnp",
            Self::StagedNetworkPolicy => "snp",
            Self::StagedGlobalNetworkPolicy => "sgnp",
            Self::KubernetesNetworkPolicy => "knp",
            Self::StagedKubernetesNetworkPolicy => "sknp",
            Self::ClusterNetworkPolicy => "kcnp",
            Self::AdminNetworkPolicy => "kanp",
            Self::BaselineAdminNetworkPolicy => "kbanp",
        }
    }

    /// Returns the kind as Calico's internal keys spell it. It takes part in the order of policies.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NetworkPolicy => "NetworkPolicy",
            Self::GlobalNetworkPolicy => "GlobalNetworkPolicy",
            Self::StagedNetworkPolicy => "StagedNetworkPolicy",
            Self::StagedGlobalNetworkPolicy => "StagedGlobalNetworkPolicy",
            Self::KubernetesNetworkPolicy => "KubernetesNetworkPolicy",
            Self::StagedKubernetesNetworkPolicy => "StagedKubernetesNetworkPolicy",
            Self::ClusterNetworkPolicy => "KubernetesClusterNetworkPolicy",
            Self::AdminNetworkPolicy => "KubernetesAdminNetworkPolicy",
            Self::BaselineAdminNetworkPolicy => "KubernetesBaselineAdminNetworkPolicy",
        }
    }

    /// Tells whether the policy is only rehearsed.
    #[must_use]
    pub const fn is_staged(self) -> bool {
        matches!(
            self,
            Self::StagedNetworkPolicy | Self::StagedGlobalNetworkPolicy | Self::StagedKubernetesNetworkPolicy
        )
    }

    /// Tells whether a policy of this kind is put into a tier by its author: the four kinds that are Calico's own.
    #[must_use]
    pub const fn is_tiered(self) -> bool {
        matches!(
            self,
            Self::NetworkPolicy
                | Self::GlobalNetworkPolicy
                | Self::StagedNetworkPolicy
                | Self::StagedGlobalNetworkPolicy
        )
    }

    /// Tells whether a policy of this kind lives in a namespace.
    #[must_use]
    pub const fn is_namespaced(self) -> bool {
        matches!(
            self,
            Self::NetworkPolicy
                | Self::StagedNetworkPolicy
                | Self::KubernetesNetworkPolicy
                | Self::StagedKubernetesNetworkPolicy
        )
    }
}

/// Which policy: kind, namespace and name. Membership in a tier is not part of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PolicyId {
    /// The kind.
    pub kind: PolicyKind,
    /// The namespace; nothing for a global kind.
    pub namespace: Option<Name>,
    /// The name.
    pub name: Name,
}

/// Prints `snp:shop/lockdown`, as traces do.
impl fmt::Display for PolicyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.kind.short())?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

/// Where in a policy a hit lies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RuleIndex {
    /// The rule by its place in the list of the direction judged, counted from 0.
    Rule(u32),
    /// No rule matched and the tier's default action applied; written `-1`.
    EndOfTier,
    /// The record does not say; written `-` or left out.
    Unknown,
}

impl fmt::Display for RuleIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(index) => write!(f, "{index}"),
            Self::EndOfTier => f.write_str("-1"),
            Self::Unknown => f.write_str("-"),
        }
    }
}

/// Who made a hit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum HitOwner {
    /// A policy of a tier. For an end of tier, the policy that the end is charged to.
    Policy {
        /// The tier.
        tier: Name,
        /// The policy.
        policy: PolicyId,
    },
    /// A profile, reached when no tier decided.
    Profile(Name),
}

/// One step of a trace.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PolicyHit {
    /// Who made it.
    pub owner: HitOwner,
    /// What was done.
    pub action: Action,
    /// By which rule.
    pub rule: RuleIndex,
}

/// The ordered hits that led to a verdict: passes, at most one a tier, then the hit that decides.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Trace(pub Vec<PolicyHit>);

impl Trace {
    /// Names every policy as a release of Calico tells it from others, whichever form the trace was written in: see
    /// [`CalicoVersion::policy_name`].
    ///
    /// Of `security.block` the readers of the older forms leave `block`. In 3.31 the policy of the tier `security` that
    /// it means is `security.block` all the same.
    #[must_use]
    pub fn named_by(mut self, version: CalicoVersion) -> Self {
        for hit in &mut self.0 {
            match &mut hit.owner {
                HitOwner::Policy { tier, policy } => {
                    policy.name = version.policy_name(policy.kind, tier, policy.name.clone());
                }
                HitOwner::Profile(_) => {}
            }
        }
        self
    }

    /// Returns each hit as Calico's flow logs write it: `0|default|np:shop/db-in|allow|2`.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().enumerate().map(|(position, hit)| match &hit.owner {
            HitOwner::Policy { tier, policy } => {
                format!("{position}|{tier}|{policy}|{}|{}", hit.action, hit.rule)
            }
            HitOwner::Profile(name) => {
                format!("{position}|__PROFILE__|pro:{name}|{}|{}", hit.action, hit.rule)
            }
        })
    }
}

/// A rule that decided, named so that it does not drift: policy, direction and place.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RuleRef {
    /// Who owns the rule.
    pub owner: HitOwner,
    /// In which list it stands.
    pub direction: Direction,
    /// Its place in the list.
    pub rule: RuleIndex,
}

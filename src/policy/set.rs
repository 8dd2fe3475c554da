//! A whole set of policies with its cluster: what is compiled, and what a revision names.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use super::cluster::Cluster;
use super::policy::Policy;
use super::tier::Tier;
use crate::model::{CalicoVersion, Name};

/// The version of a policy set: a digest of everything that was read, equal on every process that read the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// Prints sixteen hexadecimal digits.
impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{self}")
    }
}

/// Tiers, policies and cluster of one revision, sorted for evaluation.
#[derive(Clone, PartialEq, Debug)]
pub struct PolicySet {
    // INVARIANT: tiers in the order of evaluation, names unique, the built-in ones included.
    tiers: Vec<Tier>,
    // INVARIANT: sorted by tier in the order above (unknown tiers last, by name), then as `Policy::cmp_in_tier` says.
    policies: Vec<Arc<Policy>>,
    cluster: Arc<Cluster>,
    revision: Revision,
    version: CalicoVersion,
}

impl PolicySet {
    /// Sorts the parts as the newest Calico does, and adds the built-in tiers that are missing. Of two tiers of one name
    /// the first stays.
    #[must_use]
    pub fn new(
        tiers: Vec<Tier>,
        policies: Vec<Policy>,
        cluster: impl Into<Arc<Cluster>>,
        revision: Revision,
    ) -> Self {
        let policies = policies.into_iter().map(Arc::new).collect();
        Self::of_version(CalicoVersion::NEWEST, tiers, policies, cluster.into(), revision)
    }

    /// As [`PolicySet::new`], with the built-in tiers and the order of a release of Calico, of policies and a cluster
    /// that other sets may hold too. The names of the policies must be that release's already: see
    /// [`CalicoVersion::policy_name`].
    #[must_use]
    pub fn of_version(
        version: CalicoVersion,
        mut tiers: Vec<Tier>,
        mut policies: Vec<Arc<Policy>>,
        cluster: Arc<Cluster>,
        revision: Revision,
    ) -> Self {
        tiers.extend(Tier::built_in_of(version));
        let mut seen = HashSet::new();
        tiers.retain(|it| seen.insert(it.name.clone()));
        tiers.sort_by(|a, b| a.order.cmp(&b.order).then_with(|| a.name.cmp(&b.name)));
        let place = |tier: &Name| tiers.iter().position(|it| it.name == *tier).unwrap_or(usize::MAX);
        policies.sort_by(|a, b| {
            (place(&a.tier), &a.tier).cmp(&(place(&b.tier), &b.tier)).then_with(|| a.cmp_in_tier(b, version))
        });
        Self { tiers, policies, cluster, revision, version }
    }

    /// Returns the release of Calico by whose rules the policies are named and sorted.
    #[must_use]
    pub const fn version(&self) -> CalicoVersion {
        self.version
    }

    /// Returns the tiers in the order of evaluation.
    #[must_use]
    pub fn tiers(&self) -> &[Tier] {
        &self.tiers
    }

    /// Returns the policies in the order of evaluation: tier by tier. Policies that name a tier that does not exist
    /// come last.
    #[must_use]
    pub fn policies(&self) -> &[Arc<Policy>] {
        &self.policies
    }

    /// Returns what is known of the cluster.
    #[must_use]
    pub const fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    /// Holds what is equal in `before` in common with it: less memory, and whoever compares the two sets need not look
    /// into it again.
    #[must_use]
    pub fn sharing(mut self, before: &Self) -> Self {
        if self.cluster == before.cluster {
            self.cluster = Arc::clone(&before.cluster);
        }
        let by_id: HashMap<_, _> = before.policies.iter().map(|it| (&it.id, it)).collect();
        for policy in &mut self.policies {
            if let Some(same) = by_id.get(&policy.id).filter(|it| **it == policy) {
                *policy = Arc::clone(same);
            }
        }
        self
    }

    /// Returns the revision.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        self.revision
    }
}

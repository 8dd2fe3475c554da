//! Tiers.

use super::policy::Order;
use crate::model::{CalicoVersion, Name};

/// What a tier does when its policies applied and no rule matched.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DefaultAction {
    /// Drop the flow.
    Deny,
    /// Go on with the next tier.
    Pass,
}

/// A tier: a group of policies that is visited as a whole.
#[derive(Clone, PartialEq, Debug)]
pub struct Tier {
    /// The name.
    pub name: Name,
    /// The place among the tiers.
    pub order: Order,
    /// The action at the end of the tier.
    pub default_action: DefaultAction,
}

impl Tier {
    /// The order of the tier `default`, and of a tier written without one.
    pub const DEFAULT_ORDER: f64 = 1_000_000.0;

    /// The tier of `AdminNetworkPolicy`.
    pub const ADMIN: &str = "adminnetworkpolicy";

    /// The tier of `BaselineAdminNetworkPolicy`.
    pub const BASELINE_ADMIN: &str = "baselineadminnetworkpolicy";

    /// Returns the tiers that every cluster of the newest Calico has, whether or not they were read: `kube-admin`,
    /// `default` and `kube-baseline`.
    #[must_use]
    pub fn built_in() -> [Self; 3] {
        [
            Self::fixed("kube-admin", 1_000.0, DefaultAction::Pass),
            Self::default_tier(),
            Self::fixed("kube-baseline", 10_000_000.0, DefaultAction::Pass),
        ]
    }

    /// Returns the tiers that every cluster of a release has. From 3.29 to 3.31 those of the two older admin kinds
    /// stand where `kube-admin` and `kube-baseline` came to stand; before, there is `default` alone.
    #[must_use]
    pub fn built_in_of(version: CalicoVersion) -> Vec<Self> {
        if version >= CalicoVersion::V3_32 {
            Self::built_in().into()
        } else if version >= CalicoVersion::V3_29 {
            let [admin, baseline] = Self::of_older_admin_kinds();
            vec![admin, Self::default_tier(), baseline]
        } else {
            vec![Self::default_tier()]
        }
    }

    /// Returns the tiers of `AdminNetworkPolicy` and `BaselineAdminNetworkPolicy`.
    #[must_use]
    pub fn of_older_admin_kinds() -> [Self; 2] {
        [
            Self::fixed(Self::ADMIN, 1_000.0, DefaultAction::Pass),
            Self::fixed(Self::BASELINE_ADMIN, 10_000_000.0, DefaultAction::Pass),
        ]
    }

    fn default_tier() -> Self {
        Self::fixed("default", Self::DEFAULT_ORDER, DefaultAction::Deny)
    }

    fn fixed(name: &str, order: f64, default_action: DefaultAction) -> Self {
        Self { name: Name::from(name), order: Order::new(order), default_action }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(version: &str, expect: &[&str]) {
        let tiers = Tier::built_in_of(version.parse().unwrap());
        assert_eq!(tiers.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), expect);
    }

    #[test]
    fn each_release_has_its_own_tiers() {
        check("3.28", &["default"]);
        check("3.29", &["adminnetworkpolicy", "default", "baselineadminnetworkpolicy"]);
        check("3.31", &["adminnetworkpolicy", "default", "baselineadminnetworkpolicy"]);
        check("3.32", &["kube-admin", "default", "kube-baseline"]);
        assert_eq!(Tier::built_in_of(CalicoVersion::NEWEST), Tier::built_in());
    }
}

//! Tiers.

use super::policy::Order;
use crate::model::Name;

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

    /// Returns the tiers that every cluster has, whether or not they were read: `kube-admin`, `default` and
    /// `kube-baseline`.
    #[must_use]
    pub fn built_in() -> [Self; 3] {
        let tier = |name: &str, order, default_action| Self {
            name: Name::from(name),
            order: Order::new(order),
            default_action,
        };
        [
            tier("kube-admin", 1_000.0, DefaultAction::Pass),
            tier("default", Self::DEFAULT_ORDER, DefaultAction::Deny),
            tier("kube-baseline", 10_000_000.0, DefaultAction::Pass),
        ]
    }
}

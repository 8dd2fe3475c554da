//! One policy of any kind.

use std::cmp::Ordering;

use super::rule::Rule;
use super::selector::Selector;
use crate::model::{CalicoVersion, Direction, LabelSet, Name, PolicyId, PolicyKind};

/// A place in an order: a number, or none, which sorts after every number.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Order(Option<f64>);

impl Order {
    /// No place given.
    pub const LAST: Self = Self(None);

    /// Makes a place; what is not a number has none.
    #[must_use]
    pub fn new(order: f64) -> Self {
        Self((!order.is_nan()).then_some(order))
    }

    /// Returns the number, if there is one.
    #[must_use]
    pub const fn value(self) -> Option<f64> {
        self.0
    }
}

impl Eq for Order {}

impl PartialOrd for Order {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Order {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.0, other.0) {
            (Some(a), Some(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        }
    }
}

/// What a staged policy stages.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum StagedAction {
    /// The policy as written.
    #[default]
    Set,
    /// The removal of its enforced namesake.
    Delete,
    /// A recommendation that is still being learned.
    Learn,
    /// A recommendation that was dismissed.
    Ignore,
}

/// Which directions a policy governs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Types {
    /// It governs ingress.
    pub ingress: bool,
    /// It governs egress.
    pub egress: bool,
}

impl Types {
    /// Tells whether `direction` is governed.
    #[must_use]
    pub const fn governs(self, direction: Direction) -> bool {
        match direction {
            Direction::Ingress => self.ingress,
            Direction::Egress => self.egress,
        }
    }
}

/// What only global kinds have.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct GlobalScope {
    /// Restricts the selected pods by the labels of their namespace.
    pub namespace_selector: Option<Selector>,
    /// Applies before connection tracking, to host endpoints only.
    pub do_not_track: bool,
    /// Applies before destination translation, to host endpoints only.
    pub pre_dnat: bool,
    /// Applies to forwarded traffic of host endpoints too.
    pub apply_on_forward: bool,
}

/// One policy, as written, with the API's defaults applied.
///
/// Kubernetes kinds are converted the way Calico converts them: tier `default`, order 1000, one [`Rule`] per
/// protocol group and peer; their selectors carry `projectcalico.org/orchestrator == 'k8s'`.
#[derive(Clone, PartialEq, Debug)]
pub struct Policy {
    /// Kind, namespace and name.
    pub id: PolicyId,
    /// The tier it belongs to.
    pub tier: Name,
    /// Its place in the tier.
    pub order: Order,
    /// The endpoints it selects; nothing selects all (of the namespace, for a namespaced kind). The namespace itself
    /// is not part of it.
    pub selector: Option<Selector>,
    /// Restricts the selected pods by the labels of their service account.
    pub service_account_selector: Option<Selector>,
    /// The directions it governs.
    pub types: Types,
    /// Rules for traffic into the endpoint, in the order of evaluation.
    pub ingress: Vec<Rule>,
    /// Rules for traffic out of the endpoint, in the order of evaluation.
    pub egress: Vec<Rule>,
    /// What a staged kind stages; nothing for an enforced kind.
    pub staged_action: Option<StagedAction>,
    /// What only global kinds have; the default for namespaced kinds.
    pub global: GlobalScope,
    /// The labels of the object itself.
    pub labels: LabelSet,
}

impl Policy {
    /// Returns the rules for `direction`.
    #[must_use]
    pub fn rules(&self, direction: Direction) -> &[Rule] {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    /// Compares two policies of one tier by their place in the evaluation: order, then a text.
    ///
    /// From Calico 3.32 on the text is `name/namespace/kind`; it is compared as a whole, so `a-b` stands before `a`:
    /// `-` sorts before `/`. Before, it is the key under which Calico keeps the policy, such as
    /// `namespace/staged:tier.name`, and `a` stands before `a-b`.
    #[must_use]
    pub fn cmp_in_tier(&self, other: &Self, version: CalicoVersion) -> Ordering {
        let text = |it: &Self| if version.has_tier_in_names() { it.older_key() } else { it.tie_break() };
        self.order.cmp(&other.order).then_with(|| text(self).cmp(&text(other)))
    }

    fn tie_break(&self) -> String {
        let namespace = self.id.namespace.as_deref().unwrap_or("");
        format!("{}/{namespace}/{}", self.id.name, self.id.kind.as_str())
    }

    /// The key of Calico up to 3.31: `[namespace/][staged:]prefix.name`, of which the prefix is the tier's, or one that
    /// is reserved.
    fn older_key(&self) -> String {
        let PolicyId { kind, namespace, name } = &self.id;
        let namespace = namespace.as_ref().map(|it| format!("{it}/")).unwrap_or_default();
        let staged = if kind.is_staged() { "staged:" } else { "" };
        let prefix = match kind {
            PolicyKind::KubernetesNetworkPolicy | PolicyKind::StagedKubernetesNetworkPolicy => "knp.default",
            PolicyKind::AdminNetworkPolicy => "kanp.adminnetworkpolicy",
            PolicyKind::BaselineAdminNetworkPolicy => "kbanp.baselineadminnetworkpolicy",
            PolicyKind::ClusterNetworkPolicy => "kcnp",
            PolicyKind::NetworkPolicy
            | PolicyKind::GlobalNetworkPolicy
            | PolicyKind::StagedNetworkPolicy
            | PolicyKind::StagedGlobalNetworkPolicy => &*self.tier,
        };
        // The name of a policy in another tier than `default` begins with it already.
        let begins_so = name.strip_prefix(prefix).is_some_and(|it| it.starts_with('.'));
        if kind.is_tiered() && (begins_so || name.starts_with("knp.default.") || name.starts_with("ossg.")) {
            format!("{namespace}{staged}{name}")
        } else {
            format!("{namespace}{staged}{prefix}.{name}")
        }
    }
}

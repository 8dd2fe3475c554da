//! Selectors as the data plane sees them: a policy's own, and those of a rule's two ends.
//!
//! Namespaces and service accounts are selected through labels that endpoints inherit under the prefixes `pcns.` and
//! `pcsa.`. The rewriting follows `projectcalico/calico`, `libcalico-go/lib/backend/syncersv1/updateprocessors`.

use std::sync::LazyLock;

use crate::model::{Name, PolicyId};
use crate::policy::selector::Node;
use crate::policy::{EntityRule, NamespaceMatch, Policy, Selector, ServiceAccountMatch};

/// The label that carries the namespace of pods and namespaced network sets.
pub(super) const NAMESPACE: &str = "projectcalico.org/namespace";
/// The label that carries the orchestrator; pods alone have it.
pub(super) const ORCHESTRATOR: &str = "projectcalico.org/orchestrator";
/// The label that carries the name of a pod's service account.
pub(super) const SERVICE_ACCOUNT: &str = "projectcalico.org/serviceaccount";
/// The label of namespaces and service accounts that carries their name.
pub(super) const OWN_NAME: &str = "projectcalico.org/name";
/// The prefix of labels inherited from the namespace.
pub(super) const OF_NAMESPACE: &str = "pcns.";
/// The prefix of labels inherited from the service account.
pub(super) const OF_ACCOUNT: &str = "pcsa.";

/// Returns [`NAMESPACE`] as one shared name: nearly every selector asks for it.
fn namespace_key() -> Name {
    static KEY: LazyLock<Name> = LazyLock::new(|| Name::from(NAMESPACE));
    KEY.clone()
}

/// What a rule asks of the labels at one end.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct EntitySelectors {
    /// The address must belong to something that this selects; nothing for any address at all.
    pub(super) positive: Option<Node>,
    /// The address must belong to nothing that this selects.
    pub(super) negative: Option<Node>,
}

/// Composes a policy's own selector.
///
/// In a global policy with a namespace selector every `all()` of the whole expression narrows to pods: the
/// replacement is made on the text, so it reaches `all()` inside the user's own selector, and inside a literal.
pub(super) fn policy_selector(policy: &Policy) -> Node {
    let own = policy.selector.as_ref().map(|it| it.root().clone());
    let account = policy.service_account_selector.as_ref().map(|it| prefixed(it.root(), OF_ACCOUNT));
    if policy.id.kind.is_namespaced() {
        let namespace = policy.id.namespace.clone().unwrap_or_else(|| Name::from(""));
        let scope = Node::Eq(namespace_key(), namespace);
        return both(both_opt(own, Some(scope)), account);
    }
    let namespaces = policy.global.namespace_selector.as_ref().map(|it| prefixed(it.root(), OF_NAMESPACE));
    let mut selector = own;
    if let Some(namespaces) = namespaces {
        selector = both_opt(selector, Some(namespaces)).map(|it| narrowed(&it, NAMESPACE));
    }
    if let Some(account) = account {
        selector = both_opt(selector, Some(account)).map(|it| narrowed(&it, SERVICE_ACCOUNT));
    }
    selector.unwrap_or(Node::All)
}

/// Composes the selectors of one end of a rule. `namespace` is that of the rule's policy.
pub(super) fn entity_selectors(namespace: Option<&Name>, entity: &EntityRule) -> EntitySelectors {
    let EntityRule {
        selector,
        not_selector,
        namespace_selector,
        service_accounts,
        nets: _,
        not_nets: _,
        services: _,
        ports: _,
        not_ports: _,
        domains: _,
    } = entity;
    let negative = not_selector.as_ref().map(|it| it.root().clone());
    let is_scoped = selector.is_some()
        || negative.is_some()
        || service_accounts.is_some()
        || namespace_selector.is_some();
    if !is_scoped {
        return EntitySelectors::default();
    }
    let namespaces = match namespace_selector {
        Some(it) => Some(namespace_match(it)),
        None => namespace.map(|it| Node::Eq(namespace_key(), it.clone())),
    };
    let own = selector.as_ref().map(|it| it.root().clone());
    let positive = both_opt(own, service_accounts.as_ref().and_then(account_match));
    EntitySelectors { positive: both_opt(namespaces, positive), negative }
}

fn namespace_match(namespaces: &NamespaceMatch) -> Node {
    let has_namespace = Node::Has(namespace_key());
    match namespaces {
        NamespaceMatch::Any => has_namespace,
        NamespaceMatch::Global => Node::Not(Box::new(has_namespace)),
        NamespaceMatch::Labels(selector) if *selector.root() == Node::All => has_namespace,
        NamespaceMatch::Labels(selector) if *selector.root() == Node::Global => {
            Node::Not(Box::new(has_namespace))
        }
        NamespaceMatch::Labels(selector) => prefixed(selector.root(), OF_NAMESPACE),
    }
}

fn account_match(accounts: &ServiceAccountMatch) -> Option<Node> {
    let mut names = accounts.names.clone();
    names.sort_unstable();
    names.dedup();
    let names = (!names.is_empty()).then(|| Node::In(Name::from(SERVICE_ACCOUNT), names));
    let labels = accounts.selector.as_ref().map(Selector::root).map(|it| prefixed(it, OF_ACCOUNT));
    both_opt(names, labels)
}

fn both(a: Option<Node>, b: Option<Node>) -> Node {
    both_opt(a, b).unwrap_or(Node::All)
}

/// Joins by `&&`, flat, so that equal conditions written in different places are one.
pub(super) fn both_opt(a: Option<Node>, b: Option<Node>) -> Option<Node> {
    match (a, b) {
        (Some(a), Some(b)) => {
            let mut parts = Vec::with_capacity(2);
            for node in [a, b] {
                match node {
                    Node::And(inner) => parts.extend(inner),
                    other => parts.push(other),
                }
            }
            Some(Node::And(parts))
        }
        (it, None) | (None, it) => it,
    }
}

fn prefixed(node: &Node, prefix: &str) -> Node {
    rewritten(node, &|key| Name::from(format!("{prefix}{key}")), &Node::All, &Name::clone)
}

/// Replaces every `all()`, also in the text of literals, as a replacement on the whole text does.
fn narrowed(node: &Node, key: &str) -> Node {
    let text = format!("has({key})");
    let literal = |value: &Name| {
        if value.contains("all()") { Name::from(value.replace("all()", &text)) } else { value.clone() }
    };
    rewritten(node, &Name::clone, &Node::Has(Name::from(key)), &literal)
}

fn rewritten(node: &Node, key: &dyn Fn(&Name) -> Name, all: &Node, literal: &dyn Fn(&Name) -> Name) -> Node {
    let again = |it: &Node| rewritten(it, key, all, literal);
    let set = |values: &[Name]| {
        let mut values: Vec<Name> = values.iter().map(literal).collect();
        values.sort_unstable();
        values.dedup();
        values
    };
    match node {
        Node::All => all.clone(),
        Node::Global => Node::Global,
        Node::Has(k) => Node::Has(key(k)),
        Node::Eq(k, v) => Node::Eq(key(k), literal(v)),
        Node::Ne(k, v) => Node::Ne(key(k), literal(v)),
        Node::In(k, vs) => Node::In(key(k), set(vs)),
        Node::NotIn(k, vs) => Node::NotIn(key(k), set(vs)),
        Node::Contains(k, v) => Node::Contains(key(k), literal(v)),
        Node::StartsWith(k, v) => Node::StartsWith(key(k), literal(v)),
        Node::EndsWith(k, v) => Node::EndsWith(key(k), literal(v)),
        Node::Not(it) => Node::Not(Box::new(again(it))),
        Node::And(parts) => Node::And(parts.iter().map(again).collect()),
        Node::Or(parts) => Node::Or(parts.iter().map(again).collect()),
    }
}

/// Returns the namespace that a policy's rules are scoped to.
pub(super) fn rule_namespace(policy: &PolicyId) -> Option<&Name> {
    if policy.kind.is_namespaced() { policy.namespace.as_ref() } else { None }
}

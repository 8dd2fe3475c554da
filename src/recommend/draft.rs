//! Writes rules to be as a staged policy.

use std::fmt::{self, Write};

use super::addresses::Range;
use super::config::Config;
use super::evidence::Asked;
use super::form::{Form, Target};
use super::recommendation::{Fingerprint, Flag, PeerClass, RuleEvidence};
use crate::model::{Action, Direction, Name, PolicyId, PolicyKind};
use crate::policy::{
    EntityRule, GlobalScope, NamespaceMatch, Order, Policy, PortMatch, Rule, RuleAction, Selector,
    ServiceMatch, StagedAction, Types,
};

/// The label of a namespace that Calico itself gives it, and nobody can take away.
const NAMESPACE_NAME: &str = "projectcalico.org/name";
/// Calico keeps the staged action in this label too, so that it can be selected by.
const STAGED_ACTION_LABEL: &str = "projectcalico.org/spec.stagedAction";
/// Who keeps the object.
const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// The class of a rule's peer.
const CLASS_ANNOTATION: &str = "flowstage/class";
/// The flags of a rule, joined by commas.
const FLAGS_ANNOTATION: &str = "flowstage/flags";

/// Writes the policy of a namespace, and for each of its rules why it is there.
pub(super) fn draft(namespace: &Name, forms: &[Form], config: &Config) -> (Policy, Vec<RuleEvidence>) {
    let mut evidence = Vec::with_capacity(forms.len());
    let mut rules = |direction| -> Vec<Rule> {
        let of_direction = forms.iter().filter(|it| it.direction == direction);
        let numbered = of_direction.zip(0_u32..);
        numbered
            .map(|(form, place)| {
                evidence.push(evidence_of(form, place));
                rule(form, namespace, config)
            })
            .collect()
    };
    let (ingress, egress) = (rules(Direction::Ingress), rules(Direction::Egress));
    let policy = Policy {
        id: policy_id(namespace, config),
        tier: config.tier.clone(),
        order: Order::LAST,
        selector: None,
        service_account_selector: None,
        // A direction that nothing was seen in is left alone: without a rule it would be cut off.
        types: Types { ingress: !ingress.is_empty(), egress: !egress.is_empty() },
        ingress,
        egress,
        staged_action: Some(StagedAction::Learn),
        global: GlobalScope::default(),
        labels: [(MANAGED_BY_LABEL, "flowstage"), (STAGED_ACTION_LABEL, "Learn")].into_iter().collect(),
    };
    (policy, evidence)
}

/// Names the policy of a namespace: `<tier>.<namespace>-recommendation`.
///
/// Calico up to 3.31 wants the tier's name in front; later it takes one dot and gives it no meaning. Each part may
/// have 63 characters: where the namespace's name leaves no room it is left out, for it is the only recommendation
/// there.
fn policy_id(namespace: &Name, config: &Config) -> PolicyId {
    let whole = format!("{namespace}-recommendation");
    let own = if whole.len() <= 63 { whole.as_str() } else { "recommendation" };
    let name =
        if config.tier == "default" { own.to_owned() } else { format!("{tier}.{own}", tier = config.tier) };
    PolicyId {
        kind: PolicyKind::StagedNetworkPolicy,
        namespace: Some(namespace.clone()),
        name: Name::from(name),
    }
}

/// Digests what the rules mean. Annotations mean nothing.
pub(super) fn fingerprint(policy: &Policy) -> Fingerprint {
    let mut digest = Fnv(0xcbf2_9ce4_8422_2325);
    for (direction, rules) in [("ingress", &policy.ingress), ("egress", &policy.egress)] {
        for rule in rules {
            let bare = Rule { annotations: Vec::new(), ..rule.clone() };
            // A digest takes whatever is written to it.
            let written = writeln!(digest, "{direction} {bare:?}");
            debug_assert!(written.is_ok(), "a digest refused text");
        }
    }
    Fingerprint(digest.0)
}

/// FNV-1a: Fowler, Noll and Vo, <http://www.isthe.com/chongo/tech/comp/fnv/>. Nobody gains by a collision here.
struct Fnv(u64);

impl Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}

fn evidence_of(form: &Form, place: u32) -> RuleEvidence {
    let Form { direction, class, target: _, protocol: _, ports: _, flags, seen, asked } = form;
    RuleEvidence {
        direction: *direction,
        rule: place,
        class: *class,
        flags: flags.iter().copied().collect(),
        edges: asked.map_or(0, |Asked { edges, totals: _ }| edges),
        totals: asked.map(|Asked { edges: _, totals }| totals),
        first_seen: seen.first,
        last_seen: seen.last,
    }
}

fn rule(form: &Form, namespace: &Name, config: &Config) -> Rule {
    let Form { direction, class, target, protocol, ports, flags, seen: _, asked: _ } = form;
    let action = match class {
        PeerClass::SameNamespace => config.same_namespace.action(),
        PeerClass::Service
        | PeerClass::Namespace
        | PeerClass::NetworkSet
        | PeerClass::Host
        | PeerClass::Private
        | PeerClass::Public => Action::Allow,
    };
    let peer = entity(target, namespace, config);
    let ports = ports.iter().map(|&(first, last)| PortMatch::Range(first, last)).collect();
    let (source, destination) = match direction {
        Direction::Ingress => (peer, EntityRule { ports, ..EntityRule::default() }),
        Direction::Egress => (EntityRule::default(), EntityRule { ports, ..peer }),
    };
    Rule {
        protocol: *protocol,
        source,
        destination,
        annotations: annotations(*class, flags.iter().copied()),
        ..Rule::new(RuleAction::Terminal(action))
    }
}

fn annotations(class: PeerClass, flags: impl Iterator<Item = Flag>) -> Vec<(String, String)> {
    let flags = flags.map(Flag::as_str).collect::<Vec<_>>().join(",");
    let class = (CLASS_ANNOTATION.to_owned(), class.as_str().to_owned());
    let flags = (!flags.is_empty()).then(|| (FLAGS_ANNOTATION.to_owned(), flags));
    [class].into_iter().chain(flags).collect()
}

fn entity(target: &Target, namespace: &Name, config: &Config) -> EntityRule {
    let of_namespace = |name: &Name| NamespaceMatch::Labels(Selector::equals(NAMESPACE_NAME, name.clone()));
    let none = EntityRule::default();
    match target {
        Target::Namespace(name) => EntityRule { namespace_selector: Some(of_namespace(name)), ..none },
        Target::Service { namespace, name } => EntityRule {
            services: Some(ServiceMatch { name: name.clone(), namespace: Some(namespace.clone()) }),
            ..none
        },
        Target::Labelled { namespace: of, key, value } => EntityRule {
            selector: Some(Selector::equals(key.clone(), value.clone())),
            // Without a namespace selector a rule looks into the policy's own namespace.
            namespace_selector: match of {
                Some(name) => (name != namespace).then(|| of_namespace(name)),
                None => Some(NamespaceMatch::Global),
            },
            ..none
        },
        Target::GlobalWith(key) => EntityRule {
            selector: Some(Selector::has(key.clone())),
            namespace_selector: Some(NamespaceMatch::Global),
            ..none
        },
        Target::Global => EntityRule { namespace_selector: Some(NamespaceMatch::Global), ..none },
        Target::Nets(nets) => EntityRule { nets: nets.clone(), ..none },
        Target::Private(family) => {
            let Range { nets, not_nets, .. } = Range::private(*family, config);
            EntityRule { nets, not_nets, ..none }
        }
        Target::Public(family) => {
            let Range { nets, not_nets, .. } = Range::public(*family, config);
            EntityRule { nets, not_nets, ..none }
        }
    }
}

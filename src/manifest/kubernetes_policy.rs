//! Kubernetes `NetworkPolicy` and Calico's `StagedKubernetesNetworkPolicy`, converted as Calico converts them.
//!
//! One written rule becomes one internal rule for each protocol, sorted by name, and each peer, in order. The number
//! of a rule in a trace counts those.
//!
//! Source of the conversion: `projectcalico/calico`, `libcalico-go/lib/backend/k8s/conversion`.

use super::calico_policy::{
    read_staged_action, read_types, staged_action_name, types_out, warn_idle_rules, warn_missing_types,
};
use super::label_selector::{self, Selects};
use super::meta::{self, Meta};
use super::out::{Out, OutMap};
use super::port_group::{self, PortGroup};
use super::reader::{Context, Field, Fields};
use super::values::{Bare, prefix};
use super::write::Inexpressible;
use crate::model::{Action, Direction, IpNet, Name, PolicyId, PolicyKind};
use crate::policy::{
    EntityRule, GlobalScope, NamespaceMatch, Order, Policy, Rule, RuleAction, Selector, StagedAction, Types,
};

/// The place of Kubernetes' policies in the tier `default`.
const ORDER: f64 = 1000.0;

/// Reads a policy of one of the two kinds.
pub(super) fn read(cx: &mut Context, root: &mut Fields<'_>, meta: Meta, kind: PolicyKind) -> Option<Policy> {
    let at = root.need(cx, "spec")?;
    let mut spec = at.map(cx)?;
    let staged_action = kind.is_staged().then(|| read_staged_action(cx, &mut spec));
    let selector_at = spec.take("podSelector");
    let selector = label_selector::read(cx, selector_at.as_ref(), Selects::Pods);
    let types = spec.take("policyTypes").and_then(|it| read_types(cx, &it));
    let ingress = read_rules(cx, &mut spec, Direction::Ingress);
    let egress = read_rules(cx, &mut spec, Direction::Egress);
    spec.finish(cx);
    // The API server sets Egress too where there are egress rules; nobody does that for the staged kind.
    let assumed = Types { ingress: true, egress: !kind.is_staged() && !egress.is_empty() };
    let mut policy = Policy {
        id: PolicyId { kind, namespace: meta.namespace, name: meta.name },
        tier: Name::from("default"),
        order: Order::new(ORDER),
        selector: Some(selector),
        service_account_selector: None,
        types: types.unwrap_or(assumed),
        ingress,
        egress,
        staged_action,
        global: GlobalScope::default(),
        labels: meta.labels,
    };
    if staged_action == Some(StagedAction::Delete) {
        let every = label_selector::read(cx, None, Selects::Pods);
        if policy.selector.as_ref() != Some(&every)
            || types.is_some()
            || !policy.ingress.is_empty()
            || !policy.egress.is_empty()
        {
            cx.error(&at, "with the staged action `Delete` no other field may be set");
        }
        policy.types = Types { ingress: false, egress: false };
        return Some(policy);
    }
    if types.is_none() && kind.is_staged() {
        warn_missing_types(cx, &at, policy.types);
    }
    warn_idle_rules(cx, &at, &policy);
    Some(policy)
}

fn read_rules(cx: &mut Context, spec: &mut Fields<'_>, direction: Direction) -> Vec<Rule> {
    let (key, peer_key) = keys(direction);
    let mut rules = Vec::new();
    for at in spec.list(cx, key) {
        if at.is_null() {
            // A dash with nothing behind it is the rule that allows everything.
            rules.push(Rule::new(RuleAction::Terminal(Action::Allow)));
            continue;
        }
        let Some(mut fields) = at.map(cx) else { continue };
        let groups = port_group::read_kubernetes(cx, &mut fields);
        let peers: Vec<EntityRule> =
            fields.list(cx, peer_key).iter().filter_map(|it| read_peer(cx, it)).collect();
        fields.finish(cx);
        // No peers: anybody.
        let peers = if peers.is_empty() { vec![EntityRule::default()] } else { peers };
        rules.extend(port_group::combine(
            RuleAction::Terminal(Action::Allow),
            direction,
            &groups,
            &peers,
            None,
        ));
    }
    rules
}

const fn keys(direction: Direction) -> (&'static str, &'static str) {
    match direction {
        Direction::Ingress => ("ingress", "from"),
        Direction::Egress => ("egress", "to"),
    }
}

fn read_peer(cx: &mut Context, at: &Field<'_>) -> Option<EntityRule> {
    let mut fields = at.map(cx)?;
    let pods = fields.take("podSelector");
    let namespaces = fields.take("namespaceSelector");
    let block = fields.take("ipBlock");
    fields.finish(cx);
    match (block, pods, namespaces) {
        (Some(block), None, None) => read_block(cx, &block),
        (Some(block), _, _) => {
            cx.error(&block, "`ipBlock` may not stand beside `podSelector` or `namespaceSelector`");
            None
        }
        (None, None, None) => {
            cx.error(at, "a peer is given by `podSelector`, `namespaceSelector` or `ipBlock`");
            None
        }
        (None, pods, namespaces) => Some(EntityRule {
            selector: Some(label_selector::read(cx, pods.as_ref(), Selects::Pods)),
            namespace_selector: namespaces.map(|it| namespace_match(cx, &it)),
            ..EntityRule::default()
        }),
    }
}

/// Reads a selector of namespaces; an empty one selects all of them.
pub(super) fn namespace_match(cx: &mut Context, at: &Field<'_>) -> NamespaceMatch {
    let selector = label_selector::read(cx, Some(at), Selects::Namespaces);
    if selector.is_all() { NamespaceMatch::Any } else { NamespaceMatch::Labels(selector) }
}

/// Writes a selector of namespaces.
pub(super) fn namespace_match_out(namespaces: &NamespaceMatch) -> Option<OutMap> {
    match namespaces {
        NamespaceMatch::Any => Some(OutMap::new()),
        NamespaceMatch::Global => None,
        NamespaceMatch::Labels(selector) => label_selector::write(selector, Selects::Namespaces),
    }
}

fn read_block(cx: &mut Context, at: &Field<'_>) -> Option<EntityRule> {
    let mut fields = at.map(cx)?;
    let block = fields.need(cx, "cidr").and_then(|it| prefix(cx, &it, Bare::Refused));
    let items = fields.list(cx, "except");
    fields.finish(cx);
    let mut except: Vec<IpNet> = Vec::with_capacity(items.len());
    for item in items {
        let Some(net) = prefix(cx, &item, Bare::Refused) else { continue };
        if block.is_some_and(|it| !it.contains(&net) || it == net) {
            cx.error(&item, format!("`{net}` does not lie inside of the block"));
        }
        except.push(net);
    }
    Some(EntityRule { nets: vec![block?], not_nets: except, ..EntityRule::default() })
}

/// Writes a policy of one of the two kinds.
pub(super) fn write(policy: &Policy) -> Result<Out, Inexpressible> {
    let Policy {
        id: PolicyId { kind, namespace, name },
        tier,
        order,
        selector,
        service_account_selector,
        types,
        ingress,
        egress,
        staged_action,
        global,
        labels,
    } = policy;
    let fail = |what: &str| Inexpressible { policy: policy.id.clone(), what: what.to_owned() };
    let fixed = *tier == "default"
        && *order == Order::new(ORDER)
        && service_account_selector.is_none()
        && *global == GlobalScope::default();
    if !fixed {
        return Err(fail("a tier, an order, or a selector of service accounts"));
    }
    let pods = pods_out(selector.as_ref()).ok_or_else(|| fail("its selector"))?;
    let head = |api_version, kind| meta::write(api_version, kind, name, namespace.as_ref(), labels);
    let (head, spec) = match staged_action {
        Some(action) => (
            head("projectcalico.org/v3", kind.as_str()),
            OutMap::new().put("stagedAction", staged_action_name(*action)),
        ),
        None => (head("networking.k8s.io/v1", "NetworkPolicy"), OutMap::new()),
    };
    let mut spec = spec.put("podSelector", pods).put_list("policyTypes", types_out(*types));
    for (direction, rules) in [(Direction::Ingress, ingress), (Direction::Egress, egress)] {
        let (key, peer_key) = keys(direction);
        let mut written = Vec::with_capacity(rules.len());
        for (idx, rule) in rules.iter().enumerate() {
            let out = write_rule(rule, direction, peer_key);
            written.push(out.ok_or_else(|| fail(&format!("{} rule {idx}", direction.as_str())))?);
        }
        spec = spec.put_list(key, written);
    }
    Ok(head.put("spec", spec).into())
}

fn pods_out(selector: Option<&Selector>) -> Option<OutMap> {
    label_selector::write(selector?, Selects::Pods)
}

fn write_rule(rule: &Rule, direction: Direction, peer_key: &str) -> Option<OutMap> {
    let (peer, group) = port_group::split(rule, direction)?;
    if rule.action != RuleAction::Terminal(Action::Allow) || !rule.annotations.is_empty() {
        return None;
    }
    let map = OutMap::new().put_list("ports", PortGroup::kubernetes_out(&group)?);
    if peer == EntityRule::default() { Some(map) } else { Some(map.put_list(peer_key, [peer_out(&peer)?])) }
}

fn peer_out(peer: &EntityRule) -> Option<OutMap> {
    let EntityRule { nets, not_nets, selector, namespace_selector, .. } = peer;
    match (nets.as_slice(), selector) {
        ([block], None) if namespace_selector.is_none() => {
            let block = OutMap::new()
                .put("cidr", block.to_string())
                .put_list("except", not_nets.iter().map(ToString::to_string));
            Some(OutMap::new().put("ipBlock", block))
        }
        ([], Some(selector)) if not_nets.is_empty() => {
            let pods = label_selector::write(selector, Selects::Pods)?;
            let namespaces = match namespace_selector {
                Some(namespaces) => Some(namespace_match_out(namespaces)?),
                None => None,
            };
            // Without a selector of namespaces an empty selector of pods still has to be written.
            let pods = (namespaces.is_none() || !pods.is_empty()).then_some(pods);
            Some(OutMap::new().put_some("namespaceSelector", namespaces).put_some("podSelector", pods))
        }
        _ => None,
    }
}

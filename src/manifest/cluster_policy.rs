//! The cluster-wide kinds of `policy.networking.k8s.io`: `ClusterNetworkPolicy`, and `AdminNetworkPolicy` and
//! `BaselineAdminNetworkPolicy`, from which it came. Converted as Calico converts them.
//!
//! A rule that Calico cannot render is dropped if it accepts, and denies everything in its place if it denies or
//! passes: it fails closed.
//!
//! Source of the conversion: `projectcalico/calico`, `libcalico-go/lib/backend/k8s/conversion`.

use super::cluster_port::{self, Malformed, PortForm};
use super::kubernetes_policy::{namespace_match, namespace_match_out};
use super::label_selector::{self, Selects};
use super::meta::{self, Meta};
use super::out::{Out, OutMap};
use super::port_group;
use super::reader::{Context, Field, Fields, shown};
use super::write::Inexpressible;
use crate::model::{Action, CalicoVersion, Direction, IpNet, Name, PolicyId, PolicyKind};
use crate::policy::{
    EntityRule, GlobalScope, NamespaceMatch, Order, Policy, Rule, RuleAction, Selector, Tier, Types,
};

/// The tiers of `ClusterNetworkPolicy`: the word in the object, and Calico's tier.
const TIERS: [(&str, &str); 2] = [("Admin", "kube-admin"), ("Baseline", "kube-baseline")];

/// The highest `priority`.
const PRIORITY_MAX: i64 = 1000;

/// How the kinds differ.
#[derive(Clone, Copy)]
struct Dialect {
    api_version: &'static str,
    kind: &'static str,
    actions: &'static [(&'static str, Action)],
    ports: PortForm,
}

const CLUSTER: Dialect = Dialect {
    api_version: "policy.networking.k8s.io/v1alpha2",
    kind: "ClusterNetworkPolicy",
    actions: &[("Accept", Action::Allow), ("Deny", Action::Deny), ("Pass", Action::Pass)],
    ports: PortForm::Protocols,
};

const ADMIN: Dialect = Dialect {
    api_version: "policy.networking.k8s.io/v1alpha1",
    kind: "AdminNetworkPolicy",
    actions: &[("Allow", Action::Allow), ("Deny", Action::Deny), ("Pass", Action::Pass)],
    ports: PortForm::Ports,
};

const BASELINE: Dialect = Dialect {
    kind: "BaselineAdminNetworkPolicy",
    actions: &[("Allow", Action::Allow), ("Deny", Action::Deny)],
    ..ADMIN
};

/// Returns the first release of Calico that reads a kind.
pub(super) const fn since(kind: PolicyKind) -> CalicoVersion {
    match kind {
        PolicyKind::ClusterNetworkPolicy => CalicoVersion::V3_32,
        PolicyKind::AdminNetworkPolicy | PolicyKind::BaselineAdminNetworkPolicy => CalicoVersion::V3_29,
        PolicyKind::NetworkPolicy
        | PolicyKind::GlobalNetworkPolicy
        | PolicyKind::StagedNetworkPolicy
        | PolicyKind::StagedGlobalNetworkPolicy
        | PolicyKind::KubernetesNetworkPolicy
        | PolicyKind::StagedKubernetesNetworkPolicy => CalicoVersion::OLDEST,
    }
}

/// Returns the first release of Calico that reads a kind no more. Here it is read all the same.
pub(super) const fn until(kind: PolicyKind) -> Option<CalicoVersion> {
    match kind {
        PolicyKind::AdminNetworkPolicy | PolicyKind::BaselineAdminNetworkPolicy => Some(CalicoVersion::V3_32),
        PolicyKind::ClusterNetworkPolicy
        | PolicyKind::NetworkPolicy
        | PolicyKind::GlobalNetworkPolicy
        | PolicyKind::StagedNetworkPolicy
        | PolicyKind::StagedGlobalNetworkPolicy
        | PolicyKind::KubernetesNetworkPolicy
        | PolicyKind::StagedKubernetesNetworkPolicy => None,
    }
}

fn dialect(kind: PolicyKind) -> Dialect {
    match kind {
        PolicyKind::AdminNetworkPolicy => ADMIN,
        PolicyKind::BaselineAdminNetworkPolicy => BASELINE,
        PolicyKind::ClusterNetworkPolicy
        | PolicyKind::NetworkPolicy
        | PolicyKind::GlobalNetworkPolicy
        | PolicyKind::StagedNetworkPolicy
        | PolicyKind::StagedGlobalNetworkPolicy
        | PolicyKind::KubernetesNetworkPolicy
        | PolicyKind::StagedKubernetesNetworkPolicy => CLUSTER,
    }
}

/// Reads a policy of one of the three kinds.
pub(super) fn read(cx: &mut Context, root: &mut Fields<'_>, meta: Meta, kind: PolicyKind) -> Option<Policy> {
    let at = root.need(cx, "spec")?;
    let mut spec = at.map(cx)?;
    let dialect = dialect(kind);
    let tier = match kind {
        PolicyKind::AdminNetworkPolicy => Some(Tier::ADMIN),
        PolicyKind::BaselineAdminNetworkPolicy => Some(Tier::BASELINE_ADMIN),
        PolicyKind::ClusterNetworkPolicy
        | PolicyKind::NetworkPolicy
        | PolicyKind::GlobalNetworkPolicy
        | PolicyKind::StagedNetworkPolicy
        | PolicyKind::StagedGlobalNetworkPolicy
        | PolicyKind::KubernetesNetworkPolicy
        | PolicyKind::StagedKubernetesNetworkPolicy => {
            spec.need(cx, "tier").and_then(|it| it.one_of(cx, "tier", &TIERS))
        }
    };
    let order = if kind == PolicyKind::BaselineAdminNetworkPolicy {
        Order::LAST
    } else {
        let priority = spec.need(cx, "priority").and_then(|it| it.integer(cx, 0, PRIORITY_MAX));
        priority.and_then(|it| i32::try_from(it).ok()).map_or(Order::LAST, |it| Order::new(f64::from(it)))
    };
    let (namespaces, selector) = spec.need(cx, "subject").and_then(|it| read_subject(cx, &it))?;
    let ingress = read_rules(cx, &mut spec, Direction::Ingress, dialect);
    let egress = read_rules(cx, &mut spec, Direction::Egress, dialect);
    spec.finish(cx);
    Some(Policy {
        id: PolicyId { kind, namespace: None, name: meta.name },
        tier: Name::from(tier?),
        order,
        selector: Some(selector),
        service_account_selector: None,
        types: Types { ingress: !ingress.is_empty(), egress: !egress.is_empty() },
        ingress,
        egress,
        staged_action: None,
        global: GlobalScope { namespace_selector: Some(namespaces), ..GlobalScope::default() },
        labels: meta.labels,
    })
}

/// Reads whom the policy applies to: the selector of namespaces and that of pods.
fn read_subject(cx: &mut Context, at: &Field<'_>) -> Option<(Selector, Selector)> {
    let mut fields = at.map(cx)?;
    let (namespaces, pods) = (fields.take("namespaces"), fields.take("pods"));
    fields.finish(cx);
    match (namespaces, pods) {
        (Some(namespaces), None) => Some((
            label_selector::read(cx, Some(&namespaces), Selects::Namespaces),
            label_selector::read(cx, None, Selects::Pods),
        )),
        (None, Some(pods)) => {
            let (namespaces, pods) = read_pods(cx, &pods)?;
            Some((label_selector::read(cx, namespaces.as_ref(), Selects::Namespaces), pods))
        }
        (Some(_), Some(_)) | (None, None) => {
            cx.error(at, "a subject is given by one of `namespaces` and `pods`");
            None
        }
    }
}

/// Reads `pods`: the field for namespaces, and the selector.
fn read_pods<'t>(cx: &mut Context, at: &Field<'t>) -> Option<(Option<Field<'t>>, Selector)> {
    let mut fields = at.map(cx)?;
    let (namespaces, pods) = (fields.take("namespaceSelector"), fields.take("podSelector"));
    fields.finish(cx);
    let pods = label_selector::read(cx, pods.as_ref(), Selects::Pods);
    Some((namespaces, pods))
}

fn read_rules(cx: &mut Context, spec: &mut Fields<'_>, direction: Direction, dialect: Dialect) -> Vec<Rule> {
    spec.list(cx, direction.as_str()).iter().flat_map(|it| read_rule(cx, it, direction, dialect)).collect()
}

fn read_rule(cx: &mut Context, at: &Field<'_>, direction: Direction, dialect: Dialect) -> Vec<Rule> {
    let Some(mut fields) = at.map(cx) else { return Vec::new() };
    let name = fields.text(cx, "name");
    let action = fields.need(cx, "action").and_then(|it| it.one_of(cx, "action", dialect.actions));
    let peers = match fields.need(cx, peer_key(direction)) {
        Some(it) if it.list(cx).is_empty() => Err(Malformed(format!("`{}` is empty", peer_key(direction)))),
        Some(it) => it.list(cx).iter().map(|it| read_peer(cx, it, direction)).collect(),
        None => Ok(Vec::new()),
    };
    let groups = cluster_port::read(cx, &mut fields, dialect.ports);
    fields.finish(cx);
    let Some(action) = action else { return Vec::new() };
    match (peers, groups) {
        (Ok(peers), Ok(groups)) => {
            port_group::combine(RuleAction::Terminal(action), direction, &groups, &peers, name)
        }
        (Err(Malformed(cause)), _) | (_, Err(Malformed(cause))) => {
            let (happens, rules) = match action {
                Action::Allow => ("is dropped", Vec::new()),
                Action::Deny | Action::Pass => {
                    let mut rule = Rule::new(RuleAction::Terminal(Action::Deny));
                    rule.annotations.extend(name.map(|it| ("name".to_owned(), it.to_owned())));
                    ("denies everything", vec![rule])
                }
            };
            cx.warn(at, format!("Calico cannot render this rule, which therefore {happens}: {cause}"));
            rules
        }
    }
}

const fn peer_key(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "from",
        Direction::Egress => "to",
    }
}

fn read_peer(cx: &mut Context, at: &Field<'_>, direction: Direction) -> Result<EntityRule, Malformed> {
    let Some(mut fields) = at.map(cx) else { return Ok(EntityRule::default()) };
    let (namespaces, pods) = (fields.take("namespaces"), fields.take("pods"));
    let mut others = ["networks", "nodes", "domainNames"].map(|key| {
        let found = if direction == Direction::Egress { fields.take(key) } else { None };
        found.map(|it| (key, it))
    });
    let networks = others.first_mut().and_then(Option::take);
    fields.finish(cx);
    if let Some((key, _)) = others.into_iter().flatten().next() {
        return Err(Malformed(format!("peers of the kind `{key}` are not supported")));
    }
    match (namespaces, pods, networks) {
        (Some(it), None, None) => {
            Ok(EntityRule { namespace_selector: Some(namespace_match(cx, &it)), ..EntityRule::default() })
        }
        (None, Some(it), None) => {
            let Some((namespaces, pods)) = read_pods(cx, &it) else { return Ok(EntityRule::default()) };
            let namespaces = namespaces.map_or(NamespaceMatch::Any, |it| namespace_match(cx, &it));
            Ok(EntityRule {
                selector: Some(pods),
                namespace_selector: Some(namespaces),
                ..EntityRule::default()
            })
        }
        (None, None, Some((_, it))) => {
            let mut nets = Vec::new();
            for item in it.list(cx) {
                let Some(text) = item.text(cx) else { continue };
                match text.parse::<IpNet>() {
                    Ok(net) => nets.push(net.trunc()),
                    Err(_) => return Err(Malformed(format!("`{}` is no prefix", shown(text)))),
                }
            }
            if nets.is_empty() {
                return Err(Malformed("`networks` is empty".into()));
            }
            Ok(EntityRule { nets, ..EntityRule::default() })
        }
        _ => Err(Malformed("a peer is of exactly one kind".into())),
    }
}

/// Writes a policy of one of the three kinds, each in its own form.
pub(super) fn write(policy: &Policy) -> Result<Out, Inexpressible> {
    let Policy {
        id: PolicyId { kind, namespace: _, name },
        tier,
        order,
        selector,
        service_account_selector,
        types: _,
        ingress,
        egress,
        staged_action: _,
        global,
        labels,
    } = policy;
    let fail = |what: &str| Inexpressible { policy: policy.id.clone(), what: what.to_owned() };
    let dialect = dialect(*kind);
    if service_account_selector.is_some() {
        return Err(fail("a selector of service accounts"));
    }
    let subject = subject_out(selector.as_ref(), global.namespace_selector.as_ref());
    let mut spec = OutMap::new();
    if *kind == PolicyKind::ClusterNetworkPolicy {
        let word = TIERS.iter().find(|(_, it)| *tier == *it).map(|(word, _)| *word);
        spec = spec.put("tier", word.ok_or_else(|| fail("its tier"))?);
    }
    spec = spec
        .put_some("priority", order.value())
        .put("subject", subject.ok_or_else(|| fail("whom it selects"))?);
    for (direction, rules) in [(Direction::Ingress, ingress), (Direction::Egress, egress)] {
        let mut written = Vec::with_capacity(rules.len());
        for (idx, rule) in rules.iter().enumerate() {
            let out = write_rule(rule, direction, dialect);
            written.push(out.ok_or_else(|| fail(&format!("{} rule {idx}", direction.as_str())))?);
        }
        spec = spec.put_list(direction.as_str(), written);
    }
    Ok(meta::write(dialect.api_version, dialect.kind, name, None, labels).put("spec", spec).into())
}

fn subject_out(pods: Option<&Selector>, namespaces: Option<&Selector>) -> Option<OutMap> {
    let namespaces = label_selector::write(namespaces?, Selects::Namespaces)?;
    let pods = label_selector::write(pods?, Selects::Pods)?;
    if pods.is_empty() {
        return Some(OutMap::new().put("namespaces", namespaces));
    }
    let pods = OutMap::new().put("namespaceSelector", namespaces).put("podSelector", pods);
    Some(OutMap::new().put("pods", pods))
}

fn write_rule(rule: &Rule, direction: Direction, dialect: Dialect) -> Option<OutMap> {
    let (peer, group) = port_group::split(rule, direction)?;
    let RuleAction::Terminal(action) = rule.action else { return None };
    let (word, _) = dialect.actions.iter().find(|(_, it)| *it == action)?;
    let name = match rule.annotations.as_slice() {
        [] => None,
        [(key, name)] if key == "name" => Some(name.as_str()),
        _ => return None,
    };
    let map = OutMap::new()
        .put_some("name", name)
        .put("action", *word)
        .put_list(peer_key(direction), [peer_out(&peer, direction)?]);
    cluster_port::write(map, &group, dialect.ports)
}

fn peer_out(peer: &EntityRule, direction: Direction) -> Option<OutMap> {
    let EntityRule { nets, not_nets, selector, namespace_selector, .. } = peer;
    if !not_nets.is_empty() {
        return None;
    }
    match (namespace_selector, selector, nets.as_slice()) {
        (Some(namespaces), None, []) => {
            Some(OutMap::new().put("namespaces", namespace_match_out(namespaces)?))
        }
        (Some(namespaces), Some(pods), []) => {
            let pods = OutMap::new()
                .put("namespaceSelector", namespace_match_out(namespaces)?)
                .put("podSelector", label_selector::write(pods, Selects::Pods)?);
            Some(OutMap::new().put("pods", pods))
        }
        (None, None, [_, ..]) if direction == Direction::Egress => {
            Some(OutMap::new().put_list("networks", nets.iter().map(ToString::to_string)))
        }
        _ => None,
    }
}

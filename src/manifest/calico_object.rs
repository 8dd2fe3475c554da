//! The kinds of Calico beside policies: `Tier`, `NetworkSet`, `GlobalNetworkSet`, `HostEndpoint`, `Profile`.

use super::entity::{Scope, domain};
use super::meta::{self, Meta};
use super::out::{Out, OutMap};
use super::reader::{Context, Field, Fields, shown};
use super::rule;
use super::values::{Bare, address, labels, names, port_number, prefix, protocol};
use crate::model::{CalicoVersion, Direction, LabelSet, Name};
use crate::policy::{DefaultAction, HostEndpoint, NamedPort, NetworkSet, Order, Profile, Tier};

/// The group that is written.
const API_VERSION: &str = "projectcalico.org/v3";

const DEFAULT_ACTIONS: [(&str, DefaultAction); 2] =
    [("Deny", DefaultAction::Deny), ("Pass", DefaultAction::Pass)];

/// The longest name that Linux gives an interface.
const INTERFACE_NAME_MAX: usize = 15;

/// Reads a tier.
pub(super) fn read_tier(cx: &mut Context, root: &mut Fields<'_>, meta: &Meta) -> Option<Tier> {
    let at = root.take("spec");
    let mut tier = Tier {
        name: meta.name.clone(),
        order: Order::new(Tier::DEFAULT_ORDER),
        default_action: DefaultAction::Deny,
    };
    if let Some(mut spec) = at.as_ref().and_then(|it| it.map(cx)) {
        if let Some(order) = spec.take("order").and_then(|it| it.number(cx)) {
            tier.order = Order::new(order);
        }
        if let Some(it) = spec.take("defaultAction") {
            tier.default_action = it.one_of(cx, "default action", &DEFAULT_ACTIONS)?;
        }
        spec.finish(cx);
    }
    if let Some(built_in) = fixed_tiers(cx.version).find(|it| it.name == tier.name && *it != tier) {
        let order = built_in.order.value().unwrap_or(Tier::DEFAULT_ORDER);
        let action = default_action_name(built_in.default_action);
        let cause = format!("the tier `{}` has the order {order} and the default action {action}", tier.name);
        cx.error(at.as_ref().unwrap_or(&root.at), cause);
    }
    Some(tier)
}

/// The built-in tiers that Calico lets nobody change. It does not watch those of the older admin kinds.
fn fixed_tiers(version: CalicoVersion) -> impl Iterator<Item = Tier> {
    let watched = |it: &Tier| !Tier::of_older_admin_kinds().contains(it);
    Tier::built_in_of(version).into_iter().filter(watched)
}

fn default_action_name(action: DefaultAction) -> &'static str {
    match action {
        DefaultAction::Deny => "Deny",
        DefaultAction::Pass => "Pass",
    }
}

/// Writes a tier.
pub(super) fn write_tier(tier: &Tier) -> Out {
    let Tier { name, order, default_action } = tier;
    let spec = OutMap::new()
        .put_some("order", order.value())
        .put("defaultAction", default_action_name(*default_action));
    meta::write(API_VERSION, "Tier", name, None, &LabelSet::default()).put("spec", spec).into()
}

/// Reads a network set, of a namespace or global.
pub(super) fn read_network_set(cx: &mut Context, root: &mut Fields<'_>, meta: Meta) -> Option<NetworkSet> {
    if meta.labels.get("projectcalico.org/namespace").is_some() {
        cx.error(&root.at, "the label `projectcalico.org/namespace` is set by Calico and may not be given");
    }
    let mut set = NetworkSet {
        namespace: meta.namespace,
        name: meta.name,
        labels: meta.labels,
        nets: Vec::new(),
        domains: Vec::new(),
    };
    if let Some(mut spec) = root.take("spec").and_then(|it| it.map(cx)) {
        let nets = spec.list(cx, "nets");
        set.nets = nets.iter().filter_map(|it| prefix(cx, it, Bare::Allowed)).collect();
        let domains = spec.list(cx, "allowedEgressDomains");
        set.domains = domains.iter().filter_map(|it| domain(cx, it)).collect();
        spec.finish(cx);
    }
    Some(set)
}

/// Writes a network set.
pub(super) fn write_network_set(set: &NetworkSet) -> Out {
    let NetworkSet { namespace, name, labels, nets, domains } = set;
    let kind = if namespace.is_some() { "NetworkSet" } else { "GlobalNetworkSet" };
    let spec = OutMap::new()
        .put_list("nets", nets.iter().map(ToString::to_string))
        .put_list("allowedEgressDomains", domains.iter().map(String::as_str));
    meta::write(API_VERSION, kind, name, namespace.as_ref(), labels).put("spec", spec).into()
}

/// Reads a host endpoint.
pub(super) fn read_host_endpoint(
    cx: &mut Context,
    root: &mut Fields<'_>,
    meta: Meta,
) -> Option<HostEndpoint> {
    let at = root.need(cx, "spec")?;
    let mut spec = at.map(cx)?;
    let node = spec.text(cx, "node");
    if node.is_none() {
        cx.error(&at, "`node` is missing");
    }
    let interface_at = spec.take("interfaceName");
    let interface_name = interface_at.as_ref().and_then(|it| it.text(cx)).filter(|it| !it.is_empty());
    if let (Some(it), Some(name)) = (&interface_at, interface_name)
        && name.len() > INTERFACE_NAME_MAX
    {
        cx.error(it, format!("`{}` is longer than {INTERFACE_NAME_MAX} characters", shown(name)));
    }
    let expected = spec.list(cx, "expectedIPs");
    let profiles = spec.list(cx, "profiles");
    let ports = spec.list(cx, "ports");
    spec.finish(cx);
    if interface_name.is_none() && expected.is_empty() {
        cx.error(&at, "one of `interfaceName` and `expectedIPs` is needed");
    }
    Some(HostEndpoint {
        name: meta.name,
        node: Name::from(node?),
        interface_name: interface_name.map(Name::from),
        labels: meta.labels,
        expected_ips: expected.iter().filter_map(|it| address(cx, it)).collect(),
        profiles: names(cx, &profiles),
        ports: ports.iter().filter_map(|it| read_named_port(cx, it)).collect(),
    })
}

fn read_named_port(cx: &mut Context, at: &Field<'_>) -> Option<NamedPort> {
    let mut fields = at.map(cx)?;
    let name = fields.need(cx, "name").and_then(|it| it.text(cx));
    let protocol = fields.need(cx, "protocol").and_then(|it| protocol(cx, &it));
    let port = fields.need(cx, "port").and_then(|it| port_number(cx, &it));
    fields.finish(cx);
    Some(NamedPort { name: Name::from(name?), protocol: protocol?, port: port? })
}

/// Reads a profile.
pub(super) fn read_profile(cx: &mut Context, root: &mut Fields<'_>, meta: Meta) -> Option<Profile> {
    let mut profile = Profile {
        name: meta.name,
        labels_to_apply: LabelSet::default(),
        ingress: Vec::new(),
        egress: Vec::new(),
    };
    if let Some(mut spec) = root.take("spec").and_then(|it| it.map(cx)) {
        profile.labels_to_apply = spec.take("labelsToApply").map(|it| labels(cx, &it)).unwrap_or_default();
        profile.ingress = rule::read_all(cx, &mut spec, Direction::Ingress, Scope::Global);
        profile.egress = rule::read_all(cx, &mut spec, Direction::Egress, Scope::Global);
        spec.finish(cx);
    }
    Some(profile)
}

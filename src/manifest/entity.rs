//! What a rule asks of one end: `source` and `destination`.

use super::out::{Out, OutMap};
use super::reader::{Context, Field, Fields, shown};
use super::values::{Bare, bounded, names, port, port_out, prefix, selector, selector_without_global};
use crate::model::{Direction, IpNet, Name, Protocol};
use crate::policy::selector::Node;
use crate::policy::{EntityRule, NamespaceMatch, PortMatch, ServiceAccountMatch, ServiceMatch};

/// The API's bound on prefixes in one list.
const PREFIXES_MAX: usize = 256;

/// The API's bound on ports in one list.
const PORTS_MAX: usize = 50;

/// Where the rule of an end stands, and what the rest of the rule says.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) direction: Direction,
    pub(super) scope: Scope,
    pub(super) allows: bool,
    pub(super) protocol: Option<Protocol>,
    /// The family that all prefixes of the rule must have, and the field that settled it.
    pub(super) family: Option<(u8, String)>,
}

/// What a Service without a namespace means to the object that a rule belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scope {
    Namespaced,
    Global,
}

/// Which end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    Source,
    Destination,
}

/// Reads one end.
pub(super) fn read(cx: &mut Context, at: &Field<'_>, site: &mut Site, end: End) -> EntityRule {
    let Some(mut fields) = at.map(cx) else { return EntityRule::default() };
    let entity = EntityRule {
        nets: prefixes(cx, &mut fields, "nets", site),
        not_nets: prefixes(cx, &mut fields, "notNets", site),
        selector: fields.take("selector").and_then(|it| selector_without_global(cx, &it)),
        not_selector: fields.take("notSelector").and_then(|it| selector_without_global(cx, &it)),
        namespace_selector: fields.take("namespaceSelector").and_then(|it| namespace_match(cx, &it)),
        service_accounts: fields.take("serviceAccounts").and_then(|it| service_accounts(cx, &it)),
        services: fields.take("services").and_then(|it| service(cx, &it, site, end)),
        ports: ports(cx, &mut fields, "ports", site),
        not_ports: ports(cx, &mut fields, "notPorts", site),
        domains: domains(cx, &mut fields, site, end),
    };
    fields.finish(cx);
    if entity.services.is_some() {
        check_alone(cx, at, &entity, end);
    }
    entity
}

fn prefixes(cx: &mut Context, fields: &mut Fields<'_>, key: &'static str, site: &mut Site) -> Vec<IpNet> {
    let items = bounded(cx, fields, key, PREFIXES_MAX);
    let mut nets = Vec::with_capacity(items.len());
    for item in items {
        let Some(net) = prefix(cx, &item, Bare::Refused) else { continue };
        let version = if net.addr().is_ipv4() { 4 } else { 6 };
        if key == "notNets" && net.prefix_len() == 0 {
            cx.error(&item, format!("`{net}` leaves no address to match"));
        }
        match &site.family {
            Some((family, by)) if *family != version => {
                cx.error(&item, format!("IPv{version} in a rule that is IPv{family} by `{by}`"));
            }
            Some(_) => {}
            None => site.family = Some((version, item.path.clone())),
        }
        nets.push(net);
    }
    nets
}

fn ports(cx: &mut Context, fields: &mut Fields<'_>, key: &'static str, site: &Site) -> Vec<PortMatch> {
    let items = bounded(cx, fields, key, PORTS_MAX);
    let mut ports = Vec::with_capacity(items.len());
    for item in items {
        let Some(port) = port(cx, &item) else { continue };
        match (site.protocol, &port) {
            (None, PortMatch::Range(..)) => {
                cx.error_hint(&item, "a port number needs a protocol", "set `protocol` to TCP, UDP or SCTP");
            }
            (Some(Protocol::TCP | Protocol::UDP | Protocol::SCTP), _) | (None, PortMatch::Named(_)) => {}
            (Some(protocol), _) => {
                cx.error(
                    &item,
                    format!("ports can be matched for TCP, UDP and SCTP only, not for {protocol}"),
                );
            }
        }
        ports.push(port);
    }
    ports
}

/// Reads a selector of namespaces.
fn namespace_match(cx: &mut Context, at: &Field<'_>) -> Option<NamespaceMatch> {
    let selector = selector(cx, at)?;
    if *selector.root() == Node::All {
        return Some(NamespaceMatch::Any);
    }
    if *selector.root() == Node::Global {
        return Some(NamespaceMatch::Global);
    }
    if selector.any(&|it| matches!(it, Node::Global)) {
        cx.error(at, "`global()` must stand alone");
        return None;
    }
    Some(NamespaceMatch::Labels(selector))
}

fn service_accounts(cx: &mut Context, at: &Field<'_>) -> Option<ServiceAccountMatch> {
    let mut fields = at.map(cx)?;
    let items = fields.list(cx, "names");
    let accounts = ServiceAccountMatch {
        names: names(cx, &items),
        selector: fields.take("selector").and_then(|it| selector_without_global(cx, &it)),
    };
    fields.finish(cx);
    Some(accounts)
}

fn service(cx: &mut Context, at: &Field<'_>, site: &Site, end: End) -> Option<ServiceMatch> {
    let mut fields = at.map(cx)?;
    let name = fields.need(cx, "name").and_then(|it| it.text(cx));
    let namespace = fields.text(cx, "namespace").map(Name::from);
    fields.finish(cx);
    match (site.direction, end) {
        (Direction::Egress, End::Destination) | (Direction::Ingress, End::Source) => {}
        (Direction::Egress, End::Source) => {
            cx.error(at, "in an egress rule `services` may stand under `destination` only");
        }
        (Direction::Ingress, End::Destination) => {
            cx.error(at, "in an ingress rule `services` may stand under `source` only");
        }
    }
    match (&namespace, site.scope) {
        (Some(_), Scope::Namespaced | Scope::Global) => {}
        (None, Scope::Global) => cx.error(at, "`namespace` is missing; the policy itself has none"),
        (None, Scope::Namespaced) => {
            cx.warn(
                at,
                "a Service without a namespace matches nothing, although the documentation has it otherwise",
            );
        }
    }
    match name {
        Some("") => {
            cx.error(at, "the name of the Service is empty");
            None
        }
        name => Some(ServiceMatch { name: Name::from(name?), namespace }),
    }
}

fn domains(cx: &mut Context, fields: &mut Fields<'_>, site: &Site, end: End) -> Vec<String> {
    let Some(at) = fields.take("domains") else { return Vec::new() };
    let items = at.list(cx);
    let allowed = site.direction == Direction::Egress && end == End::Destination && site.allows;
    if !items.is_empty() && !allowed {
        cx.error(&at, "domains may stand under `destination` of egress rules with the action `Allow` only");
    }
    items.iter().filter_map(|it| domain(cx, it)).collect()
}

/// Reads a domain name, in which one `*` may stand for labels.
pub(super) fn domain(cx: &mut Context, at: &Field<'_>) -> Option<String> {
    let text = at.text(cx)?;
    let good = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'.' | b'*');
    if text.is_empty() || !text.bytes().all(good) || text.matches('*').count() > 1 {
        cx.error(at, format!("`{}` is no domain name, with at most one `*`", shown(text)));
    }
    Some(text.to_owned())
}

/// Refuses what may not stand beside `services`.
fn check_alone(cx: &mut Context, at: &Field<'_>, entity: &EntityRule, end: End) {
    let mut beside = vec![
        ("nets", !entity.nets.is_empty()),
        ("notNets", !entity.not_nets.is_empty()),
        ("selector", entity.selector.is_some()),
        ("notSelector", entity.not_selector.is_some()),
        ("namespaceSelector", entity.namespace_selector.is_some()),
        ("serviceAccounts", entity.service_accounts.is_some()),
    ];
    if end == End::Destination {
        // The ports are those of the Service.
        beside.extend([("ports", !entity.ports.is_empty()), ("notPorts", !entity.not_ports.is_empty())]);
    }
    for (key, _) in beside.into_iter().filter(|(_, found)| *found) {
        cx.error(at, format!("`{key}` may not stand beside `services`"));
    }
}

/// Writes one end.
pub(super) fn write(entity: &EntityRule) -> OutMap {
    let EntityRule {
        nets,
        not_nets,
        selector,
        not_selector,
        namespace_selector,
        service_accounts,
        services,
        ports,
        not_ports,
        domains,
    } = entity;
    let text = |it: &crate::policy::Selector| it.to_string();
    let namespaces = namespace_selector.as_ref().map(|it| match it {
        NamespaceMatch::Any => "all()".to_owned(),
        NamespaceMatch::Global => "global()".to_owned(),
        NamespaceMatch::Labels(selector) => selector.to_string(),
    });
    let accounts = service_accounts.as_ref().map(|ServiceAccountMatch { names, selector }| {
        OutMap::new().put_list("names", names).put_some("selector", selector.as_ref().map(text))
    });
    let service = services.as_ref().map(|ServiceMatch { name, namespace }| {
        OutMap::new().put("name", name).put_some("namespace", namespace.as_ref())
    });
    let prefixes = |nets: &[IpNet]| nets.iter().map(|it| Out::Text(it.to_string())).collect::<Vec<_>>();
    OutMap::new()
        .put_list("nets", prefixes(nets))
        .put_list("notNets", prefixes(not_nets))
        .put_some("namespaceSelector", namespaces)
        .put_some("selector", selector.as_ref().map(text))
        .put_some("notSelector", not_selector.as_ref().map(text))
        .put_some("serviceAccounts", accounts)
        .put_some("services", service)
        .put_list("ports", ports.iter().map(port_out))
        .put_list("notPorts", not_ports.iter().map(port_out))
        .put_list("domains", domains.iter().map(String::as_str))
}

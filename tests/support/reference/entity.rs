//! What a rule asks of one end.

use std::collections::BTreeSet;

use flowstage::evaluate::Missing;
use flowstage::model::{EndpointKind, IpNet, Name, Protocol};
use flowstage::policy::selector::Node;
use flowstage::policy::{
    Cluster, EntityRule, NamedPort, NamespaceMatch, PortMatch, Selector, ServiceAccountMatch, ServiceMatch,
};

use super::address::{self, Family};
use super::ends::{End, Object, Packet, Ports, Side};
use super::labels::{NAMESPACE, SERVICE_ACCOUNT, Value};
use super::selector;
use super::truth::Truth;
use super::walk::Mode;

/// Where a condition stands: it means different things in different places.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub mode: Mode,
    pub cluster: &'a Cluster,
    /// The namespace of the policy; nothing for a global kind and for profiles.
    pub policy_namespace: Option<&'a Name>,
    /// The protocol that the rule asks for.
    pub rule_protocol: Option<Protocol>,
}

/// All conditions on one end.
pub fn matches(place: Place<'_>, rule: &EntityRule, end: &End<'_>, packet: &Packet<'_>) -> Truth {
    let conditions: [&dyn Fn() -> Truth; 8] = [
        &|| in_nets(rule, end, packet),
        &|| outside_not_nets(place.mode, rule, end, packet),
        &|| selected(place, rule, end, packet),
        &|| not_selected(place, rule, end, packet),
        &|| in_service(place, rule.services.as_ref(), end, packet),
        &|| on_ports(place, rule, end, packet),
        &|| off_not_ports(place, rule, end, packet),
        &|| of_domains(rule),
    ];
    Truth::all(conditions.into_iter().map(|it| it()))
}

/// `nets`: some prefix contains the address. Prefixes of the other family contain nothing of this one.
fn in_nets(rule: &EntityRule, end: &End<'_>, packet: &Packet<'_>) -> Truth {
    if rule.nets.is_empty() {
        return Truth::True;
    }
    address::lies_in(&end.address, packet.family, &rule.nets, end.side.address())
}

/// `notNets`: no prefix contains the address. To the letter the data plane does not render the rule for a family of
/// which the list has no prefix; else the address is outside of all and matches.
fn outside_not_nets(mode: Mode, rule: &EntityRule, end: &End<'_>, packet: &Packet<'_>) -> Truth {
    if rule.not_nets.is_empty() {
        return Truth::True;
    }
    let outside = address::lies_in(&end.address, packet.family, &rule.not_nets, end.side.address()).not();
    match mode {
        Mode::Rendered => {
            let has = |family| rule.not_nets.iter().any(|it| Family::of_net(it) == family);
            let rendered = match packet.family {
                Some(family) => Truth::of(has(family)),
                None if has(Family::V4) && has(Family::V6) => Truth::True,
                None => Truth::Unknown(end.side.address()),
            };
            Truth::all([outside, rendered])
        }
        Mode::Strict | Mode::Conformance => outside,
    }
}

/// The positive selectors: the address belongs to an object that they select. Where the ports are names alone, that
/// is the object that gives the port its name, and is asked there.
fn selected(place: Place<'_>, rule: &EntityRule, end: &End<'_>, packet: &Packet<'_>) -> Truth {
    let names_alone = !rule.ports.is_empty() && rule.ports.iter().all(|it| matches!(it, PortMatch::Named(_)));
    if !has_positive(place, rule) || names_alone {
        return Truth::True;
    }
    belongs(end, packet, &|object| positive(place, rule, object))
}

/// A `notSelector` alone: the address belongs to no object that it selects. Beside positive selectors it is a part of
/// those: see [`positive`].
fn not_selected(place: Place<'_>, rule: &EntityRule, end: &End<'_>, packet: &Packet<'_>) -> Truth {
    match &rule.not_selector {
        Some(excluded) if !has_positive(place, rule) => {
            belongs(end, packet, &|object| selects(excluded, object)).not()
        }
        Some(_) | None => Truth::True,
    }
}

/// Whether the end belongs to an object that `wanted` holds of: what the record names, or what else is known to have
/// the address. An address that belongs to nothing belongs to no set either.
fn belongs(end: &End<'_>, packet: &Packet<'_>, wanted: &dyn Fn(&Object) -> Truth) -> Truth {
    let named = end.members().map(wanted);
    let is_nothing =
        end.endpoint.kind == EndpointKind::Network && !matches!(end.address, address::Address::Is(_));
    if is_nothing {
        return behind_domains(end, wanted);
    }
    let covered = end.sets.iter().map(|(set, nets, _)| {
        let inside = address::lies_in(&end.address, packet.family, nets, end.side.address());
        Truth::all([wanted(set), inside])
    });
    let by_address = Truth::any(named.chain(covered));
    Truth::any([by_address, behind_domains(end, wanted)])
}

/// Whether the called end may be one of the addresses behind the domain names of a set that `wanted` holds of.
fn behind_domains(end: &End<'_>, wanted: &dyn Fn(&Object) -> Truth) -> Truth {
    let may_be = end.side == Side::Dest
        && matches!(end.endpoint.kind, EndpointKind::Network | EndpointKind::NetworkSet);
    let mut sets = end.sets.iter().filter(|(_, _, has_domains)| may_be && *has_domains);
    if sets.any(|(set, _, _)| wanted(set) != Truth::False) {
        Truth::Unknown(Missing::DOMAINS)
    } else {
        Truth::False
    }
}

/// Whether the entity asks for membership of any object. An entity without selectors matches any address; one that has
/// but a `notSelector` does in a global policy, while in a namespaced policy it is still bound to the namespace.
fn has_positive(place: Place<'_>, rule: &EntityRule) -> bool {
    let asks =
        rule.selector.is_some() || rule.service_accounts.is_some() || rule.namespace_selector.is_some();
    asks || (rule.not_selector.is_some() && place.policy_namespace.is_some())
}

/// Namespace, service account, labels and the labels that it must not have, all of one and the same object: an address
/// matches if any object that has it satisfies them all, whatever else has the same address.
fn positive(place: Place<'_>, rule: &EntityRule, object: &Object) -> Truth {
    Truth::all([
        in_namespaces(place, rule.namespace_selector.as_ref(), object),
        of_accounts(rule.service_accounts.as_ref(), object),
        rule.selector.as_ref().map_or(Truth::True, |it| selects(it, object)),
        rule.not_selector.as_ref().map_or(Truth::True, |it| selects(it, object).not()),
    ])
}

/// `namespaceSelector`; where a namespaced policy has none, its own namespace.
fn in_namespaces(place: Place<'_>, wanted: Option<&NamespaceMatch>, object: &Object) -> Truth {
    let label = object.label(NAMESPACE);
    // However they came, `all()` and `global()` alone ask for a namespace and for none.
    let wanted = match wanted {
        Some(NamespaceMatch::Labels(all)) if *all.root() == Node::All => Some(&NamespaceMatch::Any),
        Some(NamespaceMatch::Labels(global)) if *global.root() == Node::Global => {
            Some(&NamespaceMatch::Global)
        }
        other => other,
    };
    match (wanted, place.policy_namespace) {
        (Some(NamespaceMatch::Any), _) => exists(&label),
        (Some(NamespaceMatch::Global), _) => exists(&label).not(),
        (Some(NamespaceMatch::Labels(wanted)), _) => {
            selector::selects(wanted.root(), Truth::True, &|key| object.namespace_labels.get(key))
        }
        (None, Some(namespace)) => equals(&label, namespace),
        (None, None) => Truth::True,
    }
}

/// `serviceAccounts`: one of the names, and a selector over the account's labels.
fn of_accounts(wanted: Option<&ServiceAccountMatch>, object: &Object) -> Truth {
    let Some(wanted) = wanted else { return Truth::True };
    let label = object.label(SERVICE_ACCOUNT);
    let by_name = if wanted.names.is_empty() {
        Truth::True
    } else {
        Truth::any(wanted.names.iter().map(|name| equals(&label, name)))
    };
    let by_labels = wanted.selector.as_ref().map_or(Truth::True, |it| {
        selector::selects(it.root(), Truth::True, &|key| object.account_labels.get(key))
    });
    Truth::all([by_name, by_labels])
}

fn selects(wanted: &Selector, object: &Object) -> Truth {
    selector::selects(wanted.root(), Truth::True, &|key| object.label(key))
}

pub fn exists(label: &Value) -> Truth {
    match label {
        Value::Absent => Truth::False,
        Value::Is(_) | Value::Present(_) => Truth::True,
        Value::Unknown(missing) => Truth::Unknown(*missing),
    }
}

pub fn equals(label: &Value, wanted: &Name) -> Truth {
    match label {
        Value::Absent => Truth::False,
        Value::Is(value) => Truth::of(value == wanted),
        Value::Present(missing) | Value::Unknown(missing) => Truth::Unknown(*missing),
    }
}

/// `ports`: one of the numbers, or one of the names. The checker knows no names.
fn on_ports(place: Place<'_>, rule: &EntityRule, end: &End<'_>, packet: &Packet<'_>) -> Truth {
    if rule.ports.is_empty() {
        return Truth::True;
    }
    Truth::any(rule.ports.iter().map(|it| on_port(place, rule, it, end, packet)))
}

/// `notPorts`: none of them.
fn off_not_ports(place: Place<'_>, rule: &EntityRule, end: &End<'_>, packet: &Packet<'_>) -> Truth {
    Truth::any(rule.not_ports.iter().map(|it| on_port(place, rule, it, end, packet))).not()
}

fn on_port(
    place: Place<'_>,
    rule: &EntityRule,
    wanted: &PortMatch,
    end: &End<'_>,
    packet: &Packet<'_>,
) -> Truth {
    if !packet.protocol.has_ports() {
        return Truth::False;
    }
    match (wanted, place.mode) {
        (PortMatch::Range(first, last), _) => match end.port {
            Some(port) => Truth::of((*first..=*last).contains(&port)),
            None => Truth::Unknown(end.side.port()),
        },
        (PortMatch::Named(_), Mode::Conformance) => Truth::False,
        (PortMatch::Named(name), Mode::Strict | Mode::Rendered) => {
            let has = |object: &Object| {
                let fits =
                    if has_positive(place, rule) { positive(place, rule, object) } else { Truth::True };
                Truth::all([fits, has_port(place, name, object, end, packet)])
            };
            Truth::any(end.members().map(has))
        }
    }
}

/// Whether an object gives `name` to the port and the protocol of the packet.
fn has_port(place: Place<'_>, name: &Name, object: &Object, end: &End<'_>, packet: &Packet<'_>) -> Truth {
    let port_too = if end.port.is_none() { end.side.port() } else { Missing::NOTHING };
    let Ports::OneOf(candidates) = &object.ports else {
        return Truth::Unknown(Missing::PORT_NAMES.union(port_too));
    };
    let protocol = packet.protocol;
    if place.rule_protocol.is_some_and(|it| it != protocol) {
        return Truth::False;
    }
    let numbers = |ports: &[NamedPort]| -> BTreeSet<u16> {
        ports.iter().filter(|it| it.name == *name && it.protocol == protocol).map(|it| it.port).collect()
    };
    let candidates: Vec<BTreeSet<u16>> = candidates.iter().map(|it| numbers(it)).collect();
    match end.port {
        Some(port) => {
            Truth::agreed(candidates.iter().map(|it| Truth::of(it.contains(&port))), Missing::PORT_NAMES)
        }
        None if candidates.iter().all(BTreeSet::is_empty) => Truth::False,
        // The port is what is missing where all have one number; else also which of them it is.
        None if candidates[0].iter().any(|it| candidates.iter().all(|other| other.contains(it))) => {
            Truth::Unknown(port_too)
        }
        None => Truth::Unknown(Missing::PORT_NAMES.union(port_too)),
    }
}

/// `services`: an endpoint of the Service; for the called end, on one of its ports too. Nothing is known of it where
/// the catalog has no endpoints of any. Without a namespace nothing matches. The checker builds no such set for SCTP.
/// It takes a set that it does not have for a match, but it has one for every Service that a policy names, if an empty
/// one, as soon as it has received everything.
fn in_service(place: Place<'_>, wanted: Option<&ServiceMatch>, end: &End<'_>, packet: &Packet<'_>) -> Truth {
    let Some(wanted) = wanted else { return Truth::True };
    let Some(namespace) = &wanted.namespace else { return Truth::False };
    let slices: Vec<_> = place
        .cluster
        .services
        .iter()
        .filter(|it| it.namespace == *namespace && it.service == wanted.name)
        .collect();
    if end.side == Side::Dest && !packet.protocol.has_ports() {
        return Truth::False;
    }
    let asks_port = end.side == Side::Dest && end.port.is_none();
    if place.cluster.services.is_empty() {
        let asks = if asks_port { Truth::Unknown(end.side.port()) } else { Truth::True };
        return Truth::all([Truth::Unknown(Missing::PORT_NAMES), asks]);
    }
    if end.side == Side::Dest && place.mode == Mode::Conformance && packet.protocol == Protocol::SCTP {
        return Truth::False;
    }
    Truth::any(slices.into_iter().map(|slice| {
        let addresses: Vec<IpNet> = slice.addresses.iter().map(|it| IpNet::from(*it)).collect();
        let at = address::lies_in(&end.address, packet.family, &addresses, end.side.address());
        let ports = slice.ports.iter().filter(|it| it.protocol == packet.protocol);
        let on = match end.side {
            Side::Source => Truth::True,
            Side::Dest => Truth::any(ports.filter_map(|it| it.port).map(|number| match end.port {
                Some(port) => Truth::of(number == port),
                None => Truth::Unknown(end.side.port()),
            })),
        };
        Truth::all([at, on])
    }))
}

/// `domains`: what names an address was answered for stands in no record.
fn of_domains(rule: &EntityRule) -> Truth {
    if rule.domains.is_empty() { Truth::True } else { Truth::Unknown(Missing::DOMAINS) }
}

//! Ports of Kubernetes' kinds, brought together by protocol; and the rules that come of protocols and peers.

use std::collections::BTreeMap;

use super::out::{Out, OutMap};
use super::reader::{Context, Field, Fields, shown};
use super::values::{port_number, protocol_out};
use crate::model::{Direction, Name, Protocol};
use crate::policy::{EntityRule, PortMatch, Rule, RuleAction};

pub(super) const PROTOCOLS: [(&str, Protocol); 3] =
    [("SCTP", Protocol::SCTP), ("TCP", Protocol::TCP), ("UDP", Protocol::UDP)];

/// What one internal rule asks of protocol and port.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct PortGroup {
    /// The protocol; nothing for any.
    pub(super) protocol: Option<Protocol>,
    /// The ports; empty for any.
    pub(super) ports: Vec<PortMatch>,
}

/// Ports by protocol while they are read, in the order of the protocols' names. `None` is any port.
#[derive(Debug, Default)]
pub(super) struct PortGroups(BTreeMap<&'static str, (Option<Protocol>, Option<Vec<PortMatch>>)>);

impl PortGroups {
    /// Adds a port, or any port, of a protocol. Ports of no protocol, which have names, come first.
    pub(super) fn add(&mut self, protocol: Option<Protocol>, port: Option<PortMatch>) {
        let name = PROTOCOLS.iter().find(|(_, it)| Some(*it) == protocol).map_or("", |(name, _)| *name);
        let (_, ports) = self.0.entry(name).or_insert((protocol, Some(Vec::new())));
        match (port, ports.as_mut()) {
            (Some(port), Some(ports)) => ports.push(port),
            (None, _) => *ports = None,
            // Any port was asked for already.
            (Some(_), None) => {}
        }
    }

    /// Gives the groups; without any port at all, one of any protocol.
    pub(super) fn finish(self) -> Vec<PortGroup> {
        if self.0.is_empty() {
            return vec![PortGroup { protocol: None, ports: Vec::new() }];
        }
        self.0
            .into_values()
            .map(|(protocol, ports)| PortGroup { protocol, ports: simplify(ports.unwrap_or_default()) })
            .collect()
    }
}

/// Puts names first, as they were written, then numbers in as few ranges as there can be.
fn simplify(ports: Vec<PortMatch>) -> Vec<PortMatch> {
    let mut simple = Vec::new();
    let mut ranges = Vec::new();
    for port in ports {
        match port {
            PortMatch::Named(_) => simple.push(port),
            PortMatch::Range(first, last) => ranges.push((first, last)),
        }
    }
    ranges.sort_unstable();
    let mut merged: Vec<(u16, u16)> = Vec::new();
    for (first, last) in ranges {
        match merged.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = (*end).max(last),
            Some(_) | None => merged.push((first, last)),
        }
    }
    simple.extend(merged.into_iter().map(|(first, last)| PortMatch::Range(first, last)));
    simple
}

/// Takes `ports` of a rule of `networking.k8s.io/v1`.
pub(super) fn read_kubernetes(cx: &mut Context, fields: &mut Fields<'_>) -> Vec<PortGroup> {
    let mut groups = PortGroups::default();
    for at in fields.list(cx, "ports") {
        if at.is_null() {
            groups.add(Some(Protocol::TCP), None);
            continue;
        }
        let Some(mut entry) = at.map(cx) else { continue };
        let protocol = match entry.take("protocol") {
            Some(it) => it.one_of(cx, "protocol", &PROTOCOLS),
            None => Some(Protocol::TCP),
        };
        let port_at = entry.take("port");
        let port = port_at.as_ref().map(|it| read_port(cx, it));
        let end = entry.take("endPort");
        entry.finish(cx);
        let port = match (port, end) {
            (Some(Some(PortMatch::Range(first, _))), Some(end)) => {
                let Some(last) = port_number(cx, &end) else { continue };
                if first > last {
                    cx.error(&end, format!("`endPort` {last} lies before `port` {first}"));
                }
                Some(PortMatch::Range(first, last.max(first)))
            }
            (Some(Some(PortMatch::Named(_))) | None, Some(end)) => {
                cx.error(&end, "`endPort` needs a `port` that is a number");
                continue;
            }
            (Some(port), _) => match port {
                Some(port) => Some(port),
                // It was reported.
                None => continue,
            },
            (None, None) => None,
        };
        if protocol.is_some() {
            groups.add(protocol, port);
        }
    }
    groups.finish()
}

/// Reads a port by its number, or by its name, which Kubernetes wants quoted if a number could be meant.
fn read_port(cx: &mut Context, at: &Field<'_>) -> Option<PortMatch> {
    if at.plain_integer().is_some() {
        return port_number(cx, at).map(|it| PortMatch::Range(it, it));
    }
    let text = at.text(cx)?;
    let good = (1..=15).contains(&text.len())
        && text.bytes().any(|it| it.is_ascii_lowercase())
        && text.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-');
    if good {
        return Some(PortMatch::Named(Name::from(text)));
    }
    let cause = format!("`{}` is neither a port number nor the name of a port", shown(text));
    if text.parse::<u16>().is_ok() {
        cx.error_hint(at, cause, format!("did you mean {text}, without quotes?"));
    } else {
        cx.error(at, cause);
    }
    None
}

/// Makes one rule for each group and each peer.
pub(super) fn combine(
    action: RuleAction,
    direction: Direction,
    groups: &[PortGroup],
    peers: &[EntityRule],
    name: Option<&str>,
) -> Vec<Rule> {
    let mut rules = Vec::with_capacity(groups.len().saturating_mul(peers.len()));
    for group in groups {
        for peer in peers {
            let mut rule = Rule::new(action);
            rule.protocol = group.protocol;
            rule.annotations.extend(name.map(|it| ("name".to_owned(), it.to_owned())));
            match direction {
                Direction::Ingress => rule.source = peer.clone(),
                Direction::Egress => rule.destination = peer.clone(),
            }
            rule.destination.ports.clone_from(&group.ports);
            rules.push(rule);
        }
    }
    rules
}

/// Takes a rule apart again; nothing if it asks for more than a peer, a protocol and ports.
pub(super) fn split(rule: &Rule, direction: Direction) -> Option<(EntityRule, PortGroup)> {
    let Rule {
        action: _,
        ip_version,
        protocol,
        not_protocol,
        icmp,
        not_icmp,
        http,
        source,
        destination,
        annotations: _,
    } = rule;
    let ports = destination.ports.clone();
    let (mut peer, other) = match direction {
        Direction::Ingress => (source.clone(), destination.clone()),
        Direction::Egress => (destination.clone(), source.clone()),
    };
    let bare = match direction {
        Direction::Ingress => EntityRule { ports: ports.clone(), ..EntityRule::default() },
        Direction::Egress => {
            peer.ports.clear();
            EntityRule::default()
        }
    };
    let EntityRule {
        nets: _,
        not_nets: _,
        selector: _,
        not_selector,
        namespace_selector: _,
        service_accounts,
        services,
        ports: peer_ports,
        not_ports,
        domains,
    } = &peer;
    let plain = other == bare
        && ip_version.is_none()
        && not_protocol.is_none()
        && icmp.is_none()
        && not_icmp.is_none()
        && http.is_none()
        && not_selector.is_none()
        && service_accounts.is_none()
        && services.is_none()
        && peer_ports.is_empty()
        && not_ports.is_empty()
        && domains.is_empty();
    plain.then_some((peer, PortGroup { protocol: *protocol, ports }))
}

impl PortGroup {
    /// Writes `ports` of a rule of `networking.k8s.io/v1`; nothing if Kubernetes cannot say the same.
    pub(super) fn kubernetes_out(&self) -> Option<Vec<Out>> {
        let Some(protocol) = self.protocol else {
            return self.ports.is_empty().then(Vec::new);
        };
        if !PROTOCOLS.iter().any(|(_, it)| *it == protocol) {
            return None;
        }
        let entry = || OutMap::new().put("protocol", protocol_out(protocol));
        if self.ports.is_empty() {
            return Some(vec![entry().into()]);
        }
        let ports = self.ports.iter().map(|it| match it {
            PortMatch::Named(name) => entry().put("port", name).into(),
            PortMatch::Range(first, last) => entry()
                .put("port", i64::from(*first))
                .put_some("endPort", (first != last).then_some(i64::from(*last)))
                .into(),
        });
        Some(ports.collect())
    }
}

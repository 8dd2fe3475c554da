//! Protocols and ports of the cluster-wide kinds, in their two forms.

use super::out::{Out, OutMap};
use super::port_group::{PROTOCOLS, PortGroup, PortGroups};
use super::reader::{Context, Field, Fields};
use super::values::port_number;
use crate::model::{Name, Protocol};
use crate::policy::PortMatch;

/// How a kind writes protocols and ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PortForm {
    /// `protocols` of `ClusterNetworkPolicy`.
    Protocols,
    /// `ports` of the older kinds.
    Ports,
}

/// Why Calico cannot render a rule.
#[derive(Debug)]
pub(super) struct Malformed(pub(super) String);

/// Takes the protocols and ports of a rule.
pub(super) fn read(
    cx: &mut Context,
    rule: &mut Fields<'_>,
    form: PortForm,
) -> Result<Vec<PortGroup>, Malformed> {
    match form {
        PortForm::Protocols => read_protocols(cx, rule),
        PortForm::Ports => read_ports(cx, rule),
    }
}

/// Adds the protocols and ports of a rule; nothing if the kind cannot say the same.
pub(super) fn write(rule: OutMap, group: &PortGroup, form: PortForm) -> Option<OutMap> {
    Some(match form {
        PortForm::Protocols => rule.put_list("protocols", protocols_out(group)?),
        PortForm::Ports => rule.put_list("ports", ports_out(group)?),
    })
}

/// Takes `protocols` of a rule of `ClusterNetworkPolicy`.
fn read_protocols(cx: &mut Context, fields: &mut Fields<'_>) -> Result<Vec<PortGroup>, Malformed> {
    let mut groups = PortGroups::default();
    for at in fields.list(cx, "protocols") {
        let Some(mut entry) = at.map(cx) else { continue };
        let mut found = Vec::new();
        for (key, protocol) in [("tcp", Protocol::TCP), ("udp", Protocol::UDP), ("sctp", Protocol::SCTP)] {
            if let Some(it) = entry.take(key) {
                found.push((Some(protocol), read_destination_port(cx, &it)?));
            }
        }
        if let Some(name) = entry.text(cx, "destinationNamedPort") {
            found.push((None, Some(PortMatch::Named(Name::from(name)))));
        }
        entry.finish(cx);
        match <[_; 1]>::try_from(found) {
            Ok([(protocol, port)]) => groups.add(protocol, port),
            Err(_) => return Err(Malformed("a protocol is of exactly one kind".into())),
        }
    }
    Ok(groups.finish())
}

fn read_destination_port(cx: &mut Context, at: &Field<'_>) -> Result<Option<PortMatch>, Malformed> {
    let Some(mut fields) = at.map(cx) else { return Ok(None) };
    let port = fields.take("destinationPort");
    fields.finish(cx);
    let Some(mut port) = port.and_then(|it| it.map(cx)) else { return Ok(None) };
    let number = port.take("number").and_then(|it| port_number(cx, &it));
    let range = port.take("range").map(|it| read_range(cx, &it));
    port.finish(cx);
    match (number, range) {
        (Some(number), None) => Ok(Some(PortMatch::Range(number, number))),
        (None, Some(range)) => range.map(Some),
        (Some(_), Some(_)) | (None, None) => {
            Err(Malformed("a port is given by one of `number` and `range`".into()))
        }
    }
}

fn read_range(cx: &mut Context, at: &Field<'_>) -> Result<PortMatch, Malformed> {
    let Some(mut fields) = at.map(cx) else { return Err(Malformed("a range has `start` and `end`".into())) };
    let start = fields.need(cx, "start").and_then(|it| port_number(cx, &it));
    let end = fields.need(cx, "end").and_then(|it| port_number(cx, &it));
    fields.finish(cx);
    range(start, end)
}

fn range(start: Option<u16>, end: Option<u16>) -> Result<PortMatch, Malformed> {
    match (start, end) {
        (Some(start), Some(end)) if start <= end => Ok(PortMatch::Range(start, end)),
        (Some(_), Some(_)) => Err(Malformed("a range is upside down".into())),
        (None, _) | (_, None) => Err(Malformed("a range has `start` and `end`".into())),
    }
}

/// Takes `ports` of a rule of the older kinds.
fn read_ports(cx: &mut Context, fields: &mut Fields<'_>) -> Result<Vec<PortGroup>, Malformed> {
    let mut groups = PortGroups::default();
    for at in fields.list(cx, "ports") {
        let Some(mut entry) = at.map(cx) else { continue };
        let number = entry.take("portNumber");
        let ports = entry.take("portRange");
        let name = entry.text(cx, "namedPort");
        entry.finish(cx);
        let (protocol, port) = match (number, ports, name) {
            (Some(it), None, None) => {
                let Some(mut it) = it.map(cx) else { continue };
                let protocol = read_protocol(cx, &mut it);
                let port = it.need(cx, "port").and_then(|it| port_number(cx, &it));
                it.finish(cx);
                (protocol, range(port, port)?)
            }
            (None, Some(it), None) => {
                let Some(mut fields) = it.map(cx) else { continue };
                let protocol = read_protocol(cx, &mut fields);
                let start = fields.need(cx, "start").and_then(|it| port_number(cx, &it));
                let end = fields.need(cx, "end").and_then(|it| port_number(cx, &it));
                fields.finish(cx);
                (protocol, range(start, end)?)
            }
            (None, None, Some(name)) => (None, PortMatch::Named(Name::from(name))),
            _ => return Err(Malformed("a port is of exactly one kind".into())),
        };
        groups.add(protocol, Some(port));
    }
    Ok(groups.finish())
}

fn read_protocol(cx: &mut Context, fields: &mut Fields<'_>) -> Option<Protocol> {
    fields.take("protocol").map_or(Some(Protocol::TCP), |it| it.one_of(cx, "protocol", &PROTOCOLS))
}

fn protocols_out(group: &PortGroup) -> Option<Vec<Out>> {
    let Some(protocol) = group.protocol else { return named_out(group, "destinationNamedPort") };
    let (name, _) = PROTOCOLS.iter().find(|(_, it)| *it == protocol)?;
    let entry = |port: OutMap| Out::from(OutMap::new().put(name.to_ascii_lowercase(), port));
    if group.ports.is_empty() {
        return Some(vec![entry(OutMap::new())]);
    }
    let ports = group.ports.iter().map(|it| match it {
        PortMatch::Named(_) => None,
        PortMatch::Range(first, last) => {
            let port = if first == last {
                OutMap::new().put("number", i64::from(*first))
            } else {
                let range = OutMap::new().put("start", i64::from(*first)).put("end", i64::from(*last));
                OutMap::new().put("range", range)
            };
            Some(entry(OutMap::new().put("destinationPort", port)))
        }
    });
    ports.collect()
}

fn ports_out(group: &PortGroup) -> Option<Vec<Out>> {
    let Some(protocol) = group.protocol else { return named_out(group, "namedPort") };
    let (name, _) = PROTOCOLS.iter().find(|(_, it)| *it == protocol)?;
    let entry = || OutMap::new().put("protocol", *name);
    let ports = group.ports.iter().map(|it| match it {
        PortMatch::Named(_) => None,
        PortMatch::Range(first, last) if first == last => {
            Some(OutMap::new().put("portNumber", entry().put("port", i64::from(*first))).into())
        }
        PortMatch::Range(first, last) => {
            let range = entry().put("start", i64::from(*first)).put("end", i64::from(*last));
            Some(OutMap::new().put("portRange", range).into())
        }
    });
    // These kinds cannot name a protocol without a port.
    if group.ports.is_empty() { None } else { ports.collect() }
}

/// Ports that have a name and no protocol.
fn named_out(group: &PortGroup, key: &str) -> Option<Vec<Out>> {
    let ports = group.ports.iter().map(|it| match it {
        PortMatch::Named(name) => Some(OutMap::new().put(key, name).into()),
        PortMatch::Range(..) => None,
    });
    ports.collect()
}

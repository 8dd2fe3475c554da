//! Why a condition holds or does not, in words.

use std::fmt::Write as _;

use super::compose::{both_opt, entity_selectors};
use super::connection::Connection;
use super::rule::{Part, Side};
use super::truth::Truth;
use crate::model::{Endpoint, IpNet, Name};
use crate::policy::selector::Node;
use crate::policy::{EntityRule, PortMatch, Rule, Selector};

impl Side {
    /// Returns `source` or `destination`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
        }
    }

    pub(super) const fn end<'a>(self, connection: &Connection<'a>) -> &'a Endpoint {
        match self {
            Self::Source => connection.source,
            Self::Destination => connection.dest,
        }
    }

    const fn entity(self, rule: &Rule) -> &EntityRule {
        match self {
            Self::Source => &rule.source,
            Self::Destination => &rule.destination,
        }
    }
}

/// Says why a condition of `rule` holds or does not. `namespace` is that of the rule's policy.
pub(super) fn reason(
    part: Part,
    truth: Truth,
    rule: &Rule,
    namespace: Option<&Name>,
    connection: &Connection<'_>,
) -> String {
    let (subject, holds, fails, object) = words(part, rule, namespace, connection);
    match truth {
        Truth::True => format!("{subject} {holds} {object}"),
        Truth::False => format!("{subject} {fails} {object}"),
        Truth::Unknown(missing) => {
            format!("whether {subject} {holds} {object} cannot be told: the record lacks {missing}")
        }
    }
}

type Words = (String, &'static str, &'static str, String);

fn words(part: Part, rule: &Rule, namespace: Option<&Name>, connection: &Connection<'_>) -> Words {
    let protocol = connection.protocol;
    let icmp = || match connection.icmp {
        Some(it) => format!("ICMP {it}"),
        None => "the ICMP message".to_owned(),
    };
    match part {
        Part::IpVersion => {
            let version =
                rule.ip_version.map_or_else(|| "that of its protocol".to_owned(), |it| it.to_string());
            ("the IP version".to_owned(), "is", "is not", version)
        }
        Part::Protocol => (format!("protocol {protocol}"), "is", "is not", text_of(rule.protocol.as_ref())),
        Part::NotProtocol => {
            (format!("protocol {protocol}"), "is not", "is", text_of(rule.not_protocol.as_ref()))
        }
        Part::Icmp => (icmp(), "is", "is not", icmp_text(rule.icmp)),
        Part::NotIcmp => (icmp(), "is not", "is", icmp_text(rule.not_icmp)),
        Part::Http => ("the request".to_owned(), "is", "is not", "one that the rule names".to_owned()),
        Part::Selector(side) => {
            let selectors = entity_selectors(namespace, side.entity(rule));
            let negative = selectors.negative.map(|it| Node::Not(Box::new(it)));
            let all = both_opt(selectors.positive, negative).unwrap_or(Node::All);
            (end_text(side, connection), "matches", "does not match", node_text(all))
        }
        Part::NotSelector(side) => {
            let negative = entity_selectors(namespace, side.entity(rule)).negative.unwrap_or(Node::All);
            (end_text(side, connection), "does not match", "matches", node_text(negative))
        }
        Part::Nets(side) => {
            (address_text(side, connection), "is in", "is not in", nets_text(&side.entity(rule).nets))
        }
        Part::NotNets(side) => (
            address_text(side, connection),
            "is outside",
            "is not outside",
            nets_text(&side.entity(rule).not_nets),
        ),
        Part::Services(side) => {
            let service = side.entity(rule).services.as_ref();
            let name = service.map_or_else(String::new, |it| {
                it.namespace.as_ref().map_or_else(
                    || format!("service {} of no namespace, which is none", it.name),
                    |namespace| format!("service {namespace}/{}", it.name),
                )
            });
            (end_text(side, connection), "belongs to", "does not belong to", name)
        }
        Part::Ports(side) => {
            (port_text(side, connection), "is in", "is not in", ports_text(&side.entity(rule).ports))
        }
        Part::NotPorts(side) => {
            (port_text(side, connection), "is not in", "is in", ports_text(&side.entity(rule).not_ports))
        }
        Part::Domains(side) => {
            let domains = side.entity(rule).domains.join(", ");
            (end_text(side, connection), "was named by", "was not named by", domains)
        }
    }
}

fn text_of(value: Option<&impl ToString>) -> String {
    value.map_or_else(String::new, ToString::to_string)
}

fn icmp_text(icmp: Option<crate::policy::IcmpMatch>) -> String {
    let mut text = "type ".to_owned();
    text += &icmp.and_then(|it| it.icmp_type).map_or_else(|| "any".to_owned(), |it| it.to_string());
    if let Some(code) = icmp.and_then(|it| it.code) {
        text += &format!(" code {code}");
    }
    text
}

pub(super) fn node_text(node: Node) -> String {
    format!("`{}`", Selector::from_node(node))
}

fn end_text(side: Side, connection: &Connection<'_>) -> String {
    let end = side.end(connection);
    let mut text = format!("{} {end}", side.as_str());
    if let Some(labels) = &end.labels {
        let _written = write!(text, " {{{labels}}}");
    }
    text
}

fn address_text(side: Side, connection: &Connection<'_>) -> String {
    match side.end(connection).address {
        Some(address) => format!("{} address {address}", side.as_str()),
        None => format!("the address of {} {}", side.as_str(), side.end(connection)),
    }
}

fn port_text(side: Side, connection: &Connection<'_>) -> String {
    let port = match side {
        Side::Source => connection.source_port,
        Side::Destination => connection.dest_port,
    };
    match port {
        Some(port) => format!("{} port {port}", side.as_str()),
        None => format!("the {} port", side.as_str()),
    }
}

fn nets_text(nets: &[IpNet]) -> String {
    joined(nets.iter())
}

fn ports_text(ports: &[PortMatch]) -> String {
    joined(ports.iter().map(|it| match it {
        PortMatch::Range(first, last) if first == last => first.to_string(),
        PortMatch::Range(first, last) => format!("{first}:{last}"),
        PortMatch::Named(name) => name.to_string(),
    }))
}

fn joined(items: impl Iterator<Item = impl ToString>) -> String {
    items.map(|it| it.to_string()).collect::<Vec<_>>().join(", ")
}

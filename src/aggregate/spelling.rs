//! Endpoints as bytes: everything that makes one, in one unambiguous text.
//!
//! It is what endpoints are known by in a worker's table and on the partials log, so that one that was seen before
//! costs a hash and a comparison, wherever it comes from.

use crate::model::{Endpoint, EndpointKind, EndpointView, IpAddr, LabelsText, NameScope};

/// What stands in the place of a namespace where there is none. No name holds a control character.
const NO_NAMESPACE: &[u8] = &[1];

/// Writes an endpoint into `out`. No part holds a zero byte (the decoder rejects control characters), so one ends each.
pub(super) fn spell(view: &EndpointView<'_>, out: &mut Vec<u8>) {
    let EndpointView { kind, namespace, name, name_scope, address, labels } = view;
    out.clear();
    spell_head(*kind, *name_scope, labels.is_some(), *address, out);
    out.extend_from_slice(namespace.map_or(NO_NAMESPACE, str::as_bytes));
    out.push(0);
    out.extend_from_slice(name.as_bytes());
    out.push(0);
    out.extend_from_slice(labels.map_or("", |it| it.0).as_bytes());
}

/// Writes an endpoint that is at hand with its labels parsed.
pub(super) fn spell_owned(endpoint: &Endpoint, out: &mut Vec<u8>) {
    let Endpoint { kind, namespace, name, name_scope, address, labels } = endpoint;
    let text = labels.as_ref().map(|labels| {
        let lines: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        lines.join("\n")
    });
    let view = EndpointView {
        kind: *kind,
        namespace: namespace.as_deref(),
        name,
        name_scope: *name_scope,
        address: *address,
        labels: text.as_deref().map(LabelsText),
    };
    spell(&view, out);
}

/// Reads what [`spell`] wrote. Nothing where the bytes cannot have come from there.
pub(super) fn read(bytes: &[u8]) -> Option<EndpointView<'_>> {
    let (&head, rest) = bytes.split_first()?;
    let kind = match head & 0x0f {
        1 => EndpointKind::Workload,
        2 => EndpointKind::Host,
        3 => EndpointKind::NetworkSet,
        4 => EndpointKind::Network,
        _ => return None,
    };
    let name_scope = match head & 0x30 {
        0x10 => NameScope::Exact,
        0x20 => NameScope::Aggregated,
        _ => return None,
    };
    let (address, rest) = read_address(rest)?;
    let mut parts = rest.splitn(3, |it| *it == 0);
    let namespace = match parts.next()? {
        NO_NAMESPACE => None,
        it => Some(text(it)?),
    };
    let name = text(parts.next()?)?;
    let labels = std::str::from_utf8(parts.next()?).ok()?;
    let labels = match head & 0xc0 {
        0 if labels.is_empty() => None,
        0x40 if labels.lines().all(is_label) => Some(LabelsText(labels)),
        _ => return None,
    };
    Some(EndpointView { kind, namespace, name, name_scope, address, labels })
}

fn spell_head(
    kind: EndpointKind,
    scope: NameScope,
    has_labels: bool,
    address: Option<IpAddr>,
    out: &mut Vec<u8>,
) {
    let kind = match kind {
        EndpointKind::Workload => 1,
        EndpointKind::Host => 2,
        EndpointKind::NetworkSet => 3,
        EndpointKind::Network => 4,
    };
    let scope = match scope {
        NameScope::Exact => 0x10,
        NameScope::Aggregated => 0x20,
    };
    out.push(kind | scope | (0x40 * u8::from(has_labels)));
    match address {
        None => out.push(0),
        Some(IpAddr::V4(it)) => {
            out.push(4);
            out.extend_from_slice(&it.octets());
        }
        Some(IpAddr::V6(it)) => {
            out.push(6);
            out.extend_from_slice(&it.octets());
        }
    }
}

fn read_address(bytes: &[u8]) -> Option<(Option<IpAddr>, &[u8])> {
    let (&family, rest) = bytes.split_first()?;
    match family {
        0 => Some((None, rest)),
        4 => rest.split_first_chunk::<4>().map(|(it, rest)| (Some(IpAddr::from(*it)), rest)),
        6 => rest.split_first_chunk::<16>().map(|(it, rest)| (Some(IpAddr::from(*it)), rest)),
        _ => None,
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|it| !has_control(it))
}

fn is_label(line: &str) -> bool {
    line.contains('=') && !has_control(line)
}

/// Tells whether the text holds what the decoder lets into no name and no label.
pub(super) fn has_control(text: &str) -> bool {
    text.bytes().any(|it| it.is_ascii_control())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LabelSet;

    fn endpoint(namespace: Option<&str>, address: Option<&str>, labels: Option<&[(&str, &str)]>) -> Endpoint {
        Endpoint {
            kind: EndpointKind::Workload,
            namespace: namespace.map(Into::into),
            name: "web-*".into(),
            name_scope: NameScope::Aggregated,
            address: address.map(|it| it.parse().unwrap()),
            labels: labels.map(|it| it.iter().copied().collect::<LabelSet>()),
        }
    }

    #[test]
    fn what_is_spelled_is_read_back() {
        for namespace in [None, Some(""), Some("shop")] {
            for address in [None, Some("10.0.0.1"), Some("fd00::1")] {
                for labels in [None, Some(&[][..]), Some(&[("app", "web"), ("tier", "")][..])] {
                    let endpoint = endpoint(namespace, address, labels);
                    let mut bytes = Vec::new();
                    spell_owned(&endpoint, &mut bytes);
                    assert_eq!(read(&bytes).unwrap().to_endpoint(), endpoint);
                }
            }
        }
    }

    #[test]
    fn bytes_that_were_never_spelled_are_refused() {
        let mut bytes = Vec::new();
        spell_owned(&endpoint(Some("shop"), Some("10.0.0.1"), Some(&[("app", "web")])), &mut bytes);
        for cut in 0..bytes.len() - "app=web".len() {
            assert!(read(&bytes[..cut]).is_none(), "cut at {cut}");
        }
        for head in [0x00, 0x15, 0x01, 0x31, 0x81, 0xd1] {
            bytes[0] = head;
            assert!(read(&bytes).is_none(), "head {head:#x}");
        }
        for wrong in [&b"\x11\0shop\0w\x07b\0"[..], b"\x51\0shop\0web\0app", b"\x11\0\xff\0web\0"] {
            assert!(read(wrong).is_none(), "{wrong:?}");
        }
    }
}

//! The small values that many kinds share: names, labels, prefixes, ports, protocols, selectors.

use super::out::Out;
use super::reader::{Context, Field, Fields, shown};
use crate::model::{IpAddr, IpNet, LabelSet, Name, Protocol};
use crate::policy::selector::{Node, SelectorError};
use crate::policy::{PortMatch, Selector};

/// Reads a selector; an empty one is none.
pub(super) fn selector(cx: &mut Context, at: &Field<'_>) -> Option<Selector> {
    let text = at.text(cx)?;
    if text.is_empty() {
        return None;
    }
    match Selector::parse(text) {
        Ok(selector) => Some(selector),
        Err(error) => {
            let SelectorError { cause, column } = error;
            cx.error(
                at,
                format!("the selector `{}` does not parse at column {column}: {cause}", shown(text)),
            );
            None
        }
    }
}

/// Reads a selector in which `global()` has no meaning.
pub(super) fn selector_without_global(cx: &mut Context, at: &Field<'_>) -> Option<Selector> {
    let selector = selector(cx, at)?;
    if selector.any(&|it| matches!(it, Node::Global)) {
        cx.error(at, "`global()` is allowed only as the `namespaceSelector` of a rule");
    }
    Some(selector)
}

/// Reads a prefix. A bare address is one only where `bare` says so.
pub(super) fn prefix(cx: &mut Context, at: &Field<'_>, bare: Bare) -> Option<IpNet> {
    let text = at.text(cx)?;
    if let Ok(prefix) = text.parse::<IpNet>() {
        // Bits behind the prefix length are dropped, as Go's parser of prefixes does.
        return Some(prefix.trunc());
    }
    match (text.parse::<IpAddr>(), bare) {
        (Ok(address), Bare::Allowed) => Some(IpNet::from(address)),
        (Ok(address), Bare::Refused) => {
            let length = if address.is_ipv4() { 32 } else { 128 };
            cx.error_hint(
                at,
                format!("a prefix is due, `{address}` is an address"),
                format!("did you mean `{address}/{length}`?"),
            );
            None
        }
        (Err(_), _) => {
            cx.error(at, format!("`{}` is no prefix such as `10.0.0.0/8`", shown(text)));
            None
        }
    }
}

/// Whether an address may stand for the prefix that holds it alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Bare {
    Allowed,
    Refused,
}

/// Reads an address.
pub(super) fn address(cx: &mut Context, at: &Field<'_>) -> Option<IpAddr> {
    let text = at.text(cx)?;
    let parsed = text.parse().ok();
    if parsed.is_none() {
        cx.error(at, format!("`{}` is no IP address", shown(text)));
    }
    parsed
}

/// Reads a protocol by name, in any case, or by number.
pub(super) fn protocol(cx: &mut Context, at: &Field<'_>) -> Option<Protocol> {
    const NAMES: [&str; 6] = ["TCP", "UDP", "ICMP", "ICMPv6", "SCTP", "UDPLite"];
    let text = at.scalar().unwrap_or("");
    let known = NAMES.iter().any(|it| text.eq_ignore_ascii_case(it)) || text.parse::<u8>().is_ok();
    match text.parse().ok().filter(|_| known) {
        Some(protocol) => Some(protocol),
        None => {
            let cause = format!("unknown protocol `{}`", shown(text));
            let hint = match cx.nearest(text, NAMES) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("known are {} and the numbers from 1 to 255", NAMES.join(", ")),
            };
            cx.error_hint(at, cause, hint);
            None
        }
    }
}

pub(super) fn protocol_out(protocol: Protocol) -> Out {
    protocol.api_name().map_or(Out::Integer(i64::from(protocol.0)), Out::from)
}

/// Reads a port as the Calico API writes it: a number, `"first:last"`, or a name.
pub(super) fn port(cx: &mut Context, at: &Field<'_>) -> Option<PortMatch> {
    let Some(text) = at.scalar() else {
        cx.error(at, "a port is due: a number, a range such as `8000:8010`, or a name");
        return None;
    };
    let number = |text: &str| text.bytes().all(|it| it.is_ascii_digit()).then(|| text.parse::<u16>().ok());
    let bounds = match text.split_once(':') {
        Some((first, last)) => (number(first).flatten(), number(last).flatten()),
        None => match number(text) {
            None if at.is_text() && is_port_name(text) => return Some(PortMatch::Named(Name::from(text))),
            found => (found.flatten(), found.flatten()),
        },
    };
    match bounds {
        (Some(0), _) | (_, Some(0)) => cx.error(at, "port 0 cannot be matched; ports are from 1 to 65535"),
        (Some(first), Some(last)) if first > last => cx.error_hint(
            at,
            format!("the range `{first}:{last}` is upside down"),
            format!("did you mean `{last}:{first}`?"),
        ),
        (Some(first), Some(last)) => return Some(PortMatch::Range(first, last)),
        (None, _) | (_, None) => cx.error_hint(
            at,
            format!("`{}` is no port", shown(text)),
            "a port is a number from 1 to 65535, a range such as `8000:8010`, or a name",
        ),
    }
    None
}

pub(super) fn port_out(port: &PortMatch) -> Out {
    match port {
        PortMatch::Range(first, last) if first == last => Out::Integer(i64::from(*first)),
        PortMatch::Range(first, last) => Out::Text(format!("{first}:{last}")),
        PortMatch::Named(name) => Out::from(name),
    }
}

fn is_port_name(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'.' | b'-'))
}

/// Reads a port number.
pub(super) fn port_number(cx: &mut Context, at: &Field<'_>) -> Option<u16> {
    at.integer(cx, 1, i64::from(u16::MAX)).and_then(|it| u16::try_from(it).ok())
}

/// Reads labels and checks their syntax.
pub(super) fn labels(cx: &mut Context, at: &Field<'_>) -> LabelSet {
    let Some(mut fields) = at.map(cx) else { return LabelSet::default() };
    let mut set = LabelSet::default();
    for (key, field) in fields.entries() {
        check_label_key(cx, &field, key);
        // A label without a value is written by some as `key:`; the API takes it for an empty text.
        let value = if field.is_null() { Some("") } else { label_value(cx, &field) };
        if let Some(value) = value {
            set.insert(Name::from(&**key), Name::from(value));
        }
    }
    set
}

/// Reads and checks the value of a label.
pub(super) fn label_value<'t>(cx: &mut Context, at: &Field<'t>) -> Option<&'t str> {
    let value = at.text(cx)?;
    check_label_value(cx, at, value);
    Some(value)
}

/// Checks a label that was read from another place than a field of its own.
pub(super) fn check_label(cx: &mut Context, at: &Field<'_>, key: &str, value: &str) {
    check_label_key(cx, at, key);
    check_label_value(cx, at, value);
}

fn check_label_value(cx: &mut Context, at: &Field<'_>, value: &str) {
    if !value.is_empty() && !is_qualified(value) {
        cx.error(at, format!("`{}` is no label value: {QUALIFIED}", shown(value)));
    }
}

/// Checks the key of a label: an optional prefix, which is a DNS subdomain, and a name.
pub(super) fn check_label_key(cx: &mut Context, at: &Field<'_>, key: &str) {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    if prefix.is_some_and(|it| !is_subdomain(it)) || !is_qualified(name) {
        cx.error(
            at,
            format!(
                "`{}` is no label key: {QUALIFIED}, and may have a prefix such as `example.com/`",
                shown(key)
            ),
        );
    }
}

const QUALIFIED: &str =
    "it has at most 63 letters, digits, `-`, `_` and `.`, and begins and ends with a letter or digit";

fn is_qualified(text: &str) -> bool {
    let alphanumeric = |it: Option<&u8>| it.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && alphanumeric(bytes.first())
        && alphanumeric(bytes.last())
        && bytes.iter().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'.'))
}

/// Tells whether a text is a DNS label: at most 63 lower-case letters, digits and inner dashes.
pub(super) fn is_dns_label(text: &str) -> bool {
    let inner = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit();
    text.len() <= 63
        && text.bytes().next().is_some_and(inner)
        && text.bytes().next_back().is_some_and(inner)
        && text.bytes().all(|it| inner(it) || it == b'-')
}

/// Tells whether a text is a DNS subdomain: labels joined by dots, at most 253 letters.
pub(super) fn is_subdomain(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|it| {
            let inner = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit();
            it.bytes().next().is_some_and(inner)
                && it.bytes().next_back().is_some_and(inner)
                && it.bytes().all(|it| inner(it) || it == b'-')
        })
}

/// Reads a list of texts that must not be empty.
pub(super) fn names(cx: &mut Context, items: &[Field<'_>]) -> Vec<Name> {
    let mut names = Vec::with_capacity(items.len());
    for item in items {
        match item.text(cx) {
            Some("") => cx.error(item, "the name is empty"),
            Some(text) => names.push(Name::from(text)),
            None => {}
        }
    }
    names
}

/// Reports every entry of `items` above `most`, once.
pub(super) fn check_count(cx: &mut Context, at: &Field<'_>, what: &str, count: usize, most: usize) {
    if count > most {
        cx.error(at, format!("{count} {what}, of which at most {most} are allowed"));
    }
}

/// Takes the list `key` and checks its length.
pub(super) fn bounded<'t>(
    cx: &mut Context,
    fields: &mut Fields<'t>,
    key: &'static str,
    most: usize,
) -> Vec<Field<'t>> {
    let Some(at) = fields.take(key) else { return Vec::new() };
    let items = at.list(cx);
    let what = if matches!(key, "ingress" | "egress") { format!("{key} rules") } else { key.to_owned() };
    check_count(cx, &at, &what, items.len(), most);
    items
}

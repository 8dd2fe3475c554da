//! Rules as the Calico API writes them.

use super::entity::{self, End, Scope, Site};
use super::out::{Out, OutMap};
use super::reader::{Context, Field, Fields, shown};
use super::values::{bounded, protocol, protocol_out};
use crate::model::{Action, Direction, Protocol};
use crate::policy::{EntityRule, HttpMatch, HttpPath, IcmpMatch, Rule, RuleAction};

/// The API's bound on rules in one direction.
const RULES_MAX: usize = 1024;

/// The API's bound on methods, and on paths, of an HTTP condition.
const HTTP_MAX: usize = 20;

const ACTIONS: [(&str, RuleAction); 4] = [
    ("Allow", RuleAction::Terminal(Action::Allow)),
    ("Deny", RuleAction::Terminal(Action::Deny)),
    ("Log", RuleAction::Log),
    ("Pass", RuleAction::Terminal(Action::Pass)),
];

/// Takes the rules of one direction.
pub(super) fn read_all(
    cx: &mut Context,
    spec: &mut Fields<'_>,
    direction: Direction,
    scope: Scope,
) -> Vec<Rule> {
    let key = match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    };
    bounded(cx, spec, key, RULES_MAX).iter().filter_map(|it| read(cx, it, direction, scope)).collect()
}

fn read(cx: &mut Context, at: &Field<'_>, direction: Direction, scope: Scope) -> Option<Rule> {
    let mut fields = at.map(cx)?;
    let action = fields.need(cx, "action").and_then(|it| it.one_of(cx, "action", &ACTIONS));
    let ip_version_at = fields.take("ipVersion");
    let ip_version = ip_version_at.as_ref().and_then(|it| ip_version(cx, it));
    let protocol_at = fields.take("protocol");
    let protocol_read = protocol_at.as_ref().and_then(|it| protocol(cx, it));
    let not_protocol_at = fields.take("notProtocol");
    let not_protocol = not_protocol_at.as_ref().and_then(|it| protocol(cx, it));
    for (it, given) in [(&protocol_at, protocol_read), (&not_protocol_at, not_protocol)] {
        if let (Some(it), Some(given)) = (it, given) {
            check_family(cx, it, given, ip_version);
        }
    }
    let icmp_at = fields.take("icmp");
    if let Some(it) =
        icmp_at.as_ref().filter(|_| !matches!(protocol_read, Some(Protocol::ICMP | Protocol::ICMPV6)))
    {
        cx.error_hint(it, "`icmp` needs a protocol", "set `protocol` to ICMP or ICMPv6");
    }
    let allows = action == Some(RuleAction::Terminal(Action::Allow));
    let mut site = Site {
        direction,
        scope,
        allows,
        // An unreadable protocol was reported; its ports are not to be reported too.
        protocol: protocol_read.or_else(|| protocol_at.as_ref().map(|_| Protocol::TCP)),
        family: ip_version.map(|it| (it, "ipVersion".to_owned())),
    };
    let mut end = |cx: &mut Context, fields: &mut Fields<'_>, key, end| {
        fields.take(key).map(|it| entity::read(cx, &it, &mut site, end)).unwrap_or_default()
    };
    let source = end(cx, &mut fields, "source", End::Source);
    let destination = end(cx, &mut fields, "destination", End::Destination);
    let rule = Rule {
        action: action.unwrap_or(RuleAction::Log),
        ip_version,
        protocol: protocol_read,
        not_protocol,
        icmp: icmp_at.and_then(|it| icmp(cx, &it)),
        not_icmp: fields.take("notICMP").and_then(|it| icmp(cx, &it)),
        http: fields.take("http").and_then(|it| {
            check_http_site(cx, &it, direction, allows, protocol_read);
            http(cx, &it)
        }),
        source,
        destination,
        annotations: fields.take("metadata").map(|it| annotations(cx, &it)).unwrap_or_default(),
    };
    fields.finish(cx);
    warn_one_family(cx, at, &rule);
    // Without an action the object is refused; the rule is not looked at again.
    action.map(|_| rule)
}

fn ip_version(cx: &mut Context, at: &Field<'_>) -> Option<u8> {
    match at.plain_integer() {
        Some(4) => Some(4),
        Some(6) => Some(6),
        Some(_) | None => {
            cx.error(at, "the IP version is `4` or `6`");
            None
        }
    }
}

/// ICMP is of IPv4, ICMPv6 of IPv6, also where it is negated.
fn check_family(cx: &mut Context, at: &Field<'_>, protocol: Protocol, ip_version: Option<u8>) {
    match (protocol, ip_version) {
        (Protocol::ICMP, Some(6)) => cx.error(at, "ICMP needs `ipVersion` 4"),
        (Protocol::ICMPV6, Some(4)) => cx.error(at, "ICMPv6 needs `ipVersion` 6"),
        _ => {}
    }
}

fn icmp(cx: &mut Context, at: &Field<'_>) -> Option<IcmpMatch> {
    let mut fields = at.map(cx)?;
    let mut number = |cx: &mut Context, key, most| {
        fields.take(key).and_then(|it| it.integer(cx, 0, most)).and_then(|it| u8::try_from(it).ok())
    };
    let icmp = IcmpMatch { icmp_type: number(cx, "type", 254), code: number(cx, "code", 255) };
    fields.finish(cx);
    if icmp.code.is_some() && icmp.icmp_type.is_none() {
        cx.error(at, "a `code` needs a `type`");
    }
    Some(icmp)
}

fn check_http_site(
    cx: &mut Context,
    at: &Field<'_>,
    direction: Direction,
    allows: bool,
    protocol: Option<Protocol>,
) {
    if direction == Direction::Egress {
        cx.error(at, "`http` may not stand in an egress rule");
    }
    if !allows {
        cx.error(at, "`http` needs the action `Allow`");
    }
    if !matches!(protocol, None | Some(Protocol::TCP)) {
        cx.error(at, "`http` needs the protocol TCP, or none");
    }
}

fn http(cx: &mut Context, at: &Field<'_>) -> Option<HttpMatch> {
    let mut fields = at.map(cx)?;
    let mut methods: Vec<String> = Vec::new();
    for item in bounded(cx, &mut fields, "methods", HTTP_MAX) {
        let Some(method) = item.text(cx) else { continue };
        if methods.iter().any(|it| it == method) {
            cx.error(&item, format!("the method `{}` stands twice", shown(method)));
        }
        methods.push(method.to_owned());
    }
    let items = bounded(cx, &mut fields, "paths", HTTP_MAX);
    let paths = items.iter().filter_map(|it| http_path(cx, it)).collect();
    fields.finish(cx);
    Some(HttpMatch { methods, paths })
}

fn http_path(cx: &mut Context, at: &Field<'_>) -> Option<HttpPath> {
    let mut fields = at.map(cx)?;
    let exact = fields.take("exact").and_then(|it| http_path_text(cx, &it));
    let prefix = fields.take("prefix").and_then(|it| http_path_text(cx, &it));
    fields.finish(cx);
    match (exact, prefix) {
        (Some(exact), None) => Some(HttpPath::Exact(exact)),
        (None, Some(prefix)) => Some(HttpPath::Prefix(prefix)),
        (Some(_), Some(_)) | (None, None) => {
            cx.error(at, "a path is given by one of `exact` and `prefix`");
            None
        }
    }
}

fn http_path_text(cx: &mut Context, at: &Field<'_>) -> Option<String> {
    let text = at.text(cx)?;
    if !text.starts_with('/') || text.chars().count() > 1024 || text.contains(['?', '#', ' ']) {
        let cause = format!(
            "`{}` is no path: it begins with `/`, has at most 1024 letters, and no `?`, `#` or blank",
            shown(text)
        );
        cx.error(at, cause);
    }
    Some(text.to_owned())
}

fn annotations(cx: &mut Context, at: &Field<'_>) -> Vec<(String, String)> {
    let Some(mut fields) = at.map(cx) else { return Vec::new() };
    let mut annotations = Vec::new();
    if let Some(mut map) = fields.take("annotations").and_then(|it| it.map(cx)) {
        for (key, field) in map.entries() {
            if let Some(value) = field.text(cx) {
                annotations.push((key.to_string(), value.to_owned()));
            }
        }
    }
    fields.finish(cx);
    annotations.sort_unstable();
    annotations
}

/// Of the other family than that of its `notNets` Felix renders no rule at all; the checker, and verdicts as they are
/// computed here, find every address of it outside of the prefixes.
fn warn_one_family(cx: &mut Context, at: &Field<'_>, rule: &Rule) {
    let ends = [&rule.source, &rule.destination];
    let nets = ends.iter().any(|it| !it.nets.is_empty());
    let Some(first) = ends.iter().find_map(|it| it.not_nets.first()) else { return };
    if rule.ip_version.is_none() && !nets {
        let (own, other) = if first.addr().is_ipv4() { (4, 6) } else { (6, 4) };
        cx.warn(at, format!(
            "all prefixes in `notNets` are IPv{own}: the rule matches any IPv{other} address here and in Calico's pending \
             traces, while Felix leaves it out for IPv{other}"
        ));
    }
}

/// Writes a rule.
pub(super) fn write(rule: &Rule) -> Out {
    let Rule {
        action,
        ip_version,
        protocol,
        not_protocol,
        icmp,
        not_icmp,
        http,
        source,
        destination,
        annotations,
    } = rule;
    let action = match action {
        RuleAction::Terminal(Action::Allow) => "Allow",
        RuleAction::Terminal(Action::Deny) => "Deny",
        RuleAction::Terminal(Action::Pass) => "Pass",
        RuleAction::Log => "Log",
    };
    let icmp_out = |IcmpMatch { icmp_type, code }: IcmpMatch| {
        OutMap::new().put_some("type", icmp_type.map(i64::from)).put_some("code", code.map(i64::from))
    };
    let annotations =
        annotations.iter().fold(OutMap::new(), |map, (key, value)| map.put(key.as_str(), value.as_str()));
    let metadata = OutMap::new().put_map("annotations", annotations);
    let end = |key, map: OutMap, entity: &EntityRule| {
        if *entity == EntityRule::default() { map } else { map.put(key, entity::write(entity)) }
    };
    let head = OutMap::new()
        .put("action", action)
        .put_some("ipVersion", ip_version.map(i64::from))
        .put_some("protocol", protocol.map(protocol_out))
        .put_some("notProtocol", not_protocol.map(protocol_out))
        .put_some("icmp", icmp.map(icmp_out))
        .put_some("notICMP", not_icmp.map(icmp_out))
        .put_some("http", http.as_ref().map(http_out))
        .put_map("metadata", metadata);
    end("destination", end("source", head, source), destination).into()
}

fn http_out(HttpMatch { methods, paths }: &HttpMatch) -> OutMap {
    let paths = paths.iter().map(|it| match it {
        HttpPath::Exact(path) => OutMap::new().put("exact", path.as_str()),
        HttpPath::Prefix(path) => OutMap::new().put("prefix", path.as_str()),
    });
    OutMap::new().put_list("methods", methods.iter().map(String::as_str)).put_list("paths", paths)
}

//! What a rule asks of a packet, and which endpoints a policy selects.

use flowstage::evaluate::Missing;
use flowstage::model::{Name, Protocol};
use flowstage::policy::{Cluster, EntityRule, HttpMatch, IcmpMatch, Policy, Rule};

use super::address::{EITHER_ADDRESS, Family};
use super::ends::{Object, Packet};
use super::entity::{self, Place};
use super::labels::{NAMESPACE, SERVICE_ACCOUNT};
use super::selector;
use super::truth::Truth;
use super::walk::Mode;

/// Which addresses and ports a rule sees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// The final ones: those of the pod.
    Final,
    /// Those that were called, before translation; no record has them.
    BeforeTranslation,
}

/// A rule matches when all its conditions hold.
pub fn matches(
    mode: Mode,
    cluster: &Cluster,
    policy_namespace: Option<&Name>,
    rule: &Rule,
    packet: &Packet<'_>,
    seen: Seen,
) -> Truth {
    let place = Place { mode, cluster, policy_namespace, rule_protocol: rule.protocol };
    let conditions: [&dyn Fn() -> Truth; 7] = [
        &|| of_family(mode, rule, packet),
        &|| of_protocol(mode, rule, packet),
        &|| of_icmp(mode, rule.icmp, packet).unwrap_or(Truth::True),
        &|| of_icmp(mode, rule.not_icmp, packet).map_or(Truth::True, Truth::not),
        &|| of_http(mode, rule.http.as_ref()),
        &|| entity::matches(place, &rule.source, &packet.source, packet),
        &|| match seen {
            Seen::Final => entity::matches(place, &rule.destination, &packet.dest, packet),
            Seen::BeforeTranslation if rule.destination == EntityRule::default() => Truth::True,
            Seen::BeforeTranslation => Truth::Unknown(Missing::DEST_ADDRESS.union(Missing::DEST_PORT)),
        },
    ];
    Truth::all(conditions.into_iter().map(|it| it()))
}

/// `protocol` and `notProtocol`. To the checker a packet without a protocol is neither one nor another.
fn of_protocol(mode: Mode, rule: &Rule, packet: &Packet<'_>) -> Truth {
    let asks = rule.protocol.is_some() || rule.not_protocol.is_some();
    if mode == Mode::Conformance && asks && packet.protocol.0 == 0 {
        return Truth::False;
    }
    let is = rule.protocol.is_none_or(|it| packet.protocol == it);
    let is_not = rule.not_protocol.is_none_or(|it| packet.protocol != it);
    Truth::of(is && is_not)
}

/// The data plane renders a rule for the family that it names, and that its ICMP protocol implies. The checker looks
/// at neither.
fn of_family(mode: Mode, rule: &Rule, packet: &Packet<'_>) -> Truth {
    let written = match rule.ip_version {
        Some(4) => Some(Family::V4),
        Some(6) => Some(Family::V6),
        _ => None,
    };
    let implied = match rule.protocol {
        Some(Protocol::ICMP) => Some(Family::V4),
        Some(Protocol::ICMPV6) => Some(Family::V6),
        _ => None,
    };
    let is = |wanted| match packet.family {
        Some(family) => Truth::of(family == wanted),
        None => Truth::Unknown(EITHER_ADDRESS),
    };
    match mode {
        Mode::Strict | Mode::Rendered => Truth::all([written, implied].into_iter().flatten().map(is)),
        Mode::Conformance => Truth::True,
    }
}

/// Type, and code where one is written. Nothing where nothing is asked; the checker never asks.
fn of_icmp(mode: Mode, wanted: Option<IcmpMatch>, packet: &Packet<'_>) -> Option<Truth> {
    let wanted = wanted?;
    let icmp_type = wanted.icmp_type?;
    if mode == Mode::Conformance {
        return None;
    }
    if !matches!(packet.protocol, Protocol::ICMP | Protocol::ICMPV6) {
        return Some(Truth::False);
    }
    Some(match packet.icmp {
        None => Truth::Unknown(Missing::ICMP),
        Some(message) => {
            Truth::of(message.icmp_type == icmp_type && wanted.code.is_none_or(|code| message.code == code))
        }
    })
}

/// No record carries the request, so what a proxy would do with it is not known; the checker takes it as matching.
fn of_http(mode: Mode, wanted: Option<&HttpMatch>) -> Truth {
    let asks = wanted.is_some_and(|it| !it.methods.is_empty() || !it.paths.is_empty());
    match mode {
        Mode::Strict | Mode::Rendered if asks => Truth::Unknown(Missing::HTTP),
        Mode::Strict | Mode::Rendered | Mode::Conformance => Truth::True,
    }
}

/// Whether a policy selects an endpoint: its namespace, its selector, those of namespace and service account.
///
/// In a global policy that has a namespace selector, every `all()` means *has a namespace*; where it has but a
/// service account selector, *has a service account*.
pub fn policy_selects(policy: &Policy, subject: &Object) -> Truth {
    let has_namespace = entity::exists(&subject.label(NAMESPACE));
    let has_account = entity::exists(&subject.label(SERVICE_ACCOUNT));
    let by_namespace = policy.global.namespace_selector.as_ref();
    let by_account = policy.service_account_selector.as_ref();
    let is_global = !policy.id.kind.is_namespaced();
    let all_here = match (is_global, by_namespace, by_account) {
        (true, Some(_), _) => has_namespace,
        (true, None, Some(_)) => has_account,
        (true, None, None) | (false, _, _) => Truth::True,
    };
    let all_of_account = if is_global { has_account } else { Truth::True };
    Truth::all([
        match &policy.id.namespace {
            Some(namespace) => entity::equals(&subject.label(NAMESPACE), namespace),
            None => Truth::True,
        },
        policy
            .selector
            .as_ref()
            .map_or(Truth::True, |it| selector::selects(it.root(), all_here, &|key| subject.label(key))),
        by_namespace.map_or(Truth::True, |it| {
            selector::selects(it.root(), has_namespace, &|key| subject.namespace_labels.get(key))
        }),
        by_account.map_or(Truth::True, |it| {
            selector::selects(it.root(), all_of_account, &|key| subject.account_labels.get(key))
        }),
    ])
}

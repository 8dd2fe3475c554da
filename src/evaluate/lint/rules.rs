//! Rules and selectors that nothing can match.

use super::finding::{Finding, Problem};
use super::place::{Place, of_policy};
use super::satisfiable::are_satisfiable;
use crate::evaluate::compose::{EntitySelectors, entity_selectors, policy_selector, rule_namespace};
use crate::model::Direction;
use crate::policy::{EntityRule, IcmpMatch, Policy, PortMatch, Rule, RuleAction};

/// Looks at a policy's own selector and at each of its rules.
pub(super) fn look_at(policy: &Policy, findings: &mut Vec<Finding>) {
    if !are_satisfiable(&[(&policy_selector(policy), true)]) {
        let text =
            "no endpoint can satisfy the selector, together with those of namespaces and service accounts";
        findings.push(of_policy(policy, "spec.selector", Problem::ContradictorySelector, text));
    }
    for direction in [Direction::Ingress, Direction::Egress] {
        unreachable(policy, direction, findings);
    }
    for place in Place::all(policy) {
        impossible(&place, findings);
        contradictory(&place, findings);
    }
}

/// Finds rules behind one that matches everything, or that matches all that they do.
fn unreachable(policy: &Policy, direction: Direction, findings: &mut Vec<Finding>) {
    let rules = policy.rules(direction);
    for (index, rule) in rules.iter().enumerate() {
        let before = rules.iter().enumerate().take(index);
        let mut terminal = before.filter(|(_, it)| it.action != RuleAction::Log);
        let hiding = terminal.find_map(|(at, earlier)| {
            if conditions(earlier) == Rule::new(RuleAction::Log) {
                Some(format!("rule {at} before it matches everything"))
            } else if conditions(earlier) == conditions(rule) {
                Some(format!("rule {at} before it asks for the same"))
            } else {
                None
            }
        });
        if let Some(text) = hiding {
            let place = Place { policy, direction, index, rule };
            findings.push(place.finding(
                "",
                Problem::UnreachableRule,
                format!("the rule is never reached: {text}"),
            ));
        }
    }
}

/// Returns the rule's conditions alone, as a rule that does nothing.
fn conditions(rule: &Rule) -> Rule {
    Rule { annotations: Vec::new(), ..Rule { action: RuleAction::Log, ..rule.clone() } }
}

/// Finds conditions of one rule that exclude each other.
fn impossible(place: &Place<'_>, findings: &mut Vec<Finding>) {
    let Rule { protocol, not_protocol, icmp, not_icmp, .. } = place.rule;
    let mut find = |field: &str, text: String| {
        findings.push(place.finding(field, Problem::ImpossibleRule, text));
    };
    if let Some(protocol) = protocol.filter(|it| *not_protocol == Some(*it)) {
        find("notProtocol", format!("the rule asks for {protocol} and excludes it"));
    }
    if let (Some(one), Some(other)) = (icmp, not_icmp)
        && icmp_covers(*other, *one)
    {
        find("notICMP", "the rule excludes the ICMP messages that it asks for".to_owned());
    }
    for (side, end) in place.ends() {
        let EntityRule { nets, not_nets, ports, not_ports, .. } = end;
        let side = side.as_str();
        if !ports.is_empty() && ports.iter().all(|it| is_covered(it, not_ports)) {
            find(&format!("{side}.notPorts"), "the rule excludes every port that it asks for".to_owned());
        }
        let excluded = |net: &crate::model::IpNet| not_nets.iter().any(|it| it.contains(net));
        if !nets.is_empty() && nets.iter().all(excluded) {
            find(&format!("{side}.notNets"), "the rule excludes every prefix that it asks for".to_owned());
        }
    }
}

fn icmp_covers(covering: IcmpMatch, covered: IcmpMatch) -> bool {
    let IcmpMatch { icmp_type, code } = covering;
    (icmp_type.is_none() || icmp_type == covered.icmp_type) && (code.is_none() || code == covered.code)
}

/// Tells whether every port of an entry is in a list.
fn is_covered(port: &PortMatch, list: &[PortMatch]) -> bool {
    match port {
        PortMatch::Named(_) => list.contains(port),
        PortMatch::Range(first, last) => {
            let mut ranges: Vec<(u16, u16)> = list
                .iter()
                .filter_map(|it| match it {
                    PortMatch::Range(first, last) => Some((*first, *last)),
                    PortMatch::Named(_) => None,
                })
                .collect();
            ranges.sort_unstable();
            // The first port that is not covered yet.
            let mut next = u32::from(*first);
            for (begin, end) in ranges {
                if u32::from(begin) <= next {
                    next = next.max(u32::from(end) + 1);
                }
            }
            next > u32::from(*last)
        }
    }
}

/// Finds selectors of a rule that no endpoint and no network set satisfies.
fn contradictory(place: &Place<'_>, findings: &mut Vec<Finding>) {
    for (side, end) in place.ends() {
        let EntitySelectors { positive, negative } = entity_selectors(rule_namespace(&place.policy.id), end);
        // Without a positive selector the address may belong to nothing, which no selector excludes.
        let Some(positive) = positive else { continue };
        if !are_satisfiable(&[(&positive, true)]) {
            let text =
                "nothing can satisfy the selector, together with those of namespaces and service accounts";
            let field = format!("{}.selector", side.as_str());
            findings.push(place.finding(&field, Problem::ContradictorySelector, text));
        } else if let Some(negative) = negative
            && !are_satisfiable(&[(&positive, true), (&negative, false)])
        {
            let text = "`notSelector` excludes everything that the rule selects";
            let field = format!("{}.notSelector", side.as_str());
            findings.push(place.finding(&field, Problem::ContradictorySelector, text));
        }
    }
}

//! What Calico's checker, which computes the pending traces of its flow logs, does otherwise than the data plane.
//!
//! The list is drawn from `projectcalico/calico` (`app-policy/checker` against `felix/rules`). Of it, `notNets` of one
//! IP version and Services without a namespace are told by the reader of manifests, which knows the line.

use super::finding::{Finding, Problem};
use super::place::{Place, of_policy};
use super::short_members::ShortMembers;
use crate::model::{Direction, Protocol};
use crate::policy::{EntityRule, Policy, PolicySet, PortMatch, Rule, ServiceMatch};

/// Looks at what of a policy Calico's checker reads in another way.
pub(super) fn look_at(
    set: &PolicySet,
    policy: &Policy,
    short_members: &ShortMembers<'_>,
    findings: &mut Vec<Finding>,
) {
    if policy.global.do_not_track || policy.global.pre_dnat {
        let path = if policy.global.pre_dnat { "spec.preDNAT" } else { "spec.doNotTrack" };
        let text = "Calico's pending traces do not know these policies for host endpoints";
        findings.push(of_policy(policy, path, Problem::HostChains, text));
    }
    for place in Place::all(policy) {
        conditions(&place, findings);
        for (side, end) in place.ends() {
            named_ports(&place, side.as_str(), end, findings);
        }
        sctp_service(set, &place, findings);
        short_members.look_at(&place, findings);
    }
}

fn conditions(place: &Place<'_>, findings: &mut Vec<Finding>) {
    let Rule { ip_version, icmp, not_icmp, http, .. } = place.rule;
    let mut find = |field: &str, problem: Problem, text: &str| {
        findings.push(place.finding(field, problem, text));
    };
    if icmp.is_some() {
        let text = "Calico's pending traces match every ICMP message here, whatever its type and code";
        find("icmp", Problem::IcmpTypes, text);
    }
    if not_icmp.is_some() {
        let text = "Calico's pending traces exclude no ICMP message here, whatever its type and code";
        find("notICMP", Problem::IcmpTypes, text);
    }
    if let Some(version) = ip_version {
        let other = if *version == 4 { 6 } else { 4 };
        let text = format!("Calico's pending traces match IPv{other} here too");
        find("ipVersion", Problem::IpVersion, &text);
    }
    if http.is_some() {
        let text = "Calico's pending traces take the HTTP conditions as fulfilled; flow records cannot tell";
        find("http", Problem::Http, text);
    }
}

fn named_ports(place: &Place<'_>, side: &str, end: &EntityRule, findings: &mut Vec<Finding>) {
    let EntityRule { ports, not_ports, .. } = end;
    for (field, list, one, many) in
        [("ports", ports, "matches", "match"), ("notPorts", not_ports, "excludes", "exclude")]
    {
        let names: Vec<String> = list
            .iter()
            .filter_map(|it| match it {
                PortMatch::Named(name) => Some(format!("`{name}`")),
                PortMatch::Range(..) => None,
            })
            .collect();
        let (port, verb) = match names.len() {
            0 => continue,
            1 => ("the port", one),
            _ => ("the ports", many),
        };
        let text = format!("in Calico's pending traces {port} {} never {verb} by name", names.join(", "));
        findings.push(place.finding(&format!("{side}.{field}"), Problem::NamedPorts, text));
    }
}

/// Finds egress rules to Services that are called by SCTP. Ingress rules ask for the addresses of a Service alone.
fn sctp_service(set: &PolicySet, place: &Place<'_>, findings: &mut Vec<Finding>) {
    let (Direction::Egress, Some(ServiceMatch { name, namespace: Some(namespace) })) =
        (place.direction, &place.rule.destination.services)
    else {
        return;
    };
    let is_meant = place.rule.protocol == Some(Protocol::SCTP);
    let can_be = place.rule.protocol.is_none();
    let mut slices =
        set.cluster().services.iter().filter(|it| it.namespace == *namespace && it.service == *name);
    let mut has_sctp = || slices.any(|it| it.ports.iter().any(|port| port.protocol == Protocol::SCTP));
    if is_meant || can_be && has_sctp() {
        let text =
            format!("Calico's pending traces never match the SCTP ports of the Service {namespace}/{name}");
        findings.push(place.finding("destination.services", Problem::SctpService, text));
    }
}

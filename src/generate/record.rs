//! Writes records the way Calico Enterprise does.
//!
//! Facts: the fields and their empty values are those of the Calico Enterprise documentation of flow logs and of its
//! published records.

use std::fmt::Write as _;

use super::link::{Detail, End, Link};
use super::prepared::{Fate, Half};
use crate::evaluate::Judgement;
use crate::model::{Direction, EndpointKind, HitOwner, PolicyHit, RecordedAction, Trace};

/// What one record counts, seen from the end that opened the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Exchange {
    pub(super) live: u64,
    pub(super) started: u64,
    pub(super) completed: u64,
    pub(super) packets_forth: u64,
    pub(super) packets_back: u64,
    pub(super) bytes_forth: u64,
    pub(super) bytes_back: u64,
}

/// When and where one record was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment<'a> {
    pub(super) start_secs: i64,
    pub(super) end_secs: i64,
    pub(super) shipped_millis: i64,
    pub(super) host: &'a str,
}

/// Writes a whole record.
pub(super) fn write_record(half: &Half, exchange: &Exchange, moment: &Moment<'_>) -> Vec<u8> {
    let Moment { start_secs, end_secs, shipped_millis, host } = *moment;
    let Exchange { live, started, completed, packets_forth, packets_back, bytes_forth, bytes_back } =
        *exchange;
    let (packets_in, packets_out, bytes_in, bytes_out) = match half.direction {
        Direction::Egress => (packets_back, packets_forth, bytes_back, bytes_forth),
        Direction::Ingress => (packets_forth, packets_back, bytes_forth, bytes_back),
    };
    let mut json = String::with_capacity(half.text.len() + 360);
    json.push_str("{\"start_time\":");
    number(&mut json, start_secs);
    json.push_str(",\"end_time\":");
    number(&mut json, end_secs);
    json.push_str(",\"@timestamp\":");
    number(&mut json, shipped_millis);
    json.push_str(",\"host\":\"");
    json.push_str(host);
    json.push_str("\",");
    json.push_str(&half.text);
    for (name, value) in [
        (",\"bytes_in\":", bytes_in),
        (",\"bytes_out\":", bytes_out),
        (",\"packets_in\":", packets_in),
        (",\"packets_out\":", packets_out),
        (",\"num_flows\":", live),
        (",\"num_flows_started\":", started),
        (",\"num_flows_completed\":", completed),
    ] {
        json.push_str(name);
        number(&mut json, value);
    }
    json.push('}');
    json.into_bytes()
}

/// Writes the fields that are the same in every record of one end of a link, without braces.
pub(super) fn fixed_text(
    link: &Link,
    link_number: u64,
    direction: Direction,
    action: RecordedAction,
    detail: Detail,
    judgement: &Judgement,
) -> String {
    let mut json = String::with_capacity(1_024);
    let json = &mut json;
    text(json, "reporter", if direction == Direction::Egress { "src" } else { "dst" });
    text(json, "action", if action == RecordedAction::Allow { "allow" } else { "deny" });
    text(json, "proto", &link.protocol.to_string());
    end(json, "source", &link.source, detail);
    raw(json, "source_port", "null");
    end(json, "dest", &link.dest, detail);
    match link.port {
        Some(port) => raw(json, "dest_port", &port.to_string()),
        None => raw(json, "dest_port", "null"),
    }
    service(json, link, direction);
    domains(json, link, direction, action);
    policies(json, link_number, judgement);
    text(json, "process_name", "-");
    text(json, "process_id", "-");
    raw(json, "num_process_names", "0");
    raw(json, "num_process_ids", "0");
    raw(json, "nat_outgoing_ports", "null");
    raw(json, "original_source_ips", "null");
    raw(json, "num_original_source_ips", "0");
    std::mem::take(json)
}

fn end(json: &mut String, side: &str, end: &End, detail: Detail) {
    text(json, &format!("{side}_type"), end.kind.as_str());
    text(json, &format!("{side}_namespace"), end.namespace.as_deref().unwrap_or("-"));
    text(json, &format!("{side}_name"), if end.is_named(detail) { &end.name } else { "-" });
    text(json, &format!("{side}_name_aggr"), &end.aggregated);
    match detail {
        Detail::Full => text(json, &format!("{side}_ip"), &end.address.to_string()),
        Detail::Aggregated => raw(json, &format!("{side}_ip"), "null"),
    }
    match &end.labels {
        None => raw(json, &format!("{side}_labels"), "null"),
        Some(labels) => {
            let lines = labels.iter().map(|(key, value)| format!("{key}={value}"));
            raw(json, &format!("{side}_labels"), &format!("{{\"labels\":{}}}", list(lines)));
        }
    }
}

/// The Service is seen where its address is translated: at the source.
fn service(json: &mut String, link: &Link, direction: Direction) {
    let via = link.via.as_ref().filter(|_| direction == Direction::Egress);
    let or_dash = |it: Option<&str>| it.filter(|it| !it.is_empty()).unwrap_or("-").to_owned();
    text(json, "dest_service_namespace", &or_dash(via.map(|it| it.service.namespace.as_str())));
    text(json, "dest_service_name", &or_dash(via.map(|it| it.service.name.as_str())));
    text(json, "dest_service_port", &or_dash(via.map(|it| it.service.port_name.as_str())));
    let port = via.map_or_else(|| "null".to_owned(), |it| it.port.to_string());
    raw(json, "dest_service_port_num", &port);
}

/// Domain names are learned from the source's own lookups, for what was let through.
fn domains(json: &mut String, link: &Link, direction: Direction, action: RecordedAction) {
    let is_known = direction == Direction::Egress
        && action == RecordedAction::Allow
        && link.dest.kind != EndpointKind::Workload
        && !link.dest.domains.is_empty();
    if is_known {
        raw(json, "dest_domains", &list(link.dest.domains.iter().map(|&it| it.to_owned())));
    } else {
        raw(json, "dest_domains", "null");
    }
}

/// The lists have no order of their own: the index in each entry has it. Half of the links write them backwards.
fn policies(json: &mut String, link_number: u64, judgement: &Judgement) {
    let lines = |trace: &Trace| {
        let mut lines: Vec<String> = trace.lines().collect();
        if !link_number.is_multiple_of(2) {
            lines.reverse();
        }
        list(lines.into_iter())
    };
    let value = format!(
        "{{\"enforced_policies\":{},\"pending_policies\":{},\"all_policies\":{},\"transit_policies\":[]}}",
        lines(&judgement.enforced.trace),
        lines(&judgement.pending.trace),
        lines(&all_hits(judgement)),
    );
    raw(json, "policies", &value);
}

/// Merges the staged hits into the enforced trace, each before the enforced hit of its tier.
fn all_hits(judgement: &Judgement) -> Trace {
    let mut staged: Vec<&PolicyHit> = judgement.pending.trace.0.iter().filter(|it| is_staged(it)).collect();
    let mut hits = Vec::new();
    for hit in &judgement.enforced.trace.0 {
        staged.retain(|it| {
            let comes_first = match (&hit.owner, &it.owner) {
                (HitOwner::Profile(_), _) => true,
                (HitOwner::Policy { tier, .. }, HitOwner::Policy { tier: own, .. }) => tier == own,
                (HitOwner::Policy { .. }, HitOwner::Profile(_)) => false,
            };
            if comes_first {
                hits.push((*it).clone());
            }
            !comes_first
        });
        hits.push(hit.clone());
    }
    hits.extend(staged.into_iter().cloned());
    Trace(hits)
}

fn is_staged(hit: &PolicyHit) -> bool {
    match &hit.owner {
        HitOwner::Policy { policy, .. } => policy.kind.is_staged(),
        HitOwner::Profile(_) => false,
    }
}

/// Draws what one interval of a link counts.
pub(super) fn exchange(fate: Fate, chance: &mut super::chance::Chance) -> Exchange {
    let started = chance.between(1, 6);
    match fate {
        Fate::Dropped => {
            // Each attempt is a first packet that is sent again once or twice.
            let packets = started * chance.between(1, 3);
            Exchange {
                live: started,
                started,
                completed: started,
                packets_forth: packets,
                packets_back: 0,
                bytes_forth: packets * 60,
                bytes_back: 0,
            }
        }
        Fate::Connected => {
            let carried = chance.below(3);
            let live = started + carried;
            let packets_forth = live * chance.between(4, 40);
            let packets_back = packets_forth * chance.between(70, 110) / 100;
            Exchange {
                live,
                started,
                completed: chance.below(live + 1),
                packets_forth,
                packets_back,
                bytes_forth: packets_forth * chance.between(60, 900),
                bytes_back: packets_back * chance.between(60, 1_300),
            }
        }
    }
}

fn number(json: &mut String, number: impl std::fmt::Display) {
    // Writing to a `String` cannot fail.
    write!(json, "{number}").unwrap_or_default();
}

fn key(json: &mut String, name: &str) {
    if !json.is_empty() {
        json.push(',');
    }
    quoted(json, name);
    json.push(':');
}

fn text(json: &mut String, name: &str, value: &str) {
    key(json, name);
    quoted(json, value);
}

fn raw(json: &mut String, name: &str, value: &str) {
    key(json, name);
    json.push_str(value);
}

fn list(items: impl Iterator<Item = String>) -> String {
    let mut json = String::from("[");
    for (place, item) in items.enumerate() {
        if place > 0 {
            json.push(',');
        }
        quoted(&mut json, &item);
    }
    json.push(']');
    json
}

/// Quotes a text. Names of policies come from files, so nothing is taken for granted.
fn quoted(json: &mut String, text: &str) {
    json.push('"');
    for it in text.chars() {
        match it {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            it if it < ' ' => write!(json, "\\u{:04x}", u32::from(it)).unwrap_or_default(),
            it => json.push(it),
        }
    }
    json.push('"');
}

//! Would-be denies as people and programs read them.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use comfy_table::Table;
use comfy_table::presets::NOTHING;

use super::apart::marks_of;
use crate::aggregate::{EdgeDigest, Totals};
use crate::evaluate::Outcome;
use crate::model::{Edge, HitOwner, RuleRef};
use crate::pipeline::Results;
use crate::sink::render::{EndpointRecord, ServiceRecord, rfc3339};

/// One edge that a staged policy would break.
#[derive(Clone, Debug)]
pub(super) struct DenyRow {
    /// The staged policy that the deny is charged to.
    pub(super) policy: String,
    /// The tier and rule that decide, as traces write them.
    pub(super) by: String,
    /// The edge.
    pub(super) edge: Arc<Edge>,
    /// Its short name.
    pub(super) digest: EdgeDigest,
    /// Its counts.
    pub(super) totals: Totals,
}

/// Returns every would-be deny, by policy, rule and edge.
pub(super) fn rows_of(results: &Results) -> Vec<DenyRow> {
    let mut rows: Vec<_> = results
        .edges()
        .denies()
        .iter()
        .filter_map(|stored| match &stored.judgement.outcome {
            Outcome::WouldDeny { by, charged } => Some(DenyRow {
                policy: charged.to_string(),
                by: rule_text(by),
                edge: Arc::clone(&stored.edge),
                digest: stored.digest,
                totals: stored.totals()?,
            }),
            Outcome::Agrees | Outcome::WouldAllow { .. } | Outcome::Undetermined { .. } => None,
        })
        .collect();
    rows.sort_by(|a, b| (&a.policy, &a.by, &a.edge).cmp(&(&b.policy, &b.by, &b.edge)));
    rows
}

fn rule_text(by: &RuleRef) -> String {
    match &by.owner {
        HitOwner::Policy { tier, policy } => format!("{tier}|{policy}|{}|{}", by.direction, by.rule),
        HitOwner::Profile(name) => format!("__PROFILE__|pro:{name}|{}|{}", by.direction, by.rule),
    }
}

/// Writes a table for a terminal. Rows that would look the same say in what their edges differ.
pub(super) fn write_table(to: &mut dyn Write, rows: &[DenyRow]) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(to, "No staged policy would deny any of these flows.");
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header([
        "POLICY",
        "RULE",
        "DIRECTION",
        "SOURCE",
        "DESTINATION",
        "PORT",
        "FLOWS",
        "CONNECTIONS",
    ]);
    table.add_rows(distinct_cells(rows));
    writeln!(to, "{table}")
}

/// Writes one JSON object a line. The edge's name, its ends and its Service are of the shape in which they are published.
pub(super) fn write_json(to: &mut dyn Write, rows: &[DenyRow]) -> io::Result<()> {
    for row in rows {
        let Totals { flows, connections_started, bytes_in, bytes_out, first_seen, last_seen, .. } =
            row.totals;
        let object = serde_json::json!({
            "policy": row.policy,
            "rule": row.by,
            "direction": row.edge.direction.as_str(),
            "source": row.edge.source().to_string(),
            "destination": row.edge.dest().to_string(),
            "edge": row.digest.to_string(),
            "subject": EndpointRecord::from(&row.edge.subject),
            "peer": EndpointRecord::from(&row.edge.peer),
            "service": row.edge.service.as_ref().map(ServiceRecord::from),
            "protocol": row.edge.protocol.to_string(),
            "port": row.edge.port,
            "flows": flows,
            "connections": connections_started,
            "bytes_in": bytes_in,
            "bytes_out": bytes_out,
            "first_seen": rfc3339(first_seen),
            "last_seen": rfc3339(last_seen),
        });
        writeln!(to, "{object}")?;
    }
    Ok(())
}

/// Writes comma-separated values with a header.
pub(super) fn write_csv(to: &mut dyn Write, rows: &[DenyRow]) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(to);
    csv.write_record([
        "policy",
        "rule",
        "direction",
        "source",
        "destination",
        "port",
        "flows",
        "connections",
        "edge",
    ])?;
    for row in rows {
        csv.write_record(cells(row).into_iter().chain([row.digest.to_string()]))?;
    }
    csv.flush()
}

fn cells(row: &DenyRow) -> [String; 8] {
    let port = row.edge.protocol.with_port(row.edge.port);
    [
        row.policy.clone(),
        row.by.clone(),
        row.edge.direction.to_string(),
        row.edge.source().to_string(),
        row.edge.dest().to_string(),
        port,
        row.totals.flows.to_string(),
        row.totals.connections_started.to_string(),
    ]
}

/// Returns the cells of all rows. Where the first six of several rows are equal, what tells these apart is added: labels,
/// the Service, or else the edge's short name.
fn distinct_cells(rows: &[DenyRow]) -> Vec<[String; 8]> {
    let mut all: Vec<[String; 8]> = rows.iter().map(cells).collect();
    for group in alike(&all) {
        let edges: Vec<&Edge> = group.iter().map(|&idx| &*rows[idx].edge).collect();
        for (&idx, marks) in group.iter().zip(marks_of(&edges)) {
            let [_, _, _, source, dest, port, ..] = &mut all[idx];
            source.push_str(&marks.source);
            dest.push_str(&marks.dest);
            port.push_str(&marks.port);
        }
    }
    for idx in alike(&all).into_iter().flatten() {
        let [_, _, _, _, _, port, ..] = &mut all[idx];
        port.push_str(&format!(" edge {}", rows[idx].digest));
    }
    all
}

/// Returns the places of rows that look the same but for their counts, group by group.
fn alike(all: &[[String; 8]]) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<&[String], Vec<usize>> = BTreeMap::new();
    for (idx, [looks @ .., _flows, _connections]) in all.iter().enumerate() {
        groups.entry(looks).or_default().push(idx);
    }
    groups.into_values().filter(|it| it.len() > 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Direction, Endpoint, EndpointKind, EventTime, NameScope, Protocol};

    fn row(name_scope: NameScope, digest: u128) -> DenyRow {
        let end = Endpoint {
            kind: EndpointKind::Network,
            namespace: None,
            name: "pub".into(),
            name_scope,
            address: None,
            labels: None,
        };
        let edge = Edge {
            direction: Direction::Ingress,
            subject: end.clone(),
            peer: end,
            protocol: Protocol::TCP,
            port: Some(80),
            service: None,
        };
        DenyRow {
            policy: "snp:shop/mail".to_owned(),
            by: "default|snp:shop/mail|ingress|-1".to_owned(),
            edge: Arc::new(edge),
            digest: EdgeDigest(digest),
            totals: Totals {
                flows: 1,
                flows_denied: 0,
                connections_started: 1,
                connections_completed: 0,
                packets_in: 0,
                packets_out: 0,
                bytes_in: 0,
                bytes_out: 0,
                first_seen: EventTime::MIN,
                last_seen: EventTime::MIN,
            },
        }
    }

    #[test]
    fn rows_that_nothing_else_tells_apart_carry_the_name_of_their_edge() {
        let cells = distinct_cells(&[row(NameScope::Exact, 1), row(NameScope::Aggregated, 2)]);
        let ports: Vec<&str> = cells.iter().map(|it| it[5].as_str()).collect();
        assert_eq!(
            ports,
            ["tcp/80 edge 00000000000000000000000000000001", "tcp/80 edge 00000000000000000000000000000002"]
        );
        assert_eq!(distinct_cells(&[row(NameScope::Exact, 1)])[0][5], "tcp/80");
    }
}

//! Would-be denies as people and programs read them.

use std::io::{self, Write};
use std::sync::Arc;

use comfy_table::Table;
use comfy_table::presets::NOTHING;

use crate::aggregate::Totals;
use crate::evaluate::Outcome;
use crate::model::{Edge, HitOwner, RuleRef};
use crate::pipeline::Results;
use crate::sink::render::rfc3339;

/// One edge that a staged policy would break.
#[derive(Clone, Debug)]
pub(super) struct DenyRow {
    /// The staged policy that the deny is charged to.
    pub(super) policy: String,
    /// The tier and rule that decide, as traces write them.
    pub(super) by: String,
    /// The edge.
    pub(super) edge: Arc<Edge>,
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

/// Writes a table for a terminal.
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
    for row in rows {
        table.add_row(cells(row));
    }
    writeln!(to, "{table}")
}

/// Writes one JSON object a line.
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
    ])?;
    for row in rows {
        csv.write_record(cells(row))?;
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

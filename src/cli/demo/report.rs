//! What the demonstration found.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::cli::denies::{DenyRow, rows_of, write_table};
use crate::pipeline::{Results, Shared};
use crate::recommend::Status;

/// Writes the verdict on every staged policy, the edges that would break, and the recommendations.
pub(super) fn write(to: &mut dyn Write, produced: u64, shared: &Shared, results: &Results) -> io::Result<()> {
    let rows = rows_of(results);
    let judged: u64 = shared.partitions().values().map(|it| it.frontier.ledger.accepted).sum();
    writeln!(
        to,
        "{produced} flows produced, {judged} judged, {} edges in the live window\n",
        results.edges().len()
    )?;
    write_policies(to, shared, results, &rows)?;
    writeln!(to, "\nEdges that would break:\n")?;
    write_table(to, &rows)?;
    write_recommendations(to, results)
}

fn write_policies(
    to: &mut dyn Write,
    shared: &Shared,
    results: &Results,
    rows: &[DenyRow],
) -> io::Result<()> {
    let mut edges_of: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows {
        *edges_of.entry(&row.policy).or_default() += 1;
    }
    writeln!(to, "Staged policies:\n")?;
    let loaded = shared.loaded();
    let counts = results.edges().policy_counts();
    for (place, policy) in loaded.programs().set().policies().iter().enumerate() {
        if !policy.id.kind.is_staged() {
            continue;
        }
        let name = policy.id.to_string();
        let totals = counts.of(place, &policy.id);
        match edges_of.get(name.as_str()) {
            // Both numbers are of the live window; the edges are of all that is kept.
            Some(edges) => writeln!(
                to,
                "  WRONG  {name}: would deny {} of {} flows, on {edges} edges",
                totals.newly_denied, totals.evaluated
            )?,
            None if totals.evaluated == 0 => writeln!(to, "  unseen {name}: no flow of what it selects")?,
            None => writeln!(to, "  ok     {name}: {} flows, none would be denied", totals.evaluated)?,
        }
    }
    Ok(())
}

fn write_recommendations(to: &mut dyn Write, results: &Results) -> io::Result<()> {
    let recommendations = results.recommendations();
    writeln!(to, "\nRecommended policies ({}):\n", recommendations.len())?;
    for it in &recommendations {
        writeln!(
            to,
            "# {}: {}, {} edges verified, {} undetermined",
            it.namespace.0,
            Status::from(it.status).as_str(),
            it.edges_verified,
            it.edges_undetermined
        )?;
        writeln!(to, "---\n{}", it.yaml.trim_end())?;
    }
    Ok(())
}

//! The generator's account, as JSON lines.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::cli::complaint::Complaint;
use crate::evaluate::{Judgement, Outcome};
use crate::generate::{ExpectedEdge, Traffic};
use crate::model::Edge;

/// Writes one line an edge.
pub(super) fn write<V>(path: &Path, traffic: &mut Traffic<V>) -> anyhow::Result<()>
where
    V: FnMut(&Edge) -> Arc<Judgement>,
{
    let file = File::create(path).map_err(|source| {
        Complaint::failure(format!("cannot write `{}`", path.display())).caused_by(source)
    })?;
    let mut out = BufWriter::new(file);
    for edge in traffic.expected().unwrap_or_default() {
        serde_json::to_writer(&mut out, &line(&edge))?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

fn line(expected: &ExpectedEdge) -> Value {
    let ExpectedEdge { edge, judgement, flows, flows_denied, counters } = expected;
    let outcome = match &judgement.outcome {
        Outcome::Agrees => "agrees",
        Outcome::WouldDeny { .. } => "would-deny",
        Outcome::WouldAllow { .. } => "would-allow",
        Outcome::Undetermined { .. } => "undetermined",
    };
    json!({
        "edge": edge.to_string(),
        "direction": edge.direction.as_str(),
        "service": edge.service.as_ref().map(|it| format!("{}/{}", it.namespace, it.name)),
        "enforced": judgement.enforced.answer.as_str(),
        "pending": judgement.pending.answer.as_str(),
        "outcome": outcome,
        "flows": flows,
        "flows_denied": flows_denied,
        "connections_started": counters.connections_started,
        "connections_completed": counters.connections_completed,
        "packets_in": counters.packets_in,
        "packets_out": counters.packets_out,
        "bytes_in": counters.bytes_in,
        "bytes_out": counters.bytes_out,
    })
}

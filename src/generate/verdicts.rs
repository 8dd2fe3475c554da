//! The verdicts that the recorded traces follow.

use std::sync::Arc;

use crate::evaluate::{Connection, Judge, Judgement, Programs};
use crate::model::Edge;

/// Returns a source of verdicts that judges by `programs`.
pub fn verdicts_of(programs: Arc<Programs>) -> impl FnMut(&Edge) -> Arc<Judgement> {
    let mut judge = Judge::new(programs);
    move |edge| {
        let id = judge.judge(edge);
        match judge.judgement(id) {
            Some(judgement) => Arc::clone(judgement),
            None => Arc::new(judge.programs().judge(edge.direction, &Connection::from(edge))),
        }
    }
}

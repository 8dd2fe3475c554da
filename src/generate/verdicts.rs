//! The verdicts that the recorded traces follow.

use std::sync::Arc;

use crate::evaluate::{Connection, EndOfTier, Judge, Judgement, Options, Programs};
use crate::model::Edge;

/// What the judge may remember. It remembers kinds of ends, of which a run with millions of edges has hundreds of
/// thousands; above this it starts anew, so that memory does not grow with the edges.
const MEMORY_BYTES_MAX: usize = 64 << 20;

/// Edges between two looks at that memory: adding it up takes a walk over all kinds of ends.
const LOOK_EVERY: u64 = 16_384;

/// Returns a source of verdicts that judges as `programs` do, with enforced traces as Calico's flow logs have them: the
/// end of a tier is charged to the last policy that applies.
pub fn recorded_verdicts_of(programs: &Programs) -> impl FnMut(&Edge) -> Arc<Judgement> + use<> {
    let options = Options { end_of_tier: EndOfTier::Last, ..programs.options().clone() };
    verdicts_of(Arc::new(Programs::compile_with(Arc::clone(programs.set()), options)))
}

/// Returns a source of verdicts that judges by `programs`.
pub fn verdicts_of(programs: Arc<Programs>) -> impl FnMut(&Edge) -> Arc<Judgement> {
    let mut judge = Judge::new(programs);
    let mut asked = 0_u64;
    move |edge| {
        asked += 1;
        if asked.is_multiple_of(LOOK_EVERY) && judge.bytes() > MEMORY_BYTES_MAX {
            judge = Judge::new(Arc::clone(judge.programs()));
        }
        let id = judge.judge(edge);
        match judge.judgement(id) {
            Some(judgement) => Arc::clone(judgement),
            None => Arc::new(judge.programs().judge(edge.direction, &Connection::from(edge))),
        }
    }
}

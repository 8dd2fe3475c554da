//! Verdicts on edges, remembered on their rows by policy revision.

use std::sync::Arc;

use crate::aggregate::{EdgeIdx, EdgeTable, is_overflow};
use crate::evaluate::{Answer, Judge, Judgement, JudgementId, Missing, Outcome, Programs, Verdict};
use crate::model::{Direction, Trace};

/// Judges by the programs in force. A change of programs begins a new generation, and what rows remember of the old
/// one is void.
#[derive(Debug)]
pub(super) struct Judging {
    judge: Judge,
    generation: u32,
    overflow: [Arc<Judgement>; 2],
}

impl Judging {
    pub(super) fn new(programs: Arc<Programs>) -> Self {
        let overflow = [Direction::Ingress, Direction::Egress].map(|it| Arc::new(unjudged(it)));
        Self { judge: Judge::new(programs), generation: 1, overflow }
    }

    pub(super) fn change(&mut self, programs: Arc<Programs>) {
        self.judge = Judge::new(programs);
        self.generation += 1;
    }

    pub(super) fn programs(&self) -> &Arc<Programs> {
        self.judge.programs()
    }

    /// Returns the verdict on an edge: one compare when it was judged before under these programs. Nothing for an edge
    /// that stands for further peers beyond a limit.
    pub(super) fn judge(&mut self, edges: &mut EdgeTable, idx: EdgeIdx) -> Option<JudgementId> {
        match edges.row(idx) {
            Some(row) if row.judged_in == self.generation => row.judgement,
            _ => self.judge_anew(edges, idx),
        }
    }

    /// Returns the judgement by the number that [`Judging::judge`] gave for an edge of `direction`.
    pub(super) fn judgement(&self, direction: Direction, id: Option<JudgementId>) -> Arc<Judgement> {
        let [ingress, egress] = &self.overflow;
        let unjudged = match direction {
            Direction::Ingress => ingress,
            Direction::Egress => egress,
        };
        Arc::clone(id.and_then(|id| self.judge.judgement(id)).unwrap_or(unjudged))
    }

    /// Returns a judgement by number.
    pub(super) fn by_id(&self, id: JudgementId) -> Option<&Arc<Judgement>> {
        self.judge.judgement(id)
    }

    #[cold]
    fn judge_anew(&mut self, edges: &mut EdgeTable, idx: EdgeIdx) -> Option<JudgementId> {
        let row = edges.row_mut(idx)?;
        row.judged_in = self.generation;
        row.judgement = (!is_overflow(&row.edge)).then(|| self.judge.judge(&row.edge));
        row.judgement
    }
}

/// What is said of an edge that stands for further peers beyond a limit: nothing is known of them.
fn unjudged(direction: Direction) -> Judgement {
    let missing = match direction {
        Direction::Ingress => Missing::SOURCE_LABELS.union(Missing::SOURCE_ADDRESS),
        Direction::Egress => Missing::DEST_LABELS.union(Missing::DEST_ADDRESS),
    };
    let missing = missing.union(Missing::DEST_PORT);
    let verdict = Verdict { answer: Answer::Undetermined(missing), trace: Trace::default() };
    Judgement {
        direction,
        enforced: verdict.clone(),
        pending: verdict,
        outcome: Outcome::Undetermined { missing },
        blame: Vec::new(),
        staged: Vec::new(),
    }
}

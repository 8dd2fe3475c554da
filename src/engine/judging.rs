//! Verdicts on edges, remembered on their rows by policy revision.

use std::collections::HashSet;
use std::sync::Arc;

use crate::aggregate::{EdgeIdx, EdgeTable, is_overflow};
use crate::evaluate::{Answer, Judge, Judgement, JudgementId, Missing, Outcome, Programs, Verdict};
use crate::model::{Direction, Endpoint, Trace};

/// Judges by the programs in force. A change of programs begins a new generation: rows that it does not touch are
/// taken into it, and what the others remember is void.
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

    /// Takes other programs into force. Edges that the change does not touch keep their verdicts, and are not judged
    /// again. So do judgements that are `counted` and not handed out yet.
    pub(super) fn change(&mut self, programs: Arc<Programs>, edges: &mut EdgeTable, counted: &[JudgementId]) {
        let before = Arc::clone(self.judge.programs());
        let change = programs.change_since(&before);
        let (old, new) = (self.generation, self.generation + 1);
        let mut kept: HashSet<JudgementId> = counted.iter().copied().collect();
        if !change.is_everything() {
            let touched = |endpoint: &Endpoint| change.touched(&before, &programs, endpoint);
            edges.carry_over(old, new, touched, |judgement| {
                kept.insert(judgement);
            });
        }
        self.judge.advance(programs, &change, |it| kept.contains(&it));
        self.generation = new;
    }

    pub(super) fn programs(&self) -> &Arc<Programs> {
        self.judge.programs()
    }

    /// Counts the edges that have a verdict under the programs in force.
    pub(super) fn count(&self, edges: &EdgeTable) -> usize {
        edges.judged_in(self.generation)
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

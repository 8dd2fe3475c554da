//! Verdicts on edges, remembered on their rows by policy revision.

use std::collections::HashSet;
use std::sync::Arc;

use crate::aggregate::{EdgeIdx, EdgeKey, EdgeTable, EndpointIdx};
use crate::evaluate::{Answer, EndId, Judge, Judgement, JudgementId, Missing, Outcome, Programs, Verdict};
use crate::model::{Direction, Endpoint, Trace};

/// Judges by the programs in force. A change of programs begins a new generation: rows that it does not touch are
/// taken into it, and what the others remember is void.
#[derive(Debug)]
pub(super) struct Judging {
    judge: Judge,
    generation: u32,
    /// The ends that the judge has met, by the number of the endpoint in the table of edges.
    ends: Vec<Option<EndId>>,
    overflow: [Arc<Judgement>; 2],
}

impl Judging {
    pub(super) fn new(programs: Arc<Programs>) -> Self {
        let overflow = [Direction::Ingress, Direction::Egress].map(|it| Arc::new(unjudged(it)));
        Self { judge: Judge::new(programs), generation: 1, ends: Vec::new(), overflow }
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
        self.ends.clear();
    }

    /// Forgets what it knows by the numbers of a table of edges that is another one now.
    pub(super) fn forget_numbers(&mut self) {
        self.ends.clear();
    }

    pub(super) fn programs(&self) -> &Arc<Programs> {
        self.judge.programs()
    }

    /// Returns how often, since the last call, the judge had to forget what it had met.
    pub(super) const fn take_resets(&mut self) -> u64 {
        self.judge.take_resets()
    }

    /// Counts the edges that have a verdict under the programs in force.
    pub(super) fn count(&self, edges: &EdgeTable) -> usize {
        edges.judged_in(self.generation)
    }

    /// Returns the verdict on an edge: one compare when it was judged before under these programs. Nothing for an edge
    /// that stands for further peers beyond a limit.
    #[inline]
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
        let row = edges.row(idx)?;
        let judgement = if row.is_overflow {
            None
        } else {
            let key = row.key;
            self.judge_key(edges, key).or_else(|| {
                // The judge has forgotten what it had met.
                self.ends.clear();
                self.judge_key(edges, key)
            })
        };
        let row = edges.row_mut(idx)?;
        row.judged_in = self.generation;
        row.judgement = judgement;
        judgement
    }

    fn judge_key(&mut self, edges: &EdgeTable, key: EdgeKey) -> Option<JudgementId> {
        let EdgeKey { subject, peer, port, protocol, direction, .. } = key;
        let (subject, peer) = (self.end(edges, subject)?, self.end(edges, peer)?);
        self.judge.judge_between(subject, peer, direction, protocol, port)
    }

    fn end(&mut self, edges: &EdgeTable, endpoint: EndpointIdx) -> Option<EndId> {
        let place = endpoint.0 as usize;
        if let Some(Some(known)) = self.ends.get(place) {
            return Some(*known);
        }
        let end = self.judge.meet(edges.endpoint(endpoint)?);
        if place >= self.ends.len() {
            self.ends.resize(place + 1, None);
        }
        self.ends.get_mut(place).map(|it| *it.insert(end))
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

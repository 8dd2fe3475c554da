//! Flows by judgement, since the shell last asked.

use crate::evaluate::JudgementId;
use crate::model::Counters;

/// What was counted for one judgement.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tallied {
    /// Flow records.
    pub flows: u64,
    /// Connections that began.
    pub connections: u64,
    /// Bytes both ways.
    pub bytes: u64,
}

impl Tallied {
    #[inline]
    fn add(&mut self, counters: &Counters) {
        self.flows += 1;
        self.connections = self.connections.saturating_add(counters.connections_started);
        self.bytes = self.bytes.saturating_add(counters.bytes_in).saturating_add(counters.bytes_out);
    }
}

/// Plain numbers, one row a judgement; the shell moves them into its metrics once a batch.
#[derive(Debug, Default)]
pub(super) struct Tally {
    rows: Vec<Tallied>,
    touched: Vec<JudgementId>,
}

impl Tally {
    #[inline]
    pub(super) fn count(&mut self, judgement: JudgementId, counters: &Counters) {
        match self.rows.get_mut(judgement.0 as usize) {
            Some(row) if row.flows > 0 => row.add(counters),
            Some(_) | None => self.begin(judgement, counters),
        }
    }

    /// Counts the first flow of a judgement since the last call.
    #[cold]
    fn begin(&mut self, judgement: JudgementId, counters: &Counters) {
        let idx = judgement.0 as usize;
        if idx >= self.rows.len() {
            self.rows.resize(idx + 1, Tallied::default());
        }
        self.touched.push(judgement);
        if let Some(row) = self.rows.get_mut(idx) {
            row.add(counters);
        }
    }

    /// Returns the judgements that were counted and not handed out yet.
    pub(super) fn counted(&self) -> &[JudgementId] {
        &self.touched
    }

    /// Hands out every row that was counted into, and empties it.
    pub(super) fn drain(&mut self, mut each: impl FnMut(JudgementId, Tallied)) {
        for judgement in self.touched.drain(..) {
            if let Some(row) = self.rows.get_mut(judgement.0 as usize) {
                each(judgement, std::mem::take(row));
            }
        }
    }
}

//! A worker's memory of judgements.

use std::sync::Arc;

use super::connection::Connection;
use super::programs::Programs;
use super::verdict::Judgement;
use crate::model::Edge;

/// A judgement by its place in a [`Judge`]'s table. Valid for the judge that gave it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct JudgementId(pub u32);

/// Judges edges under one revision and remembers what it said. Equal judgements are stored once.
#[derive(Debug)]
pub struct Judge {
    programs: Arc<Programs>,
    judgements: Vec<Arc<Judgement>>,
}

impl Judge {
    /// Makes a judge that remembers nothing yet.
    #[must_use]
    pub const fn new(programs: Arc<Programs>) -> Self {
        Self { programs, judgements: Vec::new() }
    }

    /// Returns the programs it judges by.
    #[must_use]
    pub const fn programs(&self) -> &Arc<Programs> {
        &self.programs
    }

    /// Judges an edge.
    #[must_use]
    pub fn judge(&mut self, edge: &Edge) -> JudgementId {
        let id = JudgementId(u32::try_from(self.judgements.len()).unwrap_or(u32::MAX));
        self.judgements.push(Arc::new(self.programs.judge(edge.direction, &Connection::from(edge))));
        id
    }

    /// Returns a judgement that this judge gave; nothing for an id of another.
    #[must_use]
    pub fn judgement(&self, id: JudgementId) -> Option<&Arc<Judgement>> {
        self.judgements.get(usize::try_from(id.0).ok()?)
    }

    /// Returns how many different judgements were given.
    #[must_use]
    pub fn len(&self) -> usize {
        self.judgements.len()
    }

    /// Tells whether nothing was judged yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.judgements.is_empty()
    }
}

//! One revision of a policy set, compiled.

use std::sync::Arc;

use super::connection::Connection;
use super::verdict::{Answer, Judgement, Missing, Outcome, Verdict};
use crate::model::{Direction, Trace};
use crate::policy::{PolicySet, Revision};

/// Enforced and pending programs of one revision; always swapped together.
#[derive(Debug)]
pub struct Programs {
    set: Arc<PolicySet>,
}

impl Programs {
    /// Compiles a set.
    #[must_use]
    pub fn compile(set: Arc<PolicySet>) -> Self {
        Self { set }
    }

    /// Returns the revision of the set.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.set.revision()
    }

    /// Returns the set.
    #[must_use]
    pub const fn set(&self) -> &Arc<PolicySet> {
        &self.set
    }

    /// Judges one end of a connection.
    #[must_use]
    pub fn judge(&self, direction: Direction, _connection: &Connection<'_>) -> Judgement {
        let verdict = Verdict { answer: Answer::Undetermined(Missing::ENDPOINT), trace: Trace::default() };
        Judgement {
            direction,
            enforced: verdict.clone(),
            pending: verdict,
            outcome: Outcome::Undetermined { missing: Missing::ENDPOINT },
            blame: Vec::new(),
            staged: Vec::new(),
        }
    }
}

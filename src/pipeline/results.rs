//! What the readers of this process see: edges, would-be denies, recommendations.

use crate::aggregate::{EdgeReport, EdgeStore, Spec, StoreLimits};

/// The results, as they were published by whichever process made them.
#[derive(Debug)]
pub struct Results {
    edges: EdgeStore,
}

impl Results {
    /// Makes empty results.
    #[must_use]
    pub fn new(spec: Spec, limits: StoreLimits) -> Self {
        Self { edges: EdgeStore::new(spec, limits) }
    }

    /// Returns the store of edges and would-be denies.
    #[must_use]
    pub const fn edges(&self) -> &EdgeStore {
        &self.edges
    }

    /// Takes in a report.
    pub fn apply(&self, report: &EdgeReport) {
        self.edges.apply(report);
    }
}
